"""Decode radiographs from every supported file format."""
