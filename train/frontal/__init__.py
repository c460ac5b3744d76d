"""The frontal check of a lungs model."""
