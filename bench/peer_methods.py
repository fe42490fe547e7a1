"""The methods that `peers.py` compares, and the matrices on which it does.

A method is a function from a `Problem` to the columns that it keeps; whatever it fits goes through
`Forest`, which keeps the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import numpy as np
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

Select = Callable[["Problem"], np.ndarray]

POPULATION = 20


class Ledger:
    """Counts fits, and the time inside the estimator, whoever calls it."""

    fits = 0
    seconds = 0.0
    _depth = 0

    @classmethod
    def timed(cls, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return `method`, its time on the record."""

        @wraps(method)
        def wrapper(*arguments: Any, **keywords: Any) -> Any:
            cls._depth += 1
            start = time.perf_counter()
            try:
                return method(*arguments, **keywords)
            finally:
                cls._depth -= 1
                # A score calls predict: only the outermost call counts.
                if cls._depth == 0:
                    cls.seconds += time.perf_counter() - start

        return wrapper


class Forest(RandomForestClassifier):
    """The forest that judges every subset, on the record."""

    def fit(self, X: Any, y: Any) -> Forest:
        """Fit, and count it."""
        Ledger.fits += 1
        return self._fit(X, y)

    _fit = Ledger.timed(RandomForestClassifier.fit)
    predict = Ledger.timed(RandomForestClassifier.predict)
    predict_proba = Ledger.timed(RandomForestClassifier.predict_proba)
    score = Ledger.timed(RandomForestClassifier.score)


@dataclass(frozen=True)
class Problem:
    """Rows to fit on, rows to decide on, rows to report on, and a budget of fits."""

    X: np.ndarray
    y: np.ndarray
    split: tuple[np.ndarray, np.ndarray]
    X_test: np.ndarray
    y_test: np.ndarray
    budget: int
    seed: int

    @property
    def n_features(self) -> int:
        """Columns to choose from."""
        return self.X.shape[1]

    @property
    def generations(self) -> int:
        """How often the budget pays for a population."""
        return max(1, self.budget // POPULATION)

    def forest(self) -> Forest:
        """Return a fresh forest, the same for every method."""
        return Forest(n_estimators=10, random_state=self.seed)

    def judge(self, subset: np.ndarray) -> float:
        """Return a subset's accuracy on the validation rows."""
        train, valid = self.split
        forest = self.forest().fit(self.X[train][:, subset], self.y[train])
        return forest.score(self.X[valid][:, subset], self.y[valid])


def load_problem(matrix: str, budget: int, seed: int) -> Problem:
    if matrix == "digits":
        X, y = load_digits(return_X_y=True)
    else:
        X, y = make_classification(
            2000, 200, n_informative=15, n_redundant=15, n_classes=3, random_state=seed
        )
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)
    split = train_test_split(np.arange(len(y)), test_size=1 / 3, stratify=y, random_state=seed)
    return Problem(X, y, tuple(split), X_test, y_test, budget, seed)


def all_features(problem: Problem) -> np.ndarray:
    return np.arange(problem.n_features)


def random_subsets(problem: Problem) -> np.ndarray:
    rng = np.random.default_rng(problem.seed)
    subsets = [
        rng.choice(problem.n_features, rng.integers(1, problem.n_features + 1), replace=False)
        for _ in range(problem.budget)
    ]
    return max(subsets, key=problem.judge)


def ant_colony(problem: Problem) -> np.ndarray:
    return _ants(problem, "f_classif")


def ants_with_their_own_judge(problem: Problem) -> np.ndarray:
    """Let the forest that credits features judge, on all rows, each out of bag."""
    from fer_fast import AntColonySelector

    selector = AntColonySelector(
        n_ants=POPULATION, n_iterations=problem.generations, random_state=problem.seed
    )
    selector.fit(problem.X, problem.y)
    Ledger.fits += int(selector.history_["evaluations"].sum())
    return selector.get_support(indices=True)


def ant_colony_without_prior(problem: Problem) -> np.ndarray:
    return _ants(problem, np.ones(problem.n_features))


