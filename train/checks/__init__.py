"""What is checked before the first epoch."""
