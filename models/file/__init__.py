"""The model file: one ONNX file with its card, its weights and its checksums."""
