"""Scores with intervals, plots, model files, the report and the folder that holds them."""
