"""The training sidecar: torch data set, augmentation, Lightning module, fitting, `cxr-train`."""
