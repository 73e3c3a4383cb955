"""What changes a run on the disk, killed or refused at any of its file operations: `python -m tests.reliability.saves
RUN WORK SOME CASE...` tries SOME of the operations of each case, drawn by a fixed seed, each on a copy of RUN below
WORK, and says as a line of JSON what came of each.

After each, the run must open and be as it was before or as it is after; and doing the same again must give the same as
doing it once.
"""

import json
import os
import random
import shutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from reverie import checkpoint
from reverie.data.episode import Episode
from reverie.data.latents import LatentStore, LatentWriter
from reverie.data.store import EpisodeStore, pack_episode
from reverie.errors import UserError
from reverie.metrics import Metrics
from reverie.models.files import load_controller
from reverie.run.folder import RunFolder
from reverie.run.fork import fork
from reverie.training.controller.search import Evolution
from reverie.training.pipeline import run_stages
from tests.reliability.faults import HOW, Faults


class Case(NamedTuple):
    """A change of a run's files."""

    act: Callable[[Path], object]
    state: Callable[[Path], Any]
    """What a reader finds; only what the change is about."""
    settled: bool = True
    """Whether a reader finds the state before it or the one after it, and nothing between; a stage has many saves."""


def _tensors(run: Path) -> None:
    tensors, meta = checkpoint.load(run / "vision.safetensors")
    tensors = {key: torch.full_like(value, 2) for key, value in tensors.items()}
    checkpoint.save(run / "vision.safetensors", tensors, meta | {"twice": True})


def _loaded(run: Path) -> Any:
    tensors, meta = checkpoint.load(run / "vision.safetensors")
    return round(sum(value.sum().item() for _, value in sorted(tensors.items())), 4), meta.get("twice")


def _recipe(run: Path) -> None:
    folder = RunFolder.open(run)
    with folder.locked():
        folder.save_recipe(replace(folder.recipe, evaluate=replace(folder.recipe.evaluate, tracks=7)))


def _given(run: Path) -> Any:
    folder = RunFolder.open(run)
    with folder.locked():
        return folder.config.evaluate.tracks, folder.manifest["stages"]["vision"]


def _append(run: Path) -> None:
    store = EpisodeStore(run / "rollouts")
    for i in range(len(store), 12):
        zeros = np.zeros((3, 3), np.float32)
        episode = Episode(obs=np.zeros((4, 64, 64, 3), np.uint8), act=zeros, rew=zeros[:, 0], end=False, trunc=True)
        store.append(pack_episode(i, episode, i))


def _episodes(run: Path) -> Any:
    store = EpisodeStore(run / "rollouts")
    return [float(store[i].rew.sum()) for i in range(len(store))]


def _metrics(run: Path) -> None:
    with Metrics(run) as metrics:
        metrics.rewind("vision", 2)
        metrics.log("vision", 2, {"x": 3})


def _logged(run: Path) -> Any:
    with Metrics(run, tensorboard=False):  # cuts off what a kill left of a line
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["stage"], line["step"]) for line in lines]


def _search(run: Path) -> None:
    folder = RunFolder.open(run)
    controller, _ = load_controller(folder.controller)
    evolution = Evolution(folder, controller)
    evolution.history = [row | {"mean_return": 1.0} for row in evolution.history]
    evolution.save()


def _history(run: Path) -> Any:
    folder = RunFolder.open(run)
    return [row["mean_return"] for row in Evolution(folder, load_controller(folder.controller)[0]).history]


def _forget(run: Path) -> None:
    folder = RunFolder.open(run)
    with folder.locked():
        folder.forget("memory")


def _known(run: Path) -> Any:
    folder = RunFolder.open(run)
    with folder.locked():
        done = [stage for stage in folder.manifest["stages"] if folder.is_done(stage)]
        for stage in done:
            folder.verify(stage)
    return done


def _encode(run: Path) -> None:
    store, folder = EpisodeStore(run / "rollouts"), run / "latents"
    sizes = {"num_observations": store.num_frames, "num_episodes": len(store), "z_size": 2, "a_size": 3}
    with LatentWriter(folder, **sizes, meta={"again": True}, flush_every=1) as writer:
        for i in range(writer.num_written, len(store)):
            z = np.full((len(store[i]) + 1, 2), i, np.float32)
            writer.append(z, z, store[i])


def _latents(run: Path) -> Any:
    if not LatentStore.is_complete(run / "latents"):
        return "begun"
    store = LatentStore(run / "latents")
    store.verify()
    return float(store.mu.astype(np.float64).sum())


