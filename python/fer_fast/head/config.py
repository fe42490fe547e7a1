"""How the dense layers are trained."""

from __future__ import annotations

from dataclasses import dataclass

from fer_fast.errors import ParameterError


@dataclass(frozen=True)
class HeadConfig:
    """Everything that decides a head, beside its backbone and its faces.

    Attributes
    ----------
    channels : int
        The backbone's features per cell of its grid. The first layer is shared by the cells: it
        sees each alone, with the same weights, which leaves far fewer of them to overfit.
    units : tuple of int
        Width of each dense layer; the last one's activations are the features.
    dropout : tuple of float
        Share of each layer's activations that training drops.
    moved_copies : int
        How many more copies of each Training face there are, turned, scaled, shifted and mirrored
        by chance, beside the face and its mirror image.
    epochs : int
        Passes over Training; the learning rate falls to zero over them by half a cosine.
    label_smoothing : float
        Share of the target that is spread over all classes.
    learning_rate, weight_decay : float
        AdamW's, the first at the start.
    batch_size : int
    seed : int
        Of the moved copies, the initial weights, the order of the faces and the dropout.
    members : int
        How many heads are trained, one after the other, each from a seed of its own. A face's
        features are the activations of all, side by side.
    """

    channels: int
    units: tuple[int, ...] = (256, 512, 128)
    dropout: tuple[float, ...] = (0.1, 0.4, 0.4)
    moved_copies: int = 4
    epochs: int = 20
    label_smoothing: float = 0.1
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    batch_size: int = 128
    seed: int = 0
    members: int = 1

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ParameterError(f"the head's channels are {self.channels}: give at least 1")
        if not self.units or min(self.units) < 1:
            raise ParameterError(f"the head's units are {self.units}: give widths of at least 1")
        if min(self.epochs, self.batch_size) < 1:
            raise ParameterError("the head's epochs and batch size must be at least 1")
        if not 1 <= self.members <= 100:
            raise ParameterError(f"the head's members are {self.members}: give 1 to 100")
        if not 0 <= self.moved_copies <= 100:
            raise ParameterError(f"the head's moved copies are {self.moved_copies}: give 0 to 100")
        if len(self.dropout) != len(self.units):
            raise ParameterError(
                f"the head's dropout has {len(self.dropout)} shares for {len(self.units)} layers: "
                "give one for each"
            )
        if not all(0 <= share < 1 for share in (*self.dropout, self.label_smoothing)):
            raise ParameterError("the head's dropout and label smoothing must be in [0, 1)")
        if not (self.learning_rate > 0 and self.weight_decay >= 0):
            raise ParameterError(
                "the head's learning rate must be positive and its weight decay not negative"
            )
