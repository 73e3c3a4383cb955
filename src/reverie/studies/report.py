"""A run as one page for people who were not there: what V keeps, what M foresees, how C learned, what it scores.

Shapes: n drives, t decisions, z latent; frames are (64, 64, 3) uint8.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reverie import scratch
from reverie.agent import Agent
from reverie.challenge import IN_WORDS
from reverie.data.episode import Episode
from reverie.devices import one_thread
from reverie.dream.moments import CONTEXT
from reverie.envs.challenges import has_challenges
from reverie.envs.registry import spec_of
from reverie.errors import UserError
from reverie.measure.dream.trust import Trust, measure_trust
from reverie.measure.statistics import mean_text
from reverie.models.coding import decode, encode, information
from reverie.policies import AgentPolicy
from reverie.progress import Progress
from reverie.reading import read_bytes
from reverie.run.evaluations import score
from reverie.run.folder import RunFolder
from reverie.seeding import VALIDATION_TRACKS
from reverie.show import charts, latent_sheets, sheets
from reverie.show.dream_film import make_film, write_film
from reverie.show.trust_chart import trust as draw_trust
from reverie.show.web_page import MAX_PICTURE, WebPage
from reverie.studies import report_words as words
from reverie.studies import robustness
from reverie.training.controller.rollouts import agent_of
from reverie.training.recorder import EPISODES_PER_TASK, record
from reverie.writing import write_atomically

HORIZON = 75
"""Decisions of the dreams that are measured."""
BEGINS = range(CONTEXT, CONTEXT + 50, 5)
"""Decisions of a drive after which they begin."""
FILMED = 75
"""Decisions of the film."""
NUM_SHOWN = 16
"""Frames beside what V makes of them."""
SIGMAS = (-2.0, -1.0, 0.0, 1.0, 2.0)
MOVED = 6
"""Numbers of the latent that are moved."""
WORST = 3
"""Tracks on which it drove worst."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What the run's agent met on validation tracks, which nothing was learned from, and how V keeps it."""

    drives: list[Episode]
    frames: np.ndarray
    """(m, 64, 64, 3) of all drives, one after another."""
    mu: np.ndarray
    """(m, z)"""
    kl: np.ndarray
    """(z,) nats: how much each number says, mean over frames."""


def write_report(run: RunFolder, path: Path, *, pictures: Path | None = None, quiet: bool = False) -> None:
    """Writes the page, and its pictures and its film as files, too, where there is a folder for `pictures`. Raises
    UserError where the run has no agent, or is damaged."""
    agent, params = agent_of(run)
    page, spec = WebPage(f"{run.name}: what it learned"), spec_of(run.config.env)
    rate = float(spec.decisions_per_second(run.config.env.action_repeat))
    with scratch.temporary() as temporary, one_thread(), Progress("report", 5, "parts", quiet=quiet) as bar:
        folder = pictures or temporary
        seen = _see(run, agent, params)
        trust = _trust(agent, seen)
        bar.advance()
        found = score(run)
        _summary(page, run, found, trust, rate)
        bar.advance()
        _vision(page, agent, seen, folder)
        bar.advance()
        _memory(page, run, agent, params, trust, rate, folder)
        bar.advance()
        _controller(page, run, found, folder)
        if has_challenges(run.config.env):
            _robustness(page, run, agent, seen, folder)
        _costs(page, run)
        bar.advance()
        page.save(path)


def _see(run: RunFolder, agent: Agent, params: np.ndarray) -> Seen:
    """Drives, whatever time limit the world has, for as long as is needed."""
    num, env = BEGINS[-1] + HORIZON + 1, run.config.env
    env = replace(env, max_frames=max(env.max_frames, num * env.action_repeat))
    tracks = list(VALIDATION_TRACKS[:EPISODES_PER_TASK])
    drives = record(env, AgentPolicy(agent, params[None]), tracks, max_decisions=num)
    frames = np.concatenate([drive.obs for drive in drives])
    mu, logvar = encode(agent.vision, frames, precision=agent.config.precision)
    return Seen(drives=drives, frames=frames, mu=mu, kl=information(mu, logvar))


