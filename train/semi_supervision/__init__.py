"""Teachers, pseudo-labels and a student: training where most masks are missing."""
