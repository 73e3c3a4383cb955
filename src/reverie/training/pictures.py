"""Stage pictures: what V, M and C of a run have learned, from episodes that V and M were not fitted on."""

from pathlib import Path

import numpy as np
import torch

from reverie.data.latents import LatentStore
from reverie.data.split import split
from reverie.data.store import EpisodeStore
from reverie.dream.replay import replay
from reverie.envs.registry import spec_of
from reverie.models.coding import decode, reconstruct
from reverie.models.files import load_models, load_vision
from reverie.reading import read_csv, read_json
from reverie.run.folder import RunFolder
from reverie.seeding import torch_generator
from reverie.show import charts, sheets

OPENING_FRAMES = 80
NUM_RECONSTRUCTIONS = 24
COLUMNS_SEEN, COLUMNS_DREAMT = 3, 9
TEMPERATURES = (1.0, 0.5)


def draw_pictures(run: RunFolder) -> list[Path]:
    """Draws what the run has: reconstructions and dreams, and, once there are any, learning curve and evaluation."""
    drawn = [_reconstructions(run), _dream(run)]
    if (run.evolution / "log.csv").exists():
        drawn.append(draw_learning_curve(run))
    if run.evaluation.exists():
        drawn.append(run.pictures / "evaluation.png")
        found = read_json(run.evaluation)
        charts.evaluation_histogram(
            drawn[-1],
            found["returns"],
            ci95=tuple(found["ci95"]) if found["ci95"] else None,
            with_paper=spec_of(run.config.env).in_paper,
            title=f"Score on {found['num_tracks']} unseen tracks: recipe {run.config.name}",
        )
    return drawn


def draw_learning_curve(run: RunFolder) -> Path:
    """How C has learned so far: a search on the road over the paper's, or one, or steps, in dreams."""
    path = run.pictures / "learning_curve.png"
    log = {key: np.array(column) for key, column in read_csv(run.evolution / "log.csv").items()}
    in_dreams = run.config.controller.world == "dream"
    title = f"How C learned to drive{' in dreams' * in_dreams}: recipe {run.config.name}"
    if run.config.controller.search.start.imitate:
        title += " (its first C imitates an earlier driver)"
    if run.config.controller.learner == "imagine":
        charts.imagined_curve(path, log, title=title)
    else:
        with_paper = spec_of(run.config.env).in_paper and not in_dreams
        charts.learning_curve(path, log, title=title, with_paper=with_paper)
    return path


def _held_out(rounds: list[int]) -> list[int]:
    """Episodes that V and M were not fitted on, of so many of each round; the last one where all were needed."""
    return split(rounds).held_out.tolist() or [sum(rounds) - 1]


def _reconstructions(run: RunFolder) -> Path:
    store, vision = EpisodeStore(run.rollouts), load_vision(run.vision).eval()
    offsets = store.offsets()
    rows = store.rows_of(_held_out(store.rounds))
    chosen = rows[np.linspace(0, len(rows) - 1, NUM_RECONSTRUCTIONS).astype(np.int64)]
    episodes = np.searchsorted(offsets, chosen, side="right") - 1
    parts = [store[i].obs[chosen[episodes == i] - offsets[i]] for i in np.unique(episodes).tolist()]
    frames = np.concatenate(parts)
    seen = reconstruct(vision, frames)
    path = run.pictures / "reconstructions.png"
    sheets.reconstructions(path, frames, seen, error=run.stage("vision")["held_out_mean_squared_error"])
    return path


def _dream(run: RunFolder) -> Path:
    """Along the stretch of held-out driving that went best: there the road moves, and there is something to foresee."""
    store, latents = EpisodeStore(run.rollouts), LatentStore(run.latents)
    vision, memory = load_models(run.path)
    vision, memory = vision.eval(), memory.eval()
    repeat = run.config.env.action_repeat
    episode, columns, begins = _best_stretch(latents, repeat)
    obs, offset, decision = store[episode].obs, latents.offsets[episode], latents.decision_offsets[episode]
    t = len(obs) - 1
    z = torch.from_numpy(latents.mu[offset : offset + t + 1].astype(np.float32))
    act = torch.from_numpy(np.array(latents.act[decision : decision + t]))
    rew = torch.from_numpy(np.concatenate([[0], latents.rew[decision : decision + t]]).astype(np.float32))
    rows = {"real": obs[columns], "as V sees it": decode(vision, z[columns].numpy())}
    for temperature in TEMPERATURES:
        dream = replay(
            memory,
            z[None, :begins],
            act[None],
            temperature=temperature,
            generator=torch_generator(run.config.seed, "pictures", "dream"),
            prev_rew=rew[None, :begins],
        )
        rows[f"dream\ntemperature {temperature}"] = decode(vision, dream.z[0, columns].numpy())
    path = run.pictures / "dream.png"
    seconds = repeat / spec_of(run.config.env).frames_per_second
    sheets.dream_filmstrip(path, rows, columns, begins=begins, seconds_per_decision=seconds)
    return path


def _best_stretch(latents: LatentStore, action_repeat: int) -> tuple[int, list[int], int]:
    """The held-out episode, the decisions to show, and the one where the dream begins, for the most reward in it."""
    best = (-np.inf, 0, [0], 1)
    for episode in _held_out(latents.rounds):
        decisions = slice(*latents.decision_offsets[episode : episode + 2])
        rew = np.asarray(latents.rew[decisions], np.float64)
        begins, every = dream_window(len(rew), action_repeat)
        collected = np.concatenate([[0], np.cumsum(rew)])
        last = np.minimum(np.arange(begins, len(rew) + 1) + every * COLUMNS_DREAMT, len(rew))
        gains = collected[last] - collected[begins:]
        latest = max(1, len(rew) + 1 - begins - every * COLUMNS_DREAMT)  # the whole dream must fit
        start = begins + int(gains[:latest].argmax())
        if gains[start - begins] > best[0]:
            shown = [start - 1 + every * k for k in range(1 - COLUMNS_SEEN, COLUMNS_DREAMT + 1)]
            best = (gains[start - begins], episode, [i for i in shown if 0 <= i <= len(rew)], start)
    return best[1:]


def dream_window(num_decisions: int, action_repeat: int) -> tuple[int, int]:
    """Decisions that M watches at least before it dreams, until CarRacing's opening zoom is over; and those from column
    to column, about a third of a second. Less of both where the episode is short."""
    begins = max(1, min(num_decisions // 3, OPENING_FRAMES // action_repeat))
    every = (num_decisions - begins) // COLUMNS_DREAMT
    return begins, max(1, min(16 // action_repeat, every, (begins - 1) // max(1, COLUMNS_SEEN - 1)))
