"""Three dense layers on the frozen backbone, whose last activations are the features."""

from fer_fast.head.config import HeadConfig
from fer_fast.head.dense import DenseHead
from fer_fast.head.training import cached_head_model

__all__ = ["DenseHead", "HeadConfig", "cached_head_model"]
