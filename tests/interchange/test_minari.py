"""Episodes go to Minari and come back as the same bytes; Minari loads them itself; what does not fit gets a line."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from PIL import Image

from reverie.data.store import EpisodeStore
from reverie.envs.config import EnvConfig
from reverie.errors import UserError
from reverie.interchange.minari import export_minari
from reverie.interchange.sources import Source
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.training.pipeline import run_stages
from tests.cli.conftest import reverie
from tests.interchange.conftest import BOX, CHOICE

minari = pytest.importorskip("minari", reason="needs `pip install 'minari[hdf5]'`")
h5py = pytest.importorskip("h5py")
NAME = "tiny/pix-v0"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Minari keeps its datasets."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


def make(path: Path, env: EnvConfig, *more: str) -> RunFolder:
    world = (f"env.id={env.id}", f"env.action_repeat={env.action_repeat}", "env.max_frames=60")
    return RunFolder.create(path, settings.load("debug", [*world, "collect.policy=random", *more]))


def collected(path: Path, env: EnvConfig, *more: str) -> RunFolder:
    run = make(path, env, "collect.episodes=4", *more)
    run_stages(run, ("collect",), quiet=True)
    return RunFolder.open(path)


def taken(path: Path, env: EnvConfig, *more: str) -> EpisodeStore:
    run = make(path, env, f"collect.from_minari={NAME}", *more)
    run_stages(run, ("collect",), quiet=True)
    return EpisodeStore(run.rollouts)


def same(ours: EpisodeStore, theirs: EpisodeStore) -> bool:
    """Numbers between bounds are rounded on their way to the environment's terms and back; all else stays."""
    assert [entry["seed"] for entry in ours.entries] == [entry["seed"] for entry in theirs.entries]
    for one, other in ((ours[i], theirs[i]) for i in range(len(ours))):
        np.testing.assert_allclose(one.act, other.act, atol=1e-6)
        assert (one.end, one.trunc) == (other.end, other.trunc)
        np.testing.assert_array_equal(one.obs, other.obs)
        np.testing.assert_array_equal(one.rew, other.rew)
    return ours.digest() == theirs.digest()


@pytest.mark.parametrize("env", [BOX, CHOICE], ids=["box", "choice"])
def test_there_and_back_again(env: EnvConfig, tmp_path: Path) -> None:
    ours = EpisodeStore(collected(tmp_path / "run", env).rollouts)
    folder = export_minari(ours, env, NAME)
    dataset = minari.load_dataset(NAME)
    assert folder == tmp_path / "minari" / NAME
    assert (dataset.total_episodes, dataset.total_steps) == (len(ours), ours.num_decisions)
    assert dataset.action_space == gymnasium.make(env.id).action_space
    for i, found in enumerate(dataset.iterate_episodes()):
        episode = ours[i]
        np.testing.assert_array_equal(found.observations, episode.obs)
        np.testing.assert_array_equal(found.rewards, episode.rew)
        assert all(act in dataset.action_space for act in found.actions)
        assert all(obs in dataset.observation_space for obs in found.observations)
        assert found.terminations.tolist() == [False] * (len(episode) - 1) + [episode.end]
        assert found.truncations.tolist() == [False] * (len(episode) - 1) + [episode.trunc]
    assert NAME in minari.list_local_datasets()
    theirs = taken(tmp_path / "back", env)
    assert same(ours, theirs) or env == BOX
    assert {entry.get("driver") for entry in theirs.entries} == {"others"}
    theirs.verify()


