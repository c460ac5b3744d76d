"""TIFF: directories, supported variants, and the check of compressed strips."""
