"""Check what works on this machine, and explain what does not: `cxr doctor`."""
