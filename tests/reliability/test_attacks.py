"""Ways in that were tried, beside files that are damaged or forged: what a folder holds in which a command is run, what
a recipe tells the world's own programs, what a terminal or a page that is handed on is made to say, links."""

import getpass
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import tomli_w

from reverie.cli.main import main
from reverie.envs import EnvConfig
from reverie.envs.available import require_env
from reverie.envs.trusted import VARIABLE
from reverie.errors import UserError
from reverie.notes import console
from reverie.reading import parse_json, parse_toml
from reverie.run.folder import RunFolder
from reverie.run.fork import fork
from reverie.run.manifest import read_manifest, write_manifest
from reverie.show.web_page import WebPage
from reverie.training.summary import show as show_summary
from tests.cli.conftest import reverie


def run_from(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    """A command as `reverie` runs it, whose modules do not come from the folder."""
    start = folder.parent / "start.py"
    start.write_text("import sys\nfrom reverie.cli.main import main\nsys.exit(main())\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    words = [sys.executable, str(start), *words]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_working_folder_does_not_say_where_machine_code_is(tmp_path: Path) -> None:
    """numba takes settings from a file there, also the folder that it reads pickles from."""
    pytest.importorskip("yaml", reason="numba reads the file with it")
    (tmp_path / ".numba_config.yaml").write_text("cache_dir: theirs\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    found = []
    for before in ("", "import reverie.compiled; "):
        code = f"{before}from numba.core import config; print(config.CACHE_DIR)"
        words = [sys.executable, "-P", "-W", "ignore", "-c", code]
        done = subprocess.run(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        found.append(done.stdout.strip())
    assert found == ["theirs", ""]


def test_the_working_folder_does_not_say_how_charts_are_drawn(tmp_path: Path) -> None:
    """matplotlib takes settings from a file there, also that LaTeX sets all words."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MPL")}
    found = []
    for before in ("", "from reverie.plotting import import_matplotlib; import_matplotlib(); "):
        words = [sys.executable, "-P", "-c", f"{before}import matplotlib; print(matplotlib.rcParams['text.usetex'])"]
        done = subprocess.run(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        found.append(done.stdout.strip())
    assert found == ["True", "False"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes that have a name")
def test_a_pipe_in_the_working_folder_is_not_waited_for(tmp_path: Path) -> None:
    """numba would read its settings from it."""
    pytest.importorskip("yaml", reason="numba reads the file with it")
    os.mkfifo(tmp_path / ".numba_config.yaml")
    subprocess.run([sys.executable, "-P", "-c", "import reverie.compiled"], cwd=tmp_path, check=True, timeout=300)


SCORE = """
import hashlib, warnings
warnings.simplefilter("ignore")  # SWIG's types
import gymnasium, pygame
def digest(array): print(hashlib.sha256(array.tobytes()).hexdigest())
pygame.font.init()
font = pygame.font.Font(pygame.font.get_default_font(), 42)
digest(pygame.surfarray.array3d(font.render("0123", True, "white")))
from reverie.envs.car_racing.glyphs import score_picture
digest(score_picture("0123"))
from reverie.envs import EnvConfig
from reverie.envs.registry import make_env
digest(make_env(EnvConfig(id="CarRacing-v3", renderer="gymnasium")).reset(seed=0)[0])
"""


def test_the_working_folder_does_not_say_how_scores_are_written(tmp_path: Path) -> None:
    """pygame looks for its own font there first: V would see other numbers, and C drive otherwise."""
    import matplotlib

    found = []
    for _ in range(2):
        words = [sys.executable, "-P", "-c", SCORE]
        done = subprocess.run(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
        found.append(done.stdout.split()[-3:])
        theirs = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSerif.ttf")
        (tmp_path / "freesansbold.ttf").write_bytes(theirs.read_bytes())
    ours, with_theirs = found
    assert ours[0] != with_theirs[0], "pygame takes theirs, if it is let"
    assert ours[1:] == with_theirs[1:]


OPTIMISER = """
import os, torch
from reverie.run.recipe import FitConfig
from reverie.training.loop import make_optimizer
make_optimizer(FitConfig(), [{"params": [torch.zeros(1, requires_grad=True)]}])
assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
"""


def test_nobody_is_kept_from_training_by_a_file_where_all_may_write(tmp_path: Path) -> None:
    """torch makes a folder there that is called after its user."""
    theirs = tmp_path / f"torchinductor_{getpass.getuser()}"
    theirs.touch()
    environment = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    words = [sys.executable, "-c", OPTIMISER]
    subprocess.run(words, env={**environment, "TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == [theirs]


def test_nobody_is_told_of_an_export(tmp_path: Path, tiny_run: RunFolder) -> None:
    """onnxruntime would tell its maker, and keeps in the home what it has to say."""
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="the extra `export`")
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    words = [sys.executable, "-m", "reverie", "export", "onnx", str(tiny_run.path), "--out", str(tmp_path / "out")]
    subprocess.run(words, env={**environment, "HOME": str(home)}, check=True, stdout=subprocess.DEVNULL)
    assert not [path for path in home.rglob("*") if "onnx" in path.name.lower() or "microsoft" in path.name.lower()]


def test_who_makes_an_optimiser_or_exports_has_a_private_folder_for_the_compiler() -> None:
    found = []
    for path in Path("src/reverie").rglob("*.py"):
        text = path.read_text()
        if re.search(r"torch\.optim\.[A-Z]\w+\(|torch\.onnx\.export\(", text):
            found.append(path)
            assert "with dynamo.in_private()" in text, path
    assert len(found) == 6


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes that have a name")
def test_nobody_is_kept_waiting_by_a_pipe_where_a_library_was_built(tmp_path: Path) -> None:
    """PyAV's GnuTLS reads its settings there, in /tmp, or where a variable says."""
    os.mkfifo(tmp_path / "pipe")
    environment = {**os.environ, "GNUTLS_SYSTEM_PRIORITY_FILE": str(tmp_path / "pipe")}
    code = "import os; from reverie.show.mp4 import import_av; import_av(); print(os.environ[%r])"
    words = [sys.executable, "-c", code % "GNUTLS_SYSTEM_PRIORITY_FILE"]
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    assert done.stdout.strip() == str(tmp_path / "pipe")


@pytest.mark.parametrize("workers", [["1"], ["dask", "--scheduler", "local"]], ids=["processes", "cluster"])
def test_the_working_folder_has_no_modules_for_workers(workers: list[str], tmp_path: Path, tiny_run: RunFolder) -> None:
    """Processes that multiprocessing starts look for Python's own modules there first, if they are let."""
    pytest.importorskip("distributed", reason="the extra `cluster`")
    (tmp_path / "here").mkdir()
    for name in ("multiprocessing", "random", "signal", "struct"):
        (tmp_path / "here" / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    options = ["--tracks", "1", "--quiet", "--workers", *workers]
    done = run_from(tmp_path / "here", ["evaluate", str(tiny_run.path), *options])
    assert not (tmp_path / "ran").exists()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("world", ["VizdoomTakeCover-v1", "vizdoom.gymnasium_wrapper:VizdoomBasic-v1"])
def test_no_recipe_names_the_file_that_tells_doom_what_to_do(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a file can make the game write anywhere."""
    monkeypatch.setenv(VARIABLE, "")
    for name in [name for name in sys.modules if name.startswith("vizdoom")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UserError, match=r"leave it out|would import the module vizdoom"):
        require_env(EnvConfig(id=world, kwargs={"scenario_config_file": "/tmp/theirs.cfg"}))


CONTROLS = ("\x1b[2J", "\x9b2J", "\x07", "\x7f", "\r", "\\u001b", "\u202e")
"""A terminal does as most of them say; the next to last is letters alone, of a JSON text in a JSON text."""


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
def test_what_a_file_says_is_read_as_it_is(control: str) -> None:
    text = f"tab \t, {control} é"
    for written in (json.dumps({"a": text}), json.dumps({"a": text}, ensure_ascii=False)):
        assert parse_json(written) == parse_json(written.encode()) == {"a": text}
    assert parse_toml(tomli_w.dumps({"a": text})) == {"a": text}


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
def test_no_file_speaks_to_the_terminal(control: str, tiny_run: RunFolder, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever our own files hold of others, by any verb, as text and as JSON, on a terminal and not."""
    run = RunFolder.open(tiny_run.path.rename(tiny_run.path.parent / f"a{control}run"))
    name = json.dumps(control).replace("\x7f", "\\u007f")
    made, _ = fork(run, run.path.parent / f"b{control}run", [f"name={name}"])
    made = RunFolder.open(made.path)
    assert (made.recipe.name, made.manifest["forked_from"]) == (control, str(run.path))
    manifest = read_manifest(made.path)
    manifest["machine"]["processor"], manifest["versions"]["torch"] = control, control
    manifest["stages"]["evaluate"] = {"status": "running", "seconds": 0, control: control}
    write_manifest(made.path, manifest)
    path = str(made.path)
    for show in (
        lambda: main(["info", path]),
        lambda: main(["info", path, "--json"]),
        lambda: main(["info", path, "--verify"]),
        lambda: main(["vision", "--run", path]),
        lambda: main(["fork", path, f"{path}{control}", "--set", "memory.steps=9"]),
        lambda: show_summary(made),
        lambda: console(force_terminal=True).print(f"[bold]{control}"),
    ):
        assert not show()
        said = re.sub(r"\x1b\[\d*m", "", "".join(capfd.readouterr()))  # rich's own: bold, and no longer
        assert said
        assert said.replace("\n", "").isprintable(), ascii(said)


def test_markup_of_others_is_shown_as_it_is(tiny_run: RunFolder) -> None:
    """rich would make a link of it, or fail at it."""
    manifest = read_manifest(tiny_run.path)
    manifest["machine"]["processor"] = "[link=https://example.org]cores[/link] [/nothing]"
    write_manifest(tiny_run.path, manifest)
    done = reverie("info", tiny_run.path, "--quiet")
    assert done.returncode == 0, done.stderr
    assert "[/nothing]" in done.stdout


def test_names_of_files_do_not_speak_to_the_terminal_either(tiny_run: RunFolder) -> None:
    (tiny_run.path / "\x1b]0;theirs\x07").touch()
    done = reverie("info", tiny_run.path, "--quiet")
    assert (done.returncode, "\x1b" in done.stdout) == (0, False)
    assert "?]0;theirs" in done.stdout
    done = reverie("info", tiny_run.path / "\x1b[2J.toml")
    assert (done.returncode, "\x1b" in done.stderr) == (1, False)


def test_no_name_is_a_script() -> None:
    from reverie.web.page import session_page

    name = "</script><script>alert(1)</script>"
    page = WebPage(name)
    page.paragraph(name)
    for text in (session_page(name), page.html()):
        assert "alert(1)" in text
        assert "<script>alert" not in text


def test_a_page_holds_pictures_only(tmp_path: Path) -> None:
    """What is to be handed on, that is: a picture in a run of somebody else may be a link to what is nobody's
    business."""
    secret = tmp_path / "secret"
    secret.write_text("a key")
    (tmp_path / "learning_curve.png").symlink_to(secret)
    with pytest.raises(UserError, match="is no picture: remove it"):
        WebPage("x").picture(tmp_path / "learning_curve.png", "")


def test_files_of_others_are_not_swept_away_nor_emptied(tiny_run: RunFolder, tmp_path: Path) -> None:
    """Folders and the lock of a run may be links."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    kept = [theirs / ".notes.tmp", theirs / ".x.swp.tmp", theirs / "important"]
    for path in kept:
        path.write_text("mine")
    (tiny_run.path / "videos").symlink_to(theirs)
    (tiny_run.path / "laps").symlink_to(theirs)
    lock = tiny_run.path / ".lock"
    lock.unlink(missing_ok=True)
    lock.symlink_to(theirs / "important")
    for words in (
        ["evaluate", str(tiny_run.path), "--tracks", "1", "--workers", "0", "--quiet"],
        ["info", str(tiny_run.path)],
    ):
        assert main(words) in (0, 1)
    lock.unlink()
    with tiny_run.locked():
        pass
    assert [path.read_text() for path in kept] == ["mine"] * 3


def test_the_address_in_the_list_of_processes_is_worth_nothing() -> None:
    """A browser is started with it on its command line, which everybody on the machine may read."""
    pytest.importorskip("uvicorn", reason="the extra `web`")
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from reverie.web.server import serving

    with serving([Route("/", lambda _: PlainTextResponse("the page"))]) as server:
        assert server.address_once != server.address
        elsewhere = urllib.request.Request(server.address_once, headers={"Host": "elsewhere.example"})
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(elsewhere)
        with urllib.request.urlopen(server.address_once) as answer:
            assert (answer.url, answer.read()) == (server.address, b"the page")
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(server.address_once)
        with urllib.request.urlopen(server.address) as answer:
            assert answer.read() == b"the page"
