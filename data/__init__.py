"""What a radiograph is on disk: decoding, the layouts of data sets, masks, splits, the synthetic sample."""
