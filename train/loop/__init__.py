"""The loop: task, trainer, checkpoints."""
