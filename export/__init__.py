"""Export: from PyTorch to one self-describing ONNX file, checked against PyTorch; `cxr-export`."""