def _fork(run: Path) -> None:
    if _forked(run) == "nothing":
        fork(RunFolder.open(run), run.parent / "forked", ["memory.steps=9"])


def _forked(run: Path) -> Any:
    """What the run that is made beside it has of it, if it is one."""
    path = run.parent / "forked"
    if not (path / "recipe.toml").exists() or RunFolder.open(path).is_cut_off:
        return "nothing"
    return _known(path)


def _stage(name: str) -> Callable[[Path], None]:
    def act(run: Path) -> None:
        folder = RunFolder.open(run)
        run_stages(folder, (name,), again=folder.is_done(name), quiet=True)

    return act


CASES = {
    "tensors": Case(_tensors, _loaded),
    "recipe": Case(_recipe, _given),
    "episodes": Case(_append, _episodes, settled=False),
    "metrics": Case(_metrics, _logged, settled=False),
    "search": Case(_search, _history),
    "forget": Case(_forget, _known, settled=False),
    "latents": Case(_encode, _latents, settled=False),
    "memory": Case(_stage("memory"), _known, settled=False),
    "fork": Case(_fork, _forked),
}


class Tried(NamedTuple):
    """What came of a case with one fault."""

    ended: str
    """`killed`, `refused` (with a line), `survived` (it did without), `done` (there was no such operation this time),
    or `broken` (an exception)."""
    operation: str
    what: str
    """What is wrong, empty where nothing is."""


def attempt(case: Case, run: Path, how: str, number: int) -> Tried:
    """Does it in a process of its own, which meets the fault; then looks at what there is, and does it again."""
    before = case.state(run)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _meet(case, run, Faults(how, number), writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    ended, _, rest = (said or "killed\n").partition("\n")
    if os.WIFSIGNALED(status) != (ended == "killed") or ended == "broken":
        return Tried("broken", str(number), rest or f"it ended with {status}")
    operation, _, line = rest.partition("\n")
    if ended == "refused" and "\n" in line.strip():
        return Tried(ended, operation, f"more than a line: {line}")
    return Tried(ended, operation, _look(case, run, before))


def _meet(case: Case, run: Path, faults: Faults, pipe: int) -> None:
    """In the child: never returns."""
    said = ""
    try:
        faults.install()
        try:
            case.act(run)
            said = "done\n"
        except UserError as error:
            said = f"refused\n{faults.last}\n{error}"
        if faults.count >= faults.number and said.startswith("done"):
            said = f"survived\n{faults.last}\n"
    except BaseException:
        said = f"broken\n{traceback.format_exc()}"
    os.write(pipe, said.encode())
    os._exit(0)


def operations(case: Case, run: Path) -> int:
    """How many operations it takes, done in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        faults = Faults("full", sys.maxsize)
        faults.install()
        try:
            case.act(run)
            os.write(writing, str(faults.count).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        number = int(pipe.read())
    os.waitpid(child, 0)
    return number


def _look(case: Case, run: Path, before: Any) -> str:
    """What is wrong with the run now, as a text."""
    try:
        found = case.state(run)
        case.act(run)
        after = case.state(run)
        with RunFolder.open(run).locked():  # puts in order what a kill left
            left = [path.name for path in run.parent.rglob(".*.tmp")]
    except Exception:
        return traceback.format_exc()
    if case.settled and found not in (before, after):
        return f"neither {before} nor {after}: {found}"
    return f"left behind: {left}" if left else ""


def main(run: str, work: str, some: str, *names: str) -> None:
    """See the module."""
    torch.set_num_threads(1)
    chance = random.Random(0)
    for name in names:
        once = Path(shutil.copytree(run, Path(work) / "once" / "run"))
        total = operations(CASES[name], once)
        numbers = sorted(chance.sample(range(1, total + 1), min(int(some), total)))
        reference = CASES[name].state(once)
        shutil.rmtree(once.parent)
        for how in HOW:
            for number in numbers:
                copy = Path(shutil.copytree(run, Path(work) / "copy" / "run"))
                tried = attempt(CASES[name], copy, how, number)
                if not tried.what and (state := CASES[name].state(copy)) != reference:
                    tried = tried._replace(what=f"doing it again gives {state}, not {reference}")
                shutil.rmtree(copy.parent)
                print(json.dumps({"case": name, "how": how, "number": number, **tried._asdict()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
