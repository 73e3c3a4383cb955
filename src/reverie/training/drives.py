"""Which episodes a run collects: who drives each, on which track, from where, and for how long at most."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from reverie.data.failures import failures
from reverie.data.store import About, EpisodeStore
from reverie.envs.config import EnvConfig
from reverie.envs.registry import spec_of
from reverie.envs.starts import start
from reverie.envs.vector import Start
from reverie.run.recipe import RunConfig
from reverie.seeding import generator, sample_tracks

Driver = Literal["random", "agent", "lap"]
"""Chance, an agent whose hands shake, or the same with steady hands on a whole lap."""


class Drive(NamedTuple):
    """An episode to come."""

    driver: Driver
    track: int
    """Reset seed."""
    start: Start | None
    """None for the usual place."""
    steps: int | None
    """Decisions at most; None for as long as the world lets it."""
    stall_decisions: int | None
    """Decisions without progress after which it ends."""


class Failure(NamedTuple):
    """Where a driver came off."""

    track: int
    """Reset seed."""
    place: float
    """Of the lap, from 0 to 1, by the tiles that it had until there."""


def planned(config: RunConfig, store: EpisodeStore, num_earlier: int) -> list[Drive]:
    """All episodes that a run collects itself, where its store begins with `num_earlier` of rounds before: a pure
    function of its recipe and those.

    No track of theirs is driven again, but for those on which the last driver came off.
    """
    collect, rounds = config.collect, config.rounds
    laps, num = (rounds.laps, rounds.episodes) if rounds.num > 1 else (0, collect.episodes)
    driven = {entry["seed"] for entry in store.entries[:num_earlier]}
    drawn = sample_tracks(generator(config.seed, "collect", "tracks"), laps + num + len(driven))
    tracks = [track for track in drawn if track not in driven][: laps + num]
    drives = [Drive("lap", track, None, None, None) for track in tracks[:laps]]
    places = _places(config, store, num_earlier)
    for i, track in enumerate(tracks[laps:]):
        is_agents = config.by_agent(i + 1) > config.by_agent(i)
        own = config.by_agent(i) if is_agents else i - config.by_agent(i)  # each driver counts its own
        steps = (is_agents and collect.agent_steps) or collect.steps
        drive = Drive("agent" if is_agents else "random", track, None, steps, collect.stall_decisions or None)
        drives.append(_placed(drive, config, i, own, places))
    return drives


def about(config: RunConfig, drive: Drive) -> About | None:
    """What the store is told of an episode; nothing in a first round, where the recipe says it all."""
    if config.rounds.num == 1:
        return None
    place = None if drive.start is None else (drive.start.fraction, drive.start.offset, drive.start.heading)
    return About(round=config.rounds.num - 1, driver=drive.driver, start=place)


def failures_of(store: EpisodeStore, episodes: Iterable[int], env: EnvConfig) -> list[Failure]:
    """Where an agent came off in some episodes, once in each at most, in a world of which it is known how much of the
    way a return is."""
    found, spec = list[Failure](), spec_of(env)
    largest = spec.largest_return
    assert largest is not None
    for i in episodes:
        entry = store.entries[i]
        if entry.get("driver") not in ("agent", "lap"):
            continue
        episode = store[i]
        for last in failures(spec.got_on(episode.rew), put_out=episode.end)[:1].tolist():
            start, decisions = entry.get("start"), last + 1
            earned = float(episode.rew[:decisions].sum()) + largest.frame_cost * env.action_repeat * decisions
            found.append(Failure(entry["seed"], ((start[0] if start else 0.0) + earned / largest.total) % 1.0))
    return found


def _places(config: RunConfig, store: EpisodeStore, num_earlier: int) -> list[Failure]:
    """Failures to begin before, in random order."""
    rounds = config.rounds
    if rounds.num == 1 or not rounds.failures or spec_of(config.env).largest_return is None:
        return []
    last = [i for i in range(num_earlier) if store.entries[i].get("round", 0) >= rounds.num - 2]  # its finals, too
    found = failures_of(store, last, config.env)
    return [found[i] for i in generator(config.seed, "collect", "failures").permutation(len(found))]


def _placed(drive: Drive, config: RunConfig, index: int, own: int, places: Sequence[Failure]) -> Drive:
    """Where the car of an episode starts, by its `index`, and its number among its driver's `own`."""
    collect, rounds = config.collect, config.rounds
    before, on_road = _count(own, rounds.failures), own - _count(own, rounds.failures)
    patient = drive._replace(stall_decisions=rounds.stall_decisions or drive.stall_decisions)
    if rounds.num > 1 and places and _is_one(own, rounds.failures):
        place = places[(2 * before + (drive.driver == "agent")) % len(places)]
        return patient._replace(track=place.track, start=start(config.env, "before", config.seed, index, place.place))
    if rounds.num > 1 and rounds.beside and _is_one(on_road, rounds.beside / max(1 - rounds.failures, rounds.beside)):
        return patient._replace(start=start(config.env, "beside", config.seed, index))
    if collect.starts == "line":
        return drive
    # Of a grid of places, each driver has its own: a share of 1/5 would always have the same offset.
    number = own if collect.starts == "structured" else index
    return drive._replace(start=start(config.env, collect.starts, config.seed, number))


def _count(num: int, share: float) -> int:
    """How many of the first `num` belong to a share, spread evenly."""
    return int(num * share)


def _is_one(number: int, share: float) -> bool:
    """Whether the one with this number does."""
    return _count(number + 1, share) > _count(number, share)
