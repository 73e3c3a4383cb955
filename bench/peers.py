"""The other side of `reverie bench`: what people use today, written as well as we can. Knows nothing of Reverie.

    python bench/peers.py CONTESTANT

reads a number of seconds from each line of standard input, works that long, and answers with its rate (units per
second; what it does while it makes new tracks is not counted where it can tell). A peer that is not installed answers
`missing: ` and how to install it. `reverie bench` starts a process for each core that a peer may use, and lets the
peers take turns.
"""

import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

ENV_ID = "CarRacing-v3"
NUM_ENVS = 16
"""Of EnvPool: it steps them in a C++ thread, and gains nothing from more."""
PLAIN_BATCH = 32
"""Images of a step, where V is trained plainly."""
PLAIN_SEQUENCES, PLAIN_LENGTH = 16, 32
"""Sequences of a step and their length, where M is trained plainly, as a well-known port has them."""

Step = Callable[[], tuple[int, float]]
"""Does some work: (units done, seconds that do not count)."""


def random_actions(num: int) -> Iterator[np.ndarray]:
    """Uniform (num, 3): steering, gas, brake; drawn beforehand, since drawing them is not what is measured."""
    low, high = np.array([-1, 0, 0], np.float32), np.ones(3, np.float32)
    drawn = np.random.default_rng(0).uniform(low, high, (4096, num, 3)).astype(np.float32)
    while True:
        yield from drawn


def gymnasium(size: int) -> Step:
    """Frames of Gymnasium's CarRacing-v3, random actions; 96: its observation, 64: its top 84 rows, resized."""
    import gymnasium as gym

    env = gym.make(ENV_ID)
    actions, seed, over = random_actions(1), 0, True

    def step() -> tuple[int, float]:
        nonlocal seed, over
        lost = 0.0
        if over:
            began = time.perf_counter()
            env.reset(seed=seed)
            seed, lost = seed + 1, time.perf_counter() - began
        obs, _, end, trunc, _ = env.step(next(actions)[0])
        if size == 64:
            to_64(obs)
        over = end or trunc
        return 1, lost

    return step


def envpool(size: int) -> Step:
    """Frames of EnvPool's CarRacing-v3, one thread; 64: top 84 rows, resized. New tracks count.

    Two cores are two such processes: with one process of two threads, both wait while the frames are resized.
    """
    try:
        import envpool as pool  # pyright: ignore[reportMissingImports] (an extra)
    except ImportError:
        sys.exit(print("missing: pip install envpool", flush=True))
    env = pool.make(ENV_ID, env_type="gymnasium", num_envs=NUM_ENVS, num_threads=1, seed=0)
    env.reset()
    actions = random_actions(NUM_ENVS)

    def step() -> tuple[int, float]:
        obs = env.step(next(actions))[0]
        if size == 64:
            for frame in obs:
                to_64(frame)
        return NUM_ENVS, 0.0

    return step


def batch1() -> Step:
    """Decisions of a driver in the real environment, one at a time, as the ports do it, but without their waste.

    Gymnasium's frame -> the paper's encoder -> linear controller of z and h -> LSTM of 256 units; fp32, one thread, no
    decoder, no gradients. The weights are random: they cost the same.
    """
    import gymnasium as gym
    import torch
    from torch import nn

    torch.set_num_threads(1)
    channels = (3, 32, 64, 128, 256)
    convolutions = [layer for a, b in pairwise(channels) for layer in (nn.Conv2d(a, b, 4, stride=2), nn.ReLU())]
    encoder = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(1024, 32))
    encoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stubs lack it)
    memory, controller = nn.LSTMCell(32 + 3, 256), nn.Linear(32 + 256, 3)
    env = gym.make(ENV_ID)
    seed, over = 0, True
    obs = np.zeros((96, 96, 3), np.uint8)
    h = c = torch.zeros(1, 256)

    def step() -> tuple[int, float]:
        nonlocal seed, over, obs, h, c
        lost = 0.0
        if over:
            began = time.perf_counter()
            obs = env.reset(seed=seed)[0]
            h = c = torch.zeros(1, 256)
            seed, lost = seed + 1, time.perf_counter() - began
        with torch.inference_mode():
            frame = torch.from_numpy(to_64(obs)).to(h.device).permute(2, 0, 1)[None].float().div_(255)
            z = encoder(frame)
            act = torch.tanh(controller(torch.cat([z, h], 1)))
            h, c = memory(torch.cat([z, act], 1), (h, c))
            steer, gas, brake = act[0].tolist()
        action = np.array([steer, (gas + 1) / 2, (brake + 1) / 2], np.float32)
        obs, _, end, trunc, _ = env.step(action)
        over = end or trunc
        return 1, lost

    return step


