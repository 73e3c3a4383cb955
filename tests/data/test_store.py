"""Episodes come back as they were, survive kills, and tell when they were damaged."""

import json
import multiprocessing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reverie.data.store import EpisodeStore, pack_episode
from reverie.errors import UserError


@pytest.fixture
def store(tmp_path, make_episode):
    store = EpisodeStore(tmp_path / "rollouts")
    for i, t in enumerate([3, 1, 5]):
        episode = make_episode(i, t, end=i != 1, trunc=i == 1)
        store.append(pack_episode(i, episode, seed=1000 + i))
    return store


def same(first, second):
    return (
        np.array_equal(first.obs, second.obs)
        and np.array_equal(first.act, second.act)
        and np.array_equal(first.rew, second.rew)
        and (first.end, first.trunc) == (second.end, second.trunc)
    )


def test_round_trip(store, make_episode):
    store = EpisodeStore(store.folder)
    assert len(store) == 3
    assert store.num_decisions == 9
    assert store.num_frames == 12
    assert store.offsets().tolist() == [0, 4, 6, 12]
    assert store.rows_of([0, 2]).tolist() == [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]
    assert store.rows_of([]).tolist() == []
    for i, t in enumerate([3, 1, 5]):
        assert same(store[i], make_episode(i, t, end=i != 1, trunc=i == 1))
    assert [entry["seed"] for entry in store.entries] == [1000, 1001, 1002]
    assert [entry["episode_return"] for entry in store.entries] == [0 + 1 + 2, 100, 200 * 5 + 10]


def test_an_empty_store(tmp_path):
    store = EpisodeStore(tmp_path / "none")
    assert (len(store), store.num_frames, store.offsets().tolist()) == (0, 0, [0])
    assert not store.folder.exists()


def test_plain_numpy_reads_the_layout(store):
    with np.load(store.folder / "episode_000002.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"obs", "action", "reward", "done", "trunc"}
        assert arrays["obs"].shape == (6, 64, 64, 3)
        assert arrays["action"].shape == (5, 2)
        assert arrays["done"].tolist() == [False] * 4 + [True]
        assert not arrays["trunc"]


@settings(max_examples=20)
@given(st.integers(1, 4), st.integers(0, 255), st.booleans(), st.booleans())
def test_any_episode_round_trips(tmp_path, make_episode, t, number, end, trunc):
    episode = make_episode(number, t, end=end, trunc=trunc)
    store = EpisodeStore(tmp_path / f"{t}-{number}-{end}-{trunc}")
    if not len(store):
        store.append(pack_episode(0, episode, 1))
    assert same(store[0], episode)


def test_the_same_episode_gives_the_same_bytes(make_episode):
    first = pack_episode(0, make_episode(1, 4), 5)
    second = pack_episode(0, make_episode(1, 4), 5)
    assert first == second


def test_workers_pack_and_the_main_process_appends(tmp_path, make_episode):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        packed = pool.starmap(pack_episode, [(i, make_episode(i, 2), i) for i in range(4)])
    store = EpisodeStore(tmp_path)
    for one in packed:
        store.append(one)
    assert [int(EpisodeStore(tmp_path)[i].obs[0, 0, 0, 0]) for i in range(4)] == [0, 1, 2, 3]


def test_entries_come_in_order(store, make_episode):
    with pytest.raises(ValueError, match=r"expected episode_000003\.npz next, not episode_000004\.npz"):
        store.append(pack_episode(4, make_episode(4, 1), 0))


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_torn_last_line_is_written_over(store, make_episode, cut):
    index = store.folder / "index.jsonl"
    index.write_bytes(index.read_bytes()[:-cut])
    torn = index.read_bytes()
    store = EpisodeStore(store.folder)
    assert len(store) == 2
    assert index.read_bytes() == torn  # looking changes nothing
    store.append(pack_episode(2, make_episode(7, 4), 7))
    store.append(pack_episode(3, make_episode(8, 4), 8))
    store = EpisodeStore(store.folder)
    assert [entry["seed"] for entry in store.entries] == [1000, 1001, 7, 8]
    assert int(store[2].obs[0, 0, 0, 0]) == 7


def test_damage_is_noticed(store):
    path = store.folder / "episode_000001.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"episode_000001\.npz is damaged .* collect again"):
        store[1]
    path.write_bytes(data[:50])
    with pytest.raises(UserError, match="damaged"):
        store[1]
    path.unlink()
    with pytest.raises(UserError, match=r"episode_000001\.npz does not exist: .* collect again"):
        store[1]
    assert len(store[0]) == 3


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"file": "episode_000000.npz"}'])
def test_a_damaged_index(store, line):
    index = store.folder / "index.jsonl"
    index.write_text(line + "\n" + index.read_text())
    with pytest.raises(UserError, match=r"index\.jsonl"):
        EpisodeStore(store.folder)


