"""Faces and their expressions out of pictures: NumPy, ONNX Runtime and Pillow are enough."""

from fer_fast.faces.image import PictureError
from fer_fast.recognition.engine import ModelError
from fer_fast.recognition.model import ModelInfo
from fer_fast.recognition.recognizer import Box, Face, Prediction, Recognizer

__all__ = ["Box", "Face", "ModelError", "ModelInfo", "PictureError", "Prediction", "Recognizer"]
