"""From features and clinical columns to validated, explained regressors: `cxr-analyze`. No torch."""
