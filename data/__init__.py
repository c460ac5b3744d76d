"""Radiographs on disk: decoding, data set layouts, masks, splits, tables, the synthetic sample."""
