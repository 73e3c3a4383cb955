"""Whether V learns as much from an image when it is trained fast: `python -m bench.vision_loss`.

The plain loop of `peers.py` (fp32, batches of 32, learning rate 1e-4) and ours (bf16; batches of 32 at that rate, which
shows what precision does, and of 100 at several rates) see the same number of the same frames of CarRacing, random
driving on training tracks, with several seeds each. Prints the loss on frames of validation tracks, in fp32: squared
error summed over an image, plus KL.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable
from statistics import mean, stdev
from typing import Any, NamedTuple

import numpy as np
import torch
from bench.peers import PLAIN_BATCH, papers_vision
from torch import Tensor, nn

from reverie.benchmarks.contestants import IMAGES_PER_STEP
from reverie.measure.truth.labelled import labelled_frames
from reverie.models.vision import VisionConfig, make_vision
from reverie.seeding import TRAINING_TRACKS, VALIDATION_TRACKS


class Contestant(NamedTuple):
    """A way to train."""

    ours: bool
    batch: int
    rate: float


CONTESTANTS = {
    "plain": Contestant(ours=False, batch=PLAIN_BATCH, rate=1e-4),
    "ours, the same batch and rate": Contestant(ours=True, batch=PLAIN_BATCH, rate=1e-4),
    "ours, rate as the batch": Contestant(ours=True, batch=IMAGES_PER_STEP, rate=1e-4 * IMAGES_PER_STEP / PLAIN_BATCH),
    "ours, twice that": Contestant(ours=True, batch=IMAGES_PER_STEP, rate=2e-4 * IMAGES_PER_STEP / PLAIN_BATCH),
    "ours, rate of the recipes": Contestant(ours=True, batch=IMAGES_PER_STEP, rate=1e-3),
}

Losses = Callable[[Tensor], tuple[Tensor, Tensor]]
"""uint8 frames (b, 64, 64, 3) -> what is minimised, and squared error + KL, each the mean over the frames."""


def plain(seed: int) -> tuple[Iterable[nn.Parameter], Losses]:
    """The peer's network."""
    torch.manual_seed(seed)
    parameters, each = papers_vision()

    def losses(frames: Tensor) -> tuple[Tensor, Tensor]:
        error, kl = each(frames)
        return (error + kl.clamp(min=0.5 * 32)).mean(), (error + kl).mean()

    return parameters, losses


def ours(seed: int) -> tuple[Iterable[nn.Parameter], Losses]:
    """The paper's V as stage `vision` has it."""
    torch.manual_seed(seed)
    vision = make_vision(VisionConfig())

    def losses(frames: Tensor) -> tuple[Tensor, Tensor]:
        loss, values = vision.loss(frames)
        return loss, values["loss_reconstruction"] + values["loss_kl"]

    return vision.parameters(), losses


def train(losses: Losses, optimizer: torch.optim.Optimizer, frames: Tensor, batches: np.ndarray, *, bf16: bool) -> None:
    """One step for each row of `batches`, which hold indices of `frames`."""
    for batch in batches:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss, _ = losses(frames[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def run(contestant: Contestant, seed: int, frames: Tensor, held_out: Tensor, images: int) -> tuple[float, float]:
    """Held-out loss after `images`, and images per second."""
    fast, size, rate = contestant
    parameters, losses = ours(seed) if fast else plain(seed)
    optimizer = torch.optim.Adam(parameters, lr=rate, fused=fast)
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(len(frames)) for _ in range(images // len(frames) + 1)])
    began = time.perf_counter()
    train(losses, optimizer, frames, order[: images // size * size].reshape(-1, size), bf16=fast)
    seconds = time.perf_counter() - began
    torch.manual_seed(0)
    with torch.no_grad():
        return mean(float(losses(some)[1]) for some in held_out.split(100)), images // size * size / seconds


def summary(found: list[tuple[float, float]]) -> dict[str, Any]:
    """Mean and spread over seeds, and the mean speed."""
    losses = [loss for loss, _ in found]
    spread = round(stdev(losses), 2) if len(losses) > 1 else None
    speed = round(mean(speed for _, speed in found))
    return {
        "loss": round(mean(losses), 2),
        "std": spread,
        "seeds": np.round(losses, 2).tolist(),
        "images_per_second": speed,
    }


def main() -> None:
    """Measures and prints JSON; seeds take turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=16_000, help="that each run sees")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tracks", type=int, default=1000, help="of training, a few frames of each")
    args = parser.parse_args()
    torch.set_num_threads(1)
    frames = torch.from_numpy(labelled_frames(TRAINING_TRACKS[: args.tracks], 0).frames)
    held_out = torch.from_numpy(labelled_frames(VALIDATION_TRACKS[:150], 1).frames)
    held_out = held_out[: len(held_out) // 100 * 100]
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(args.seeds):
        for name, contestant in CONTESTANTS.items():
            found.setdefault(name, []).append(run(contestant, seed, frames, held_out, args.images))
    rows = {name: {**CONTESTANTS[name]._asdict(), **summary(runs)} for name, runs in found.items()}
    print(json.dumps({"frames": len(frames), "held_out": len(held_out), "images": args.images, **rows}, indent=2))


if __name__ == "__main__":
    main()
