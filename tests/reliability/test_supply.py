"""What is shipped and what it needs: the wheel works outside the checkout, the bill of materials names what it depends
on, and an archive that is not the one which was tested is found."""

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def supply() -> Any:
    """The module."""
    spec = importlib.util.spec_from_file_location("supply", ROOT / ".ci/supply.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(folder: Path, *archives: tuple[str, str]) -> Path:
    """As pip writes it."""
    path = folder / "report.json"
    install = [{"download_info": {"url": url, "archive_info": {"hashes": {"sha256": sha}}}} for url, sha in archives]
    path.write_text(json.dumps({"install": [*install, {"download_info": {"url": "file:///src", "dir_info": {}}}]}))
    return path


def test_an_archive_that_is_another_one_is_found(supply: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supply, "HASHES", tmp_path / "constraints.sha256")
    wheel = f"https://index.example/ab/tyro-{supply.pins()['tyro']}-py3-none-any.whl"
    ours, other = "a" * 64, "b" * 64
    assert supply.record(report(tmp_path, (wheel, ours), ("file:///opt/x.whl", other))).startswith("1 archives")
    assert supply.check(report(tmp_path, (wheel, ours), (wheel.replace("any", "linux"), other))).startswith(
        "1 archives"
    )
    with pytest.raises(SystemExit, match=r"tyro-.* is another file than the one"):
        supply.check(report(tmp_path, (wheel, other)))
    assert supply.record(report(tmp_path, ("https://index.example/tyro-0.0.1.tar.gz", other))).startswith("1 archives")


def test_the_bill_of_materials_is_that_of_the_package(supply: Any) -> None:
    bill = json.loads(supply.BILL.read_text())
    assert bill == supply.bill(), "`python .ci/supply.py sbom` makes it anew"
    found = {one["name"]: one for one in bill["components"]}
    assert found["torch"]["scope"] == "required"
    assert found["distributed"]["scope"] == "optional"
    assert "pytest" not in found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist, the wheel from what is in the sdist."""
    pytest.importorskip("hatchling", reason="builds them; the extra dev has it")
    out = tmp_path_factory.mktemp("dist")
    _build(ROOT, "sdist", out)
    (archive,) = out.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        sdist.extractall(out, filter="data")
    _build(out / archive.name.removesuffix(".tar.gz"), "wheel", out)
    return out


def _build(source: Path, target: str, out: Path) -> None:
    words = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    subprocess.run(words, cwd=source, check=True, capture_output=True)


def test_the_wheel_works_outside_the_checkout(built: Path, tmp_path: Path) -> None:
    """With nothing on the path but what was unpacked of it, and what it needs."""
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert any(name.endswith(".dist-info/sboms/sbom.cdx.json") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "bench/", "docs/"))]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHONPATH"] = str(tmp_path / "site")
    (tmp_path / "elsewhere").mkdir()

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", *words],
            cwd=tmp_path / "elsewhere",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert str(tmp_path / "site") in run("-c", "import reverie; print(reverie.__file__)")
    assert "quick" in run("-m", "reverie", "recipes")
    run("-m", "reverie", "watch", "pretrained", "--output", "drive.mp4", "--quiet")
    assert (tmp_path / "elsewhere/drive.mp4").stat().st_size > 100_000
