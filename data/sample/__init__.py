"""The synthetic sample: a small NIH-layout data set with a known truth."""
