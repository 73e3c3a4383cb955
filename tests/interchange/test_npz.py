"""The old code bases' files become episodes of ours, exactly; what is none gets a line, and no pickle is loaded."""

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reverie.errors import UserError
from reverie.interchange.sources import Source, Taken
from tests.interchange.conftest import BOX, CHOICE, rows


def write(folder: Path, name: str, arrays: dict[str, Any], **changed: Any) -> Path:
    folder.mkdir(exist_ok=True)
    arrays = {key: value for key, value in (arrays | changed).items() if value is not None}
    np.savez_compressed(folder / f"{name}.npz", allow_pickle=True, **arrays)
    return folder


def taken(folder: Path, rewards: Any = "of_action", env: Any = BOX) -> list[Taken]:
    return list(Source(env, minari="", npz=str(folder), rewards=rewards))


def first(folder: Path, arrays: dict[str, Any], rewards: Any = "of_action", **changed: Any) -> Any:
    """The episode that some arrays become, beside another that is never read."""
    write(folder, "a", arrays, **changed)
    write(folder, "b", rows(2))
    return next(iter(Source(BOX, minari="", npz=str(folder), rewards=rewards))).episode


def numbers(episode: Any) -> list[int]:
    """Of its frames."""
    assert (episode.obs == episode.obs[:, :1, :1, :1]).all(), "one shade stays one when it is scaled"
    return episode.obs[:, 0, 0, 0].tolist()


def test_an_observation_more_than_actions_is_taken_as_it_is(tmp_path: Path) -> None:
    episode = first(tmp_path, rows(5, extra=1, end_at=4))
    assert numbers(episode) == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(episode.rew, [0, 1, 2, 3, 4])
    np.testing.assert_allclose(episode.act, [[-1, 0], [-0.5, 0], [0, 0], [0.5, 0], [1, 0]])
    assert (episode.end, episode.trunc) == (True, False)
    assert (episode.obs.dtype, episode.act.dtype, episode.rew.dtype) == (np.uint8, np.float32, np.float32)


def test_as_many_leave_out_what_nothing_followed(tmp_path: Path) -> None:
    episode = first(tmp_path, rows(5))
    assert (numbers(episode), episode.rew.tolist()) == ([0, 1, 2, 3, 4], [0, 1, 2, 3])
    assert (episode.end, episode.trunc) == (False, True)


def test_an_end_is_kept_with_the_last_frame_again(tmp_path: Path) -> None:
    episode = first(tmp_path, rows(5, end_at=4))
    assert (numbers(episode), episode.rew.tolist()) == ([0, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4])
    assert episode.end


@pytest.mark.parametrize("extra", [0, 1])
def test_what_goes_on_after_an_end_is_left_out(tmp_path: Path, extra: int) -> None:
    arrays = rows(6, extra=extra, end_at=2)
    arrays["done"][2:] = True
    episode = first(tmp_path, arrays)
    assert (numbers(episode), episode.rew.tolist(), episode.end) == ([0, 1, 2, 3], [0, 1, 2], True)


def test_rewards_that_came_with_the_observation(tmp_path: Path) -> None:
    episode = first(tmp_path, rows(5, end_at=4), "with_obs")
    assert (numbers(episode), episode.rew.tolist(), episode.end) == ([0, 1, 2, 3, 4], [1, 2, 3, 4], True)
    np.testing.assert_allclose(episode.act[:, 0], [-1, -0.5, 0, 0.5])


def test_other_numbers_are_taken_for_the_same(tmp_path: Path) -> None:
    arrays = rows(4, extra=1)
    plain = first(tmp_path / "1", arrays)
    other = first(
        tmp_path / "2",
        arrays,
        obs=np.asfortranarray(arrays["obs"] / 255),
        action=arrays["action"].astype(">f8"),
        reward=arrays["reward"].astype(np.float16)[:, None],
        done=arrays["done"].astype(np.int64),
        info=np.array("what nobody asks for"),
    )
    for key in ("obs", "act", "rew"):
        np.testing.assert_allclose(getattr(plain, key), getattr(other, key), err_msg=key)
    assert plain.end == other.end


def test_frames_of_our_size_stay_as_they_are(tmp_path: Path) -> None:
    obs = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    np.testing.assert_array_equal(first(tmp_path, rows(4), obs=obs).obs, obs)


