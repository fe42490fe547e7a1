"""Named sets of settings."""

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
        "scoring": "accuracy",
        "fitness_rows": 0,
    },
    "best": {
        "size": 160,
        "taps": ("block_6_expand_relu", "block_13_expand_relu"),
        "pooling": "2x2",
        "head": "dense",
        "head_epochs": 30,
        "balance": "none",
        "iterations": 10,
        "fitness_rows": 0,
        "fitness_depth": 8,
        "scoring": "accuracy",
    },
}
"""An option given beside a preset overrides it.

``paper`` is *Optimizing Facial Expression Recognition Features with Pre-trained CNNs* with every
training row in each evaluation. ``best`` has larger faces, earlier layers and a trained head, and
judges subsets by trees of 8 levels, which cost less.
"""
