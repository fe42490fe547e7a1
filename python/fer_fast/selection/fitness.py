"""How good a subset of features is: a random forest fitted on it, scored on held-out rows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from fer_fast._core import BinnedRows, EvaluationCut
from fer_fast.errors import DataError, ParameterError
from fer_fast.selection.engines import ForestEngine, NativeForest, SklearnForest
from fer_fast.selection.residual import Residual
from fer_fast.settings import SCORINGS, Credit, Engine, Scoring

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ForestFitness:
    """Score of a random forest that sees only a subset of the features.

    Calling it with a subset fits a forest on the training rows and scores its predictions for the
    validation rows. The forest's seed is the same for every subset, or with a credit derived from
    it, so the score is a pure function of the subset. Calls from several threads at once are safe.

    Parameters
    ----------
    X_train : ndarray of shape (n_train, n_features), float32
    y_train : ndarray of shape (n_train,)
        Class labels, at most 256 different ones.
    X_val : ndarray of shape (n_val, n_features), float32, or None
        Real rows that no training row was made from. None scores every training row by the trees
        that did not draw it (out of bag), which flatters rows that have duplicates or synthetic
        relatives, unless `twin_groups` and `is_judged` say which.
    y_val : ndarray of shape (n_val,), or None
    twin_groups : ndarray of shape (n_train,), int, or None
        Rows of one number are twins: a tree that drew one of them scores none. Needs the native
        engine, and no validation rows.
    is_judged : ndarray of shape (n_train,), bool, or None
        Which training rows are scored out of bag; the others, such as synthetic ones, are drawn
        alone. None: all. Not with validation rows.
    engine : {"native", "sklearn"}
        "native" grows its forests on columns cut once into at most 64 bins, and no branch that no
        scored row reaches; "sklearn" is scikit-learn's `RandomForestClassifier`. Both draw and
        split alike; at 2,000 rows their scores rank subsets of mixed sizes nearly as alike as two
        draws of seeds of one of them do.
    n_estimators : int
        Trees of a forest, up to 2**20.
    scoring : {"f1_macro", "accuracy", "brier"}
        The first two as scikit-learn defines them. "brier" is 1 minus the Brier score of the
        probabilities p of the classes c, the mean over rows of ``2 * p[y] - sum(p[c]**2 for c)``
        [1]_: of good subsets it tells the better one where labels alone cannot.
    credit : {"residual", "gain"} or None
        Whether to return, beside the score, what each feature earned: the sum over the forest's
        cuts by it, over the scored rows i that reach the cut and the classes c, of
        ``R[i, c] * (p_child[c] - p_node[c])``, with p the class shares of the training rows in a
        node. With "gain" R is 1 where row i is of class c, else 0 [2]_. With "residual" it is that
        minus the mean probabilities of the forests that a `Colony` credited last, of which
        `next_iteration` is told: what they explain earns nothing [3]_. Needs the native engine.
    max_depth : int or None
        Depth bound of a tree; None grows it until its leaves are pure.
    min_samples_leaf : int
        Distinct training rows that each side of a split must keep.
    max_samples : int, float or None
        Rows that a tree draws, with replacement: a number, a fraction of `n_train`, or None for
        `n_train`.
    class_weight : {"balanced"} or None
        "balanced" weighs a row by the inverse frequency of its class.
    random_state : int
        Seed of the forest, from 0 to 2**32 - 1.
    n_jobs : int
        Threads inside one evaluation, up to 4096; -1: one a core. Leave it at 1 where as many
        subsets as there are cores are scored at once.
    binned : BinnedRows or None
        What `fer_fast.forest.subset.bin_rows` made of `X_train`, if that is done; for the native
        engine.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The training labels, ascending.
    n_features : int
        Features that a subset may name.

    References
    ----------
    .. [1] G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability", Monthly
       Weather Review 78(1), 1950.
    .. [2] X. Li, Y. Wang, S. Basu, K. Kumbier and B. Yu, "A Debiased MDI Feature Importance Measure
       for Random Forests", NeurIPS 2019.
    .. [3] J. H. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of
       Statistics 29(5), 2001: R is the negative gradient of the Brier score.
    """

    def __init__(
        self,
        X_train: NDArray[np.float32],
        y_train: NDArray[Any],
        X_val: NDArray[np.float32] | None = None,
        y_val: NDArray[Any] | None = None,
        *,
        twin_groups: NDArray[np.integer] | None = None,
        is_judged: NDArray[np.bool_] | None = None,
        engine: Engine = "native",
        n_estimators: int = 90,
        scoring: Scoring = "f1_macro",
        credit: Credit | None = None,
        max_depth: int | None = None,
        min_samples_leaf: int = 1,
        max_samples: int | float | None = None,
        class_weight: Literal["balanced"] | None = None,
        random_state: int = 0,
        n_jobs: int = 1,
        binned: BinnedRows | None = None,
    ) -> None:
        _check_rows(X_train, y_train, X_val, y_val)
        _check_out_of_bag(twin_groups, is_judged, y_train, y_val, engine)
        _check_names(engine, scoring, class_weight)
        _check_credit(credit, engine)
        n_train = len(X_train)
        _check_range("n_estimators", n_estimators, 1, 2**20)
        _check_range("max_depth", 1 if max_depth is None else max_depth, 1)
        _check_range("min_samples_leaf", min_samples_leaf, 1)
        _check_range("random_state", random_state, 0, 2**32 - 1)
        _check_range("n_jobs", 1 if n_jobs == -1 else n_jobs, 1, 4096)
        self.scoring = scoring
        self.random_state = random_state
        self.n_features = int(X_train.shape[1])
        self.classes_: NDArray[Any] = np.unique(y_train)
        self.credit = credit
        self._y_scored = y_train if y_val is None else y_val
        indicators = (self._y_scored[:, np.newaxis] == self.classes_).astype(np.float64)
        if is_judged is not None:
            # What has nothing to explain gives no credit.
            indicators[~is_judged] = 0.0
        self._is_judged = is_judged
        self._residual = Residual(indicators, self.predict_proba)
        params = {
            "n_estimators": n_estimators,
            # More than there are rows changes nothing, and need not fit an engine's integers.
            "max_depth": None if max_depth is None else min(max_depth, n_train),
            "min_samples_leaf": min(min_samples_leaf, n_train),
            "max_samples": _draws(max_samples, n_train),
            "class_weight": class_weight,
            "n_jobs": n_jobs,
        }
        self._forest: ForestEngine = (NativeForest if engine == "native" else SklearnForest)(
            X_train, y_train, X_val, twin_groups, params, binned
        )
        self._deadline: float | None = None

    @property
    def deadline(self) -> float | None:
        """A reading of `time.monotonic` after which evaluations are cut; None: no limit.

        The native engine stops an evaluation under way within milliseconds for tens of thousands of
        rows, whatever thread it runs on; scikit-learn's forest is fitted to its end, and only later
        ones are cut.
        """
        return self._deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._forest.stop_at(deadline)

    def next_iteration(self, credited: Sequence[NDArray[np.int64]]) -> None:
        """Hear what a colony has credited before it has the next subsets scored.

        Parameters
        ----------
        credited : sequence of ndarray, int64
            The subsets whose credit was deposited last.

        Raises
        ------
        EvaluationCut
            If the deadline has passed, and forests must be fitted again.
        """
        if self.credit == "residual":
            self._residual.renew(credited)

    def __call__(self, subset: NDArray[np.int64]) -> float | tuple[float, NDArray[np.float64]]:
        """Score one subset.

        Parameters
        ----------
        subset : ndarray of shape (k,), int64
            Ascending feature indices.

        Returns
        -------
        score : float
            Higher is better, 1 is perfect.
        credit : ndarray of shape (k,), float64
            What each feature earned; only where a `credit` was asked for.

        Raises
        ------
        EvaluationCut
            If the deadline has passed.
        ParameterError
            If the subset is empty or names a feature that does not exist.
        """
        return self.take(subset, self.evaluate(subset, self.state))

    @property
    def state(self) -> NDArray[np.float64] | None:
        """What an evaluation depends on beside the subset: the residual; None: nothing."""
        return self._residual.values if self.credit == "residual" else None

    def evaluate(
        self, subset: NDArray[np.int64], state: NDArray[np.float64] | None
    ) -> tuple[float, NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """Judge a subset wherever this fitness or a pickle of it is, and change nothing.

        Parameters
        ----------
        subset : ndarray of shape (k,), int64
        state : ndarray of shape (n_scored, n_classes), float64, or None
            That of the fitness whose `take` is given the answer.

        Returns
        -------
        score : float
        credit : ndarray of shape (k,), float64; or None
        probabilities : ndarray of shape (n_scored, n_classes), float64; or None
            Only where the next iteration's credit depends on them.

        Raises
        ------
        As calling it does.
        """
        if self.credit is None:
            return self._score(self.predict_proba(subset)), None, None
        self._check(subset)
        residual = self._residual.values if state is None else state
        probabilities, credit = self._forest.evaluate(subset, self._seed(subset), residual)
        self._leave_out(probabilities)
        kept = probabilities if self.credit == "residual" else None
        return self._score(probabilities), credit, kept

    def take(
        self,
        subset: NDArray[np.int64],
        answer: tuple[float, NDArray[np.float64] | None, NDArray[np.float64] | None],
    ) -> float | tuple[float, NDArray[np.float64]]:
        """Return what `evaluate` says of a subset as calling it does, and remember the rest."""
        score, credit, probabilities = answer
        if probabilities is not None:
            self._residual.keep(subset, probabilities)
        return score if credit is None else (score, credit)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_deadline": None}

    def predict_proba(self, subset: NDArray[np.int64]) -> NDArray[np.float64]:
        """Fit a forest on one subset and return its class probabilities for the scored rows.

        Parameters
        ----------
        subset : ndarray of shape (k,), int64
            Ascending feature indices.

        Returns
        -------
        ndarray of shape (n_scored, n_classes), float64
            For the validation rows, or without them out of bag for the training rows; columns as in
            `classes_`. NaN where no tree has a vote, and for rows that are not judged.

        Raises
        ------
        EvaluationCut
            If the deadline has passed.
        ParameterError
            If the subset is empty or names a feature that does not exist.
        """
        self._check(subset)
        return self._leave_out(self._forest.probabilities(subset, self._seed(subset)))

    def _leave_out(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Blank the rows that are not judged, in place."""
        if self._is_judged is not None:
            probabilities[~self._is_judged] = np.nan
        return probabilities

    def _check(self, subset: NDArray[np.int64]) -> None:
        if len(subset) == 0 or subset.min() < 0 or subset.max() >= self.n_features:
            raise ParameterError(
                f"a subset must name at least one of the features 0 to {self.n_features - 1}"
            )
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise EvaluationCut

    def _seed(self, subset: NDArray[np.int64]) -> int:
        if self.credit is None:
            return self.random_state
        # Forests of one seed leave the same rows out of the same trees: what is learned from one is
        # then confirmed by all. With few rows that costs more than the draw of a seed blurs.
        digest = hashlib.blake2b(subset.tobytes(), digest_size=8, key=b"%d" % self.random_state)
        return int.from_bytes(digest.digest(), "little")

    def _score(self, probabilities: NDArray[np.float64]) -> float:
        # Out of bag, a row that every tree drew has no prediction.
        is_predicted = ~np.isnan(probabilities[:, 0])
        y_true = self._y_scored[is_predicted]
        return score_probabilities(y_true, probabilities[is_predicted], self.classes_, self.scoring)


