"""Data sets on disk: NIH layout, index.csv layout, masks, splits by patient, clinical tables."""
