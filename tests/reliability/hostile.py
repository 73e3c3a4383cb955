"""Files that nobody of us wrote: every kind of file of a run, changed at random, or forged with a right checksum."""

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from reverie import checkpoint
from reverie.data.latents import LatentStore
from reverie.data.store import EpisodeStore
from reverie.dream.moments import load_moments
from reverie.errors import UserError
from reverie.metrics import lines_sha256
from reverie.models.files import load_controller, load_memory, load_vision
from reverie.reading import read_csv, read_json
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.run.manifest import read_manifest, write_manifest
from reverie.studies.verify import verify


def _first_episode(run: Path) -> object:
    """Its checksum made right, so that it is opened."""
    index, name = run / "rollouts/index.jsonl", "episode_000000.npz"
    lines = index.read_text().splitlines()
    entry = json.loads(lines[0]) | {"sha256": hashlib.sha256((run / "rollouts" / name).read_bytes()).hexdigest()}
    index.write_text("\n".join([json.dumps(entry), *lines[1:]]) + "\n")
    return EpisodeStore(run / "rollouts")[0]


READERS: dict[str, Callable[[Path], object]] = {
    "vision.safetensors": lambda run: load_vision(run / "vision.safetensors"),
    "memory.safetensors": lambda run: load_memory(run / "memory.safetensors"),
    "controller.safetensors": lambda run: load_controller(run / "controller.safetensors"),
    "dream.safetensors": lambda run: load_moments(run / "dream.safetensors", run / "memory.safetensors"),
    "evolution/state.safetensors": lambda run: checkpoint.load(run / "evolution/state.safetensors"),
    "evolution/log.csv": lambda run: read_csv(run / "evolution/log.csv"),
    "evaluation.json": lambda run: read_json(run / "evaluation.json"),
    "manifest.json": read_manifest,
    "recipe.toml": lambda run: settings.load(str(run / "recipe.toml")),
    "latents/meta.json": lambda run: LatentStore(run / "latents"),
    "latents/mu.npy": lambda run: LatentStore(run / "latents"),
    "latents/offsets.npy": lambda run: LatentStore(run / "latents"),
    "rollouts/index.jsonl": lambda run: EpisodeStore(run / "rollouts"),
    "rollouts/episode_000000.npz": _first_episode,
    "metrics.jsonl": lambda run: lines_sha256(run / "metrics.jsonl", "vision"),
}
"""File -> what reads it. All of them are read by `verify`, too."""
_TEXTS = (
    *(b"[" * 20_000, b'{"a":' * 20_000, b"9" * 5000, b"1e999", b"-Infinity", b"NaN", b"null", b"\x00", b"\xff\xfe"),
    *(b"../../../../etc/passwd", b"/dev/zero", b"__import__('os').system('x')", b"cos\nsystem\n(S'x'\ntR."),
    *(b"a." * 9000 + b"a=1", b"'''", b'"""', b"18446744073709551616", b"-1", b"1e308", b"[[stages]]", b"|O8"),
    *(b"(3000000000,)", b"\x80\x04\x95", b"\r", b"PK\x03\x04"),
)
_DESCRIPTION = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
"""Any JSON."""
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "write", "insert", "delete", "double", "cut", "text"]),
        st.floats(0, 1),
        st.binary(min_size=1, max_size=12),
        st.sampled_from(_TEXTS),
    ),
    min_size=1,
    max_size=4,
)
"""What is done to the bytes of a file."""
FORGED = st.tuples(st.integers(0, 10**6), _DESCRIPTION)
"""Which of the values that a file says of itself is another one."""


def edited(data: bytes, edits: list[tuple[str, float, bytes, bytes]]) -> bytes:
    """The content with all edits."""
    for kind, where, some, text in edits:
        at = min(int(where * len(data)), max(0, len(data) - 1))
        beyond = at + len(some)
        match kind:
            case "flip":
                data = data[:at] + bytes([data[at] ^ (1 << some[0] % 8)]) + data[at + 1 :] if data else data
            case "write":
                data = data[:at] + some + data[beyond:]
            case "insert":
                data = data[:at] + some + data[at:]
            case "delete":
                data = data[:at] + data[beyond:]
            case "double":
                data = data[:at] + data[at : at + 4096] + data[at:]
            case "cut":
                data = data[:at]
            case _:
                data = data[:at] + text + data[at:]
    return data


def forge(run: Path, name: str, number: int, value: Any) -> None:
    """Puts another value somewhere in what a file says of itself, under a right checksum."""
    path = run / name
    if name.endswith(".safetensors"):
        tensors, meta = checkpoint.load(path)
        checkpoint.save(path, tensors, _replaced(meta, number, value))
    elif name == "manifest.json":
        write_manifest(run, _replaced(json.loads(path.read_text()), number, value))
    elif name.endswith(".jsonl"):
        lines = path.read_text().splitlines() or ["{}"]
        at = number % len(lines)
        lines[at] = json.dumps(_replaced(json.loads(lines[at]), number, value))
        path.write_text("\n".join(lines) + "\n")
    elif name.endswith(".json"):
        path.write_text(json.dumps(_replaced(json.loads(path.read_text()), number, value)))


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*at, key))


def _replaced(whole: Any, number: int, value: Any) -> Any:
    places = list(_places(whole))[1:] or [("x",)]
    *way, last = places[number % len(places)]
    part = whole = json.loads(json.dumps(whole))
    for key in way:
        part = part[key]
    part[last] = value
    return whole


def read(run: Path, name: str) -> list[str]:
    """What the readers of a file raise, but for a UserError of one line, by a name of what was raised."""
    found = []
    for reader in (READERS[name], _as_a_run):
        try:
            reader(run)
        except UserError as error:
            if "\n" in str(error) or len(str(error)) > 4000:
                found.append(f"more than a line: {str(error)[:200]!r}")
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


def _as_a_run(run: Path) -> None:
    verify(RunFolder.open(run), quiet=True)


class Watch:
    """Hears of what no file may bring about: programs, pickles, code, connections."""

    _EVENTS = (
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "subprocess.Popen",
        "pickle.find_class",
        "socket.connect",
    )

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._listens = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _: object) -> None:
        if self._listens and event in self._EVENTS:
            self.heard.append(event)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """While this lasts."""
        self._listens = True
        try:
            yield
        finally:
            self._listens = False