def score_probabilities(
    y_true: NDArray[Any],
    probabilities: NDArray[np.float64],
    classes: NDArray[Any],
    scoring: Scoring,
) -> float:
    """Return how good some class probabilities are; `ForestFitness` describes the scorings.

    Parameters
    ----------
    y_true : ndarray of shape (n_rows,)
    probabilities : ndarray of shape (n_rows, n_classes), float64
    classes : ndarray of shape (n_classes,)
        What the columns stand for.
    scoring : {"brier", "accuracy", "f1_macro"}
    """
    if scoring == "brier":
        is_true = y_true[:, np.newaxis] == classes
        return float(np.mean(np.sum(probabilities * (2 * is_true - probabilities), axis=1)))
    y_pred = classes[probabilities.argmax(axis=1)]
    if scoring == "accuracy":
        return float(accuracy_score(y_true, y_pred))
    return float(f1_score(y_true, y_pred, average="macro", zero_division=0))


def _check_range(name: str, value: int, low: int, high: int | None = None) -> None:
    if value < low:
        raise ParameterError(f"{name} is {value}: use at least {low}")
    if high is not None and value > high:
        raise ParameterError(f"{name} is {value}: use at most {high}")


def _check_names(engine: str, scoring: str, class_weight: str | None) -> None:
    if engine not in ("native", "sklearn"):
        raise ParameterError(f'unknown fitness engine {engine!r}: use "native" or "sklearn"')
    if scoring not in SCORINGS:
        raise ParameterError(f"unknown scoring {scoring!r}: use one of {', '.join(SCORINGS)}")
    if class_weight not in (None, "balanced"):
        raise ParameterError(f'unknown class_weight {class_weight!r}: use None or "balanced"')


