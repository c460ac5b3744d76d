"""TIFF: tags, headers and compressed strips."""