def vision() -> Step:
    """Images that the paper's V is trained on: Adam, batches of 32, fp32."""
    import torch

    torch.set_num_threads(1)
    parameters, losses = papers_vision()
    optimizer = torch.optim.Adam(parameters, lr=1e-4)
    frames, rng = torch.from_numpy(roads(1000)), np.random.default_rng(0)

    def step() -> tuple[int, float]:
        error, kl = losses(frames[rng.integers(0, len(frames), PLAIN_BATCH)].to(parameters[0].device))
        optimizer.zero_grad()
        (error + kl.clamp(min=0.5 * 32)).mean().backward()
        optimizer.step()
        return PLAIN_BATCH, 0.0

    return step


def papers_vision() -> tuple[list[Any], Callable[[Any], tuple[Any, Any]]]:
    """V of the paper's appendix A.1, layers and memory order as torch has them: parameters, and losses of frames.

    From uint8 frames (b, 64, 64, 3), the squared errors summed over each image and its KL (b,), of which 0.5 nats for
    each latent are free.
    """
    import torch
    from torch import nn

    channels = (3, 32, 64, 128, 256)
    layers = [layer for a, b in pairwise(channels) for layer in (nn.Conv2d(a, b, 4, stride=2), nn.ReLU())]
    encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 2 * 32))
    layers: list[nn.Module] = [nn.Linear(32, 1024), nn.Unflatten(1, (1024, 1, 1))]
    for (a, b), kernel in zip(pairwise((1024, 128, 64, 32, 3)), (5, 5, 6, 6), strict=True):
        layers += [nn.ConvTranspose2d(a, b, kernel, stride=2), nn.ReLU()]
    decoder = nn.Sequential(*layers[:-1], nn.Sigmoid())

    def losses(frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        images = frames.permute(0, 3, 1, 2).float().div_(255)
        mu, logvar = encoder(images).chunk(2, 1)
        decoded = decoder(mu + (logvar / 2).exp() * torch.randn_like(mu))
        return (decoded - images).square().sum((1, 2, 3)), 0.5 * (mu.square() + logvar.exp() - logvar - 1).sum(1)

    return [*encoder.parameters(), *decoder.parameters()], losses


def papers_memory() -> tuple[Any, Any]:
    """M of the paper's appendix A.2: an LSTM of 256 units, and the layer from it to 5 normals for each latent."""
    from torch import nn

    return nn.LSTM(32 + 3, 256, batch_first=True), nn.Linear(256, 3 * 5 * 32)


def memory() -> Step:
    """Timesteps that the paper's M is trained on: Adam, 16 sequences of 32, gradients clipped at 1, fp32."""
    import torch

    torch.set_num_threads(1)
    lstm, head = papers_memory()
    parameters = [*lstm.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    b, t = PLAIN_SEQUENCES, PLAIN_LENGTH

    def step() -> tuple[int, float]:
        z, act = torch.randn(b, t + 1, 32), torch.rand(b, t, 3)
        hidden, _ = lstm(torch.cat([z[:, :-1], act], -1))
        logits, mu, logsigma = head(hidden).view(b, t, 32, 3, 5).unbind(-2)
        normal = torch.distributions.Normal(mu, logsigma.exp())
        log_prob = normal.log_prob(z[:, 1:, :, None])
        loss = -torch.logsumexp(torch.log_softmax(logits, -1) + log_prob, -1).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return b * t, 0.0

    return step


def dream1() -> Step:
    """Decisions of one dream of the paper's M, one at a time, each decoded into a frame, as the ports do it; fp32."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    layers: list[nn.Module] = [nn.Linear(32, 1024), nn.Unflatten(1, (1024, 1, 1))]
    for (a, b), kernel in zip(pairwise((1024, 128, 64, 32, 3)), (5, 5, 6, 6), strict=True):
        layers += [nn.ConvTranspose2d(a, b, kernel, stride=2), nn.ReLU()]
    decoder = nn.Sequential(*layers[:-1], nn.Sigmoid())
    cell, head, controller = nn.LSTMCell(32 + 3, 256), papers_memory()[1], nn.Linear(32 + 256, 3)
    z, h, c = torch.randn(1, 32), torch.zeros(1, 256), torch.zeros(1, 256)

    def step() -> tuple[int, float]:
        nonlocal z, h, c
        with torch.inference_mode():
            act = torch.tanh(controller(torch.cat([z, h], 1)))
            h, c = cell(torch.cat([z, act], 1), (h, c))
            logits, mu, logsigma = head(h).view(32, 3, 5).unbind(1)
            component = torch.distributions.Categorical(logits=logits).sample()[:, None]
            sigma = logsigma.gather(1, component).exp()
            z = (mu.gather(1, component) + sigma * torch.randn(32, 1)).view(1, 32)
            (decoder(z)[0].permute(1, 2, 0) * 255).to(torch.uint8).cpu().numpy()
        return 1, 0.0

    return step


def roads(num: int) -> np.ndarray:
    """Pictures of roads that bend over grass, (num, 64, 64, 3) uint8; Reverie's side makes the same ones."""
    y, x = np.mgrid[1:0:64j, -1:1:64j]
    place, slope, bend = np.random.default_rng(0).uniform(-0.5, 0.5, (3, num, 1, 1))
    on_road = np.abs(x - place - slope * y - bend * y**2) < 0.3 - 0.2 * y
    return np.where(on_road[..., None], (104, 104, 105), (102, 204, 102)).astype(np.uint8)


def to_64(obs: np.ndarray) -> np.ndarray:
    """The paper's frame: top 84 of 96 rows, resized to 64x64."""
    from PIL import Image

    return np.array(Image.fromarray(obs[:84]).resize((64, 64), Image.Resampling.BILINEAR))


CONTESTANTS: dict[str, Callable[[], Step]] = {
    "gymnasium_64": lambda: gymnasium(64),
    "gymnasium_96": lambda: gymnasium(96),
    "envpool_64": lambda: envpool(64),
    "envpool_96": lambda: envpool(96),
    "batch1": batch1,
    "vision": vision,
    "memory": memory,
    "dream1": dream1,
}


def finish() -> None:
    """Waits for what a device was told to do, if there is one."""
    if sys.argv[2:] not in ([], ["cpu"]):
        import torch

        getattr(torch, sys.argv[2]).synchronize()


def turn(step: Step, seconds: float) -> float:
    """Units per second over `seconds` of work that counts."""
    units, lost, began = 0, 0.0, time.perf_counter()
    while not units or time.perf_counter() - began - lost < seconds:
        done, wasted = step()
        units, lost = units + done, lost + wasted
    finish()
    return units / (time.perf_counter() - began - lost)


def main() -> None:
    """Takes turns until standard input ends."""
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in CONTESTANTS:
        sys.exit(f"usage: python bench/peers.py {{{','.join(CONTESTANTS)}}} [cpu|cuda|mps]")
    if sys.argv[2:] not in ([], ["cpu"]):
        import torch

        torch.set_default_device(sys.argv[2])  # where all tensors and layers are made
    step = CONTESTANTS[sys.argv[1]]()
    for line in sys.stdin:
        print(turn(step, float(line)), flush=True)


if __name__ == "__main__":
    main()
