"""What a search may have to say about its result."""


class PartialResultWarning(UserWarning):
    """Ctrl-C ended a search early: the selector holds the best subset found until then."""


class BlindJudgeWarning(UserWarning):
    """The heuristic saw the rows that judge, of which there are few: all subsets look good."""


BLIND_JUDGE = (
    "columns far outnumber rows, and the desirability has seen the rows that judge: best_score_ "
    "says nothing of new rows. Set rows aside with holdout=, or keep the desirability from seeing "
    "them with cv=ShuffleSplit(1, test_size=0.5)"
)
"""What a `BlindJudgeWarning` says."""
