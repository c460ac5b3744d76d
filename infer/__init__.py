"""A folder of radiographs in, masks and a table of features out: `cxr-infer`. Never imports torch."""
