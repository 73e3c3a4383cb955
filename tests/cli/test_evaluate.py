"""The score that the command prints, against Gymnasium stepped by hand."""

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from reverie.agent import Agent
from reverie.envs.car_racing.spec import PICTURE
from reverie.models.files import load_controller, load_memory, load_vision
from reverie.policies import ExactPolicy
from reverie.run.folder import RunFolder
from reverie.training.pipeline import evaluate_run
from reverie.workers.inline import InlineWorkers
from tests.cli.conftest import reverie

pytestmark = pytest.mark.xdist_group("cli")


def test_returns_are_those_of_gymnasium_itself(debug_run: Path) -> None:
    done = reverie("evaluate", debug_run, "--tracks", "2", "--first-seed", "7", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["env_id"], result["num_tracks"], result["first_seed"]) == ("CarRacing-v3", 2, 7)
    assert result["run"] == str(debug_run)
    run = RunFolder.open(debug_run)
    controller, params = load_controller(run.controller)
    agent = Agent(load_vision(run.vision), load_memory(run.memory), controller, run.config.agent)
    returns, frames, decisions = [], 0, 0
    env = gymnasium.make("CarRacing-v3", max_episode_steps=run.config.env.max_frames)
    for seed in (7, 8):
        policy = ExactPolicy(agent, params[None])
        policy.reset([seed])
        obs, _ = env.reset(seed=seed)
        total, rew, over = 0.0, 0.0, False
        while not over:
            act = policy.act(PICTURE.to_64(obs)[None], np.array([rew]))[0]
            rew, decisions = 0.0, decisions + 1
            for _ in range(run.config.env.action_repeat):
                obs, frame_rew, end, trunc, _ = env.step(act)
                rew, frames, over = rew + float(frame_rew), frames + 1, end or trunc
                if over:
                    break
            total += rew
        returns.append(total)
    env.close()
    np.testing.assert_allclose(result["returns"], returns, atol=1e-3)
    assert (result["frames"], result["decisions"]) == (frames, decisions)
    assert result["mean"] == pytest.approx(np.mean(returns), abs=1e-3)
    assert result["std"] == pytest.approx(np.std(returns, ddof=1), abs=1e-3)
    half = 12.7062 * np.std(returns, ddof=1) / np.sqrt(2)
    assert result["ci95"] == pytest.approx([np.mean(returns) - half, np.mean(returns) + half], abs=0.05)


def test_the_score_does_not_depend_on_the_number_of_workers(debug_run: Path) -> None:
    results = []
    for workers in ("0", "2"):
        arguments = ("--tracks", "6", "--json", "--quiet", "--renderer", "fast", "--workers", workers)
        results.append(json.loads(reverie("evaluate", debug_run, *arguments).stdout)["returns"])
    assert results[0] == results[1]


def test_recipes_print_counts_and_budget() -> None:
    table = json.loads(reverie("recipes", "--json").stdout)
    assert {"quick", "standard", "paper", "seed", "debug"} <= set(table)
    paper = table["paper"]
    assert (paper["vision"], paper["memory"], paper["controller"]) == (4_348_547, 422_368, 867)
    assert paper["budget"]["collect_frames"] == 10_000_000
    assert table["marathon"]["measured"]["processor"] == "an AMD EPYC (AVX512-BF16)"
    text = reverie("recipes").stdout
    assert "paper" in text
    assert "minutes on 2 cores of an AMD EPYC (AVX512-BF16), 71,824,516 frames; measured when the search ended" in text


def test_what_ships_has_its_score_on_any_processor() -> None:
    """Track 2 hangs on a millionth of what V says (docs/web.md, End to end)."""
    run = RunFolder.open("pretrained")
    kept = json.loads((run.evaluations / "fast_100_from_0.json").read_text())
    done = evaluate_run(run, InlineWorkers(), num_tracks=4, first_seed=1, renderer="fast", quiet=True)
    assert list(done.returns) == kept["returns"][1:5]
