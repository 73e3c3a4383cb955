"""The learner `imagine` in a run of rounds, where who is kept drives on the road and teaches the next round."""

from pathlib import Path

import pytest

from reverie.data.store import EpisodeStore
from reverie.errors import UserError
from reverie.models.files import load_controller
from reverie.run import settings
from reverie.run.ledger import ledger
from reverie.training.budget import budget
from reverie.training.pipeline import DRIVING_STAGES, run_stages
from tests.training.controller.test_laps import ON_ROAD
from tests.training.small_rounds import of_rounds, rounds_of

pytestmark = pytest.mark.usefixtures("few_steps_of_imitation")

IMAGINE = (
    "controller.learner=imagine",
    "controller.imagine.steps=4",
    "controller.imagine.batch=6",
    "controller.imagine.horizon=2",
    "controller.imagine.eval_every=2",
    "controller.imagine.actor.begins_at=0",
    "rounds.imagine_steps=2",
    "rounds.laps=0",
    "rounds.num=2",
)


def test_it_learns_in_every_round_and_its_finals_teach(tmp_path: Path) -> None:
    """Three controllers of the first round's way drive a lap, and the better two another; of the second round's, the
    one where it began and the one after its two steps."""
    run = of_rounds(tmp_path / "run", *ON_ROAD, *IMAGINE)
    run_stages(run, DRIVING_STAGES, quiet=True)
    rounds = rounds_of(run)
    assert [each.stage("controller")["steps"] for each in rounds] == [4, 2]
    assert not any((each.evolution / "state.safetensors").exists() for each in rounds), "nobody searched"
    laps = [EpisodeStore(each.laps) for each in rounds]
    assert [len(store) for store in laps] == [3 + 2, 2 + 1]
    assert EpisodeStore(run.rollouts).rounds == [8, 5 + 4]
    found = ledger(run)
    assert (found.learning, found.measuring) == (0, 0)
    assert found.selecting == sum(4 * entry["num_decisions"] for store in laps for entry in store.entries)
    assert found.selecting + found.collecting <= budget(run.recipe)["real_frames"]
    imagined = (4 + 2) * 6 * 2
    assert imagined < found.dreamt <= budget(run.recipe)["dreamt_decisions"]
    first, last = (load_controller(each.controller)[1] for each in rounds)
    assert (first != last).any()


@pytest.mark.parametrize("setting", ["minutes=5", "finals.retrain=true"])
def test_what_only_a_search_does_is_refused(setting: str) -> None:
    name = setting.partition("=")[0]
    with pytest.raises(UserError, match=rf"controller\.search\.{name} is of the learner search alone: leave it out"):
        settings.load("debug", ["controller.learner=imagine", f"controller.search.{setting}"])
