"""Data by an agent of another run, mixed with random driving."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reverie.actions import SteerGasBrake
from reverie.cli.main import main
from reverie.data.episode import Episode
from reverie.data.store import EpisodeStore
from reverie.envs.car_racing.starts import random_start, structured_start
from reverie.envs.registry import make_vector_env
from reverie.envs.vector import Start
from reverie.errors import UserError
from reverie.models.files import packaged
from reverie.policies import AgentPolicy, NoisyPolicy
from reverie.rollout import rollout
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.seeding import TRAINING_TRACKS, generator, sample_tracks
from reverie.training.budget import budget
from reverie.training.collect import collect
from reverie.training.controller.rollouts import agent_of
from reverie.training.pipeline import run_stages
from reverie.workers.contract import Workers
from reverie.workers.inline import InlineWorkers
from reverie.workers.make import make_workers

NUM = 20
AGENTS, OTHERS = range(1, NUM, 2), range(0, NUM, 2)
"""Who drives what at a share of one half."""


def mixed(path: Path, driver: Path | str, *overrides: str) -> RunFolder:
    """A new run of 20 episodes in three groups; every second episode is the agent's."""
    given = [f"collect.agent={driver}", f"collect.episodes={NUM}", "collect.steps=5", "env.max_frames=24"]
    return RunFolder.create(path, settings.load("debug", [*given, *overrides]))


def collected(run: RunFolder, workers: Workers | None = None) -> list[Episode]:
    collect(run, workers or InlineWorkers(), quiet=True)
    store = EpisodeStore(run.rollouts)
    return [store[i] for i in range(len(store))]


@pytest.mark.parametrize("policy", ["mixed", "networks"])
def test_the_agent_drives_its_episodes_its_own_way_and_the_others_are_as_without_it(
    policy: str, tiny_run: RunFolder, tmp_path: Path
) -> None:
    run = mixed(tmp_path / "mixed", tiny_run.path, "collect.agent_noise=0", f"collect.policy={policy}")
    episodes = collected(run)
    without = collected(mixed(tmp_path / "without", "", f"collect.policy={policy}"))
    for i in OTHERS:
        np.testing.assert_array_equal(episodes[i].obs, without[i].obs)
        np.testing.assert_array_equal(episodes[i].act, without[i].act)
    assert all((len(episode), episode.end, episode.trunc) == (5, False, True) for episode in episodes)  # collect.steps
    entries = EpisodeStore(run.rollouts).entries
    assert all(entry["seed"] in TRAINING_TRACKS for entry in entries)
    agent, params = agent_of(tiny_run)
    acts = np.zeros((len(AGENTS), 5, 3), np.float32)
    step = iter(range(5))

    def observe(rows, obs, act, transition) -> None:  # noqa: ARG001
        acts[rows, next(step)] = act

    seeds = [entries[i]["seed"] for i in AGENTS]
    env = make_vector_env(run.config.env, len(seeds))
    outcomes = rollout(env, AgentPolicy(agent, params[None]), seeds, max_decisions=5, observer=observe)
    np.testing.assert_array_equal(np.stack([episodes[i].act for i in AGENTS]), acts)
    assert [entries[i]["episode_return"] for i in AGENTS] == pytest.approx([outcome.ret for outcome in outcomes])
    facts = run.stage("collect")
    assert (facts["episodes"], facts["agent_episodes"]) == (NUM, len(AGENTS))
    assert facts["agent_mean_return"] == pytest.approx(np.mean([outcome.ret for outcome in outcomes]))
    assert facts["random_mean_return"] == pytest.approx(np.mean([entries[i]["episode_return"] for i in OTHERS]))
    assert facts["agent_digest"].startswith(tiny_run.stage("vision")["files"]["vision.safetensors"][:16])


