"""Run a model: execution providers, engines and the session."""
