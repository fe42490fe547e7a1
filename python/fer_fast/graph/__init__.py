"""All surgery on ONNX graphs."""
