"""Predict measured features from clinical ones, with held-out scores and explanations. No torch."""
