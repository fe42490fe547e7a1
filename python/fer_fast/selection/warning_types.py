"""What a search may have to say about its result."""

from __future__ import annotations

from collections.abc import Mapping


class PartialResultWarning(UserWarning):
    """Ctrl-C ended a search early: the selector holds the best subset found until then."""


class BlindJudgeWarning(UserWarning):
    """The heuristic saw the rows that judge, of which there are few: all subsets look good."""


class SimplerAnswerWarning(UserWarning):
    """On rows that no search saw, a simpler way to choose as many features does better."""


class WorkerDiedWarning(UserWarning):
    """Workers of an executor died of a subset, which has no score."""


def simpler_answers(score: float, better: Mapping[str, float]) -> str:
    """Return what a `SimplerAnswerWarning` says."""
    names = " and ".join(f"{name} {other:.4g}" for name, other in better.items())
    return (
        f"on the rows held out the chosen features score {score:.4g}, and as many by simpler means "
        f"score more, beyond noise: {names}; holdout_baselines_ has all of them"
    )


BLIND_JUDGE = (
    "columns far outnumber rows, and the desirability has seen the rows that judge: best_score_ "
    "says nothing of new rows. Set rows aside with holdout=, or keep the desirability from seeing "
    "them with cv=ShuffleSplit(1, test_size=0.5)"
)
"""What a `BlindJudgeWarning` says."""
