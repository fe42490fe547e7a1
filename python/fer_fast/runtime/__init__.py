"""Models on a device: ONNX Runtime's sessions, and what CUDA needs."""