def test_categories_and_grey_pictures(tmp_path: Path) -> None:
    for name in "ab":
        obs = np.full((4, 40, 30), 7, np.uint8)
        write(tmp_path, name, rows(3), obs=obs, action=np.array([2, 0, 1]))
    episodes = taken(tmp_path, env=CHOICE)
    assert [Path(one.where).name for one in episodes] == ["a.npz", "b.npz"]
    assert [one.seed for one in episodes] == [0, 0]
    np.testing.assert_array_equal(episodes[0].episode.act, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert (episodes[0].episode.obs == 7).all()


NAN = np.full((4, 2), np.nan)
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"reward": None}, "it has no reward: give obs, action, reward, done (it holds obs, action, done)"),
    "objects": ({"action": np.array([[1, 2]] * 3 + [[3]], dtype=object)}, "action holds Python objects, whose pickles"),
    "words": ({"action": np.array(["left"] * 4)}, "action holds <U4, no numbers"),
    "records": ({"action": np.zeros(4, [("x", "f4")])}, "action is no array of numbers"),
    "complex": ({"reward": np.zeros(4, np.complex64)}, "reward holds <c8, no numbers"),
    "scalar": ({"reward": np.array(3.0)}, "its reward is a single number"),
    "lengths": ({"reward": np.zeros(7)}, "it has 4 obs, 4 action, 7 reward, 4 done: give as many of each"),
    "size": ({"obs": np.zeros((4, 32, 32, 3), np.uint8)}, "pictures are (32, 32, 3): give (64, 64, 3), or (48, 30, 3)"),
    "channels first": ({"obs": np.zeros((4, 3, 64, 64), np.uint8)}, "its pictures are (3, 64, 64)"),
    "int pictures": ({"obs": np.zeros((4, 64, 64, 3), np.int64)}, "its pictures are int64: give uint8"),
    "bright": ({"obs": np.full((4, 64, 64, 3), 255.0)}, "outside of 0 to 1"),
    "no pictures": ({"obs": np.full((4, 64, 64, 3), np.nan)}, "outside of 0 to 1"),
    "action size": ({"action": np.zeros((4, 3))}, "each of its actions is (3,), where the environment has (2,)"),
    "NaN": ({"action": NAN}, "its actions hold NaN"),
    "infinite": ({"reward": np.full(4, np.inf)}, "its rewards hold NaN or infinities"),
    "done": ({"done": np.full(4, 0.5)}, "its done is neither true nor false"),
    "single": ({key: value[:1] for key, value in rows(1).items()}, "it has one observation"),
    "empty": ({key: value[:0] for key, value in rows(1).items()}, "it is empty"),
}  # fmt: skip


@pytest.mark.parametrize("why", WRONG)
def test_what_is_no_episode_gets_a_line(why: str, tmp_path: Path) -> None:
    changed, named = WRONG[why]
    with pytest.raises(UserError) as caught:
        first(tmp_path, rows(4), **changed)
    assert named in str(caught.value)
    assert str(tmp_path / "a.npz") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_category_that_there_is_not(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path, name, rows(3), obs=np.zeros((4, 40, 30), np.uint8), action=np.array([0, 1, 3]))
    with pytest.raises(UserError, match=r"a\.npz does not fit: action 3 is none of 0 to 2"):
        taken(tmp_path, env=CHOICE)


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_pickle_is_not_loaded_whatever_it_is_called(tmp_path: Path) -> None:
    sprung, folder = tmp_path / "sprung", tmp_path / "data"
    write(folder, "b", rows(2))
    write(folder, "a", rows(3), info=np.array([Trap(sprung)], dtype=object))
    assert len(taken(folder)) == 2, "beside what is asked for it does no harm"
    for data in (pickle.dumps(Trap(sprung)), b"\x93NUMPY\x01\x00\x10\x00" + pickle.dumps(Trap(sprung))):
        write(folder, "a", rows(3), obs=None)
        with zipfile.ZipFile(folder / "a.npz", "a") as archive:
            archive.writestr("obs.npy", data)
        with pytest.raises(UserError, match="obs"):
            taken(folder)
        (folder / "a.npz").write_bytes(data)
        with pytest.raises(UserError, match=r"a\.npz"):
            taken(folder)
    assert not sprung.exists()
    np.savez(folder / "c.npz", x=np.array([Trap(sprung)], dtype=object))
    with np.load(folder / "c.npz", allow_pickle=True) as file:
        assert file["x"] is not None
    assert sprung.exists(), "the trap works"


def test_a_header_that_announces_too_much_makes_no_room(tmp_path: Path) -> None:
    write(tmp_path, "b", rows(2))
    write(tmp_path, "a", rows(3), obs=None)
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (90000000, 64, 64, 3), }"
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("obs.npy", b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n")
    with pytest.raises(UserError, match=r"obs has 1,105,920,000,000 bytes, where 2,147,483,648 are the most"):
        taken(tmp_path)


def test_folders_without_episodes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(f"there is no folder {tmp_path / 'none'}")):
        taken(tmp_path / "none")
    with pytest.raises(UserError, match=r"holds no \.npz file"):
        taken(tmp_path)
    with pytest.raises(UserError, match="has 1 episodes: V and M need 2"):
        taken(write(tmp_path, "a", rows(3)))