def _trust(agent: Agent, seen: Seen) -> Trust | None:
    """Along the drives that last; None where fewer than two do."""
    ends = np.cumsum([len(drive.obs) for drive in seen.drives])
    needed = BEGINS[-1] + HORIZON + 1
    lasting = [i for i, drive in enumerate(seen.drives) if len(drive.act) >= needed]
    if len(lasting) < 2:
        return None
    z = np.stack([seen.mu[ends[i] - len(seen.drives[i].obs) :][: needed + 1] for i in lasting])
    act = np.stack([seen.drives[i].act[:needed] for i in lasting])
    rew = np.stack([seen.drives[i].rew[:needed] for i in lasting])
    return measure_trust(agent.memory, *map(torch.from_numpy, (z, act, rew)), begins=BEGINS, length=HORIZON)


def _summary(page: WebPage, run: RunFolder, found: Mapping[str, Any] | None, trust: Trust | None, rate: float) -> None:
    page.paragraph(f"Recipe {run.config.name}: {run.config.description.rstrip('.')}.", "quiet")
    if found:
        page.paragraph(mean_text(found["mean"], found["ci95"]), "score")
    sentences = (words.score_sentence(run, found), words.trust_sentence(trust, rate), words.cost_sentence(run))
    page.paragraph(" ".join(sentences))
    page.heading("What was done")
    page.steps(words.steps(run))


def _vision(page: WebPage, agent: Agent, seen: Seen, folder: Path) -> None:
    page.heading("V: what it keeps of a picture")
    page.paragraph(
        f"V turns a picture into {agent.vision.z_size} numbers, and draws a picture from such numbers. What is gone in "
        "the second row is what the agent cannot know: M and C get the numbers, never the picture."
    )
    chosen = np.linspace(0, len(seen.frames) - 1, NUM_SHOWN).astype(np.int64)
    drawn = decode(agent.vision, seen.mu[chosen])
    error = float(((drawn.astype(np.float32) - seen.frames[chosen]) ** 2).mean() / 255**2)
    sheets.reconstructions(folder / "seen.png", seen.frames[chosen], drawn, error=error)
    page.picture(folder / "seen.png", "Frames of drives that V has not learned from, above what it makes of them.")
    base = int(np.abs((seen.mu - seen.mu.mean(0)) / (seen.mu.std(0) + 1e-6)).mean(1).argmin())
    rows = {}
    for dim in np.argsort(-seen.kl, kind="stable")[:MOVED].tolist():
        moved = np.tile(seen.mu[base], (len(SIGMAS), 1))
        moved[:, dim] = seen.mu[:, dim].mean() + seen.mu[:, dim].std() * np.array(SIGMAS)
        rows[f"z{dim}\n{seen.kl[dim]:.1f} nats"] = decode(agent.vision, moved)
    latent_sheets.traversal(folder / "moved.png", seen.frames[base], rows, SIGMAS)
    page.picture(
        folder / "moved.png",
        "One number is moved, all others stay: from left to right from far below its usual value to far above. Those "
        "that say most come first (a nat is a unit of information: 0.7 of them are one answer of yes or no).",
    )


