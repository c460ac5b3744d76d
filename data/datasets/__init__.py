"""Data sets on disk: the NIH and index.csv layouts, masks, splits by patient, clinical tables."""
