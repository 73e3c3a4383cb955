"""The committed binary of the engine is made of the committed source."""

import shutil

import pytest

from reverie.errors import UserError
from reverie.web.native import make_engine
from reverie.web.native.make_engine import BINARY, build, compiler, digest, origin


def test_the_binary_is_not_stale(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    again = "run `python -m reverie.web.native.make_engine` and commit what it makes"
    assert origin(BINARY.read_bytes())["sha256"] == digest(), again
    (tmp_path / "kernels.c").write_bytes(make_engine.SOURCE.read_bytes() + b"\n")
    monkeypatch.setattr(make_engine, "SOURCE", tmp_path / "kernels.c")
    assert origin(BINARY.read_bytes())["sha256"] != digest()


@pytest.mark.skipif(not (shutil.which("clang") and shutil.which("wasm-ld")), reason="needs clang and lld")
def test_the_same_compiler_makes_the_same_binary() -> None:
    committed = BINARY.read_bytes()
    if origin(committed)["compiler"] != compiler():
        pytest.skip("another compiler")
    assert build() == committed


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="clang and wasm-ld not found"):
        build()