def _memory(
    page: WebPage, run: RunFolder, agent: Agent, params: np.ndarray, trust: Trust | None, rate: float, folder: Path
) -> None:
    page.heading("M: what it foresees")
    page.paragraph(
        "M watches a drive, then closes its eyes. It is told what the driver does, and says what comes: that is its "
        "dream. " + words.trust_sentence(trust, rate)
    )
    if trust:
        draw_trust(
            folder / "trust.png",
            trust.dream,
            trust.still,
            trust.usual,
            trusted=trust.decisions,
            decisions_per_second=rate,
        )
        until = "so far the picture is shaded" if trust.decisions else "here that is at no time sure"
        page.picture(
            folder / "trust.png",
            "Lower is better. A dream can be trusted while it is nearer to what really came than either guess that "
            f"knows nothing, by more than chance gives on a few drives: {until}. Later it may well show a road that is "
            "worth driving on, but another one.",
        )
    try:
        film = make_film(agent, params, run.config.env, VALIDATION_TRACKS[0], FILMED, 1.0, run.config.seed)
        write_film(folder / "film.mp4", film, run.config.env, title=f"{run.name}, temperature 1", quiet=True)
    except UserError as error:
        page.paragraph(f"There is no film: {error}.", "quiet")
        return
    page.film(
        folder / "film.mp4",
        "Left the road. In the middle M's dream from the same moment on, told what the driver did: compare it for as "
        "long as it can be trusted. On the right M's dream with the agent at its wheel, which acts by what it sees "
        "there: is that a road, and does it follow it? The three returns belong to three drives and need not agree.",
    )


def _controller(page: WebPage, run: RunFolder, found: Mapping[str, Any] | None, folder: Path) -> None:
    page.heading("C: how it learned to drive")
    curve = run.pictures / "learning_curve.png"
    if curve.is_file():
        head_start = ""
        if run.config.controller.search.start.imitate:
            head_start = (
                " This search did not begin at zero: its first C does what the agent that drove for it would do."
            )
        with write_atomically(folder / curve.name) as file:
            file.write(read_bytes(curve, MAX_PICTURE))
        page.picture(folder / curve.name, f"The search for C, generation by generation.{head_start}")
    else:
        page.paragraph(f"There is no curve of it yet: `reverie train --run {run.name}` draws one.", "quiet")
    page.heading("What it scores")
    page.paragraph(words.score_sentence(run, found))
    if not found:
        return
    returns = np.array(found["returns"])
    interval = tuple(found["ci95"]) if found["ci95"] else None
    charts.scores(
        folder / "scores.png",
        {run.config.name: (returns, interval)},
        title=f"{len(returns)} tracks that nothing was learned from",
        with_paper=spec_of(run.config.env).in_paper,
    )
    page.picture(folder / "scores.png", "Every point is a track, driven once from start to end.")
    worst = np.argsort(returns, kind="stable")[: min(WORST, len(returns))].tolist()
    rows = [(str(found["first_seed"] + i), f"{returns[i]:.0f}") for i in worst]
    page.paragraph("Where it drove worst, and how to see it:")
    page.table(
        [("track", "return", "command"), *((*row, f"reverie watch {run.name} --track {row[0]}") for row in rows)]
    )


def _robustness(page: WebPage, run: RunFolder, agent: Agent, seen: Seen, folder: Path) -> None:
    page.heading("Robustness: what its driving hangs on")
    page.paragraph(
        "The road is the same, and so is the car; only what the agent is shown differs from what it has learned. It "
        "learns nothing anew. What V cannot draw, M and C have never met."
    )
    ways = "; ".join(f"{name}, {what}" for name, what in IN_WORDS.items())
    robustness.draw(folder / "challenges.png", agent, run.config.env, seen.drives[0], VALIDATION_TRACKS[0])
    page.picture(folder / "challenges.png", f"The same moment, as each challenge shows it: {ways}.")
    rows = robustness.table(run)
    if len(rows) > 1:
        page.table(rows)
        page.paragraph(robustness.SOURCE, "quiet")
    else:
        page.paragraph("How it drives there was not measured yet:")
        page.code(f"reverie evaluate {shlex.quote(run.name)} --challenge colour --renderer fast")


def _costs(page: WebPage, run: RunFolder) -> None:
    page.heading("What it cost")
    page.table([(what, time.replace(" ", "\u00a0"), *counts) for what, time, *counts in words.costs(run)])
    page.paragraph(words.made_with(run), "quiet")
    page.heading("How to do it again")
    page.code(words.rerun(run))
    page.heading("How to cite")
    page.paragraph("The system is that of World Models; say also which recipe, seed and version (above).")
    page.code(words.CITATION)