def test_noise_is_bounded_and_differs_from_episode_to_episode(tiny_run: RunFolder, tmp_path: Path) -> None:
    still, noisy = (
        collected(mixed(tmp_path / f"noise_{noise}", tiny_run.path, f"collect.agent_noise={noise}"))
        for noise in (0.0, 0.5)
    )
    for i in OTHERS:  # driven at random: the agent's noise is not theirs
        np.testing.assert_array_equal(still[i].act, noisy[i].act)
    shifts = [np.abs(noisy[i].act[0] - still[i].act[0]).max() for i in AGENTS]  # the first frame is the same
    assert min(shifts) > 0
    assert max(shifts) > 3 * min(shifts)
    acts = np.concatenate([noisy[i].act for i in AGENTS])
    assert (acts >= [-1, 0, 0]).all()
    assert (acts <= 1).all()
    assert not (acts[:, 1] * acts[:, 2]).any()  # this agent has one pedal


@pytest.fixture(scope="module")
def processes() -> Iterator[Workers]:
    with make_workers(2) as workers:
        yield workers


@pytest.mark.xdist_group("collect")  # one process of pytest starts those workers
@pytest.mark.parametrize("policy", ["mixed", "networks"])
def test_the_same_bytes_whatever_the_workers_and_after_kills(
    policy: str, processes: Workers, tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (f"collect.policy={policy}", "collect.starts=random", "collect.stall_decisions=3")
    whole = mixed(tmp_path / "whole", tiny_run.path, *settings)
    collect(whole, processes, quiet=True)
    cut = mixed(tmp_path / "cut", tiny_run.path, *settings)
    append = EpisodeStore.append
    for killed_at in (4, 13):  # in the middle of a group

        def dies(self, entry, last=killed_at) -> None:
            if len(self) == last:
                raise KeyboardInterrupt
            append(self, entry)

        monkeypatch.setattr(EpisodeStore, "append", dies)
        with pytest.raises(KeyboardInterrupt):
            collect(cut, InlineWorkers(), quiet=True)
        monkeypatch.undo()
        assert len(EpisodeStore(cut.rollouts)) == killed_at
        cut = RunFolder.open(cut.path)
    collect(cut, InlineWorkers(), quiet=True)
    assert EpisodeStore(cut.rollouts).digest() == EpisodeStore(whole.rollouts).digest()
    mine, reference = ({k: v for k, v in run.stage("collect").items() if k != "seconds"} for run in (cut, whole))
    assert mine == reference


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 1.0])
def test_any_number_of_episodes_is_mixed_in_the_same_share(share: float) -> None:
    config = settings.load("debug", ["collect.agent=pretrained", f"collect.agent_share={share}"])
    counts = [config.by_agent(i) for i in range(1001)]
    assert max(abs(count - i * share) for i, count in enumerate(counts)) <= 1
    assert set(np.diff(counts)) <= {0, 1}
    assert counts[1000] == 1000 * share


def test_without_an_agent_none_drives() -> None:
    assert settings.load("debug").by_agent(1000) == 0


def test_agent_episodes_have_a_length_of_their_own(tiny_run: RunFolder, tmp_path: Path) -> None:
    run = mixed(tmp_path / "mixed", tiny_run.path, "collect.agent_steps=7", "env.max_frames=60")
    episodes = collected(run)
    assert [len(episodes[i]) for i in AGENTS] == [7] * len(AGENTS)
    assert [len(episodes[i]) for i in OTHERS] == [5] * len(OTHERS)
    assert budget(run.config)["collect_frames"] == 4 * sum(map(len, episodes))
    assert budget(run.config)["collect_frames"] == 4 * run.stage("collect")["decisions"]


@pytest.mark.parametrize("starts", ["random", "structured"])
def test_each_car_starts_at_its_own_place(starts: str, tiny_run: RunFolder, tmp_path: Path) -> None:
    settings = (f"collect.starts={starts}", "collect.agent_share=0.2", "collect.steps=2")
    run = mixed(tmp_path / "mixed", tiny_run.path, *settings)
    tracks = sample_tracks(generator(run.config.seed, "collect", "tracks"), NUM)
    env = make_vector_env(run.config.env, NUM)
    places: list[Start] = []
    for i in range(NUM):
        num = run.config.by_agent(i)
        is_agents = run.config.by_agent(i + 1) > num
        places.append(random_start(0, i) if starts == "random" else structured_start(num if is_agents else i - num))
    first = env.reset(np.arange(NUM), tracks, places)
    np.testing.assert_array_equal(np.stack([episode.obs[0] for episode in collected(run)]), first)


