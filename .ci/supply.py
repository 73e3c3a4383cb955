"""What the wheel depends on, and what was installed for it.

`python .ci/supply.py record REPORT` keeps the SHA-256 of each archive that pip installed, by what `pip --report` wrote;
`check REPORT` compares them with what is kept; `sbom` writes sbom.cdx.json, the bill of materials (CycloneDX 1.6) that
is in the wheel.

An archive that came from a folder of this machine is nobody else's, and is left out.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
PINS, HASHES, BILL = (ROOT / name for name in ("constraints.txt", "constraints.sha256", "sbom.cdx.json"))
NOT_USERS = ("bench", "dev", "docs", "sb3")
"""Extras of whoever works on the package, not of whoever uses it."""


def archives(report: Path) -> Iterator[tuple[str, str]]:
    """Name and SHA-256 of each archive that pip fetched from an index."""
    for one in json.loads(report.read_text())["install"]:
        info = one["download_info"]
        sha256 = info.get("archive_info", {}).get("hashes", {}).get("sha256")
        if sha256 and urlsplit(info["url"]).scheme == "https":
            yield unquote(urlsplit(info["url"]).path.rpartition("/")[2]), sha256


def kept() -> dict[str, str]:
    """Name of an archive -> its SHA-256."""
    lines = HASHES.read_text().splitlines() if HASHES.exists() else []
    return {name: sha256 for sha256, name in (line.split() for line in lines)}


def record(report: Path) -> str:
    """Adds what is not known yet, and drops what is pinned no more."""
    found = kept() | dict(archives(report))
    pinned = {f"{name}-{version}" for name, version in pins().items()}
    lines = sorted((name, sha256) for name, sha256 in found.items() if _release(name) in pinned)
    HASHES.write_text("".join(f"{sha256}  {name}\n" for name, sha256 in lines))
    return f"{len(lines)} archives in {HASHES.name}"


def check(report: Path) -> str:
    """Raises SystemExit where an archive is not the one that is kept under its name."""
    known, same, unknown = kept(), 0, 0
    for name, sha256 in archives(report):
        if known.get(name, sha256) != sha256:
            sys.exit(f"{name} is another file than the one that {HASHES.name} knows: do not use what was installed")
        same, unknown = same + (name in known), unknown + (name not in known)
    return f"{same} archives are those of {HASHES.name}, {unknown} are of other machines or versions"


def pins() -> dict[str, str]:
    """Package, as pip normalises its name, -> version."""
    lines = (line.partition("#")[0].strip() for line in PINS.read_text().splitlines())
    return {_normal(name): version for name, _, version in (line.partition("==") for line in lines if line)}


def bill() -> dict[str, Any]:
    """What the wheel needs, in the versions that it was tested with, and which extra wants it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {_package(line): "required" for line in project["dependencies"]}
    for extra, lines in project["optional-dependencies"].items():
        if extra not in NOT_USERS:
            wanted = {_package(line): "optional" for line in lines} | wanted
    tested, sha256 = pins(), kept()
    components = [
        {
            "type": "library",
            "name": name,
            "version": tested[name],
            "purl": f"pkg:pypi/{name}@{tested[name]}",
            "scope": scope,
            "hashes": [
                {"alg": "SHA-256", "content": digest}
                for archive, digest in sha256.items()
                if _release(archive) == f"{name}-{tested[name]}"
            ],
        }
        for name, scope in sorted(wanted.items())
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "library", "name": project["name"], "purl": f"pkg:pypi/{project['name']}"}},
        "components": components,
    }


def sbom() -> str:
    """Writes it."""
    BILL.write_text(json.dumps(bill(), indent=1) + "\n")
    return f"{len(bill()['components'])} components in {BILL.name}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _package(requirement: str) -> str:
    return _normal(re.match(r"[\w.-]+", requirement)[0])  # pyright: ignore[reportOptionalSubscript]


def _release(archive: str) -> str:
    """Package and version of an archive's name."""
    source = archive.removesuffix(".tar.gz")
    name, _, rest = source.rpartition("-") if source != archive else archive.partition("-")
    return f"{_normal(name)}-{rest.partition('-')[0]}"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["record", report]:
            print(record(Path(report)))
        case ["check", report]:
            print(check(Path(report)))
        case ["sbom"]:
            print(sbom())
        case _:
            sys.exit(__doc__)
