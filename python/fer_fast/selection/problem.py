"""What a selector's colonies search: its rows, its columns, its judge, and one search of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_consistent_length

from fer_fast._core import Colony
from fer_fast.errors import ParameterError
from fer_fast.execution.workers import Workers
from fer_fast.selection.baselines import credit_elimination, k_best
from fer_fast.selection.checkpoint import require_repeatable
from fer_fast.selection.column_scores import measure_desirability, one_per_feature
from fer_fast.selection.cross_validation import CrossValidation, make_folds
from fer_fast.selection.default_judge import DefaultJudge
from fer_fast.selection.executors import MOST_UNDER_WAY, ExecutorFitness
from fer_fast.selection.fitness import ForestFitness
from fer_fast.selection.holdout import HeldOut, score_held_out
from fer_fast.selection.nodes import NodeFitness, make_nodes, subset_sizes
from fer_fast.selection.rows import heuristic_rows, is_wide, split_rows
from fer_fast.selection.tables import plain_matrix, take_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fer_fast.selection.checkpoint import Checkpoint
    from fer_fast.selection.cross_validation import Fold
    from fer_fast.selection.journal import JournalledFitness
    from fer_fast.selection.selector import AntColonySelector
    from fer_fast.selection.watch import Watch


_JUDGING_SHARE = 1 / 3
"""Of the rows, where columns far outnumber them: finding a column takes more than judging it."""

_ELIMINATION_TREES = 30
"""Of each forest: there are dozens, and later ones mend what a small one misjudges."""


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    columns : ndarray of int64
        The best subset, ascending.
    chosen : ndarray of shape (n_nodes,), bool
        The same as nodes.
    score : float
    history : dict of str to ndarray
    evaluations : int
        Subsets judged.
    desirability, pheromone : ndarray of shape (n_columns,), float64
    judge : DefaultJudge or CrossValidation
    stop_reason : str
    failures : str or None
        What could not be judged.
    is_blind : bool
        Whether the heuristic saw the rows that judged, and columns far outnumber them.
    """

    columns: NDArray[np.int64]
    chosen: NDArray[np.bool_]
    score: float
    history: dict[str, NDArray[Any]]
    evaluations: int
    desirability: NDArray[np.float64]
    pheromone: NDArray[np.float64]
    judge: Any
    stop_reason: str
    failures: str | None
    is_blind: bool


