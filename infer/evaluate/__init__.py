"""Evaluate a model on labeled images: scores with intervals, baselines, second readers, a page."""
