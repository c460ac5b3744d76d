"""What a model is: its card, its ONNX file, preprocessing, the network and its evaluation."""
