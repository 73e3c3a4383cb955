"""No file that names a world makes Reverie import a module which nobody else has named."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest
from tests.cli.conftest import reverie

from reverie.envs import EnvConfig, spec_of
from reverie.envs.available import require_env
from reverie.envs.trusted import KNOWN, VARIABLE, trust, trusted
from reverie.errors import UserError
from reverie.run import settings
from reverie.run.folder import RunFolder
from reverie.workers.cluster import _run, versions
from reverie.workers.processes import ProcessWorkers

TINYPIX = Path(__file__).parents[1] / "worlds/tinypix.py"
FOREIGN = "foreignworld:ForeignTinyPix-v0"
VERBS = {
    "evaluate": ["--tracks", "1", "--workers", "0", "--quiet"],
    "watch": ["--quiet"],
    "play": ["--web", "--no-browser"],
    "dream": ["--quiet"],
    "report": ["--quiet"],
    "pack": [],
    "train": ["--quiet"],
    "controller": ["--quiet", "--again"],
    "fork": [],
    "export web": [],
    "info": [],
}


@pytest.fixture(autouse=True)
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that is there as soon as any process has imported `foreignworld`, which is installed."""
    text = TINYPIX.read_text().replace('id=f"{name}-v0"', 'id=f"Foreign{name}-v0"')
    text = text.replace("tinypix:{name}", "foreignworld:{name}")
    assert "foreignworld:" in text
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/foreignworld.py").write_text(f"{text}\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    monkeypatch.setenv(VARIABLE, "")
    spec_of.cache_clear()
    yield tmp_path / "ran"
    sys.modules.pop("foreignworld", None)
    for name in [name for name in gymnasium.registry if name.startswith("Foreign")]:
        del gymnasium.registry[name]
    spec_of.cache_clear()


def foreign(run: RunFolder) -> Path:
    """The run as somebody else could have made it, in a world of a module."""
    recipe = run.path / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('id = "CarRacing-v3"', f'id = "{FOREIGN}"'))
    manifest = json.loads((run.path / "manifest.json").read_text())
    del manifest["settings"], manifest["sha256"]
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    return run.path


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_runs_what_a_run_names(verb: str, tiny_run: RunFolder, tmp_path: Path, ran: Path) -> None:
    if verb == "play":
        pytest.importorskip("uvicorn")
    path = foreign(tiny_run)
    where: dict[str, list[str | Path]] = {
        "train": ["--run", path],
        "controller": ["--run", path],
        "fork": [path, tmp_path / "new"],
    }
    done = reverie(*verb.split(), *where.get(verb, [path]), *VERBS[verb], cwd=tmp_path)
    assert not ran.exists(), "it was imported"
    if verb == "info":
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert f"{FOREIGN!r} would import the module foreignworld, and so run it" in done.stderr
        assert "add --trust foreignworld, or set REVERIE_TRUST=foreignworld" in done.stderr


def test_neither_does_a_recipe(tmp_path: Path, ran: Path) -> None:
    recipe = tmp_path / "theirs.toml"
    recipe.write_text(f'name = "theirs"\ndescription = ""\n[env]\nid = "{FOREIGN}"\n')
    done = reverie("collect", recipe, "--run", tmp_path / "run", "--quiet")
    assert (done.returncode, ran.exists(), (tmp_path / "run").exists()) == (1, False, False)
    assert "add --trust foreignworld" in done.stderr


@pytest.mark.parametrize("how", ["--trust", "--set", "variable", "import"])
def test_a_module_that_somebody_names_is_imported(
    how: str, tmp_path: Path, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "--set":
        RunFolder.open_or_create(tmp_path / "run", "debug", [f"env.id={FOREIGN}"])
    elif how == "--trust":
        done = reverie(
            "collect", "debug", "--run", tmp_path / "run", "--set", "env.id=Nowhere-v0", "--trust", "foreignworld"
        )
        assert "not known to Gymnasium" in done.stderr
        require_env(EnvConfig(id=FOREIGN))
    elif how == "variable":
        monkeypatch.setenv(VARIABLE, " other , foreignworld")
        require_env(EnvConfig(id=FOREIGN))
    else:
        __import__("foreignworld")
        require_env(EnvConfig(id=FOREIGN))
        assert trusted() == ["foreignworld"], "so that worker processes may import it, too"
    assert ran.exists()


def make(config: EnvConfig) -> str:
    """Work for a worker: gives what it says of the world."""
    require_env(config)
    return os.environ[VARIABLE]


def test_workers_do_not_run_it_unless_their_main_process_would(ran: Path) -> None:
    for named in ([], ["foreignworld"]):
        trust(named)
        workers = ProcessWorkers(1)
        try:
            if named:
                assert list(workers.map(make, [EnvConfig(id=FOREIGN)])) == ["foreignworld"]
            else:
                with pytest.raises(UserError, match="add --trust foreignworld"):
                    list(workers.map(make, [EnvConfig(id=FOREIGN)]))
        finally:
            workers.close()
        assert ran.exists() == bool(named)


def test_workers_of_a_cluster_are_told_what_is_trusted(ran: Path) -> None:
    with pytest.raises(UserError, match="add --trust foreignworld"):
        _run(make, versions(), [], EnvConfig(id=FOREIGN))
    assert not ran.exists()
    assert _run(make, versions(), ["foreignworld"], EnvConfig(id=FOREIGN)).result == "foreignworld"
    assert ran.exists()


def test_a_part_of_a_trusted_module_is_another_module() -> None:
    """`reverie.envs` registers a world; `reverie.__main__` is a program."""
    trust(["foreignworld"])
    for module in ("foreignworld.part", "reverie.__main__", "gymnasium.__main__", "antigravity"):
        assert module not in (*KNOWN, *trusted(), *sys.modules)
        with pytest.raises(UserError, match=f"add --trust {module}"):
            require_env(EnvConfig(id=f"{module}:X-v0"))


@pytest.mark.parametrize("word", ["", "a b", "../x", "a.", "a,b"])
def test_what_is_no_name_of_a_module(word: str) -> None:
    done = reverie("collect", "debug", "--run", "nowhere", "--trust", word)
    assert (done.returncode, done.stderr) == (2, f"reverie collect: --trust {word}: give the name of a module\n")


def test_settings_and_recipes_are_read_without_it(ran: Path) -> None:
    assert settings.load("debug", [f"env.id={FOREIGN}"]).env.id == FOREIGN
    assert not ran.exists()
    assert trusted() == []
