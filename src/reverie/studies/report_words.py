"""A run in plain words: what was done, what came of it, what it cost, how to do it again."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import reverie
from reverie.envs.registry import spec_of
from reverie.measure.dream.trust import Trust
from reverie.models.packed import archive_of
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.run.ledger import ledger, minutes
from reverie.run.manifest import RECIPE
from reverie.run.recipe import RunConfig
from reverie.run.stages import BESIDE
from reverie.show.paper import PAPER_SCORE
from reverie.training.budget import parameter_counts
from reverie.training.summary import duration

_STRATEGIES = {"cma": "CMA-ES", "pepg": "PEPG", "openes": "OpenAI's evolution strategy", "ga": "a genetic algorithm"}
_STAGES = {
    "collect": "driving, to have something to learn from",
    "vision": "V learns to see",
    "encode": "V looks at every frame",
    "memory": "M learns to foresee",
    "controller": "C learns to drive",
    "evaluate": "the score is measured",
    "pictures": "pictures are drawn",
}
AGAIN = "runs/again"
"""Where the commands that make a run again make it."""
WIDE = 90
"""Letters of a command that a page still shows in one line."""
CITATION = """@inproceedings{ha2018worldmodels,
  title     = {Recurrent World Models Facilitate Policy Evolution},
  author    = {Ha, David and Schmidhuber, J{\\"u}rgen},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2018},
  note      = {arXiv:1803.10122}
}"""
"""The paper whose system this is."""


def score_sentence(run: RunFolder, found: Mapping[str, Any] | None) -> str:
    """What it scores, and how sure that is."""
    if found is None:
        return f"Nobody has measured yet how well this agent drives: `reverie evaluate {run.name}` does."
    spec, num = spec_of(run.config.env), found["num_tracks"]
    where = f"On {num} tracks that it had never seen" if num > 1 else "On a single track that it had never seen"
    sure = "one track says nothing of others"
    if found["ci95"]:
        sure = "with a 95% interval of {:.0f} to {:.0f}".format(*found["ci95"])
    goal = f"; {spec.solved:.0f} counts as solved" if spec.solved is not None else ""
    paper = f", the paper's agent has {PAPER_SCORE:.0f}" if spec.in_paper else ""
    return f"{where}, this agent scores {found['mean']:.0f} on average, {sure}{goal}{paper}."


def trust_sentence(trust: Trust | None, decisions_per_second: float) -> str:
    """For how long M's dream may be believed."""
    if trust is None:
        return (
            "How long its dream can be trusted could not be measured: its drives end too early, before there is "
            "anything to compare."
        )
    if not trust.decisions:
        return (
            "It is not sure that its dream foresees anything: already after the first decision it is nearer to what "
            "really comes than a guess that knows nothing of driving by no more than chance gives."
        )
    seconds = trust.decisions / decisions_per_second
    if trust.is_open:
        return (
            f"Its dream foresees what really comes for {seconds:.1f}\u00a0s at least, which is as long as was measured."
        )
    return (
        f"Its dream foresees what really comes for about {seconds:.1f}\u00a0s; what it shows after that is a road as "
        "it could be, not the one that is there."
    )


def cost_sentence(run: RunFolder) -> str:
    """Time and frames."""
    cost = ledger(run)
    dreamt = f", and {cost.dreamt:,} decisions in dreams, which cost no frame" if cost.dreamt else ""
    return (
        f"It took {duration(60 * minutes(run)) or 'no time'} on {run.manifest['machine']['cores']} cores and "
        f"{cost.frames:,} frames of the simulator{dreamt}."
    )


def steps(run: RunFolder) -> list[str]:
    """What the recipe had done, a sentence or two for each part."""
    config = run.config
    said = [_collected(run, config), _seen(config), _foreseen(config), _driven(run, config)]
    if config.rounds.num > 1:
        said.append(
            f"All of that in {config.rounds.num} rounds: what the agent of one round drove, the next one learned from."
        )
    return said


def _collected(run: RunFolder, config: RunConfig) -> str:
    facts, collect = run.stage("collect"), config.collect
    episodes = facts.get("episodes", collect.episodes)
    if "source" in facts:
        return f"Drive: {episodes:,} drives of others were taken in, from {facts['source']}."
    by_agent = facts.get("agent_episodes", 0)
    by_chance = "by chance" if not by_agent else f"{episodes - by_agent:,} by chance and {by_agent:,} by an agent"
    first = ""
    if collect.scout:
        first = f" That agent, a scout, was trained first, by the recipe `{collect.scout}`."
    elif collect.agent:
        first = f" That agent is the one of {collect.agent}."
    return f"Drive: {episodes:,} drives were kept, driven {by_chance}.{first}"


def _seen(config: RunConfig) -> str:
    vision = config.vision
    kind = "VAE/GAN" if vision.model == "vae_gan" else "variational autoencoder (VAE)"
    return (
        f"V, a {kind}, learned to keep a picture of 64 x 64 pixels as {vision.net.z_size} numbers, from which it can "
        f"be drawn again ({vision.epochs} times over all frames)."
    )


def _foreseen(config: RunConfig) -> str:
    memory = config.memory
    several = f" {memory.members} of them learned, so that it shows where they disagree." if memory.members > 1 else ""
    return (
        f"M, a recurrent network with {memory.model.hidden_size} cells, learned to foresee the next numbers from the "
        f"last ones and the action ({memory.steps:,} steps of learning).{several}"
    )


def _driven(run: RunFolder, config: RunConfig) -> str:
    stage = config.controller
    numbers = parameter_counts(config)["controller"]
    what = f"C, a formula with {numbers:,} numbers from what V sees and M remembers to an action,"
    if stage.learner == "imagine":
        return f"{what} learned in M's dreams, by their slope ({stage.imagine.steps:,} steps)."
    search = stage.search
    how = _STRATEGIES.get(search.strategy.name, search.strategy.name)
    where = "in M's dreams alone" if stage.world == "dream" else "on the road"
    generations = run.stage("controller").get("generations", search.generations)  # one that ended early had fewer
    return (
        f"{what} was searched for by {how}: {generations:,} times {search.strategy.settings.population} "
        f"candidates drove {where}, and each time the better ones said where to look next."
    )


def costs(run: RunFolder) -> list[Sequence[str]]:
    """What each part took: the rows of a table."""
    stages = run.manifest["stages"]
    cost, rows = ledger(run), [("what", "time", "frames of the simulator", "decisions dreamt")]
    frames = {"collect": cost.collecting + cost.measuring, "controller": cost.learning + cost.selecting}
    for name, words in _STAGES.items():
        seconds = stages.get(name, {}).get("seconds", 0.0)
        driven = f"{frames[name]:,}" if frames.get(name) else ""
        dreamt = f"{cost.dreamt:,}" if name == "controller" and cost.dreamt else ""
        rows.append((words, duration(seconds) or "-", driven, dreamt))
    own = sum(stage["seconds"] for stage in stages.values())
    if (before := 60 * minutes(run) - own) > 1:
        rows.append(("what was trained before it (its frames stand above)", duration(before), "", ""))
    rows.append(("all, but for the frames of the score", duration(60 * minutes(run)) or "-", f"{cost.frames:,}", ""))
    return [row if cost.dreamt else row[:-1] for row in rows]


def rerun(run: RunFolder) -> str:
    """The commands that make the same run again, and look at it. The recipe of one that was packed is taken out of its
    archive first, where it is needed."""
    folder = f"{Path(run.name).stem}_recipe"
    is_packed = archive_of(run.path) is not None
    own = f"{folder}/{RECIPE}" if is_packed else str(run.path / RECIPE)
    again = remade(run, own)
    if is_packed and own in again[-1]:
        again.insert(1, shlex.join(["python", "-m", "zipfile", "-e", run.name, folder]))
    return "\n".join([*again, f"reverie evaluate {AGAIN} --tracks 100", f"reverie watch {AGAIN}"])


def remade(run: RunFolder, own: str) -> list[str]:
    """The commands that make the same run again; where no recipe that ships is like its own, from that as a file."""
    words, given = ["reverie", "train", own, "--run", AGAIN], []
    if run.recipe.name in settings.names():
        config, shipped = settings.flatten(run.recipe), settings.flatten(settings.load(run.recipe.name))
        given = [f"{key}={json.dumps(value)}" for key, value in config.items() if _differs(key, value, shipped)]
        words[2] = run.recipe.name
    install = f"pip install -c constraints.txt .  # in a copy of the repository, version {run.manifest['reverie']}"
    parts = [shlex.join(words), *(shlex.join(["--set", one]) for one in given)]
    return [install, (" " if sum(map(len, parts)) < WIDE else " \\\n    ").join(parts)]


def _differs(key: str, value: Any, shipped: Mapping[str, Any]) -> bool:
    """Whether a run was given this setting by hand: names, machines and what `auto` came to are no settings."""
    return key not in BESIDE and not key.endswith("precision") and (key not in shipped or shipped[key] != value)


def made_with(run: RunFolder) -> str:
    """Versions and machine."""
    return f"{made_on(run)} In {run.manifest.get('precision', 'fp32')}. This page: reverie {reverie.__version__}."


def made_on(run: RunFolder) -> str:
    """Versions and machine, but for the precision, which an agent that left its run does not know."""
    manifest = run.manifest
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    machine = manifest["machine"]
    return (
        f"Made by reverie {manifest['reverie']} on {manifest['created'][:10]}, with seed {run.config.seed}, on "
        f"{machine['processor']} ({machine['cores']} cores, {machine['system']}); {versions}."
    )
