"""What values a selector's parameters may have, as scikit-learn checks them."""

from __future__ import annotations

from concurrent.futures import Executor
from numbers import Integral, Real
from os import PathLike
from typing import Any

from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import HasMethods, Interval, RealNotInt, StrOptions

CONSTRAINTS: dict[str, list[Any]] = {
    "estimator": [None, HasMethods(["fit"])],
    "n_features_to_select": [
        None,
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0, 1, closed="right"),
    ],
    "n_ants": [Interval(Integral, 1, None, closed="left")],
    "n_iterations": [Interval(Integral, 1, None, closed="left")],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "beta": [Interval(Real, 0, None, closed="left")],
    "q0": [Interval(Real, 0, 1, closed="both")],
    "rho": [Interval(Real, 0, 1, closed="both")],
    "phi": [Interval(Real, 0, 1, closed="both")],
    "min_features": [Interval(Integral, 1, None, closed="left")],
    "max_features": [None, Interval(Integral, 1, None, closed="left")],
    "feature_groups": [None, "array-like"],
    "fixed": [None, "array-like"],
    "forbidden": [None, "array-like"],
    "costs": [None, "array-like"],
    "scoring": [None, StrOptions(set(get_scorer_names())), callable],
    "cv": ["cv_object"],
    "error_score": [StrOptions({"raise"}), Real],
    "holdout": [None, Interval(Real, 0, 1, closed="neither"), "array-like"],
    "desirability": [
        StrOptions(
            {
                *("auto", "f_classif", "f_regression", "mutual_info"),
                *("importances", "oob_gain", "flat"),
            }
        ),
        callable,
        "array-like",
    ],
    "n_colonies": [None, Interval(Integral, 2, None, closed="left")],
    "n_jobs": [None, Integral],
    "executor": [None, Executor, callable],
    "time_budget": [None, Interval(Real, 0, None, closed="left")],
    "callbacks": [None, list],
    "checkpoint": [None, str, PathLike],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}
