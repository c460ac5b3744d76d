"""The network: built from parts, with its weights, wrapped with its normalization."""
