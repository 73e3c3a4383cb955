"""What is shipped needs: the bill of materials names it, and an archive that is not the one which was tested is
found."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.scripts import script

ROOT = Path(__file__).parents[2]


@pytest.fixture
def supply() -> Any:
    """The module."""
    return script(".ci/supply.py")


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
