"""What happens after each subset judged: callbacks, a line to print, reasons to end a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_fast._core import Evaluation


class Watch:
    """A colony's callback, that remembers why it ended the search.

    Parameters
    ----------
    time_budget : float or None
        Seconds.
    callbacks : sequence of callable
    verbose : int
        1 or more prints a line per iteration.

    Attributes
    ----------
    ended_by : {"time_budget", "callback"} or None
    n_iterations : int
        Of the search, once it is known.
    """

    def __init__(
        self,
        *,
        time_budget: float | None = None,
        callbacks: Sequence[Callable[[Evaluation], object]] = (),
        verbose: int = 0,
    ) -> None:
        self._time_budget = time_budget
        self._callbacks = callbacks
        self._verbose = verbose
        self._elapsed: Callable[[], float] | None = None
        self.ended_by: str | None = None
        self.n_iterations = 0

    def follow(self, elapsed: Callable[[], float]) -> None:
        """Take the seconds that a search has taken from another clock than its colony's."""
        self._elapsed = elapsed

    def __call__(self, evaluation: Evaluation) -> bool:
        """Tell everyone; return whether the search shall end."""
        is_iteration_over = evaluation.settled == evaluation.n_ants
        if self._verbose and is_iteration_over:
            self._print(evaluation)
        # All are called, although one of them may end the search.
        answers = [callback(evaluation) for callback in self._callbacks]
        if any(answers):
            self.ended_by = "callback"
        elif self._time_budget is not None:
            elapsed = evaluation.elapsed if self._elapsed is None else self._elapsed()
            if elapsed >= self._time_budget:
                self.ended_by = "time_budget"
        # Where nothing in a whole iteration could be judged, more of the same will not help.
        is_hopeless = is_iteration_over and evaluation.evaluations == 0
        return self.ended_by is not None or is_hopeless

    def _print(self, evaluation: Evaluation) -> None:
        best = "no subset could be judged"
        if evaluation.evaluations > 0:
            best = f"all of {evaluation.size} features, which are halved"
        if evaluation.best_score is not None:
            best = f"best score {evaluation.best_score:.4f} with {evaluation.best_size} features"
        print(
            f"[AntColonySelector] iteration {evaluation.iteration + 1}/{self.n_iterations}: "
            f"{best}, {evaluation.evaluations} subsets judged in {evaluation.elapsed:.1f} s"
        )
