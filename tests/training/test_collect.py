"""Data by an agent of another run, mixed with random driving."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from reverie import recipes
from reverie.checkpoint import file_sha256
from reverie.cli.main import main
from reverie.data.store import EpisodeStore
from reverie.errors import UserError
from reverie.evaluation.protocol import drive_all
from reverie.rollout import DriveTask, NoisyPolicy
from reverie.run_folder import RunFolder
from reverie.seeding import generator, sample_tracks
from reverie.training import collect as collect_module
from reverie.training.collect import collect
from reverie.training.dream import agent_of
from reverie.workers.pool import InlineWorkers, make_workers

NUM = 20


def mixed(path: Path, driver: RunFolder, *overrides: str) -> RunFolder:
    """A new run of three groups: eight episodes at random, eight by the agent, four at random."""
    settings = [f"collect.agent={driver.path}", f"collect.episodes={NUM}", "collect.steps=5", "env.max_frames=24"]
    return RunFolder.create(path, recipes.load("debug", [*settings, *overrides]))


def episodes(run: RunFolder) -> list[np.ndarray]:
    store = EpisodeStore(run.rollouts)
    return [store[i].act for i in range(len(store))]


def test_the_agent_drives_its_share_and_its_own_way(tiny_run: RunFolder, tmp_path: Path) -> None:
    run = mixed(tmp_path / "mixed", tiny_run, "collect.agent_noise=0")
    collect(run, InlineWorkers(), quiet=True)
    facts = run.stage("collect")
    assert (facts["episodes"], facts["agent_episodes"]) == (NUM, 8)
    agent, params = agent_of(tiny_run)
    tracks = sample_tracks(generator(run.config.seed, "collect", "tracks"), NUM)[8:16]
    task = DriveTask(
        folder=tiny_run.path,
        digest=file_sha256(tiny_run.vision),
        env=run.config.env,
        agent=agent.config,
        controller=agent.controller.config,
        params=np.repeat(params[None], 8, 0),
        seeds=tuple(tracks),
    )
    returns = [outcome.ret for outcome in drive_all(task, InlineWorkers(), rows_per_task=8)]
    entries = EpisodeStore(run.rollouts).entries
    # The task drives on to the time limit of 6 decisions, the collection stops at 5.
    assert [entry["episode_return"] for entry in entries[8:16]] == pytest.approx(returns, abs=5)
    assert facts["agent_mean_return"] == pytest.approx(np.mean([e["episode_return"] for e in entries[8:16]]))


def test_noise_is_bounded_and_differs_from_episode_to_episode(tiny_run: RunFolder, tmp_path: Path) -> None:
    acts = {}
    for noise in (0.0, 0.5):
        run = mixed(tmp_path / f"noise_{noise}", tiny_run, f"collect.agent_noise={noise}")
        collect(run, InlineWorkers(), quiet=True)
        acts[noise] = episodes(run)
    for i in (0, 7, 16):  # driven at random: the agent's noise is not theirs
        np.testing.assert_array_equal(acts[0.0][i], acts[0.5][i])
    shifts = [np.abs(acts[0.5][i][0] - acts[0.0][i][0]).max() for i in range(8, 16)]  # the first frame is the same
    assert min(shifts) > 0
    assert max(shifts) > 3 * min(shifts)
    noisy = np.concatenate(acts[0.5][8:16])
    assert (noisy >= [-1, 0, 0]).all()
    assert (noisy <= 1).all()
    assert not (noisy[:, 1] * noisy[:, 2]).any()  # one pedal at a time


def test_the_same_whatever_the_workers_and_after_a_kill(
    tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = mixed(tmp_path / "whole", tiny_run)
    with make_workers(2) as workers:
        collect(whole, workers, quiet=True)
    cut = mixed(tmp_path / "cut", tiny_run)
    append, calls = EpisodeStore.append, []

    def dies(self, entry) -> None:
        calls.append(entry)
        if len(calls) == 12:  # in the middle of the agent's group
            raise KeyboardInterrupt
        append(self, entry)

    monkeypatch.setattr(EpisodeStore, "append", dies)
    with pytest.raises(KeyboardInterrupt):
        collect(cut, InlineWorkers(), quiet=True)
    assert len(EpisodeStore(cut.rollouts)) == 11
    collect(cut, InlineWorkers(), quiet=True)
    for a, b in zip(episodes(whole), episodes(cut), strict=True):
        np.testing.assert_array_equal(a, b)


def test_shares_are_spread_evenly(tiny_run: RunFolder, tmp_path: Path) -> None:
    for share, expected in ((0.25, "...1...1"), (0.5, ".1.1.1.1"), (1.0, "11111111"), (0.0, "........")):
        config = mixed(tmp_path / f"share_{share}", tiny_run, f"collect.agent_share={share}").config
        groups = [collect_module._is_agents(8 * i, config) for i in range(8)]
        assert "".join("1" if group else "." for group in groups) == expected
    assert not collect_module._is_agents(8, recipes.load("debug"))


def test_an_agent_that_cannot_drive_is_refused_before_anything_is_thrown_away(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = RunFolder.open(shutil.copytree(tiny_run.path, tmp_path / "driver"))
    run = mixed(tmp_path / "mixed", driver)
    collect(run, InlineWorkers(), quiet=True)
    driver.controller.unlink()
    assert main(["collect", "--run", str(run.path), "--again", "--quiet"]) == 1
    assert "controller.safetensors is missing" in capsys.readouterr().err
    assert len(EpisodeStore(run.rollouts)) == NUM
    with pytest.raises(UserError, match="there is no run in nowhere"):
        collect(mixed(tmp_path / "none", driver, "collect.agent=nowhere"), InlineWorkers(), quiet=True)
    with pytest.raises(UserError, match=r"env.action_repeat = 4, not CarRacing-v3 with 2"):
        collect(mixed(tmp_path / "other", tiny_run, "env.action_repeat=2"), InlineWorkers(), quiet=True)


class _Still:
    """Does nothing."""

    def reset(self, seeds) -> None:
        self.num = len(seeds)

    def act(self, obs, prev_rew) -> np.ndarray:  # noqa: ARG002
        return np.zeros((self.num, 3), np.float32)

    def keep(self, mask) -> None:
        self.num = int(mask.sum())


def test_shaking_hands_forget_slowly_and_keep_their_row() -> None:
    policy = NoisyPolicy(_Still(), noise=0.2, hold=10, seed=0)
    policy.reset(range(400))
    steer = np.stack([policy.act(np.zeros(1), np.zeros(1))[:, 0] for _ in range(200)])[50:]
    scale = steer.std()
    assert scale == pytest.approx(0.2 / np.sqrt(3), rel=0.1)  # root of the mean of u^2, u from 0 to 0.2
    correlation = (steer[1:] * steer[:-1]).mean() / (steer**2).mean()
    assert correlation == pytest.approx(0.9, abs=0.02)
    alone = NoisyPolicy(_Still(), noise=0.2, hold=10, seed=0)
    alone.reset([7])
    together = NoisyPolicy(_Still(), noise=0.2, hold=10, seed=0)
    together.reset([3, 7])
    np.testing.assert_array_equal(alone.act(np.zeros(1), np.zeros(1))[0], together.act(np.zeros(2), np.zeros(2))[1])
    together.keep(np.array([False, True]))
    np.testing.assert_array_equal(alone.act(np.zeros(1), np.zeros(1))[0], together.act(np.zeros(1), np.zeros(1))[0])
