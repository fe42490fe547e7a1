"""scikit-learn's own checks of an estimator, none of them expected to fail."""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from fer_fast.forest import HistForestClassifier


@parametrize_with_checks(
    [
        HistForestClassifier(n_estimators=10),
        HistForestClassifier(n_estimators=10, bootstrap=False, class_weight="balanced"),
        HistForestClassifier(n_estimators=10, oob_score=True, class_weight="balanced_subsample"),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
