"""The engine in node against torch, teacher-forced: pictures, latents, M's states and what it expects, C's actions."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from tests.web.agents import NUM_MOMENTS, SMALL, ensemble_of
from tests.web.built import ENGINE_WASM, HERE, WORK_JS, needs_node

from reverie.actions import BoxActions, Categories, SteerGasBrake
from reverie.dream.accounting import settle
from reverie.dream.dreamer import Dreams, load_dreams
from reverie.dream.ensemble import disagreement
from reverie.models.autoencoder import NetConfig
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.distributions import Mixture
from reverie.models.files import SHIPPED, load_controller
from reverie.models.mdn_rnn import MemoryConfig, MemoryState, Prediction
from reverie.models.rewards import RewardConfig
from reverie.models.vae_gan import VaeGanConfig
from reverie.models.vision import VisionConfig
from reverie.run.folder import RunFolder
from reverie.types import LargestReturn
from reverie.web.bundle import arrays_of, bundle, config_of, pack
from reverie.web.page import STATIC

pytestmark = needs_node

NUM_DECISIONS = 12
ACCOUNTS = [(0.0, 0, 3.5), (990.0, 200, 3.5), (979.9, 196, -0.4), (0.0, 996, 1.0), (900.0, 400, 70.0), (990.0, 96, 0.4)]


class Torch:
    """What torch makes of the same inputs."""

    def __init__(self, dreams: Dreams, controller: Controller, params: np.ndarray, from_nothing: bool) -> None:
        self.dreams, self.chance = dreams, torch.Generator().manual_seed(5)
        self.temperatures = (1.0, 0.4, 1.7)
        zs = torch.randn(4, dreams.memory.z_size, generator=self.chance)
        with torch.inference_mode():
            self.pictures = dreams.vision.decode(zs)
            noisy = torch.randint(256, self.pictures.shape, generator=self.chance, dtype=torch.uint8)
            self.frames = torch.cat([self.pictures[:2], noisy[:2]])
            self.encoded = dreams.vision.encode(self.frames)
            self.decisions, self.given = self._drive(controller, torch.from_numpy(params)[None].float(), from_nothing)
        self.case = {
            "frames": self.frames.flatten(1).tolist(),
            "latents": zs.tolist(),
            "moment": 1,
            "fromNothing": from_nothing,
            "decisions": self.given,
            "accounts": ACCOUNTS,
        }

    def _drive(self, controller: Controller, params: torch.Tensor, from_nothing: bool) -> tuple[list, list]:
        every = [member.memory for member in self.dreams.ensemble]
        rows = torch.tensor([len(self.dreams.moments) // 2 if len(self.dreams.moments) == NUM_MOMENTS else 4])
        states = [member.moments.state.select(rows) for member in self.dreams.ensemble]
        if from_nothing:
            states = [memory.initial_state(1) for memory in every]
        z, wanted, given = self.dreams.moments.z[rows], [], []
        for i in range(NUM_DECISIONS):
            act = controller.act(params, z, states[0])
            rew = torch.randn(1, generator=self.chance)
            states = [memory.step(z, act, state, rew) for memory, state in zip(every, states, strict=True)]
            expected = [memory.predict(state.top, z) for memory, state in zip(every, states, strict=True)]
            member, temperature = i % len(every), self.temperatures[i % 3]
            mixture = expected[member].z
            noise = mixture.draw_noise(self.chance)
            sample = mixture.sample(temperature, noise=noise)
            wanted.append(self._wanted(act, states[0], expected, member, sample))
            chance = {"uniform": noise.uniform.flatten().tolist(), "normal": noise.normal[0].tolist()}
            given.append(
                {"z": z[0].tolist(), "action": act[0].tolist(), "reward": float(rew), "noise": chance}
                | {"member": member, "temperature": temperature}
            )
            z = 0.7 * sample  # random weights would let it grow
        return wanted, given

    def _wanted(
        self, act: torch.Tensor, state: MemoryState, expected: list[Prediction], member: int, sample: torch.Tensor
    ) -> dict[str, Any]:
        one = expected[member]
        doubt = disagreement(torch.stack([each.z.mean() for each in expected])) if len(expected) > 1 else None
        return {
            "act": act[0].tolist(),
            "hidden": state.top[0].tolist(),
            "logpi": one.z.logpi[0].flatten().tolist(),
            "mu": one.z.mu[0].flatten().tolist(),
            "logsigma": one.z.logsigma[0].flatten().tolist(),
            "next": sample[0].tolist(),
            "still": one.z.sample(0.0)[0].tolist(),
            "reward": None if one.reward is None else float(one.reward),
            "end": None if one.end_logit is None else float(torch.sigmoid(one.end_logit)),
            "doubt": None if doubt is None else float(doubt),
        }


def in_node(folder: Path, content: bytes, case: dict[str, Any]) -> dict[str, Any]:
    """What the engine makes of a case."""
    (folder / "bundle").write_bytes(content)
    (folder / "case.json").write_text(json.dumps(case))
    files = [HERE / "engine_parity.js", ENGINE_WASM, folder / "bundle", folder / "case.json", *WORK_JS]
    done = subprocess.run(["node", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def errors(torchs: Torch, found: dict[str, Any], mixtures: int) -> dict[str, float]:
    """The largest difference of each kind; levels of 255 for pictures."""
    painted = np.array(found["pictures"]).reshape(-1, 64, 64, 4)
    assert (painted[..., 3] == 255).all()
    largest = {"picture": float(np.abs(painted[..., :3] - torchs.pictures.numpy().astype(int)).max())}
    for name in ("mu", "logvar"):
        theirs = np.array([one[name] for one in found["encoded"]])
        largest[f"encoded {name}"] = float(np.abs(theirs - getattr(torchs.encoded, name).numpy()).max())
    for wanted, got in zip(torchs.decisions, found["decisions"], strict=True):
        logits = torch.tensor(got["logits"]).unflatten(0, (mixtures, -1))
        got["logpi"] = Mixture.from_logits(logits, logits, logits).logpi.flatten().tolist()
        for name, value in wanted.items():
            assert (value is None) == (got[name] is None), name
            if value is not None:
                assert np.shape(value) == np.shape(got[name]), name
                difference = float(np.abs(np.array(value) - np.array(got[name])).max())
                largest[name] = max(largest.get(name, 0.0), difference)
    return largest


PLAIN = MemoryConfig(hidden_size=10, num_mixtures=3)
CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "one mixture": {"memory": replace(PLAIN, num_mixtures=1)},
    "shared, layers, residual": {"memory": replace(PLAIN, mixture="shared", num_layers=3, residual=True)},
    "least sigma": {"memory": replace(PLAIN, min_sigma=0.3)},
    "reward read, two-hot": {
        "memory": replace(PLAIN, reward_input=True, reward=RewardConfig(head="two_hot", scale=2.0, num_bins=11))
    },
    "reward read, sign": {"memory": replace(PLAIN, reward_input=True, reward=RewardConfig(head="sign", scale=2.0))},
    "reward read, none": {"memory": replace(PLAIN, reward_input=True, reward=RewardConfig(head="none", scale=4.0))},
    "value in units of 10": {"memory": replace(PLAIN, reward=RewardConfig(head="value", scale=10.0))},
    "no end": {"memory": replace(PLAIN, end_head=False)},
    "C sees z": {"controller": ControllerConfig(inputs="z")},
    "C sees all, hidden layer": {"controller": ControllerConfig(inputs="zhc", hidden_size=6, action="steer_pedal")},
    "hidden layer, two layers of M": {
        "controller": ControllerConfig(inputs="zhc", hidden_size=9),
        "memory": replace(PLAIN, num_layers=2),
    },
    "VAE/GAN, averaged": {"vision": VisionConfig(model="vae_gan", net=SMALL)},
    "VAE/GAN as it is": {"vision": VisionConfig(model="vae_gan", net=SMALL, vae_gan=VaeGanConfig(ema=0.0))},
    "box": {"actions": BoxActions(low=(-2.0, 0.0, 1.0, 5.0), high=(2.0, 3.0, 1.0, 9.0))},
    "box as it is": {"actions": BoxActions(low=(-2.0, 0.0), high=(2.0, 3.0), scaled=False)},
    "categories": {"actions": Categories(sizes=(5,), first=(0,))},
    "several categories": {"actions": Categories(sizes=(3, 1, 4), first=(0, 0, 0), shape=(3,))},
    "ensemble": {"members": 3, "memory": replace(PLAIN, num_layers=2)},
    "shared ensemble": {"members": 2, "memory": replace(PLAIN, mixture="shared", residual=True)},
    "large": {
        "vision": VisionConfig(net=NetConfig()),
        "memory": MemoryConfig(hidden_size=512, num_layers=2, num_mixtures=8),
    },
    "wide latent": {"vision": VisionConfig(net=replace(SMALL, z_size=130, decoder_features=40))},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_is_computed_as_torch_does(name: str, tmp_path: Path) -> None:
    default = {"memory": PLAIN, "vision": VisionConfig(net=SMALL), "actions": SteerGasBrake()}
    made = {**default, "controller": ControllerConfig(), **CONFIGS[name]}
    dreams, controller, params = ensemble_of(**made)
    largest_return = LargestReturn(total=1000.0, frame_cost=0.1)
    world = {"action_repeat": 4, "max_decisions": 250, "largest_return": asdict(largest_return)}
    header = {"config": config_of(dreams, controller), "world": world}
    torchs = Torch(dreams, controller, params, from_nothing=name.startswith("reward"))
    found = in_node(tmp_path, pack(header, arrays_of(dreams, controller, params), "it"), torchs.case)
    largest = errors(torchs, found, made["memory"].num_mixtures)
    print(name, {key: f"{value:.1e}" for key, value in largest.items()})
    assert torchs.pictures.double().std() > 20, "pictures without contrast prove nothing"
    assert largest.pop("picture") <= 1
    assert max(largest.values()) < 1e-3, largest
    moment = dreams.moments
    np.testing.assert_allclose(found["moment"]["z"], moment.z[1], atol=1e-4)
    for member, theirs in zip(dreams.ensemble, found["moment"]["members"], strict=True):
        np.testing.assert_allclose(theirs["h"], member.moments.state.h[1], atol=1e-4)
        np.testing.assert_allclose(theirs["c"], member.moments.state.c[1], atol=1e-4)
    columns = (torch.tensor(column) for column in zip(*ACCOUNTS, strict=True))
    paid = settle(replace(dreams.world, largest_return=largest_return), *columns)
    for i, got in enumerate(found["settled"]):
        assert got["reward"] == pytest.approx(float(paid.rew[i]), abs=1e-3)
        assert got["excess"] == pytest.approx(float(paid.excess[i]), abs=1e-3)
        assert (got["end"], got["truncated"]) == (bool(paid.end[i]), bool(paid.trunc[i]))


@pytest.mark.parametrize("mixture", ["per_dimension", "shared"])
def test_dreams_are_drawn_from_the_mixture(mixture: Literal["per_dimension", "shared"], tmp_path: Path) -> None:
    """Over many draws: mean and variance of z, the share of ends; the reward is kept for M to read."""
    num, temperature = 20_000, 0.8
    memory = replace(PLAIN, mixture=mixture, reward_input=True)
    dreams, controller, params = ensemble_of(memory, VisionConfig(net=SMALL), SteerGasBrake(), ControllerConfig())
    with torch.inference_mode():
        at = dreams.moments.select(torch.tensor([1]))
        act = controller.act(torch.from_numpy(params)[None].float(), at.z, at.state)
        expected = dreams.memory.predict(dreams.memory.step(at.z, act, at.state, at.rew).top, at.z)
        logpi = (expected.z.logpi[0] / temperature).log_softmax(0)
        mean = (logpi.exp() * expected.z.mu[0]).sum(0)
        spread = temperature * (2 * expected.z.logsigma[0]).exp() + (expected.z.mu[0] - mean).square()
        variance = (logpi.exp() * spread).sum(0)
    case = {"frames": [], "latents": [], "decisions": [], "accounts": [], "moment": 1, "fromNothing": False}
    case |= {"draws": num, "seed": 3, "temperature": temperature}
    header = {"config": config_of(dreams, controller), "world": {}}
    found = in_node(tmp_path, pack(header, arrays_of(dreams, controller, params), "it"), case)["draws"]
    error = (variance / num).sqrt().numpy()
    assert (np.abs(np.array(found["mean"]) - mean.numpy()) < 4 * error).all()
    np.testing.assert_allclose(found["variance"], variance, rtol=0.06)
    assert expected.reward is not None
    assert found["reward"] == pytest.approx(float(expected.reward), abs=1e-3)
    assert expected.end_logit is not None
    end = float(torch.sigmoid(expected.end_logit))
    assert 0.05 < end < 0.95, "a sure end proves nothing"
    assert found["ends"] == pytest.approx(end, abs=4 * (end * (1 - end) / num) ** 0.5)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_agents_that_ship(name: str, tmp_path: Path) -> None:
    run = RunFolder.open(name)
    content = bundle(run)
    assert content == bundle(run)
    dreams, (controller, params) = load_dreams(run.path), load_controller(run.controller)
    torchs = Torch(dreams, controller, params, from_nothing=False)
    found = in_node(tmp_path, content, {**torchs.case, "measure": True})
    largest = errors(torchs, found, dreams.memory.config.num_mixtures)
    print(f"{len(content):,} bytes", {key: f"{value:.1e}" for key, value in largest.items()})
    print({key: f"{value:.3f} ms" for key, value in found["milliseconds"].items()})
    assert largest.pop("picture") <= 1
    assert max(largest.values()) < 1e-3, largest


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda content: content[:-5000], "cut short"), (lambda content: b"x" + content[1:], "no run of this version")],
)
def test_what_is_no_bundle_is_refused(change: Callable[[bytes], bytes], message: str) -> None:
    content = pack({"name": "x"}, {"a.weight": np.ones((64, 64)), "b.bias": np.ones(2000)}, "x")
    script = "require(process.argv[1]); const run = Reverie.openBundle(new Uint8Array(require('fs').readFileSync(0)));"
    script += "console.log(run.array('a.weight')[4095] + run.array('b.bias')[1999]);"
    command = ["node", "-e", script, str(STATIC / "bundle.js")]
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    assert done.stdout == b"2\n"
    done = subprocess.run(command, input=change(content), capture_output=True, check=False)
    assert done.returncode != 0
    assert message in done.stderr.decode()
