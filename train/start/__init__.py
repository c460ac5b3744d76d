"""What training starts from: the weights of another model."""
