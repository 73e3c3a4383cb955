"""The card of an agent that is shared: what it is, how it was made, what it scores, where its limits are. Markdown with
the header that hubs of models read."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reverie.envs.registry import spec_of
from reverie.run.evaluations import kept, score
from reverie.run.folder import RunFolder
from reverie.run.manifest import RECIPE
from reverie.studies import report_words as words
from reverie.training.summary import score_text

FILE = "agent.zip"
"""What an archive is called in it, whatever it is called on a disk."""
_UNKNOWN = "Nobody has said under which licence it is: ask whoever gave it to you before you hand it on."


def card_of(run: RunFolder, licence: str | None) -> str:
    """The card of a run's agent; `licence` is an SPDX identifier, or None where there is none."""
    env, found = run.config.env, score(run)
    parts = [
        _header(run, found, licence),
        f"# {run.config.name}: an agent with a world model, for {env.id}",
        f"{words.score_sentence(run, found)} {words.cost_sentence(run)}"
        if found
        else f"{words.cost_sentence(run)} How well it drives was not measured.",
        "## What it is",
        "Three models that work together, as in *World Models* (Ha & Schmidhuber 2018): V sees, M remembers and "
        "foresees, C acts. M can also dream: it goes on alone from a moment of real driving. The files hold numbers "
        f"and settings, no code; [Reverie](#how-to-use-it) runs them. Recipe: {_line(run.config.description)}",
        "## How it was trained",
        "\n".join(f"- {step}" for step in words.steps(run)),
        _table(words.costs(run)),
        words.made_on(run),
        "## What it scores",
        _scores(run),
        "## Limits",
        _limits(run),
        "## Licence",
        f"`{licence}`, by whoever packed it." if licence else _UNKNOWN,
        "## How to use it",
        _code([f"reverie {verb} {FILE}" for verb in ("info", "watch", "evaluate", "dream", "report")]),
        *_trust(run),
        "Unpacked, it is the folder of a run, whose name goes in place of the archive's; `sha256sum -c SHA256SUMS` "
        "checks it. In Python, its dream is an environment of Gymnasium:",
        _code([f'gymnasium.make("reverie.dream:reverie/Dream-v0", run="{FILE}")'], "python"),
        "## How to make it again",
        _code(words.remade(run, RECIPE)),
        "## How to cite",
        _code([words.CITATION], "bibtex"),
    ]
    return "\n\n".join(parts) + "\n"


def _header(run: RunFolder, found: Mapping[str, Any] | None, licence: str | None) -> str:
    """YAML; every value in it is JSON, which YAML takes as it is."""
    task = "reinforcement-learning"
    lines = [
        *([f"license: {json.dumps(licence)}"] if licence else []),
        "library_name: reverie",
        f"pipeline_tag: {task}",
        f"tags: {json.dumps([task, 'world-models', run.config.env.id])}",
    ]
    if found:
        world = {"type": run.config.env.id, "name": run.config.env.id}
        measured = {"type": "mean_reward", "name": score_text(dict(found)), "value": round(found["mean"], 1)}
        result = {"task": {"type": task, "name": task}, "dataset": world, "metrics": [measured]}
        lines.append(f"model-index: {json.dumps([{'name': run.config.name, 'results': [result]}])}")
    return "\n".join(["---", *lines, "---"])


def _scores(run: RunFolder) -> str:
    rows = [
        ("tracks (Gymnasium's seeds)", "drawn by", "challenge", "mean return", "95% interval", "standard deviation")
    ]
    for one in kept(run):
        interval = "{:.0f} to {:.0f}".format(*one["ci95"]) if one["ci95"] else ""
        seeds = f"{one['num_tracks']} ({one['first_seed']} to {one['first_seed'] + one['num_tracks'] - 1})"
        challenge, mean, std = one["challenge"] or "", f"{one['mean']:.1f}", f"{one['std']:.1f}"
        rows.append((seeds, one["renderer"], challenge, mean, interval, std))
    if len(rows) == 1:
        return f"Not measured: `reverie evaluate {FILE} --tracks 100` does."
    return f"{_table(rows)}\n\nNothing was learned from these tracks, and no model was chosen by them."


def _limits(run: RunFolder) -> str:
    env = run.config.env
    rate = float(spec_of(env).decisions_per_second(env.action_repeat))
    return "\n".join(
        [
            f"- It knows {env.id}, in pictures of 64 x 64 pixels and at {rate:g} decisions a second, and nothing else: "
            "with other colours, another picture or another rate, the score does not hold.",
            "- It is one run. The same recipe with another seed gives another agent, and another score.",
            "- Its dream foresees what really comes for a short while only; after that it shows what could be. "
            f"`reverie report {FILE}` measures how long.",
            "- It drives in a simulator. It is no basis for anything that moves in the real world.",
        ]
    )


def _trust(run: RunFolder) -> list[str]:
    """What those need to know whose world is a module."""
    module = run.config.env.module
    if not module:
        return []
    return [
        f"Its world is registered by the Python module `{module}`, which must be installed: all but the first of "
        f"these commands import it, and so want `--trust {module}`."
    ]


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def _code(lines: Sequence[str], language: str = "") -> str:
    return "\n".join([f"```{language}", *lines, "```"])


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".") + "."
