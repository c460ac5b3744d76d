"""Model families, tuning, nested cross-validation by patient, explanation of held-out rows."""
