"""Minari's datasets, read and written by Minari itself (extra `minari`). Nothing is downloaded, and no environment that
a dataset names is made.

Ours are written as HDF5 without JPEG, so that pictures stay what they were.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from reverie.actions import ActionSpec
from reverie.data.store import EpisodeStore
from reverie.envs.config import EnvConfig
from reverie.envs.registry import spec_of
from reverie.envs.spec import EnvSpec
from reverie.errors import UserError
from reverie.interchange.foreign import FRAME, ForeignEpisode
from reverie.reading import read_json
from reverie.writing import refused

_ID = re.compile(r"(?:[-_\w]+/)*[-_\w]+-v[0-9]{1,9}")
_MAX_EPISODES = 1_000_000
_REPEAT = "action_repeat"
"""Beside Minari's own metadata: simulator frames of a decision."""


class MinariData:
    """The episodes of a dataset that Minari has on this machine, for the world of `env`. Raises UserError where it has
    none, or one of another world."""

    def __init__(self, dataset_id: str, env: EnvConfig) -> None:
        self.name, self._spec = f"Minari's {dataset_id}", spec_of(env)
        minari = _minari()
        folder = _folder_of(dataset_id)
        if not (folder / "data").is_dir():
            raise UserError(
                f"there is no dataset {dataset_id} in {folder.parent}: see `minari list local`, or get it by `minari "
                f"download {dataset_id}`"
            )
        metadata = read_json(folder / "data" / "metadata.json")
        if not isinstance(metadata, dict) or not {"observation_space", "action_space"} <= metadata.keys():
            raise UserError(
                f"{self.name} does not say its spaces, and its environment is not made to ask it: choose another "
                "dataset, or write this one anew with Minari 0.5"
            )
        repeat = metadata.get(_REPEAT, env.action_repeat)
        if repeat != env.action_repeat:
            raise UserError(
                f"a decision of {self.name} is {repeat} frames, and env.action_repeat = {env.action_repeat}: set "
                f"env.action_repeat = {repeat}",
                usage=True,
            )
        if (kept_as := metadata.get("data_format", "hdf5")) != "hdf5":
            raise UserError(
                f"{self.name} is kept as {kept_as}, of which more is read than can be looked at before: write it anew "
                "with data_format='hdf5'"
            )
        number = metadata.get("total_episodes")
        if not isinstance(number, int) or not 0 <= number <= _MAX_EPISODES:
            raise UserError(f"{self.name} has {number!r} episodes, where 0 to {_MAX_EPISODES:,} can be: get it anew")
        self._number, self._file = number, folder / "data" / "main_data.hdf5"
        self._pictures = bool(metadata.get("jpeg_encoding", True))
        try:
            self._dataset = minari.load_dataset(dataset_id)
        except Exception as error:
            raise self._damaged(error) from error

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[tuple[str, ForeignEpisode]]:
        """Episodes, and what to call them. Raises UserError for one that cannot be read, or is not in the dataset
        alone."""
        from reverie.interchange.hdf5 import require_plain  # late: it needs the extra

        for i in range(len(self)):
            try:
                require_plain(self._file, f"episode_{i}", pictures=self._pictures)
                episode = self._dataset[i]
                seed = next(iter(self._dataset.storage.get_episode_metadata([i]))).get("seed")
            except Exception as error:
                raise self._damaged(error) from error
            who = f"{self.name}, episode {i}"
            found = ForeignEpisode(
                obs=self._picture(episode.observations, who),
                act=_array(episode.actions, who, "actions"),
                rew=_array(episode.rewards, who, "rewards"),
                end=bool(np.any(episode.terminations)),
                trunc=bool(np.any(episode.truncations)),
                seed=None if seed is None else int(seed),
            )
            yield who, found

    def _picture(self, observations: Any, who: str) -> np.ndarray:
        """Those of the pictures that the environment's agent sees."""
        key = self._spec.picture.key
        if isinstance(observations, dict):
            if key not in observations:
                raise UserError(f"{who} has no picture {key!r} in its observations, only {', '.join(observations)}")
            observations = observations[key]
        return _array(observations, who, "observations")

    def _damaged(self, error: Exception) -> UserError:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return UserError(f"{self.name} cannot be read ({reason}): get it anew, or install what it needs")


