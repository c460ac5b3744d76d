"""The images of training: read, drawn in an order, changed at random."""
