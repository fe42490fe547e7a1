"""Choose pixels of handwritten digits for a classifier, and hold the choice against simpler ones.

``python examples/selector_digits.py``
"""

from sklearn.datasets import load_digits
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif
from sklearn.model_selection import ShuffleSplit, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from fer_fast import AntColonySelector

X, y = load_digits(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# One split judges a subset by one fit; the default, cv=5, by five.
ants = AntColonySelector(GaussianNB(), cv=ShuffleSplit(1, random_state=0), random_state=0)
models = {"ants": make_pipeline(ants, GaussianNB()).fit(X_train, y_train)}
k = ants.n_features_
by_f = SelectKBest(f_classif, k=k)
models[f"{k} best by F"] = make_pipeline(VarianceThreshold(), by_f, GaussianNB())
models["all pixels"] = make_pipeline(GaussianNB())
for name, model in models.items():
    accuracy = model.fit(X_train, y_train).score(X_test, y_test)
    print(f"{name:>14}  {accuracy:.3f}")
print(f"the ants keep {k} of {X.shape[1]}:", *ants.get_feature_names_out()[:5], "…")