def export_minari(store: EpisodeStore, env: EnvConfig, dataset_id: str) -> Path:
    """Writes the episodes of a run as a dataset with that name where Minari keeps its own; returns its folder. Raises
    UserError where that is there already, or the disk refuses."""
    _minari()
    folder = _folder_of(dataset_id)
    if folder.exists():
        raise UserError(
            f"Minari has a dataset {dataset_id} already: give another --id, or remove it by `minari delete "
            f"{dataset_id}`",
            usage=True,
        )
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")  # Minari overlooks names that begin with a dot
    try:
        _write(store, env, dataset_id, temporary)
        temporary.rename(folder)
    except OSError as error:
        raise refused(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _write(store: EpisodeStore, env: EnvConfig, dataset_id: str, folder: Path) -> None:
    """The dataset, into a new folder."""
    from gymnasium.spaces import Box
    from minari import __version__
    from minari.data_collector.episode_buffer import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage
    from minari.namespace import create_namespace, list_local_namespaces

    namespace, _, _ = dataset_id.rpartition("/")
    if namespace and namespace not in list_local_namespaces():
        try:
            create_namespace(namespace)
        except ValueError as error:
            raise UserError(f"--id {dataset_id}: {error}; choose another name before the /", usage=True) from error
    spec = spec_of(env)
    (folder / "data").mkdir(parents=True)
    storage = MinariStorage.new(
        folder / "data",
        observation_space=Box(0, 255, FRAME, np.uint8),
        action_space=spec.actions.space(),
        data_format="hdf5",
        jpeg_encoding=False,
    )
    storage.update_metadata(
        {
            "dataset_id": dataset_id,
            "minari_version": __version__,
            "algorithm_name": "reverie collect",
            "author": set(),
            "author_email": set(),
            "description": f"{env.id} as reverie sees it: {_pixels(spec)}, and {env.action_repeat} frames a step",
            _REPEAT: env.action_repeat,
        }
    )
    for i, entry in enumerate(store.entries):
        episode = store[i]
        ends = np.zeros((2, len(episode)), bool)
        ends[:, -1] = episode.end, episode.trunc
        buffer: Any = {
            "seed": entry["seed"],
            "observations": episode.obs,
            "actions": _given(spec.actions, episode.act),
            "rewards": episode.rew,
            "terminations": ends[0],
            "truncations": ends[1],
            "infos": {},
        }
        storage.update_episodes([EpisodeBuffer(**buffer)])


def _given(actions: ActionSpec, act: np.ndarray) -> np.ndarray:
    """(t, ...) as the environment is given them."""
    return np.asarray(actions.to_env(act)).astype(actions.space().dtype)


def _pixels(spec: EnvSpec) -> str:
    rows = f" (the upper {spec.picture.rows} rows)" if spec.picture.rows else ""
    return f"pictures of {spec.picture.shape[0]} x {spec.picture.shape[1]}{rows} as 64 x 64"


def _array(values: Any, who: str, name: str) -> np.ndarray:
    """Of numbers. Raises UserError for anything else: Minari gives what a space asks for, which may be a tuple."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf" or values.ndim == 0:
        raise UserError(f"{who}: its {name} are no array of numbers")
    return values


def _folder_of(dataset_id: str) -> Path:
    """Where Minari keeps a dataset. Raises UserError for what is no name of one."""
    from minari.storage.datasets_root_dir import get_dataset_path

    if not _ID.fullmatch(dataset_id):
        raise UserError(f"{dataset_id!r} is no name of a Minari dataset: give one such as car/random-v0", usage=True)
    return get_dataset_path(dataset_id)


def _minari() -> ModuleType:
    """The package, with what it needs for HDF5. Raises UserError where that is not installed."""
    try:
        import h5py  # noqa: F401 (Minari says so late)
        import minari
    except ImportError as error:
        raise UserError(f"this needs Minari ({error}): pip install 'reverie[minari]'") from error
    return minari
