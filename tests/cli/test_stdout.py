"""stdout carries the result and nothing else: another program may read it."""

import ast
import json
from pathlib import Path

import pytest

import reverie
from reverie.cli.main import main
from reverie.run.folder import RunFolder

PACKAGE = Path(reverie.__file__).parent
RESULTS = ("cli", "training/summary.py", "web/native")
"""What shows results, which is asked whether it shall be JSON; and what builds the page's engine."""
SHOWS = "notes.py"
"""Where they are shown."""
GYMNASIUM_S = "envs/car_racing/env.py"
"""Says what Gymnasium's environment says when it is asked to be verbose."""


def writes_to_stdout(path: Path) -> list[int]:
    """Lines of a module that print or say something, or make a console, without saying where to."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in ("print", "say", "console")]
    return [call.lineno for call in named if not {k.arg for k in call.keywords} & {"file", "stderr"}]


def test_what_is_no_result_goes_to_stderr() -> None:
    modules = [path for path in PACKAGE.rglob("*.py") if not str(path.relative_to(PACKAGE)).startswith(RESULTS)]
    assert len(modules) > 100
    found = {str(path.relative_to(PACKAGE)): lines for path in modules if (lines := writes_to_stdout(path))}
    assert found.keys() == {GYMNASIUM_S, SHOWS}


@pytest.mark.parametrize(
    ("verb", "key"),
    [
        ("train", "stages"),
        ("collect", "mean_return"),
        ("vision", "held_out_mean_squared_error"),
        ("encode", "status"),
        ("memory", "status"),
        ("controller", "generations"),
        ("info", "verified"),
    ],
)
def test_a_verb_prints_one_json_object(
    verb: str, key: str, tiny_run: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    """The others do in tests of their own."""
    tiny_run.stage("collect")["mean_return"] = 1.0
    tiny_run.stage("pictures").update({"status": "done", "files": {}})
    tiny_run.write_manifest()
    name = [str(tiny_run.path)] if verb == "info" else ["--run", str(tiny_run.path)]
    assert main([verb, *name, "--json"]) == 0
    assert key in json.loads(capfd.readouterr().out)
