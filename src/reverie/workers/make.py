"""Which workers, by what the user says."""

from collections.abc import Iterator
from contextlib import contextmanager

from reverie import scratch
from reverie.devices import MAX_PROCESSES, num_cores
from reverie.errors import UserError
from reverie.notes import note
from reverie.workers.cluster import LOCAL, DaskWorkers, check_address
from reverie.workers.contract import Workers
from reverie.workers.inline import InlineWorkers
from reverie.workers.processes import ProcessWorkers

DASK = "dask"


@contextmanager
def make_workers(num_workers: int, scheduler: str | None = None) -> Iterator[Workers]:
    """The workers of a Dask `scheduler`, where one is given; else `num_workers` processes, one a core for a negative
    number, this process itself for 0. What happened to them is said at the end."""
    workers: Workers
    scratch.sweep()
    if scheduler:
        workers = DaskWorkers(scheduler)
    elif num_workers:
        workers = ProcessWorkers(num_cores() if num_workers < 0 else num_workers)
    else:
        workers = InlineWorkers()
    finished = False
    try:
        yield workers
        finished = True
    finally:
        workers.close()
        if said := workers.events.text(finished=finished):
            note(said)


def scheduler_of(workers: str | None, scheduler: str | None) -> str | None:
    """Where the Dask scheduler is, of `--workers` and `--scheduler`; None for no Dask. Raises UserError where the two
    make no sense together, or it is no address."""
    if workers == DASK and not scheduler:
        raise UserError("--workers dask needs --scheduler: tls://HOST:PORT, or local", usage=True)
    if scheduler and workers != DASK:
        raise UserError("--scheduler goes with --workers dask", usage=True)
    if scheduler and scheduler != LOCAL:
        check_address(scheduler)
    return scheduler


def number_of(workers: str) -> int:
    """Of `--workers`, where it is a number. Raises UserError where it is none, or none that a recipe may have."""
    try:
        number = int(workers)
    except ValueError:
        raise UserError(f"--workers {workers}: give a number of processes, or dask", usage=True) from None
    if not -1 <= number <= MAX_PROCESSES:
        raise UserError(f"--workers {workers}: give -1 (one a core) to {MAX_PROCESSES}, or dask", usage=True)
    return number
