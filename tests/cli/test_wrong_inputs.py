"""What people and programs give by mistake, for every verb: each gets one line that names it, and leaves nothing."""

from pathlib import Path

import pytest

from reverie.cli.main import VERBS
from tests.cli.conftest import reverie

pytestmark = pytest.mark.xdist_group("cli")

WRONG: dict[str, tuple[int, str]] = {
    "train nosuch.toml": (2, "nosuch.toml"),
    "train folder": (2, "folder"),
    "train picture.png": (2, "picture.png"),
    "train torn.toml": (2, "torn.toml"),
    "train debug --set": (2, "--set"),
    "train debug --set seed": (2, "seed"),
    "train debug --set =3": (2, "=3"),
    "train debug --set seed=": (2, "seed"),
    "train debug --set seed=-1": (2, "seed"),
    "train debug --set seed=1e400": (2, "seed"),
    "train debug --set seed=[1": (2, "seed"),
    "train debug --set vision=3": (2, "vision"),
    "train debug --set vision.fit.learning_rate=nan": (2, "learning_rate"),
    "train debug --set memory.model.hidden_size=1000000000": (2, "hidden_size"),
    "train debug --set env.id=CartPole-v1": (1, "CartPole-v1"),
    "train debug --workers many": (2, "many"),
    "train debug --workers -7": (2, "-7"),
    "train debug --workers 100000": (2, "100000"),
    "train debug --scheduler local": (2, "--scheduler"),
    "train debug --workers dask": (2, "--scheduler"),
    "train debug --workers dask --scheduler http://x": (2, "http://x"),
    "train debug quick": (2, "quick"),
    "train debug --run picture.png": (2, "picture.png"),
    "train --run picture.png/run debug": (1, "picture.png"),
    "collect debug --episodes two": (2, "--episodes"),
    "collect debug --episodes 0": (2, "collect.episodes"),
    "collect debug --steps -3": (2, "collect.steps"),
    "collect debug --policy wild": (2, "--policy"),
    "collect debug --agent picture.png": (1, "picture.png"),
    "collect debug --agent-noise nan": (2, "--agent-noise"),
    "collect debug --seed 1.5": (2, "--seed"),
    "collect debug --from-npz nowhere": (1, "nowhere"),
    "collect debug --from-npz folder": (1, "folder holds no .npz file"),
    "collect debug --from-npz picture.png": (1, "picture.png"),
    "collect debug --from-npz folder --policy walk": (2, "leave out --policy"),
    "collect debug --from-npz folder --agent pretrained": (2, "collect.agent and collect.from_npz"),
    "collect debug --from-npz folder --npz-rewards none": (2, "--npz-rewards"),
    "vision --continue -1": (2, "--continue"),
    "vision --continue 1 --again": (2, "--again"),
    "encode --again --set seed=x": (2, "seed"),
    "encode --continue 1": (2, "--continue"),
    "memory --continue x": (2, "--continue"),
    "controller --init-from": (2, "--init-from"),
    "controller --set controller.search.generations=-1": (2, "controller.search.generations"),
    "evaluate": (2, "Missing from reverie evaluate: STR Folder of a run"),
    "evaluate picture.png": (1, "picture.png"),
    "evaluate pretrained --tracks -1": (2, "tracks"),
    "evaluate pretrained --tracks 1000000000": (2, "tracks"),
    "evaluate pretrained --renderer blender": (2, "--renderer"),
    "evaluate pretrained --workers 1.5": (2, "1.5"),
    "evaluate pretrained --set samples=3": (2, "--plan"),
    "evaluate pretrained --plan --set samples=0": (2, "samples"),
    "evaluate pretrained --plan --controller x": (2, "leave out --controller, or --plan"),
    "evaluate pretrained --controller x": (1, "x"),
    "evaluate pretrained --plan --set sample=3": (2, "sample"),
    "watch folder": (1, "folder"),
    "watch pretrained --track -1": (2, "--track"),
    "watch pretrained --track 3000000000": (2, "--track"),
    "watch pretrained --output film.avi": (2, "film.avi"),
    "watch pretrained --window --output a.mp4": (2, "--window"),
    "watch pretrained --controller picture.png": (1, "picture.png"),
    "watch pretrained --output picture.png/a.mp4": (1, "picture.png"),
    "play nowhere": (1, "nowhere"),
    "play pretrained --dream --real": (2, "--real"),
    "play pretrained --port 80": (2, "--web"),
    "play pretrained --web --port 70000": (2, "--port"),
    "play pretrained --temperature -1": (2, "--temperature"),
    "dream nowhere": (1, "nowhere"),
    "dream pretrained --seconds 0": (2, "--seconds"),
    "dream pretrained --seconds inf": (2, "--seconds"),
    "dream pretrained --temperature nan": (2, "--temperature"),
    "dream pretrained --output folder": (2, "folder"),
    "dream pretrained --truth --controller x": (2, "--controller"),
    "dream pretrained --split train": (2, "train"),
    "dream pretrained --truth --driver nowhere": (1, "nowhere"),
    "dream pretrained --truth --drives 1": (2, "--drives"),
    "pack nowhere": (1, "nowhere"),
    "pack debug --license": (2, "--license"),
    "pack debug --out folder": (2, "folder"),
    "report nowhere": (1, "nowhere"),
    "report pretrained --output page.pdf": (2, "page.pdf"),
    "report pretrained --pictures picture.png": (2, "picture.png"),
    "inspect nowhere": (1, "nowhere"),
    "inspect pretrained --dims 1": (2, "--dims"),
    "inspect pretrained --dims 1 1": (2, "1"),
    "inspect pretrained --dims 0 99": (2, "99"),
    "inspect pretrained --tracks 0": (2, "--tracks"),
    "inspect pretrained --output picture.png": (2, "picture.png"),
    "compare pretrained": (2, "two runs"),
    "compare pretrained nowhere": (1, "nowhere"),
    "compare pretrained =dreamt": (2, "=dreamt"),
    "compare pretrained dreamt --scores -1": (2, "--scores"),
    "compare pretrained dreamt --output picture.png": (2, "picture.png"),
    "fork pretrained": (2, "Missing from reverie fork: PATH Folder of the new run"),
    "fork nowhere new": (1, "nowhere"),
    "fork pretrained folder": (2, "pretrained ships without"),
    "fork pretrained new --set seed": (2, "seed"),
    "fork pretrained new --set collect.episodes=0": (2, "collect.episodes"),
    "recipes quick": (2, "quick"),
    "settings zzz": (2, "zzz"),
    "settings --recipe zzz": (2, "zzz"),
    "settings --recipe folder": (2, "folder"),
    "info": (2, "Missing from reverie info: STR Folder of a run"),
    "info picture.png --verify": (1, "picture.png"),
    "info nowhere --json": (1, "nowhere"),
    "export": (2, "what to export"),
    "export pdf pretrained": (2, "web, onnx"),
    "export web": (2, "which runs"),
    "export web nowhere": (1, "nowhere"),
    "export web pretrained --out folder.html": (2, "folder.html"),
    "export web pretrained --out picture.png": (2, "picture.png"),
    "export onnx nowhere": (1, "nowhere"),
    "export onnx pretrained --out picture.png": (1, "picture.png"),
    "export minari nowhere": (1, "nowhere"),
    "export minari pretrained": (1, "without the episodes"),
    "bench": (2, "Missing from reverie bench: {env,vision"),
    "bench everything": (2, "everything"),
    "bench env --seconds 0": (2, "--seconds"),
    "bench env --rounds 0": (2, "--rounds"),
}
"""Command -> its exit code, and what its line names. A folder, a picture and a torn recipe lie where it is run."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("folder", "folder.html"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "letter.txt").write_text("not a run")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\x00")
    (tmp_path / "torn.toml").write_text("seed = [1, ")
    return tmp_path


def _found(place: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in place.rglob("*")}


@pytest.mark.parametrize("command", WRONG)
def test_one_line_names_it(command: str, place: Path) -> None:
    if command.startswith("export onnx pretrained"):
        pytest.importorskip("onnx")
    before, (code, named) = _found(place), WRONG[command]
    done = reverie(*command.split(), cwd=place)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done
    assert lines[0].startswith(f"reverie {command.split()[0]}")
    assert named in lines[0].partition(": ")[2], lines[0]
    assert (done.returncode, done.stdout) == (code, ""), lines[0]
    assert _found(place) == before


@pytest.mark.parametrize("verb", ["vision", "encode", "memory", "controller"])
def test_a_stage_before_its_turn_says_which_comes_first(verb: str, tmp_path: Path) -> None:
    done = reverie(verb, "debug", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
    assert "runs/debug has not finished its stage" in done.stderr


def test_every_verb_has_some() -> None:
    assert {command.split()[0] for command in WRONG} == set(VERBS)
