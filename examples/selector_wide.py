"""Few rows and many columns: what a choice is worth, and how much it is chance.

``python examples/selector_wide.py``

Of 2,000 columns five matter. Without an estimator the package's forest judges, out of bag.
"""

import warnings

import numpy as np

from fer_fast import AntColonySelector, BlindJudgeWarning, SimplerAnswerWarning

rng = np.random.default_rng(0)
X = rng.normal(size=(240, 2000)).astype(np.float32)
matter = [10, 20, 30, 40, 50]
y = (X[:, matter].sum(axis=1) > 0).astype(int)

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    ants = AntColonySelector(
        n_features_to_select=20,
        holdout=0.25,  # rows that neither the heuristic nor the search sees
        n_colonies=3,  # the search again, on random halves of the rows
        fixed=[10],  # stays, whatever the ants say
        forbidden=range(1990, 2000),
        n_jobs=-1,
        random_state=0,
    ).fit(X, y)

chosen = ants.get_support(indices=True)
print("of the five that matter:", sorted(set(matter) & set(chosen.tolist())))
print(f"the judge's score, which chose: {ants.best_score_:.2f}")
print(f"on rows set aside: {ants.holdout_score_:.2f}")
for name, score in ants.holdout_baselines_.items():
    print(f"  as many by {name}: {score:.2f}")
print(f"how alike the choices on halves of the rows are: {ants.stability_:.2f}")
for warning in said:
    if issubclass(warning.category, (BlindJudgeWarning, SimplerAnswerWarning)):
        print("warned:", warning.message)
