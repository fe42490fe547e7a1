"""The frozen backbone: weights, ONNX export, device, feature extraction."""