def test_a_line_missing_from_the_index(store):
    index = store.folder / "index.jsonl"
    index.write_text("".join(index.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(UserError, match=r"line 1 names 'episode_000001\.npz'"):
        EpisodeStore(store.folder)


def test_the_digest_follows_the_content(store, make_episode):
    before = store.digest()
    assert EpisodeStore(store.folder).digest() == before
    store.append(pack_episode(3, make_episode(3, 1), 0))
    assert store.digest() != before


def test_index_lines_are_json(store):
    lines = [json.loads(line) for line in (store.folder / "index.jsonl").read_text().splitlines()]
    assert lines == store.entries


def files(store):
    return sorted(path.name for path in store.folder.iterdir())


def test_a_store_takes_in_another_and_goes_on(store, tmp_path, make_episode):
    other = EpisodeStore(tmp_path / "next")
    other.adopt(store)
    other.append(pack_episode(3, make_episode(9, 2), 7, {"round": 1, "driver": "agent", "start": (0.5, 1.0, -1.0)}))
    other.append(pack_episode(4, make_episode(8, 2), 7, {"round": 1, "driver": "lap", "start": None}))
    found = EpisodeStore(other.folder)
    assert found.entries[:3] == store.entries
    assert (found.rounds, store.rounds) == ([3, 2], [3])
    assert [entry.get("driver") for entry in found.entries[3:]] == ["agent", "lap"]
    assert found.entries[3].get("start") == [0.5, 1.0, -1.0]
    for i in range(3):
        assert same(found[i], store[i])
        assert (found.folder / found.entries[i]["file"]).samefile(store.folder / store.entries[i]["file"])
    for path in store.folder.iterdir():  # a folder that goes takes nothing from the other
        path.unlink()
    assert same(EpisodeStore(other.folder)[2], make_episode(2, 5, end=True))


def test_adopting_goes_on_where_it_was_cut(store, tmp_path):
    other = EpisodeStore(tmp_path / "next")
    other.adopt(store)
    lines = other.index_path.read_bytes().splitlines(keepends=True)
    other.index_path.write_bytes(lines[0] + lines[1][:9])  # all files are there, and half a line of the index
    again = EpisodeStore(other.folder)
    assert len(again) == 1
    again.adopt(store)
    again.adopt(store)
    assert other.index_path.read_bytes() == b"".join(lines)
    assert files(again) == files(store)


def test_without_links_files_are_copied(store, tmp_path, monkeypatch):
    def refuses(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuses)
    other = EpisodeStore(tmp_path / "next")
    other.adopt(store)
    assert not (other.folder / "episode_000000.npz").samefile(store.folder / "episode_000000.npz")
    assert same(other[2], store[2])
    assert files(other) == files(store)


def test_other_episodes_are_not_mixed_up(store, tmp_path, make_episode):
    other = EpisodeStore(tmp_path / "next")
    other.append(pack_episode(0, make_episode(5, 2), 1))
    with pytest.raises(UserError, match=r"next does not have the episodes of .*rollouts from number 0 on: restore"):
        other.adopt(store)
    (store.folder / "episode_000001.npz").unlink()
    fresh = EpisodeStore(tmp_path / "fresh")
    with pytest.raises(UserError, match=r"cannot take .*episode_000001.npz into"):
        fresh.adopt(store)
    assert len(fresh) == 0
