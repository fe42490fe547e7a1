"""The frozen backbone: its tensors, its weights, its export to ONNX."""
