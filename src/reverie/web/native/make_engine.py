"""Builds engine.wasm from kernels.c by Debian's clang and lld: `python -m reverie.web.native.make_engine`.

The binary is committed, so that nobody needs a compiler to use it. It carries a digest of what it was made from, by
which a test sees that it is not stale, and the compiler's version.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from reverie.errors import UserError
from reverie.notes import say
from reverie.writing import write_atomically

FOLDER = Path(__file__).parent
SOURCE, BINARY = FOLDER / "kernels.c", FOLDER / "engine.wasm"
SECTION = "reverie"
"""The custom section of the binary that says where it came from, as JSON."""
_FLAGS = (
    *("--target=wasm32", "-O3", "-msimd128", "-mbulk-memory", "-ffp-contract=off", "-nostdlib"),
    *("-Wall", "-Wextra", "-Werror", "-Wl,--no-entry", "-Wl,--strip-all"),
)


def digest() -> str:
    """SHA-256 of the source and of the flags that it is compiled with."""
    return hashlib.sha256(SOURCE.read_bytes() + " ".join(_FLAGS).encode()).hexdigest()


def compiler() -> str:
    """The first line of what clang says of its version. Raises UserError where clang or lld is missing."""
    missing = [name for name in ("clang", "wasm-ld") if shutil.which(name) is None]
    if missing:
        raise UserError(f"{' and '.join(missing)} not found: install Debian's packages clang and lld")
    return subprocess.run(["clang", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def build() -> bytes:
    """The binary. Raises UserError where the compiler is missing or refuses the source."""
    origin = {"sha256": digest(), "compiler": compiler()}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / BINARY.name
        done = subprocess.run(["clang", *_FLAGS, "-o", made, SOURCE], capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"clang does not compile {SOURCE}: {done.stderr.strip()}")
        return made.read_bytes() + _section(json.dumps(origin).encode())


def origin(binary: bytes) -> dict[str, Any]:
    """What a binary says of where it came from: `sha256` and `compiler`."""
    content = binary[binary.rindex(bytes([len(SECTION)]) + SECTION.encode()) + 1 + len(SECTION) :]
    return json.loads(content)


def _section(content: bytes) -> bytes:
    """A custom section, the last of a binary: its kind, its length (LEB128), its name, what it holds."""
    named = bytes([len(SECTION)]) + SECTION.encode() + content
    length, rest = b"", len(named)
    while rest >= 128:
        length, rest = length + bytes([rest % 128 + 128]), rest // 128
    return b"\0" + length + bytes([rest]) + named


if __name__ == "__main__":
    with write_atomically(BINARY) as file:
        file.write(build())
    say(f"{BINARY}: {BINARY.stat().st_size:,} bytes by {compiler()}")
