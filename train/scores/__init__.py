"""What is scored and drawn after training."""
