"""One frame from pixels to action, the figure of the first lesson: `python -m bench.followed PICTURE [RUN]`."""

import sys
from pathlib import Path

import numpy as np
import torch

import reverie
from reverie.show.charts import new_figure, plain, save_figure

TRACK, SECONDS = 7, 4.0
"""A test track, and how long it has been driven on: a bend is in sight there."""
COLOUR = "#2563eb"


def draw(path: Path, run: reverie.Run) -> None:
    """What is left of a frame after each part of the agent."""
    agent, road = run.agent(), reverie.make_road(run, observation="frame")
    vision, _ = run.models()
    obs, _ = road.reset(options={"track": TRACK})
    for _ in range(round(SECONDS * 50 / agent.action_repeat)):
        obs, *_ = road.step(agent.act(obs))
    h = agent.policy.state.top[0].numpy()
    action = agent.act(obs)
    with torch.inference_mode():
        posterior = vision.encode(torch.from_numpy(obs)[None])
        drawn = vision.decode(posterior.mu)[0].numpy()
    z, spread = posterior.mu[0].numpy(), np.exp(posterior.logvar[0].numpy() / 2)

    figure = new_figure(13.5, 3.1)
    panels = figure.subplots(1, 5, width_ratios=(1, 1.5, 1, 1, 0.9))
    for axes, title in zip(
        panels,
        (
            "1. the frame: 12,288 numbers",
            "2. V keeps 32: z",
            "what V can draw of them",
            "3. M remembers 256: h",
            "4. C acts",
        ),
        strict=True,
    ):
        axes.set_title(title, fontsize=10, loc="left")
    panels[0].imshow(obs)
    panels[1].bar(np.arange(len(z)), z, yerr=spread, color=COLOUR, error_kw={"elinewidth": 0.7, "ecolor": "#94a3b8"})
    panels[1].set_xlabel("which of them; grey: how unsure V is", fontsize=9)
    panels[2].imshow(drawn)
    panels[3].imshow(h.reshape(16, -1), cmap="RdBu", vmin=-1, vmax=1)
    for axes in (panels[0], panels[2], panels[3]):
        axes.set_xticks([])
        axes.set_yticks([])
    panels[4].barh(["brake", "gas", "steering"], action[::-1], color=COLOUR)
    panels[4].set_xlim(-1, 1)
    panels[4].axvline(0, color="#334155", linewidth=0.8)
    panels[4].set_xlabel("steering: left, right", fontsize=9)
    for axes in (panels[1], panels[4]):
        plain(axes)
        axes.tick_params(labelsize=8)
    save_figure(figure, path)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), reverie.load(sys.argv[2] if len(sys.argv) > 2 else "pretrained"))
