"""`cxr bench`: compare execution providers, precisions and batch sizes on this machine."""
