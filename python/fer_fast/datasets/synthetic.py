"""t"""
from fer_fast.datasets.faces import FaceDataset
def synthetic_faces() -> FaceDataset:
    raise NotImplementedError
