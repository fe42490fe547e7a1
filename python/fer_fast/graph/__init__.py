"""Making and changing ONNX models."""
