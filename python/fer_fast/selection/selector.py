"""The ant colony as a scikit-learn transformer."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    _clone_parametrized,
    _fit_context,
)
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import SelectorMixin
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import (
    check_is_fitted,
    validate_data,
)

from fer_fast._core import Evaluation
from fer_fast.selection.checkpoint import Checkpoint, opened_checkpoint
from fer_fast.selection.constraints import CONSTRAINTS
from fer_fast.selection.problem import Found, Problem
from fer_fast.selection.routing import routed
from fer_fast.selection.rows import set_aside
from fer_fast.selection.stability import frequency, search_halves, stability
from fer_fast.selection.tables import checked, is_frame, refuses_gaps, take_columns
from fer_fast.selection.warning_types import (
    BLIND_JUDGE,
    BlindJudgeWarning,
    PartialResultWarning,
    SimplerAnswerWarning,
    simpler_answers,
)
from fer_fast.selection.watch import Watch

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Said = list[tuple[type[Warning], str]]


class AntColonySelector(SelectorMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Feature selection by an ant colony around any estimator.

    Each ant builds a subset of the features, guided by how useful each feature looks by itself and
    by the pheromone that good subsets left. A subset is judged by the cross-validated score of a
    clone of `estimator` that sees nothing else. How many features to keep is part of the search.
    No subset is judged twice.

    Parameters
    ----------
    estimator : estimator instance or None, default=None
        Judges the subsets; it is cloned, and never fitted itself. Where its fit is random, give it
        a `random_state`, so that all subsets are judged alike. It sees the columns of a subset as
        the kind of table that `X` is; a parameter that names columns by position therefore means
        positions in the subset. A `ColumnTransformer` may name columns that a subset lacks: it goes
        on with the others. None is a random forest for class labels of any kind, which scores the
        rows out of bag and credits each feature with what it earned there, so that each ant is told
        more than a score; `cv` and `error_score` are then of no use.
    n_features_to_select : int, float or None, default=None
        Features to keep: a number, a share of all, or None to learn how many. A number without an
        estimator is come to by halves, from subsets of all features.
    n_ants : int, default=20
        Subsets per iteration.
    n_iterations : int, default=3
        Iterations, without those in which subsets are halved down to `n_features_to_select`; fewer
        are run if one of them holds no subset that is new.
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
        Features to keep at most; None for no bound. More than there are is clipped, with a warning.
    feature_groups : list of array-like of str or int, or None, default=None
        Features, by name or index, that stand or fall together, such as the indicators of one
        category; one in no list stands alone. Sizes, such as `max_features`, then count groups. A
        group is as desirable as its best feature.
    fixed, forbidden : array-like of str or int, or None, default=None
        Features, by name or index, that every subset has, or none; with them goes their group.
        Sizes include the fixed ones.
    costs : array-like of shape (n_features,) or None, default=None
        What each feature costs to have, above 0. The colony maximises ``phi * score + (1 - phi) *
        (1 - cost / cost of all)``, and its heuristic is desirability per cost.
    scoring : str, callable or None, default=None
        A scorer's name, a callable ``scorer(estimator, X, y)``, or None for the estimator's own
        `score`. Higher is better. Without an estimator "brier", the default, which is 1 minus the
        Brier score, "accuracy" or "f1_macro".
    cv : int, splitter, iterable or None, default=5
        As in `sklearn.model_selection.cross_val_score`. It is split once, so that every subset is
        judged on the same rows; ``ShuffleSplit(1)`` or a `PredefinedSplit` makes it one validation
        split, at a fraction of the cost. A generator of splits is used up by one fit.
    error_score : "raise" or float, default=np.nan
        The score of a fold whose fit or scoring raises an error or gives no finite score. With NaN
        the subset has no score, and the search goes on; which failed is told in a
        `FitFailedWarning`. "raise" ends the search.
    holdout : float, array-like of int or bool, or None, default=None
        Rows that neither the heuristic nor the search sees, for `holdout_score_`: a share of them,
        drawn by class or by the splitter's `groups`, or row numbers, or a mask.
    desirability : {"auto", "f_classif", "f_regression", "mutual_info", "importances", "oob_gain", \
"flat"}, callable or array-like of shape (n_features,), default="auto"
        How useful each feature looks by itself. "auto" is "f_regression" for a regressor,
        "importances" without an estimator where features are no more than ten times the rows, and
        "f_classif" for all else. "importances" and "oob_gain"
        ask one forest on all columns, which must be numbers, in bag and out of bag; "flat" is the
        same for all. The other named ones score a column on the rows that have it, and one of
        categories by its best category. A callable takes (X, y) and returns a score per feature,
        or a tuple that begins with them, as the score functions of `sklearn.feature_selection` do.
        A score is divided by the 99th percentile of the positive ones; of what exceeds 1 its
        logarithm is added to 1, and 0.01 is the least. An array is taken as it is: finite, at least
        0, not all 0. All but an array see the rows that no fold of `cv` holds out, if that is half
        of them, as with one validation split; where columns far outnumber rows, two thirds, and
        then the others alone score; else all rows. Without an estimator it is where the
        pheromone begins, which ants may unlearn, else in each feature's weight to the end.
    n_colonies : int or None, default=None
        Further searches, each on a random half of the rows, for `stability_`.
    n_jobs : int or None, default=None
        Threads that judge subsets. None is 1 unless in a `joblib.parallel_config` context, -1 is
        one per core. 1 judges in the thread that called `fit`. The result is the same for any
        number.
    executor : concurrent.futures.Executor, callable or None, default=None
        Judges subsets in place of threads, as in `Colony.run`. Clones share it, pickles do without.
    time_budget : float or None, default=None
        Seconds after which no further subset is judged; None for no limit. Each of `n_colonies` has
        as much again.
    callbacks : list of callable or None, default=None
        Each is called, in the thread that called `fit`, with a `fer_fast.Evaluation` after each
        subset judged. A true return value ends the search. Clones share them; a pickle of a fitted
        selector goes without.
    random_state : int, RandomState instance or None, default=None
        An int is the colony's seed.
    checkpoint : str, path-like or None, default=None
        A file that keeps each subset judged as soon as it is. A fit that was killed goes on from
        there: given the same data and parameters, `random_state` an int, it is told what is known,
        and ends as if nothing had been; callbacks hear of all again. Other data or parameters, but
        for `n_jobs` and `verbose`, are refused, and so is a second process.
    verbose : int, default=0
        1 or more prints a line per iteration.

    Attributes
    ----------
    support_ : ndarray of shape (n_features_in_,), bool
        Which features are kept.
    n_features_ : int
        How many they are.
    best_score_ : float
        Mean score of the kept features over the splits of `cv`. It is no estimate of how they do on
        new rows: it chose the features, and the desirability may have seen those rows too. With few
        rows and many features it comes near 1 on pure noise. `holdout_score_`, or cross-validation
        of a pipeline that begins with the selector, is an estimate.
    holdout_score_ : float
        Only with `holdout`: the score for those rows of an estimator fitted on the kept features of
        all other rows. NaN, with a warning, if that failed.
    holdout_baselines_ : dict of str to float
        Only with `holdout`: the same for as many features by simpler means, "k_best" by F,
        "importances" of one forest, and "credit_elimination", recursive elimination of what earns
        least in a forest; where columns or labels do not allow it, or with `costs`, fewer. Where
        one is better than the search beyond noise, `history_` and a `SimplerAnswerWarning` say so.
    stability_ : float
        Only with `n_colonies`: how alike their subsets are, corrected for chance, by Nogueira et
        al. (2018); 1 is the same subset each time, about 0 what chance gives.
    selection_frequency_ : ndarray of shape (n_features_in_,), float64
        Only with `n_colonies`: the share of their subsets that each feature is in.
    pheromone_ : ndarray of shape (n_features_in_,), float64
        Where the search ended up: 0.05 to 1, or without an estimator at least 0.01. 1 for fixed
        features, 0 for forbidden ones.
    desirability_ : ndarray of shape (n_features_in_,), float64
    history_ : dict of str to ndarray of shape (n_iterations,)
        One entry per iteration, ready for ``pandas.DataFrame``: `iteration`; `best_score`,
        `best_fitness` and `best_size` so far; `mean_score` and `mean_size` of its ants; `n_ants`,
        of which `evaluations` were judged, `cache_hits` known and `credited` told of the use of
        each feature; `complete`, false where the search ended midway. Best ones are NaN while
        subsets are halved. Sizes count what the ants choose: groups, without fixed ones. With
        `costs` the scores have them in. With `holdout` the last iteration has `holdout_score`, each
        of `holdout_baselines_` as `holdout_…`, and `simpler_is_better`: one is, beyond noise.
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

    Sparse and missing values are accepted if `estimator` accepts them. Where columns far outnumber
    rows and the desirability has seen the rows that judge, a `BlindJudgeWarning` says so.

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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_features_to_select: int | float | None = None,
        n_ants: int = 20,
        n_iterations: int = 3,
        alpha: float = 1.1,
        beta: float = 1.5,
        q0: float = 0.9,
        rho: float = 0.2,
        phi: float = 0.99,
        min_features: int = 1,
        max_features: int | None = None,
        feature_groups: Sequence[Any] | None = None,
        fixed: Sequence[Any] | None = None,
        forbidden: Sequence[Any] | None = None,
        costs: ArrayLike | None = None,
        scoring: str | Callable[..., float] | None = None,
        cv: Any = 5,
        error_score: float | Literal["raise"] = np.nan,
        holdout: float | ArrayLike | None = None,
        desirability: Any = "auto",
        n_colonies: int | None = None,
        n_jobs: int | None = None,
        executor: Executor | Callable[[], Executor] | None = None,
        time_budget: float | None = None,
        callbacks: list[Callable[[Evaluation], object]] | None = None,
        random_state: int | np.random.RandomState | None = None,
        checkpoint: str | PathLike[str] | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.n_features_to_select = n_features_to_select
        self.n_ants = n_ants
        self.n_iterations = n_iterations
        self.alpha = alpha
        self.beta = beta
        self.q0 = q0
        self.rho = rho
        self.phi = phi
        self.min_features = min_features
        self.max_features = max_features
        self.feature_groups = feature_groups
        self.fixed = fixed
        self.forbidden = forbidden
        self.costs = costs
        self.scoring = scoring
        self.cv = cv
        self.error_score = error_score
        self.holdout = holdout
        self.desirability = desirability
        self.n_colonies = n_colonies
        self.n_jobs = n_jobs
        self.executor = executor
        self.time_budget = time_budget
        self.callbacks = callbacks
        self.random_state = random_state
        self.checkpoint = checkpoint
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, **params: Any) -> AntColonySelector:
        """Search for the features to keep.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Class labels, or numbers for a regressor.
        **params : dict
            With metadata routing enabled, what `estimator`, `cv` and `scoring` requested, routed to
            them. Without, `groups` goes to the splitter and all else to the estimator's `fit`. What
            has an entry per row is cut to the rows of a fold; all else is passed as it is, and
            refused if it holds matrices of all columns, as an `eval_set` does.

        Returns
        -------
        self : AntColonySelector

        Raises
        ------
        ValueError
            If a parameter or the data are outside what is allowed, or no subset could be judged.
        KeyboardInterrupt
            On Ctrl-C before any subset was judged.
        """
        self._forget()
        try:
            with opened_checkpoint(self.checkpoint, self.get_params()) as checkpoint:
                said = self._search(X, y, params, checkpoint)
        except BaseException:
            self._forget()
            raise
        # Last: a warning may be an error, and the search is not lost by it.
        for category, message in said:
            warnings.warn(message, category, stacklevel=3)
        return self

    def _search(
        self, X: Any, y: Any, params: Mapping[str, Any], checkpoint: Checkpoint | None
    ) -> Said:
        X, y = checked(self, X, y)
        names = getattr(self, "feature_names_in_", None)
        problem = Problem(self, X, y, names, routed(self, params), checkpoint)
        random_state = check_random_state(self.random_state)
        rows, held = set_aside(
            self.holdout,
            y,
            problem.groups,
            is_classification=problem.is_classification,
            seed=0 if self.holdout is None else random_state.randint(2**31 - 1),
        )
        found = problem.search(rows, random_state, self._watch(callbacks=self.callbacks or []))
        said: Said = []
        if found.failures is not None:
            said.append((FitFailedWarning, found.failures))
        self._keep(found)
        if found.is_blind and self.holdout is None:
            said.append((BlindJudgeWarning, BLIND_JUDGE))
        if len(held):
            self._score_holdout(problem, found, rows, held, said)
        if self.n_colonies is not None and self.stop_reason_ != "interrupted":
            self._measure_stability(problem, rows, random_state, said)
        if self.stop_reason_ == "interrupted":
            kept = f"interrupted: the selector keeps the best of {found.evaluations} subsets"
            said.append((PartialResultWarning, kept))
        if checkpoint is not None:
            said += [(UserWarning, warning) for warning in checkpoint.warnings]
        return said

    def _watch(self, callbacks: Sequence[Callable[[Evaluation], object]] = ()) -> Watch:
        return Watch(time_budget=self.time_budget, callbacks=callbacks, verbose=self.verbose)

    def _keep(self, found: Found) -> None:
        self.support_ = np.zeros(self.n_features_in_, dtype=bool)
        self.support_[found.columns] = True
        self.n_features_ = len(found.columns)
        self.best_score_ = found.score
        self.pheromone_ = found.pheromone
        self.desirability_ = found.desirability
        self.history_ = found.history
        self.stop_reason_ = found.stop_reason

    def _score_holdout(
        self,
        problem: Problem,
        found: Found,
        rows: NDArray[np.int64],
        held: NDArray[np.int64],
        said: Said,
    ) -> None:
        self.holdout_score_, self.holdout_baselines_ = float("nan"), {}
        try:
            report = problem.hold_out(found, rows, held)
            self.holdout_score_, self.holdout_baselines_ = report.score, report.baselines
            self.history_ |= report.in_history(len(self.history_["iteration"]))
            said += [(FitFailedWarning, failure) for failure in report.failures]
            if report.better:
                said.append((SimplerAnswerWarning, simpler_answers(report.score, report.better)))
        except KeyboardInterrupt:
            if self.stop_reason_ == "interrupted":
                raise
            self.stop_reason_ = "interrupted"
        except Exception as error:
            if self.error_score == "raise":
                raise
            said.append((FitFailedWarning, f"the holdout could not be scored: {error}"))

    def _measure_stability(
        self,
        problem: Problem,
        rows: NDArray[np.int64],
        random_state: np.random.RandomState,
        said: Said,
    ) -> None:
        results, error = search_halves(
            problem, rows, self.n_colonies or 0, random_state, self._watch
        )
        if isinstance(error, KeyboardInterrupt):
            self.stop_reason_ = "interrupted"
        elif error is not None:
            if self.error_score == "raise":
                raise error
            said.append((FitFailedWarning, f"a search on half of the rows failed: {error}"))
        self.stability_ = stability([found.chosen for found in results])
        self.selection_frequency_ = frequency(
            [found.columns for found in results], self.n_features_in_
        )

    def _forget(self) -> None:
        for name in [name for name in vars(self) if name.endswith("_") and name[0] != "_"]:
            delattr(self, name)

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self, "support_")
        return self.support_

    def transform(self, X: Any) -> Any:
        """Keep the chosen features.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Missing values pass, but for an `estimator` of scikit-learn's that takes none.

        Returns
        -------
        X_kept : {ndarray, sparse matrix, data frame} of shape (n_samples, n_features_)
            A data frame if `set_output` asks for one.
        """
        check_is_fitted(self, "support_")
        wants_frame = _get_output_config("transform", estimator=self)["dense"] != "default"
        X = validate_data(
            self,
            X,
            dtype=None,
            accept_sparse="csr",
            ensure_all_finite=refuses_gaps(self.estimator),
            skip_check_array=wants_frame and is_frame(X),
            reset=False,
        )
        return take_columns(X, np.flatnonzero(self.support_))

    def get_metadata_routing(self) -> MetadataRouter:
        """Return who takes metadata of `fit`: the estimator, the splitter and the scorer.

        Returns
        -------
        routing : sklearn.utils.metadata_routing.MetadataRouter
        """
        # Splits want no metadata, and looking at a generator of them would use it up.
        is_splitter = self.cv is None or isinstance(self.cv, Integral) or hasattr(self.cv, "split")
        router = MetadataRouter(owner=self).add(
            splitter=check_cv(self.cv if is_splitter else []),
            method_mapping=MethodMapping().add(caller="fit", callee="split"),
        )
        if self.estimator is None:
            return router
        return router.add(
            estimator=self.estimator,
            method_mapping=MethodMapping().add(caller="fit", callee="fit"),
        ).add(
            scorer=check_scoring(self.estimator, scoring=self.scoring),
            method_mapping=MethodMapping().add(caller="fit", callee="score"),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        if self.estimator is not None:
            inner = get_tags(self.estimator).input_tags
            tags.input_tags.sparse = inner.sparse
            tags.input_tags.allow_nan = inner.allow_nan
        return tags

    def __sklearn_clone__(self) -> AntColonySelector:
        # A copy of a callback would tell nobody, and not everything in it can be copied.
        bare = copy.copy(self)
        bare.callbacks = bare.executor = None
        twin: AntColonySelector = _clone_parametrized(bare)
        twin.callbacks, twin.executor = self.callbacks, self.executor
        return twin

    def __getstate__(self) -> Any:
        left = {"callbacks": None, "executor": None} if hasattr(self, "support_") else {}
        return {**super().__getstate__(), **left}
