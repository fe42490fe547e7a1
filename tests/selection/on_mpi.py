"""What a selector and a colony find on an executor, as JSON types.

``mpiexec -n 3 python -m mpi4py.futures on_mpi.py`` prints what they find on two workers of MPI.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from fer_fast import AntColonySelector, Colony, ForestFitness


def found(executor: Any = None) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(160, 30)).astype(np.float32)
    y = (X[:, 0] + X[:, 3] + 0.3 * rng.normal(size=160) > 0).astype(np.int64)
    selector = AntColonySelector(
        LogisticRegression(), n_ants=5, n_iterations=2, cv=2, random_state=1, executor=executor
    ).fit(X, y)
    colony = Colony(np.ones(30), n_ants=7, seed=5, deposit="credit")
    forest = ForestFitness(X, y, n_estimators=8, scoring="brier", credit="residual")
    colony.run(forest, n_iterations=4, executor=executor)
    return {
        "support": selector.get_support(indices=True).tolist(),
        "score": selector.best_score_,
        "colony": colony.to_json(),
    }


if __name__ == "__main__":
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as executor:
        print(json.dumps(found(executor)))
