"""Let the workers of a Dask cluster judge the ants' subsets, and find what one machine finds.

``python examples/dask_run.py [tcp://HOST:8786]``

Without an address two workers are started on this machine. Needs the extra `dask`.
"""

import sys
from contextlib import ExitStack

import numpy as np
from distributed import Client, LocalCluster
from sklearn.datasets import load_breast_cancer
from sklearn.naive_bayes import GaussianNB

from fer_fast import AntColonySelector

if __name__ == "__main__":  # the workers import this file, and shall not run it
    X, y = load_breast_cancer(return_X_y=True)
    settings = {"n_ants": 8, "n_iterations": 4, "random_state": 0}
    with ExitStack() as life:
        address = sys.argv[1] if len(sys.argv) > 1 else None
        if address is None:
            cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
            address = life.enter_context(cluster)
        client = life.enter_context(Client(address))
        print(f"workers: {len(client.nthreads())}")
        # To Dask a subset that is asked for again would be no new work: it is, after a failure.
        executor = client.get_executor(pure=False)
        shared = AntColonySelector(GaussianNB(), executor=executor, **settings).fit(X, y)

    alone = AntColonySelector(GaussianNB(), **settings).fit(X, y)
    print(f"the workers' choice: {shared.n_features_} of {X.shape[1]} columns")
    print("the same as on one machine:", np.array_equal(shared.support_, alone.support_))