def test_an_agent_that_cannot_drive_is_refused_before_anything_is_made(tiny_run: RunFolder, tmp_path: Path) -> None:
    driver = tiny_run.path
    unfinished = RunFolder.open(shutil.copytree(driver, tmp_path / "unfinished"))
    unfinished.forget("controller")
    damaged = shutil.copytree(driver, tmp_path / "damaged")
    (damaged / "memory.safetensors").write_bytes(b"")
    for name, setting, message in (
        (tmp_path / "nowhere", "seed=1", r"^collect.agent: there is no run in .*nowhere"),
        (unfinished.path, "seed=1", "^collect.agent: .*unfinished has not finished its stage controller"),
        (damaged, "seed=1", "^collect.agent: .*memory.safetensors is damaged"),
        (driver, "env.action_repeat=2", r"^collect.agent: .* env.action_repeat = 4, not CarRacing-v3 with .* = 2"),
    ):
        with pytest.raises(UserError, match=message) as error:
            mixed(tmp_path / "new", name, setting)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "new").exists()


def test_what_there_is_outlives_an_agent_that_is_gone(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = mixed(tmp_path / "mixed", tiny_run.path)
    assert main(["collect", "--run", str(run.path), "--quiet"]) == 0
    tiny_run.controller.unlink()
    capsys.readouterr()
    assert main(["collect", "--run", str(run.path), "--again", "--quiet"]) == 1
    assert "collect.agent: " in (said := capsys.readouterr().err)
    assert "controller.safetensors is missing" in said
    assert len(said.splitlines()) == 1
    assert len(EpisodeStore(run.rollouts)) == NUM
    assert main(["collect", "--run", str(run.path), "--quiet"]) == 0  # what is finished does not need it any more


def test_another_agent_does_not_go_on_where_the_first_was_cut(
    tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, append = mixed(tmp_path / "mixed", tiny_run.path), EpisodeStore.append

    def dies(self, entry) -> None:
        append(self, entry)
        raise KeyboardInterrupt

    monkeypatch.setattr(EpisodeStore, "append", dies)
    with pytest.raises(KeyboardInterrupt):
        collect(run, InlineWorkers(), quiet=True)
    monkeypatch.undo()
    other = shutil.copytree(tiny_run.path, tmp_path / "other")
    shutil.rmtree(tiny_run.path)
    shutil.copytree(packaged(), tiny_run.path)
    run = RunFolder.open(run.path)
    with pytest.raises(UserError, match="is no longer the agent that drove the first episodes"):
        collect(run, InlineWorkers(), quiet=True)
    assert len(EpisodeStore(run.rollouts)) == 1
    shutil.rmtree(tiny_run.path)
    shutil.copytree(other, tiny_run.path)
    assert len(collected(RunFolder.open(run.path))) == NUM


def test_a_relative_path_is_found_again_from_elsewhere(
    tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere" / "pretrained").mkdir(parents=True)
    monkeypatch.chdir(tiny_run.path.parent)
    run = mixed(tmp_path / "mixed", tiny_run.path.name)
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = RunFolder.open_or_create(run.path, None, [f"collect.agent=../{tiny_run.path.name}"])
    assert Path(again.config.collect.agent) == tiny_run.path.resolve()
    assert len(collected(again)) == NUM
    # `pretrained` is the agent that ships, whatever lies where the command is run.
    shipped = mixed(tmp_path / "shipped", "pretrained")
    assert shipped.config.collect.agent == "pretrained"


def test_the_command_line_says_who_drives(tiny_run: RunFolder, tmp_path: Path) -> None:
    driver = tiny_run.path.rename(tmp_path / "2024")  # a folder that looks like a number
    arguments = ["--agent", "--agent-share", "--agent-noise", "--agent-steps", "--episodes", "--steps"]
    values = [str(driver), "1", "0.1", "3", "2", "2"]
    pairs = [word for pair in zip(arguments, values, strict=True) for word in pair]
    assert main(["collect", "debug", "--run", str(tmp_path / "new"), "--quiet", *pairs]) == 0
    run = RunFolder.open(tmp_path / "new")
    assert (run.config.collect.agent, run.config.collect.agent_noise) == (str(driver.resolve()), 0.1)
    assert [entry["num_decisions"] for entry in EpisodeStore(run.rollouts).entries] == [3, 3]
    facts = run.stage("collect")
    assert (facts["agent_episodes"], facts["random_mean_return"]) == (2, None)


class _Constant:
    """Does the same all the time."""

    def __init__(self, *act: float) -> None:
        self.constant = np.array(act, np.float32)

    def reset(self, seeds) -> None:
        self.num = len(seeds)

    def act(self, obs, prev_rew) -> np.ndarray:  # noqa: ARG002
        return np.tile(self.constant, (self.num, 1))

    def keep(self, mask) -> None:
        self.num = int(mask.sum())


def shake(act: tuple[float, float, float], noise: float, rows: int = 400, decisions: int = 200) -> np.ndarray:
    """Actions (t, b, a) of shaking hands on a driver who does the same all the time."""
    policy = NoisyPolicy(_Constant(*act), SteerGasBrake(), noise=noise, hold=10, seed=0)
    policy.reset(range(rows))
    return np.stack([policy.act(np.zeros(1), np.zeros(1)) for _ in range(decisions)])


def test_shaking_hands_forget_slowly() -> None:
    acts = shake((0, 0, 0), 0.2)[50:]
    for noise in (acts[..., 0], acts[..., 1] - acts[..., 2]):
        assert noise.std() == pytest.approx(0.2 / np.sqrt(3), rel=0.1)  # root of the mean of u^2, u from 0 to 0.2
        assert (noise[1:] * noise[:-1]).mean() / (noise**2).mean() == pytest.approx(0.9, abs=0.02)
    strengths = acts[..., 0].std(0)
    assert strengths.min() < 0.02
    assert 0.18 < strengths.max() < 0.3


def test_shaking_hands_stay_within_the_action_s_bounds_and_reach_them() -> None:
    for both in (0, 0.25):  # what a driver gives to both pedals stays there
        acts = shake((0.5, 0.5, both), 3.0)
        np.testing.assert_array_equal(acts.min((0, 1)), [-1, both, both])
        np.testing.assert_array_equal(acts.max((0, 1)), [1, 1, 1])


@pytest.mark.parametrize("act", [(0.3, 0.7, 0.1), (-1.0, 0.05, 0.9), (0.0, 1.0, 1.0)])
def test_steady_hands_leave_both_pedals_as_they_are(act: tuple[float, float, float]) -> None:
    np.testing.assert_array_equal(shake(act, 0.0, rows=2, decisions=2), np.tile(np.array(act, np.float32), (2, 2, 1)))


def test_shaking_hands_keep_their_row() -> None:
    alone, together = (NoisyPolicy(_Constant(0, 0, 0), SteerGasBrake(), noise=0.2, hold=10, seed=0) for _ in range(2))
    alone.reset([7])
    together.reset([3, 7])
    np.testing.assert_array_equal(alone.act(np.zeros(1), np.zeros(1))[0], together.act(np.zeros(2), np.zeros(2))[1])
    together.keep(np.array([False, True]))
    np.testing.assert_array_equal(alone.act(np.zeros(1), np.zeros(1))[0], together.act(np.zeros(1), np.zeros(1))[0])


def test_an_agent_that_is_not_there_is_not_kept_in_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "run"
    RunFolder.create(path, settings.load("debug", []))
    before = (path / "recipe.toml").read_bytes()
    run = RunFolder.open_or_create(path, None, [f"collect.agent={tmp_path / 'nowhere'}"])
    with pytest.raises(UserError, match="nowhere"):
        run_stages(run, ("collect",), quiet=True)
    assert (path / "recipe.toml").read_bytes() == before
