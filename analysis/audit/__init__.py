"""What makes a score too good: columns that leak the target, images under two names."""