def _ants(problem: Problem, desirability: Any) -> np.ndarray:
    from fer_fast import AntColonySelector

    selector = AntColonySelector(
        problem.forest(),
        n_ants=POPULATION,
        n_iterations=problem.generations,
        cv=[problem.split],
        desirability=desirability,
        random_state=problem.seed,
    )
    return selector.fit(problem.X, problem.y).get_support(indices=True)


def select_k_best(problem: Problem) -> np.ndarray:
    from sklearn.feature_selection import SelectKBest

    sizes = np.unique(np.linspace(1, problem.n_features, problem.budget).astype(int))
    search = GridSearchCV(
        make_pipeline(SelectKBest(), problem.forest()),
        {"selectkbest__k": sizes},
        cv=[problem.split],
    )
    return search.fit(problem.X, problem.y).best_estimator_[0].get_support(indices=True)


def recursive_elimination(problem: Problem) -> np.ndarray:
    from sklearn.feature_selection import RFECV

    # The elimination runs twice: once to find the size, once to reach it.
    step = -(-2 * problem.n_features // problem.budget)
    selector = RFECV(problem.forest(), step=step, cv=[problem.split])
    return selector.fit(problem.X, problem.y).get_support(indices=True)


def sequential(problem: Problem) -> np.ndarray:
    from sklearn.feature_selection import SequentialFeatureSelector

    # The k-th feature costs one fit for each of the features that are left.
    costs = np.cumsum(np.arange(problem.n_features, 0, -1))
    affordable = max(1, int(np.searchsorted(costs, problem.budget, side="right")))
    # It must leave one out.
    affordable = min(affordable, problem.n_features - 1)
    selector = SequentialFeatureSelector(
        problem.forest(), n_features_to_select=affordable, cv=[problem.split]
    )
    return selector.fit(problem.X, problem.y).get_support(indices=True)


def boruta(problem: Problem) -> np.ndarray:
    from boruta import BorutaPy

    selector = BorutaPy(
        problem.forest(), n_estimators=10, max_iter=problem.budget, random_state=problem.seed
    )
    # It has no use for validation rows: it may fit on them too.
    selector.fit(problem.X, problem.y)
    return np.flatnonzero(selector.support_)


def zoofs(problem: Problem) -> np.ndarray:
    import pandas as pd
    from zoofs import ParticleSwarmOptimization

    np.random.seed(problem.seed)  # noqa: NPY002 - the only seed that zoofs knows
    names = [str(j) for j in range(problem.n_features)]
    rows = [
        part
        for index in problem.split
        for part in (pd.DataFrame(problem.X[index], columns=names), pd.Series(problem.y[index]))
    ]
    selector = ParticleSwarmOptimization(
        lambda model, X, y, X_valid, y_valid: model.fit(X, y).score(X_valid, y_valid),
        n_iteration=problem.generations,
        population_size=POPULATION,
        minimize=False,
    )
    return np.sort([int(name) for name in selector.fit(problem.forest(), *rows, verbose=False)])


def mafese(problem: Problem) -> np.ndarray:
    from mafese import FeatureSelectionProblem, MhaSelector

    def with_our_rows(*, data: Any, **keywords: Any) -> FeatureSelectionProblem:
        train, valid = problem.split
        data.X_train, data.y_train = problem.X[train], problem.y[train]
        data.X_test, data.y_test = problem.X[valid], problem.y[valid]
        return FeatureSelectionProblem(data=data, **keywords)

    selector = MhaSelector(
        estimator=problem.forest(),
        optimizer="BaseGA",
        # The initial population is judged before the first epoch.
        optimizer_paras={"epoch": max(1, problem.generations - 1), "pop_size": POPULATION},
        seed=problem.seed,
        verbose=False,
    )
    selector.fit(problem.X, problem.y, fs_problem=with_our_rows)
    return np.asarray(selector.selected_feature_indexes)


def sklearn_genetic(problem: Problem) -> np.ndarray:
    import random

    from sklearn_genetic import GAFeatureSelectionCV

    random.seed(problem.seed)
    np.random.seed(problem.seed)  # noqa: NPY002 - DEAP and it draw from the global streams
    selector = GAFeatureSelectionCV(
        problem.forest(),
        cv=[problem.split],
        population_size=POPULATION,
        # Each generation breeds twice the population, after a first one.
        generations=max(1, (problem.generations - 1) // 2),
        verbose=False,
        refit=False,
    )
    selector.fit(problem.X, problem.y)
    return np.flatnonzero(selector.best_features_)


def after_filter(select: Select) -> Select:
    """Have a method choose among the quarter of the columns that F likes best.

    That is what F can tell a method that cannot be told anything; F sees the rows to fit on.
    """

    def filtered(problem: Problem) -> np.ndarray:
        from sklearn.feature_selection import SelectKBest

        train, _ = problem.split
        best = SelectKBest(k=max(1, problem.n_features // 4))
        best.fit(problem.X[train], problem.y[train])
        kept = best.get_support(indices=True)
        return kept[select(replace(problem, X=problem.X[:, kept], X_test=problem.X_test[:, kept]))]

    return filtered


def checked_colony() -> Any:
    from fer_fast import AntColonySelector

    return AntColonySelector(GaussianNB(), n_ants=3, n_iterations=2, cv=3, random_state=0)


def checked_k_best() -> Any:
    from sklearn.feature_selection import SelectKBest

    return SelectKBest(k=1)


def checked_elimination() -> Any:
    from sklearn.feature_selection import RFE
    from sklearn.linear_model import LogisticRegression

    return RFE(LogisticRegression())


def checked_sequential() -> Any:
    from sklearn.feature_selection import SequentialFeatureSelector

    return SequentialFeatureSelector(GaussianNB(), n_features_to_select=1, cv=3)


def checked_boruta() -> Any:
    from boruta import BorutaPy

    forest = RandomForestClassifier(n_estimators=3, random_state=0)
    return BorutaPy(forest, n_estimators=3, max_iter=3, random_state=0)


def checked_zoofs() -> Any:
    from zoofs import ParticleSwarmOptimization

    return ParticleSwarmOptimization(
        lambda model, X, y, X_valid, y_valid: model.fit(X, y).score(X_valid, y_valid),
        n_iteration=2,
        population_size=3,
    )


def checked_mafese() -> Any:
    from mafese import MhaSelector

    parameters = {"epoch": 2, "pop_size": 5}
    return MhaSelector(estimator=GaussianNB(), optimizer_paras=parameters, verbose=False)


def checked_genetic() -> Any:
    from sklearn_genetic import GAFeatureSelectionCV

    return GAFeatureSelectionCV(
        GaussianNB(), cv=3, population_size=3, generations=2, verbose=False
    )  # fmt: skip


@dataclass(frozen=True)
class Method:
    """One line of the table: where it comes from, how it selects, what the checks run on."""

    package: str
    module: str
    select: Select
    checked: Callable[[], Any] | None = None


SKLEARN = ("scikit-learn", "sklearn.feature_selection")

METHODS = {
    "all features": Method(*SKLEARN, all_features),
    "random subsets": Method(*SKLEARN, random_subsets),
    "AntColonySelector": Method("fer-fast", "fer_fast", ant_colony, checked_colony),
    "the same, no prior": Method("fer-fast", "fer_fast", ant_colony_without_prior),
    "the same, its own judge": Method("fer-fast", "fer_fast", ants_with_their_own_judge),
    "SelectKBest": Method(*SKLEARN, select_k_best, checked_k_best),
    "RFE": Method(*SKLEARN, recursive_elimination, checked_elimination),
    "SequentialFeatureSelector": Method(*SKLEARN, sequential, checked_sequential),
    "boruta": Method("Boruta", "boruta", boruta, checked_boruta),
    "zoofs": Method("zoofs", "zoofs", zoofs, checked_zoofs),
    "mafese": Method("mafese", "mafese", mafese, checked_mafese),
    "sklearn-genetic-opt": Method(
        "sklearn-genetic-opt", "sklearn_genetic", sklearn_genetic, checked_genetic
    ),
}

AFTER_FILTER = ", after F"

METHODS |= {
    f"{name}{AFTER_FILTER}": replace(method, select=after_filter(method.select), checked=None)
    for name, method in METHODS.items()
    if method.module != "fer_fast" and name not in ("all features", "SelectKBest")
}
