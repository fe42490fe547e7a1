"""The ant colony as a scikit-learn transformer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from joblib import effective_n_jobs
from scipy.sparse import issparse
from sklearn import config_context, get_config
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    _fit_context,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.feature_selection import (
    SelectorMixin,
    f_regression,
    mutual_info_classif,
    mutual_info_regression,
)
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import _check_method_params, check_is_fitted, validate_data

from fer_fast._core import Colony, Evaluation
from fer_fast.errors import ParameterError
from fer_fast.selection.desirability import anova_desirability, scaled_scores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class PartialResultWarning(UserWarning):
    """Ctrl-C ended a search early: the selector holds the best subset found until then."""


class AntColonySelector(SelectorMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Feature selection by an ant colony around any estimator.

    Each ant builds a subset of the features, guided by how useful each feature looks by itself and
    by the pheromone that good subsets left. A subset is judged by the cross-validated score of a
    clone of `estimator` that sees nothing else. How many features to keep is part of the search.
    No subset is judged twice.

    Parameters
    ----------
    estimator : estimator instance
        Judges the subsets; it is cloned, and never fitted itself. Where its fit is random, give it
        a `random_state`, so that all subsets are judged alike.
    n_ants : int, default=20
        Subsets per iteration.
    n_iterations : int, default=3
        Iterations; fewer are run if one of them holds no subset that is new.
    alpha, beta : float, default=1.1 and 1.5
        Exponents of pheromone and desirability in a feature's weight.
    q0 : float, default=0.9
        Probability of taking the feature of the largest weight rather than drawing one in
        proportion to the weights.
    rho : float, default=0.2
        Share of the pheromone that evaporates per iteration.
    phi : float, default=0.99
        Weight of the score in what the colony maximises, ``phi * score + (1 - phi) * (1 - k / n)``
        for k of n features. The rest rewards small subsets: with scores of another order than 1,
        such as squared errors, 1.0 judges by the score alone.
    min_features : int, default=1
        Features to keep at least.
    max_features : int or None, default=None
        Features to keep at most; None for no bound.
    scoring : str, callable or None, default=None
        A scorer's name, a callable ``scorer(estimator, X, y)``, or None for the estimator's own
        `score`. Higher is better.
    cv : int, splitter, iterable or None, default=5
        As in `sklearn.model_selection.cross_val_score`. It is split once, so that every subset is
        judged on the same rows; ``ShuffleSplit(1)`` or a `PredefinedSplit` makes it one validation
        split, at a fraction of the cost.
    desirability : {"auto", "f_classif", "f_regression", "mutual_info"}, callable or array-like of \
shape (n_features,), default="auto"
        How useful each feature looks by itself. "auto" is "f_regression" for a regressor and
        "f_classif" for all else. A callable takes (X, y) and returns a score per feature, or a
        tuple that begins with them, as the score functions of `sklearn.feature_selection` do.
        Scores are divided by their 99th percentile and clipped to [0.01, 1]. An array is taken as
        it is: finite, at least 0, not all 0. The named ones see all rows given to `fit`, those that
        `cv` holds out included.
    n_jobs : int or None, default=None
        Threads that judge subsets. None is 1 unless in a `joblib.parallel_config` context, -1 is
        one per core. The result is the same for any number.
    time_budget : float or None, default=None
        Seconds after which no further subset is judged; None for no limit.
    callbacks : list of callable or None, default=None
        Each is called, in the thread that called `fit`, with a `fer_fast.selection.Evaluation`
        after each subset judged. A true return value ends the search.
    random_state : int, RandomState instance or None, default=None
        An int is the colony's seed.
    verbose : int, default=0
        1 or more prints a line per iteration.

    Attributes
    ----------
    support_ : ndarray of shape (n_features_in_,), bool
        Which features are kept.
    n_features_ : int
        How many they are.
    best_score_ : float
        Mean score of the kept features over the splits of `cv`. It chose the features: as an
        estimate of how they do on new rows it is optimistic.
    pheromone_ : ndarray of shape (n_features_in_,), float64
        Where the search ended up, 0.05 to 1.
    desirability_ : ndarray of shape (n_features_in_,), float64
    history_ : dict of str to ndarray of shape (n_iterations,)
        One entry per iteration, ready for ``pandas.DataFrame``: `iteration`; `best_score`,
        `best_fitness` and `best_size` so far; `mean_score` and `mean_size` of its ants;
        `evaluations` and `cache_hits`; `complete`, false where the search ended midway.
    stop_reason_ : {"iterations", "converged", "time_budget", "callback", "interrupted"}
        Why the search ended.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where `X` had any.

    See Also
    --------
    Colony : The search itself, by ask and tell or around any fitness.
    sklearn.feature_selection.SequentialFeatureSelector : A greedy search.

    Notes
    -----
    Ctrl-C during `fit` keeps the best subset found until then and issues a `PartialResultWarning`;
    a second one, or one before any subset was judged, raises KeyboardInterrupt. A search over
    selectors, such as `GridSearchCV`, goes on with the next one: interrupt twice to end it.

    Sparse and missing values are accepted if `estimator` accepts them. The named desirabilities do
    not take missing values: give an array or a callable.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from fer_fast import AntColonySelector
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> selector = AntColonySelector(GaussianNB(), random_state=0).fit(X, y)
    >>> selector.get_feature_names_out()
    array(['petal width (cm)'], dtype=object)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit"])],
        "n_ants": [Interval(Integral, 1, None, closed="left")],
        "n_iterations": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "beta": [Interval(Real, 0, None, closed="left")],
        "q0": [Interval(Real, 0, 1, closed="both")],
        "rho": [Interval(Real, 0, 1, closed="both")],
        "phi": [Interval(Real, 0, 1, closed="both")],
        "min_features": [Interval(Integral, 1, None, closed="left")],
        "max_features": [None, Interval(Integral, 1, None, closed="left")],
        "scoring": [None, StrOptions(set(get_scorer_names())), callable],
        "cv": ["cv_object"],
        "desirability": [
            StrOptions({"auto", "f_classif", "f_regression", "mutual_info"}),
            callable,
            "array-like",
        ],
        "n_jobs": [None, Integral],
        "time_budget": [None, Interval(Real, 0, None, closed="left")],
        "callbacks": [None, list],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        n_ants: int = 20,
        n_iterations: int = 3,
        alpha: float = 1.1,
        beta: float = 1.5,
        q0: float = 0.9,
        rho: float = 0.2,
        phi: float = 0.99,
        min_features: int = 1,
        max_features: int | None = None,
        scoring: str | Callable[..., float] | None = None,
        cv: Any = 5,
        desirability: Any = "auto",
        n_jobs: int | None = None,
        time_budget: float | None = None,
        callbacks: list[Callable[[Evaluation], object]] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.n_ants = n_ants
        self.n_iterations = n_iterations
        self.alpha = alpha
        self.beta = beta
        self.q0 = q0
        self.rho = rho
        self.phi = phi
        self.min_features = min_features
        self.max_features = max_features
        self.scoring = scoring
        self.cv = cv
        self.desirability = desirability
        self.n_jobs = n_jobs
        self.time_budget = time_budget
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, **params: Any) -> AntColonySelector:
        """Search for the features to keep.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Class labels, or numbers for a regressor.
        **params : dict
            With metadata routing enabled, what `estimator`, `cv` and `scoring` requested, routed to
            them. Without, `groups` goes to the splitter and all else to the estimator's `fit`.

        Returns
        -------
        self : AntColonySelector

        Raises
        ------
        ValueError
            If a parameter or the data are outside what is allowed.
        KeyboardInterrupt
            On Ctrl-C before any subset was judged.
        """
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=("csr", "csc") if get_tags(self).input_tags.sparse else False,
            ensure_all_finite="allow-nan" if get_tags(self).input_tags.allow_nan else True,
            ensure_min_samples=2,
            y_numeric=is_regressor(self.estimator),
        )
        routed = self._route(params)
        random_state = check_random_state(self.random_state)
        desirability = self._measure_desirability(X, y, random_state)
        colony = Colony(
            desirability,
            n_ants=self.n_ants,
            alpha=self.alpha,
            beta=self.beta,
            q0=self.q0,
            rho=self.rho,
            phi=self.phi,
            min_features=self.min_features,
            max_features=self.max_features,
            seed=self._seed(random_state),
        )
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        fitness = _CrossValidation(
            estimator=self.estimator,
            X=X,
            y=y,
            splits=list(cv.split(X, y, **routed.splitter.split)),
            scorer=check_scoring(self.estimator, scoring=self.scoring),
            fit_params=routed.estimator.fit,
            score_params=routed.scorer.score,
        )
        stop_reason = colony.run(
            fitness,
            n_iterations=self.n_iterations,
            n_jobs=effective_n_jobs(self.n_jobs),
            time_budget=self.time_budget,
            callback=self._call_back,
        )
        if colony.best_subset is None:
            raise KeyboardInterrupt
        if stop_reason == "interrupted":
            warnings.warn(
                f"interrupted: the selector keeps the best of {colony.evaluations} subsets",
                PartialResultWarning,
                stacklevel=3,
            )
        self.stop_reason_ = stop_reason
        self.desirability_ = desirability
        self._keep_best(colony)
        return self

    def _route(self, params: Mapping[str, Any]) -> Any:
        if get_config()["enable_metadata_routing"]:
            return process_routing(self, "fit", **params)
        groups = {name: params[name] for name in params if name == "groups"}
        others = {name: params[name] for name in params if name != "groups"}
        return Bunch(
            estimator=Bunch(fit=others), splitter=Bunch(split=groups), scorer=Bunch(score={})
        )

    def _measure_desirability(
        self, X: Any, y: NDArray[Any], random_state: np.random.RandomState
    ) -> NDArray[np.float64]:
        measure: Any = self.desirability
        is_regression = is_regressor(self.estimator)
        if isinstance(measure, str):
            if measure == "f_classif" or (measure == "auto" and not is_regression):
                return anova_desirability(X, y)
            if measure == "mutual_info":
                information = mutual_info_regression if is_regression else mutual_info_classif
                measure = partial(information, random_state=random_state)
            else:
                # Scaling deals with infinities better than the largest float in their place.
                measure = partial(f_regression, force_finite=False)
        elif not callable(measure):
            return _one_per_feature(measure, X.shape[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = measure(X, y)
        return scaled_scores(
            _one_per_feature(scores[0] if isinstance(scores, tuple) else scores, X.shape[1])
        )

    def _seed(self, random_state: np.random.RandomState) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(random_state.randint(np.iinfo(np.int32).max))

    def _call_back(self, evaluation: Evaluation) -> bool:
        if self.verbose and evaluation.settled == evaluation.n_ants:
            print(
                f"[AntColonySelector] iteration {evaluation.iteration + 1}/{self.n_iterations}: "
                f"best score {evaluation.best_score:.4f} with {evaluation.best_size} features, "
                f"{evaluation.evaluations} subsets judged in {evaluation.elapsed:.1f} s"
            )
        # All are called, although one of them may end the search.
        answers = [callback(evaluation) for callback in self.callbacks or []]
        return any(answers)

    def _keep_best(self, colony: Colony) -> None:
        self.support_ = np.zeros(self.n_features_in_, dtype=bool)
        self.support_[colony.best_subset] = True
        self.n_features_ = int(self.support_.sum())
        self.best_score_ = colony.best_score
        self.pheromone_ = colony.pheromone
        rows: list[Any] = list(colony.history)
        self.history_ = {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def _get_support_mask(self) -> NDArray[np.bool_]:
        # By name: a fit that failed has left `n_features_in_`.
        check_is_fitted(self, "support_")
        return self.support_

    def get_metadata_routing(self) -> MetadataRouter:
        """Return who takes metadata of `fit`: the estimator, the splitter and the scorer.

        Returns
        -------
        routing : sklearn.utils.metadata_routing.MetadataRouter
        """
        return (
            MetadataRouter(owner=self)
            .add(
                estimator=self.estimator,
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
            .add(
                splitter=check_cv(self.cv, classifier=is_classifier(self.estimator)),
                method_mapping=MethodMapping().add(caller="fit", callee="split"),
            )
            .add(
                scorer=check_scoring(self.estimator, scoring=self.scoring),
                method_mapping=MethodMapping().add(caller="fit", callee="score"),
            )
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator).input_tags
        tags.target_tags.required = True
        tags.input_tags.sparse = inner.sparse
        tags.input_tags.allow_nan = inner.allow_nan and not isinstance(self.desirability, str)
        return tags


def _one_per_feature(values: ArrayLike, n_features: int) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if array.shape != (n_features,):
        raise ParameterError(
            f"desirability has shape {array.shape}: it must hold one number for each of the "
            f"{n_features} features"
        )
    return array


class _CrossValidation:
    """Mean score of an estimator over fixed splits, as a pure function of the feature subset."""

    def __init__(
        self,
        *,
        estimator: Any,
        X: Any,
        y: NDArray[Any],
        splits: list[tuple[NDArray[np.intp], NDArray[np.intp]]],
        scorer: Callable[..., float],
        fit_params: Mapping[str, Any],
        score_params: Mapping[str, Any],
    ) -> None:
        # Column slices of a csr matrix scan all of it.
        self._X = X.tocsc() if issparse(X) else X
        self._y = y
        self._estimator = estimator
        self._scorer = scorer
        self._folds = [
            (
                train,
                test,
                _check_method_params(X, fit_params, train),
                _check_method_params(X, score_params, test),
            )
            for train, test in splits
        ]
        # scikit-learn's configuration belongs to a thread, and the colony calls from its own.
        self._config = get_config()

    def __call__(self, subset: NDArray[np.int64]) -> float:
        X = self._X[:, subset]
        if issparse(X):
            X = X.tocsr()
        with config_context(**self._config):
            return float(np.mean([self._score(X, *fold) for fold in self._folds]))

    def _score(
        self,
        X: Any,
        train: NDArray[np.intp],
        test: NDArray[np.intp],
        fit_params: Mapping[str, Any],
        score_params: Mapping[str, Any],
    ) -> float:
        estimator = clone(self._estimator)
        estimator.fit(X[train], self._y[train], **fit_params)
        return self._scorer(estimator, X[test], self._y[test], **score_params)
