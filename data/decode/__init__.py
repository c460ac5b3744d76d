"""Read the pixels of a radiograph from any supported format."""