class Problem:
    """A selector's parameters and data, checked.

    Parameters
    ----------
    selector : AntColonySelector
    X : {ndarray, sparse matrix, data frame} of shape (n_rows, n_columns)
    y : ndarray of shape (n_rows,)
    names : ndarray of shape (n_columns,) or None
    routed : Bunch
        Metadata of the estimator, the splitter and the scorer.
    checkpoint : Checkpoint or None
        Open.
    """

    def __init__(
        self,
        selector: AntColonySelector,
        X: Any,
        y: NDArray[Any],
        names: Any,
        routed: Any,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self._selector = selector
        self._checkpoint = checkpoint
        self.X = X
        self.y = y
        self._routed = routed
        check_consistent_length(y, self.groups)
        n_columns = X.shape[1]
        self._nodes = make_nodes(
            n_columns,
            names,
            groups=selector.feature_groups,
            fixed=selector.fixed,
            forbidden=selector.forbidden,
        )
        self._sizes = subset_sizes(
            self._nodes,
            selector.n_features_to_select,
            selector.min_features,
            selector.max_features,
        )
        self._costs = _checked_costs(selector.costs, n_columns, selector.phi)
        # Once: splits given as a generator are there no second time.
        self._cv = check_cv(selector.cv, y, classifier=self.is_classification)

    @property
    def groups(self) -> Any:
        """Which rows belong together, as the splitter is told; None: nothing is known."""
        return self._routed.splitter.split.get("groups")

    @property
    def is_classification(self) -> bool:
        """Whether rows are split class by class."""
        estimator = self._selector.estimator
        return estimator is None or is_classifier(estimator)

    @property
    def is_regression(self) -> bool:
        """Whether the labels are numbers to come near to."""
        estimator = self._selector.estimator
        return estimator is not None and is_regressor(estimator)

    def search(
        self, rows: NDArray[np.int64], random_state: np.random.RandomState, watch: Watch
    ) -> Found:
        """Let one colony search on some rows.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C before any subset was judged.
        ValueError
            If no subset could be judged.
        """
        seen, folds, has_seen = self._apart(rows, self._folds(rows), random_state)
        desirability = self._measure_desirability(seen, random_state)
        seed = _seed(self._selector.random_state, random_state)
        judge = self._make_judge(rows, folds, seed)
        colony = self._make_colony(desirability, seed, judge.deposit)
        with ExitStack() as life:
            judged, n_jobs = self._workers(judge, life)
            journalled = self._journalled(judged, rows, folds, desirability)
            fitness = NodeFitness(
                journalled or judged, self._nodes, costs=self._costs, phi=self._selector.phi
            )
            if journalled is not None:
                watch.follow(journalled.elapsed)
            watch.n_iterations = self._n_iterations(judge.deposit)
            ended_by = colony.run(
                fitness, n_iterations=watch.n_iterations, n_jobs=n_jobs, callback=watch
            )
            chosen = colony.answer
            if chosen is None and ended_by == "interrupted":
                raise KeyboardInterrupt
            stop_reason = watch.ended_by or ended_by
            if journalled is not None and stop_reason != "interrupted":
                journalled.end(stop_reason)
            failures = judge.failures(
                has_best=chosen is not None,
                has_succeeded=journalled is not None and journalled.n_known > 0,
            )
            if chosen is None:
                raise ParameterError("no subset was judged: the estimator cut every evaluation")
            score = _score(colony, fitness, chosen)
        columns = self._nodes.columns(chosen)
        return Found(
            columns=columns,
            chosen=np.isin(np.arange(self._nodes.n_nodes), chosen),
            score=fitness.plain_score(score, columns),
            pheromone=self._nodes.spread(colony.pheromone),
            history=_history(colony),
            evaluations=colony.evaluations,
            desirability=desirability,
            judge=judge,
            stop_reason=stop_reason,
            failures=failures,
            is_blind=has_seen and self._may_be_blind(len(rows)),
        )

    def _workers(self, judge: Any, life: ExitStack) -> tuple[Any, int]:
        """Return the judge as it is called, and by how many threads: the executor's, if any."""
        if self._selector.executor is None:
            return judge, effective_n_jobs(self._selector.n_jobs)
        workers = life.enter_context(Workers(self._selector.executor))
        return ExecutorFitness(judge, workers), MOST_UNDER_WAY

    def _journalled(
        self,
        judge: Any,
        rows: NDArray[np.int64],
        folds: list[Fold],
        desirability: NDArray[np.float64],
    ) -> JournalledFitness | None:
        """Return the judge on the checkpoint's record; None: there is no checkpoint."""
        if self._checkpoint is None:
            return None
        self._checkpoint.begin(self.X, self.y, dict(self._routed), rows, folds, desirability)
        return self._checkpoint.journalled(judge)

    def _apart(
        self, rows: NDArray[np.int64], folds: list[Fold], random_state: np.random.RandomState
    ) -> tuple[NDArray[np.int64], list[Fold], bool]:
        """Return the rows of the heuristic, the folds, and whether it sees rows that judge.

        Where columns far outnumber rows, a third of the rows judges and the others are the
        heuristic's: else whatever it picks looks good to the judge.
        """
        # A forest scores all of its rows, out of bag.
        seen, has_seen = heuristic_rows(rows, [test for _, test in folds] or [rows])
        if not (has_seen and folds and self._may_be_blind(len(rows))):
            return seen, folds, has_seen
        try:
            seen, judging = split_rows(
                _JUDGING_SHARE,
                self.y,
                rows,
                self.groups,
                is_classification=self.is_classification,
                seed=random_state.randint(np.iinfo(np.int32).max),
            )
        except ValueError:
            # Too few rows of a class, or groups: blindness is then told of.
            return seen, folds, has_seen
        judged = [(train, np.intersect1d(test, judging)) for train, test in folds]
        return seen, [fold for fold in judged if len(fold[1])], False

    def hold_out(self, found: Found, rows: NDArray[np.int64], held: NDArray[np.int64]) -> HeldOut:
        """Score on the `held` rows what a search on `rows` found, and simple answers."""
        return score_held_out(
            lambda columns: found.judge.scorer(columns, rows, held),
            found.columns,
            {} if self._costs is not None else self._simple_answers(rows, int(found.chosen.sum())),
            held,
            self.y if self.is_classification else None,
        )

    def _simple_answers(
        self, rows: NDArray[np.int64], k: int
    ) -> dict[str, Callable[[], NDArray[np.int64]]]:
        """Return ways to choose `k` nodes on some rows, each of which gives columns."""
        X, y = take_rows(self.X, rows), self.y[rows]

        def best(measure: str) -> NDArray[np.int64]:
            scores = measure_desirability(
                measure, X, y, is_regression=self.is_regression, random_state=0
            )
            return self._nodes.columns(k_best(self._nodes.greatest(scores), k))

        answers: dict[str, Callable[[], NDArray[np.int64]]] = {
            "k_best": lambda: best("f_regression" if self.is_regression else "f_classif")
        }
        numbers = plain_matrix(X)
        if numbers is not None:
            answers["importances"] = lambda: best("importances")
            if self.is_classification:
                answers["credit_elimination"] = lambda: self._eliminate(numbers, y, k)
        return answers

    def _eliminate(self, X: NDArray[np.float32], y: NDArray[Any], k: int) -> NDArray[np.int64]:
        forest = ForestFitness(
            X,
            y,
            n_estimators=_ELIMINATION_TREES,
            scoring="brier",
            credit="residual",
            n_jobs=effective_n_jobs(self._selector.n_jobs),
        )
        judge = NodeFitness(forest, self._nodes)
        return self._nodes.columns(credit_elimination(judge, self._nodes.n_nodes, [k])[k])

    def _folds(self, rows: NDArray[np.int64]) -> list[Fold]:
        if self._selector.estimator is None:
            return []
        params = self._routed.splitter.split
        folds = make_folds(self._cv, self.X, self.y, rows, params)
        if self._checkpoint is not None:
            require_repeatable(folds, make_folds(self._cv, self.X, self.y, rows, params))
        return folds

    def _make_judge(self, rows: NDArray[np.int64], folds: list[Fold], seed: int) -> Any:
        selector = self._selector
        if selector.estimator is None:
            return DefaultJudge(self.X, self.y, rows, scoring=selector.scoring, seed=seed)
        judge = CrossValidation(
            selector.estimator,
            self.X,
            self.y,
            folds,
            scorer=check_scoring(selector.estimator, scoring=selector.scoring),
            fit_params=self._routed.estimator.fit,
            score_params=self._routed.scorer.score,
            error_score=selector.error_score,
        )
        judge.refuse_gaps()
        return judge

    def _measure_desirability(
        self, seen: NDArray[np.int64], random_state: np.random.RandomState
    ) -> NDArray[np.float64]:
        measure = self._selector.desirability
        if isinstance(measure, str) and measure == "auto" and self._selector.estimator is None:
            # Where columns far outnumber rows, a forest on all of them meets few that matter.
            wide = is_wide(len(seen), self.X.shape[1])
            measure = "f_classif" if wide else "importances"
        return measure_desirability(
            measure,
            self.X if len(seen) == len(self.y) else take_rows(self.X, seen),
            self.y[seen],
            is_regression=self.is_regression,
            random_state=random_state,
        )

    def _may_be_blind(self, n_rows: int) -> bool:
        measure = self._selector.desirability
        is_measured = callable(measure) or (isinstance(measure, str) and measure != "flat")
        return is_measured and is_wide(n_rows, self.X.shape[1])

    def _is_annealed(self, deposit: Literal["best", "credit"]) -> bool:
        """Whether subsets begin with all features: credit then tells which to drop."""
        least, most = self._sizes
        return deposit == "credit" and least == most

    def _n_iterations(self, deposit: Literal["best", "credit"]) -> int:
        n_iterations: int = self._selector.n_iterations
        if self._is_annealed(deposit):
            n_iterations += n_halvings(self._nodes.n_nodes, self._sizes[1])
        return n_iterations

    def _make_colony(
        self, desirability: NDArray[np.float64], seed: int, deposit: Literal["best", "credit"]
    ) -> Colony:
        selector = self._selector
        usefulness = self._nodes.greatest(desirability)
        price = 1.0 if self._costs is None else self._nodes.total(self._costs)
        # Credit unlearns what a heuristic that sees columns one by one only supposes.
        is_hint = deposit == "credit"
        least, most = self._sizes
        return Colony(
            (np.ones_like(usefulness) if is_hint else usefulness) / price,
            tau0=usefulness if is_hint else None,
            n_ants=selector.n_ants,
            alpha=selector.alpha,
            beta=selector.beta,
            q0=selector.q0,
            rho=selector.rho,
            # With costs it is in the fitness already.
            phi=selector.phi if self._costs is None else 1.0,
            deposit=deposit,
            sizes="annealed" if self._is_annealed(deposit) else "learned",
            min_features=least,
            max_features=most,
            seed=seed,
        )


def n_halvings(n_features: int, k: int) -> int:
    """Return in how many iterations a colony anneals its subsets from all features to `k`."""
    return (n_features // (k + 1)).bit_length()


def _score(colony: Colony, fitness: NodeFitness, chosen: NDArray[np.int64]) -> float:
    if colony.best_score is not None:
        return colony.best_score
    # A search that ended while sizes were annealed: no ant has taken these together.
    judged = fitness(chosen)
    return judged[0] if isinstance(judged, tuple) else judged


def _seed(given: Any, random_state: np.random.RandomState) -> int:
    if isinstance(given, Integral):
        return int(given)
    return int(random_state.randint(np.iinfo(np.int32).max))


def _history(colony: Colony) -> dict[str, NDArray[Any]]:
    rows: list[Any] = list(colony.history)
    # Where no subset of an iteration could be judged, its scores are None.
    return {
        name: np.array([np.nan if row[name] is None else row[name] for row in rows])
        for name in rows[0]
    }


def _checked_costs(costs: Any, n_columns: int, phi: float) -> NDArray[np.float64] | None:
    if costs is None:
        return None
    checked = one_per_feature("costs", costs, n_columns)
    if not (np.isfinite(checked).all() and (checked > 0).all()):
        raise ParameterError("costs must be finite and above 0, one for each feature")
    if phi == 0:
        raise ParameterError("phi is 0: with costs, a score must weigh something too")
    return checked
