"""What a search may have to say about its result."""


class PartialResultWarning(UserWarning):
    """Ctrl-C ended a search early: the selector holds the best subset found until then."""


class BlindJudgeWarning(UserWarning):
    """The heuristic saw the rows that judge, of which there are few: all subsets look good."""