def test_a_run_trains_on_what_others_drove_and_says_so(tmp_path: Path) -> None:
    small = ("vision.epochs=1", "memory.steps=2", "controller.search.generations=1")
    export_minari(EpisodeStore(collected(tmp_path / "run", CHOICE).rollouts), CHOICE, NAME)
    run = make(tmp_path / "theirs", CHOICE, f"collect.from_minari={NAME}", *small)
    run_stages(run, quiet=True)
    facts = RunFolder.open(run.path).stage("collect")
    assert facts["source"] == f"Minari's {NAME}"
    assert (facts["episodes"], facts["frames"]) == (4, 2 * facts["decisions"])
    assert run.is_done("evaluate")
    done = reverie("report", run.path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 drives of others were taken in, from Minari" in run.report.read_text()


def test_a_cut_run_goes_on_and_notices_another_source(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_minari(EpisodeStore(collected(tmp_path / "run", BOX).rollouts), BOX, NAME)
    whole = taken(tmp_path / "theirs", BOX)
    index, run = whole.folder / "index.jsonl", RunFolder.open(tmp_path / "theirs")
    lines = index.read_bytes().splitlines(keepends=True)

    def cut(left: int = 2) -> None:
        index.write_bytes(b"".join(lines[:left]))
        run.manifest["stages"]["collect"] = {"status": "running", "seconds": 1.0}
        run.write_manifest()

    cut()
    run_stages(RunFolder.open(run.path), ("collect",), quiet=True)
    assert index.read_bytes() == b"".join(lines)
    cut(3)
    with monkeypatch.context() as patch:
        patch.setattr(Source, "__len__", lambda _: 2)
        with pytest.raises(UserError, match=r"pix-v0 is no longer what .* took in"):
            run_stages(RunFolder.open(run.path), ("collect",), quiet=True)
    cut()
    (root / NAME).rename(tmp_path / "old")
    export_minari(EpisodeStore(collected(tmp_path / "other", BOX, "seed=7").rollouts), BOX, NAME)
    with pytest.raises(UserError, match=r"pix-v0, episode 0 is no longer what .* took in"):
        run_stages(RunFolder.open(run.path), ("collect",), quiet=True)
    assert index.read_bytes() == b"".join(lines[:2])


@pytest.mark.filterwarnings("ignore:.*:UserWarning:minari")
def test_lossy_pictures_of_the_environments_own_are_taken_too() -> None:
    """As `DataCollector` writes them, under their key, JPEG and all."""
    from gymnasium.spaces import Box, Dict, Discrete
    from minari.data_collector.episode_buffer import EpisodeBuffer

    camera = np.full((4, 40, 32), 90, np.uint8)
    wide = Box(0, 255, camera.shape[1:], np.uint8)
    buffer = {
        "observations": {"camera": camera, "speed": np.zeros((4, 1), np.float32)},
        "actions": np.array([0, 1, 2]),
        "rewards": [0.0, 1.0, 2.0],
        "terminations": [False, False, True],
        "truncations": [False] * 3,
        "infos": {},
    }
    spaces: Any = {
        "observation_space": Dict({"camera": wide, "speed": Box(0, 1, (1,))}),
        "action_space": Discrete(3),
    }
    minari.create_dataset_from_buffers(NAME, [EpisodeBuffer(**buffer)] * 2, **spaces)
    source = Source(CHOICE, minari=NAME, npz="", rewards="of_action")
    with pytest.raises(UserError, match=r"its pictures are \(40, 32\): give \(64, 64, 3\), or \(40, 30\)"):
        list(source)
    source._spec = replace(source._spec, picture=replace(source._spec.picture, shape=(40, 32)))
    episode = next(iter(source)).episode
    assert abs(episode.obs.astype(int) - 90).max() <= 2
    assert (episode.rew.tolist(), episode.end, episode.trunc) == ([0, 1, 2], True, False)


def test_what_does_not_fit_gets_a_line(tmp_path: Path, root: Path) -> None:
    run = collected(tmp_path / "run", BOX)
    export_minari(EpisodeStore(run.rollouts), BOX, NAME)
    for name, env, named in (
        ("tiny/none-v0", BOX, "there is no dataset tiny/none-v0 in"),
        ("../pix-v0", BOX, "'../pix-v0' is no name of a Minari dataset"),
        ("pix", BOX, "'pix' is no name of a Minari dataset"),
        (NAME, replace(BOX, action_repeat=4), "Minari's tiny/pix-v0 is 2 frames, and env.action_repeat = 4"),
        (NAME, CHOICE, "each of its actions is (2,), where the environment has ()"),
    ):  # fmt: skip
        with pytest.raises(UserError) as caught:
            list(Source(env, minari=name, npz="", rewards="of_action"))
        assert named in str(caught.value)
    with pytest.raises(UserError, match="--id t/pix-v0: Malformed namespace: t; choose another name before the /"):
        export_minari(EpisodeStore(run.rollouts), BOX, "t/pix-v0")
    with pytest.raises(UserError, match="Minari has a dataset tiny/pix-v0 already: give another --id"):
        export_minari(EpisodeStore(run.rollouts), BOX, NAME)
    metadata = root / NAME / "data" / "metadata.json"
    whole = metadata.read_text()
    for text, named in (
        (json.dumps({key: value for key, value in json.loads(whole).items() if key != "action_space"}), "its spaces"),
        ("{", "is not valid JSON"),
        (whole.replace('"hdf5"', '"arrow"'), "is kept as arrow, .*write it anew with data_format='hdf5'"),
        (whole.replace('"total_episodes": 4', '"total_episodes": -1'), "has -1 episodes, where 0 to"),
        (whole.replace('"total_episodes": 4', f'"total_episodes": {2**100}'), "episodes, where 0 to"),
        (whole.replace('"total_episodes": 4', '"total_episodes": "4"'), "has '4' episodes, where 0 to"),
        (whole.replace('"minari_version": "0', '"minari_version": "9'), "cannot be read"),
    ):
        metadata.write_text(text)
        with pytest.raises(UserError, match=named):
            Source(BOX, minari=NAME, npz="", rewards="of_action")
    metadata.write_text(whole)
    data = root / NAME / "data" / "main_data.hdf5"
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    with pytest.raises(UserError, match="cannot be read"):
        list(Source(BOX, minari=NAME, npz="", rewards="of_action"))


def a_file_of_a_picture() -> np.ndarray:
    """Small, and of 100 million pixels."""
    Image.new("1", (10_000, 10_000)).save(file := io.BytesIO(), "PNG")
    assert len(file.getvalue()) < 20_000
    return np.frombuffer(file.getvalue(), np.uint8)


@pytest.mark.parametrize(
    "trick",
    [
        "external",
        "linked",
        "virtual",
        "huge",
        "packed",
        "itself",
        "piece",
        "pictures",
        "one picture",
        "words",
        "nested",
    ],
)
def test_no_dataset_shows_other_files_or_fills_the_memory(trick: str, tmp_path: Path, root: Path) -> None:
    """HDF5 can have any file of the machine appear as pictures, which a report hands on."""
    export_minari(EpisodeStore(collected(tmp_path / "run", BOX).rollouts), BOX, NAME)
    (secret := tmp_path / "secret").write_bytes(bytes(64 * 64 * 3 * 100))
    with h5py.File(root / NAME / "data" / "main_data.hdf5", "a") as file:
        group: Any = file["episode_0"]
        shape, key = group["observations"].shape, "observations"
        if trick != "itself":
            del group[key]
        if trick == "external":
            group.create_dataset(key, shape, "u1", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
        elif trick == "linked":
            with h5py.File(tmp_path / "other.hdf5", "w") as other:
                other.create_dataset("key", shape, "u1")
            group[key] = h5py.ExternalLink(str(tmp_path / "other.hdf5"), "key")
        elif trick == "virtual":
            group.create_virtual_dataset(key, h5py.VirtualLayout(shape, "u1"))
        elif trick == "itself":
            group["again"] = group
        elif trick == "piece":  # which is unpacked whole
            group.create_dataset(key, (8, 4), "u1", maxshape=(None, None), chunks=(2**11, 2**20 + 2), compression=9)
        elif trick == "pictures":
            group.create_dataset(key, data=np.stack([a_file_of_a_picture()] * 8))
        elif trick == "one picture":  # the others are as large as the first, for all that is known before
            rows = group.create_dataset(key, (8,), h5py.vlen_dtype(np.uint8))
            rows[0] = a_file_of_a_picture()
        elif trick == "words":
            group.create_dataset(key, (2**20,), h5py.string_dtype(), chunks=(2**10,))
        elif trick == "nested":
            group.create_dataset(key, (8,), np.dtype([("a", h5py.string_dtype())]))
        else:  # nothing of them is on the disk
            group.create_dataset(key, (2**20, 64, 64, 3), "u1", **({"compression": 9} if trick == "packed" else {}))
    metadata = root / NAME / "data" / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"jpeg_encoding": false', '"jpeg_encoding": true'))
    reasons = {"linked": "a link", "external": "another file", "virtual": "another file", "words": "1,048,576 rows"}
    reason = (reasons | {"nested": "no number, text or picture"}).get(trick, "holds more than")
    with pytest.raises(UserError, match=rf"Minari's {NAME} cannot be read \(.*{reason}"):
        taken(tmp_path / "new", BOX)


def test_a_disk_that_refuses_leaves_no_half_dataset(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = collected(tmp_path / "run", BOX)
    reads = iter([EpisodeStore(run.rollouts)[0]])

    def full(_: Any, __: int) -> Any:
        try:
            return next(reads)
        except StopIteration:
            raise OSError(28, "No space left on device") from None

    monkeypatch.setattr(EpisodeStore, "__getitem__", full)
    with pytest.raises(UserError, match=r"cannot write .* No space left on device; make room there"):
        export_minari(EpisodeStore(run.rollouts), BOX, NAME)
    assert [path for path in root.rglob("*") if path.name.startswith((".", "pix"))] == []


def test_without_the_package_a_line_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "run", BOX)
    monkeypatch.setitem(sys.modules, "minari", None)
    for command in (("collect", "debug", "--run", tmp_path / "new", "--from-minari", NAME),):
        done = reverie(*command)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "pip install 'reverie[minari]'" in done.stderr
    assert not (tmp_path / "new").exists()
