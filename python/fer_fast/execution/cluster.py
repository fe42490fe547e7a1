"""Dask's workers, and the one place that knows Dask."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

from fer_fast.environment import install_line, missing_modules
from fer_fast.errors import WorkersError
from fer_fast.execution.workers import Workers
from fer_fast.progress import SILENT, Reporter

LOCAL = "local:"
"""What an address starts with if the workers are processes of this machine, their number next."""

_LOGGERS = ("distributed", "distributed.client", "asyncio", "tornado.application")
"""Those that Dask gives a level of their own as it is imported, and those of what it runs on."""

_PATIENCE_S = 10
"""How long a scheduler has to answer."""


@contextmanager
def cluster_workers(address: str, reporter: Reporter = SILENT) -> Iterator[Workers]:
    """Yield the workers of a Dask cluster: those there are, and those that join.

    Parameters
    ----------
    address : str
        A scheduler's, such as ``tcp://10.0.0.1:8786``; or ``local:4`` for four processes of one
        thread on this machine, which end with the block.
    reporter : Reporter

    Raises
    ------
    WorkersError
        If Dask is not installed, or no scheduler answers; inside the block, if it is gone.
    """
    if missing := missing_modules(["distributed"]):
        raise WorkersError(
            f"--dask needs {', '.join(missing)}, not installed here",
            hint=f"run `{install_line('dask')}`",
        )
    distributed: Any = import_module("distributed")
    with ExitStack() as life:
        # What it logs of broken connections is said in a sentence, if it matters.
        for name in _LOGGERS:
            life.enter_context(_quiet(logging.getLogger(name)))
        client = _connect(distributed, address, life)
        # Work handed out by this client alone is no function of its arguments to Dask: what is
        # asked again shall be computed again.
        executor = client.get_executor(pure=False)
        _greet(client, address, reporter)
        try:
            # Never through the task itself: what is scattered goes to each worker once, and from
            # one of them to the next.
            with Workers(
                executor,
                send=client.scatter,
                is_alive=lambda: client.status in ("running", "connecting"),
                reporter=reporter,
            ) as workers:
                yield workers
        except WorkersError as error:
            if client.status == "running":
                raise
            raise WorkersError(
                f"the scheduler at {address} is gone, and its workers with it",
                hint="start it again",
            ) from error


def threads_of_this_worker() -> int:
    """Return how many calls the executor makes at once in this process, as far as it tells."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return 1
    try:
        return int(distributed.get_worker().state.nthreads)
    except ValueError:
        return 1


def _connect(distributed: Any, address: str, life: ExitStack) -> Any:
    try:
        if not address.startswith(LOCAL):
            return life.enter_context(
                distributed.Client(address, timeout=_PATIENCE_S, set_as_default=False)
            )
        # Here it is known of each death whose it was, or whose it may have been.
        life.enter_context(
            import_module("dask").config.set({"distributed.scheduler.allowed-failures": 0})
        )
        cluster = life.enter_context(
            distributed.LocalCluster(
                n_workers=int(address[len(LOCAL) :]),
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )
        )
        return life.enter_context(distributed.Client(cluster, set_as_default=False))
    except (OSError, TimeoutError, ValueError) as error:
        raise WorkersError(
            f"no Dask scheduler answers at {address} ({error or type(error).__name__})",
            hint="start one with `dask scheduler`, and `dask worker` where there are cores",
        ) from error


def _greet(client: Any, address: str, reporter: Reporter) -> None:
    threads = client.nthreads()
    if threads:
        reporter.note(f"dask: {len(threads):,} workers, {sum(threads.values()):,} threads")
    else:
        reporter.note(f"dask: no worker has joined {address} yet, so this waits for one")


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
