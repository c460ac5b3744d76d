"""Measure how fast a model runs on this machine with each provider: `cxr bench`."""
