"""Training: the torch data set, augmentation, the Lightning module, run folders and `cxr-train`."""