def _check_credit(credit: Credit | None, engine: Engine) -> None:
    if credit not in (None, "residual", "gain"):
        raise ParameterError(f'unknown credit {credit!r}: use None, "residual" or "gain"')
    if credit and engine != "native":
        raise ParameterError('only the engine "native" knows what a feature earned: use it')


def _check_out_of_bag(
    twin_groups: NDArray[np.integer] | None,
    is_judged: NDArray[np.bool_] | None,
    y_train: NDArray[Any],
    y_val: NDArray[Any] | None,
    engine: Engine,
) -> None:
    for name, values in (("twin_groups", twin_groups), ("is_judged", is_judged)):
        if values is None:
            continue
        if y_val is not None:
            raise ParameterError(f"{name} is of rows scored out of bag: give no validation rows")
        if values.shape != y_train.shape:
            raise ParameterError(
                f"{name} of shape {values.shape} does not match {len(y_train)} training rows"
            )
    if twin_groups is not None and engine != "native":
        raise ParameterError(
            'only the engine "native" keeps the twins of a drawn row apart: use it'
        )
    if is_judged is not None and not is_judged.any():
        raise ParameterError("is_judged names no row: at least one must be scored")


def _check_rows(
    X_train: NDArray[np.float32],
    y_train: NDArray[Any],
    X_val: NDArray[np.float32] | None,
    y_val: NDArray[Any] | None,
) -> None:
    if (X_val is None) != (y_val is None):
        raise ParameterError("X_val and y_val go together: give both, or neither for out of bag")
    for X, y, rows in ((X_train, y_train, "training"), (X_val, y_val, "validation")):
        if X is None or y is None:
            continue
        if X.ndim != 2 or len(X) != len(y) or X.size == 0:
            raise DataError(
                f"{rows} X of shape {X.shape} does not match {len(y)} labels: one row a label"
            )
        if X.shape[1] != X_train.shape[1]:
            raise DataError(
                f"{rows} rows have {X.shape[1]} features and training rows {X_train.shape[1]}: "
                "they must agree"
            )


def _draws(max_samples: int | float | None, n_train: int) -> int:
    if max_samples is None:
        return n_train
    draws = max_samples if isinstance(max_samples, int) else round(max_samples * n_train)
    if not 1 <= draws <= n_train:
        raise ParameterError(
            f"max_samples is {max_samples}: use a number of rows from 1 to {n_train}, or a share"
        )
    return int(draws)
