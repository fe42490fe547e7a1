"""A run's files read back as what was found."""

import json

import numpy as np
import skops.io
from sklearn.datasets import load_digits

from fer_fast.classifier.final import fit_classifier
from fer_fast.runs.folder import RunFolder

SUBSET = np.array([3, 10, 20, 21, 28, 36, 43, 60])


def test_the_saved_forest_predicts_the_same_without_pickle(tmp_path):
    X, y = load_digits(return_X_y=True)
    classifier = fit_classifier(X.astype(np.float32), y, SUBSET, n_estimators=5)
    folder = RunFolder(tmp_path)
    folder._save_forest(classifier)
    loaded = skops.io.load(folder.forest, trusted=["sklearn.tree._tree.Tree"])
    assert np.array_equal(
        loaded.predict_proba(X[:, SUBSET]), classifier.forest.predict_proba(X[:, SUBSET])
    )


def test_the_selection_reads_as_json(tmp_path):
    RunFolder(tmp_path).save_selection(SUBSET, 64)
    document = json.loads((tmp_path / "selection.json").read_text())
    assert document["indices"] == SUBSET.tolist()
    assert document["n_features"] == 64
    assert document["complete"] is True
