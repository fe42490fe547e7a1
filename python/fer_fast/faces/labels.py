"""Which classes a data set's labels stand for, and how folders spell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LabelSet:
    """The classes of a data set; a label is a position in `names`.

    Attributes
    ----------
    title : str
        What people call it.
    names : tuple of str
        The classes in the order of their labels.
    synonyms : mapping of str to str
        Other spellings of `names`, in lower case.
    """

    title: str
    names: tuple[str, ...]
    synonyms: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def code(self, spelling: str) -> int | None:
        """Return the label of a class by its name or a synonym, in any case; None: no such."""
        folded = spelling.strip().casefold()
        wanted = self.synonyms.get(folded, folded)
        return next((i for i, name in enumerate(self.names) if name.casefold() == wanted), None)


# Numbers are no synonyms: data sets number the expressions differently (RAF-DB counts from 1, and
# in another order), and the wrong reading would go unnoticed.
_SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}

FER2013 = LabelSet(
    "FER-2013", ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"), _SYNONYMS
)
"""FER-2013's seven expressions, numbered as its table numbers them."""

FERPLUS = LabelSet("FER+", (*FER2013.names, "contempt"), _SYNONYMS)
"""FER+'s eight: FER-2013's under the same numbers, and contempt."""


def label_set_of(names: Sequence[str]) -> LabelSet:
    """Return the label set of these classes: a known one, or a data set's own."""
    for known in (FER2013, FERPLUS):
        if tuple(names) == known.names:
            return known
    return LabelSet("its own", tuple(names))
