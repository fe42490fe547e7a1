"""Fit the package's forest and scikit-learn's on the same wide rows.

``python examples/forest_against_sklearn.py [ROWS COLUMNS]``

Seconds are this machine's; `bench/forest.py` measures them properly.
"""

import sys
import time

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from fer_fast import HistForestClassifier

rows, columns = map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (2000, 500)
rng = np.random.default_rng(0)
X = rng.normal(size=(rows, columns)).astype(np.float32)
y = np.argmax(X[:, :4] + 0.5 * rng.normal(size=(rows, 4)), axis=1)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

for Forest in (HistForestClassifier, RandomForestClassifier):
    forest = Forest(100, oob_score=True, n_jobs=-1, random_state=0)
    began = time.perf_counter()
    forest.fit(X_train, y_train)
    seconds = time.perf_counter() - began
    score = forest.score(X_test, y_test)
    print(f"{Forest.__name__:>22}: {seconds:.2f} s, test {score:.3f}, oob {forest.oob_score_:.3f}")

forest = HistForestClassifier(100, oob_score=True, n_jobs=-1, random_state=0).fit(X_train, y_train)
noise = forest.feature_importances_[4:].sum()
honest = forest.oob_feature_importances_[4:].sum() / forest.oob_feature_importances_.sum()
print(f"share of the importance that noise has: {noise:.2f} in bag, {honest:.2f} out of bag")
