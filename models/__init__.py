"""What a model is: its card, the one pixel path that leads into it, the U-Net factory, the shipped models."""
