"""Named sets of settings, and what in them is the source paper's."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "size": 48,
        "balance": "smote",
        "ants": 20,
        "iterations": 3,
        "alpha": 1.1,
        "beta": 1.5,
        "q0": 0.9,
        "rho": 0.2,
        "max_features": 0,
        "trees": 90,
        "fitness_rows": 0,
    },
    "best": {
        "size": 160,
        "taps": ("block_6_expand_relu", "block_13_expand_relu"),
        "pooling": "2x2",
        "head": "dense",
        "head_epochs": 15,
        "head_members": 6,
        "balance": "none",
        "iterations": 10,
        "fitness_rows": 0,
        "fitness_depth": 8,
        "trees": 300,
    },
}
"""An option given beside a preset overrides it."""

ABOUT: dict[str, str] = {
    "paper": """\
The experiment of *Optimizing Facial Expression Recognition Features with Pre-trained CNNs*, every
training row in each evaluation. The paper's are the input of 48 pixels, SMOTE, 20 ants, 3
iterations, alpha 1.1, beta 1.5, q0 0.9, rho 0.2 and forests of 90 trees. It leaves open what the
ants deposit, what their heuristic is, which rows judge a subset by what score, and how the sizes
of subsets come about: all that is ours, and the same as without a preset.""",
    "best": """\
Larger faces, earlier layers and six trained heads, side by side. Subsets are judged by trees of 8
levels, which cost less.""",
}
"""What each preset is."""
