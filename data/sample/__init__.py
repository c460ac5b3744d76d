"""The synthetic sample: a small data set in the NIH layout whose ground truth is known."""
