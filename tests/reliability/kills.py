"""Runs that are killed with SIGKILL at random moments, and go on: `python -m tests.reliability.kills FOLDER
KILLS SECONDS [KIND...]`.

The kinds of runs take turns until there were so many kills. Each is made first without one; then a stage is drawn, each
alike, those of earlier rounds too, and a moment in it, by time of a processor, and the command is killed there and
given again. At last it is given in a Python of its own, and what it comes to is compared.

So that a kill costs what it interrupts and not a start of Python, commands are copies of this process, which has
imported everything and done nothing. They save after each step and not every 20 seconds, so that there is something to
go on from within a stage. Each line on stdout is the figures so far, as JSON.
"""

import json
import os
import random
import select
import shutil
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from reverie.cli.main import main as reverie
from reverie.events import Event, listening
from reverie.training import loop
from reverie.training.controller import evolve
from reverie.training.controller.imagine import learn
from tests.reliability.runs import KINDS, arguments, command, made
from tests.reliability.sessions import kill_session, of_session

OUTLIVE_SECONDS = 10
WITH_WORKERS = 0.25
"""Share of the commands that have two worker processes, which take long to start."""
START = "before its first stage"
Place = tuple[str, str]
"""A run within the run ("." for itself), and its stage."""


class Command:
    """`reverie` with these words, in a session of its own, as a copy of this process."""

    def __init__(self, run: Path, words: Sequence[str]) -> None:
        self._run = run
        self._told, told = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            _be(words, run.with_suffix(".said"), told)
        os.close(told)
        self.code: int | None = None

    def places(self, seconds: float) -> list[Place]:
        """What stages have begun since this was asked last; waits for one for so long at most."""
        if not select.select([self._told], [], [], seconds)[0]:
            return []
        lines = os.read(self._told, 2**16).decode().splitlines()
        return [(str(Path(run).relative_to(self._run)), stage) for run, stage in map(json.loads, lines)]

    @property
    def has_ended(self) -> bool:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None

    @property
    def taken(self) -> float:
        """Seconds of a processor that it and its children have taken."""
        ticks = 0
        for pid in of_session(self.pid):
            with suppress(OSError):
                ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def kill(self) -> int:
        """Kills it, not its children, which must end by themselves; how many have not after 10 s."""
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        self.code = -9
        end = time.monotonic() + OUTLIVE_SECONDS
        while (left := of_session(self.pid)) and time.monotonic() < end:
            time.sleep(0.02)
        return len(left)

    def close(self) -> None:
        """Nothing of it stays, whatever came of it."""
        kill_session(self.pid)
        os.close(self._told)


def _be(words: Sequence[str], said: Path, told: int) -> None:
    """What the copy does; never returns."""
    code = 70
    try:
        os.setsid()
        file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)

        def tell(event: Event) -> None:
            if event.kind == "stage" and event.values["status"] == "running":
                os.write(told, json.dumps([str(event.run), event.stage]).encode() + b"\n")

        with listening(tell):
            code = reverie(words)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Reference:
    """A run of a kind that nobody kills: what it comes to, and when, by time of a processor, each stage begins."""

    def __init__(self, run: Path, words: Sequence[str]) -> None:
        self.begins: dict[Place, float] = {(".", START): 0.0}
        self.seconds = 0.0
        whole = Command(run, words)
        try:
            while not whole.has_ended:
                for place in whole.places(0.02):
                    self.begins.setdefault(place, whole.taken)
                self.seconds = whole.taken or self.seconds
            assert whole.code == 0, run.with_suffix(".said").read_text()
        finally:
            whole.close()
        self.places, self.made = list(self.begins), made(run)

    def lasts(self, number: int) -> float:
        """How long a stage takes."""
        times = [*self.begins.values(), self.seconds]
        return times[number + 1] - times[number]


class Kills:
    """The figures, and what they are counted from."""

    def __init__(self, folder: Path, kinds: Sequence[str]) -> None:
        self._folder, self._kinds, self._chance = folder, kinds, random.Random(0)
        self._references: dict[str, Reference] = {}
        self._starts = time.process_time()
        """What a worker takes to start: as long as this process."""
        self.kills, self.runs, self.lost, self.outlived = 0, 0, 0, 0
        self._by_stage, self._by_run, self._by_kind = Counter[str](), Counter[str](), Counter[str]()

    @property
    def figures(self) -> dict[str, dict[str, int]]:
        """By part of the table."""
        first = {"kills": self.kills, "runs": self.runs, "lost": self.lost, "outlived their parent": self.outlived}
        return {
            "killed at random moments": first,
            "of these in stage": dict(self._by_stage),
            "in a run": dict(self._by_run),
            "of kind": dict(self._by_kind),
        }

    def once(self) -> None:
        """One run."""
        seed, chance = self.runs % len(self._kinds), self._chance
        kind = self._kinds[seed]
        settings = KINDS[kind]
        run, whole = (self._folder / f"{name}{self.runs}" for name in ("run", "whole"))
        if kind not in self._references:
            self._references[kind] = Reference(whole, arguments(whole, seed, 0, *settings))
        reference = self._references[kind]
        numbers = range(len(reference.places))
        for goal in sorted(chance.choices(numbers, k=chance.randint(1, 2 * len(numbers)))):
            workers = 2 * (chance.random() < WITH_WORKERS)
            if not self._kill(run, arguments(run, seed, workers, *settings), reference, goal, workers):
                break
            self._by_kind[kind] += 1
        done = subprocess.run(command(run, seed, 0, *settings), check=False, capture_output=True, text=True)
        came = {} if done.returncode else made(run)
        if came == reference.made:
            shutil.rmtree(run)
        else:
            self.lost += 1
            other = [key for key in reference.made if came.get(key) != reference.made[key]]
            print(f"{run}, {kind}: {done.stderr.strip()[-400:]} {other} is not what it would be", file=sys.stderr)
        self.runs += 1

    def _kill(self, run: Path, words: Sequence[str], reference: Reference, goal: int, workers: int) -> bool:
        """Kills the command at a moment of a stage, or of one after it where the run is as far; False where it was done
        before."""
        process, chance = Command(run, words), self._chance
        at, begun, left = reference.places[0], None if goal else 0.0, 0.0
        seconds = chance.random() * (reference.lasts(goal) + workers * self._starts)
        try:
            while begun is None or (left := begun + seconds - process.taken) > 0:
                for at in process.places(0.05 if begun is None else max(left / 2, 0.005)):
                    if begun is None and reference.places.index(at) >= goal:
                        begun = process.taken
                if process.has_ended:
                    assert process.code == 0, run.with_suffix(".said").read_text()
                    return False
            time.sleep(chance.uniform(0, 0.01))  # the system counts in hundredths
            if process.has_ended:
                return False
            self.outlived += process.kill()
            at = [at, *process.places(0)][-1]
            self.kills += 1
            self._by_stage[at[1]] += 1
            self._by_run["itself" if at[0] == "." else at[0]] += 1
            return True
        finally:
            process.close()


def main(folder: str, least: str, seconds: str, *kinds: str) -> None:
    """Prints the figures after each run, until there are so many kills and each kind has had as many turns as any, or
    the time is over."""
    until = time.monotonic() + float(seconds)
    loop.CHECKPOINT_SECONDS = evolve.SNAPSHOT_SECONDS = learn.SNAPSHOT_SECONDS = 0.0
    kills = Kills(Path(folder), kinds or list(KINDS))
    while time.monotonic() < until and (kills.kills < int(least) or kills.runs % len(kinds or KINDS)):
        kills.once()
        print(json.dumps(kills.figures), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
