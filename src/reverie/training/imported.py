"""Stage collect where nothing is driven: episodes that others collected are taken into the run's store."""

import numpy as np

from reverie.data.store import About, EpisodeStore, pack_episode
from reverie.errors import UserError
from reverie.progress import Progress
from reverie.run.folder import RunFolder
from reverie.run.world import source_of
from reverie.training.stage_clock import StageClock


def take_in(run: RunFolder, *, quiet: bool) -> None:
    """Takes in the episodes of the run's source that are still missing.

    Raises UserError where one is not of this world, or the source is no longer what the first ones were taken from.
    """
    source, store, clock = source_of(run.config), EpisodeStore(run.rollouts), StageClock(run, "collect")
    assert source, "only a run that drives nothing takes episodes in"
    known = len(store)
    if len(source) < known:
        raise _changed(run, source.name)
    with Progress("collect", len(source), "episodes", start=known, quiet=quiet) as bar:
        for i, (where, episode, seed) in enumerate(source):
            packed = pack_episode(i, episode, seed, About(driver="others"))
            if i >= known:
                store.append(packed)
                bar.update(len(store), decisions=store.num_decisions)
                clock.beat()
            elif packed.entry["sha256"] != store.entries[i]["sha256"]:
                raise _changed(run, where)
    facts = {
        "source": source.name,
        "episodes": len(store),
        "decisions": store.num_decisions,
        "frames": store.num_decisions * run.config.env.action_repeat,
        "mean_return": float(np.mean([entry["episode_return"] for entry in store.entries])),
    }
    clock.done([run.rollouts / "index.jsonl"], facts)


def _changed(run: RunFolder, where: str) -> UserError:
    return UserError(
        f"{where} is no longer what {run.path} took in: restore it from a copy, or begin anew with "
        f"`reverie collect --run {run.path} --again`"
    )
