"""`cxr measure`: the tables of `cxr-infer` from masks that someone drew."""
