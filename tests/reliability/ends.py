"""A program whose workers wait until it is killed: `python -m tests.reliability.ends KIND FOLDER`. Each worker leaves a
file with its number in FOLDER."""

import sys
from pathlib import Path

from reverie.workers.make import make_workers
from tests.workers import jobs


def main(kind: str, folder: str) -> None:
    """Never returns."""
    with make_workers(2 if kind == "processes" else 0, None if kind == "processes" else "local") as workers:
        list(workers.map(jobs.meet_and_wait, [Path(folder)] * 2))


if __name__ == "__main__":
    main(*sys.argv[1:])
