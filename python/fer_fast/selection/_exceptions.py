"""What a fitness may raise on purpose."""


class EvaluationCut(Exception):  # noqa: N818 - it reports a choice, not a fault
    """raised by a fitness to say that this subset was not evaluated."""
