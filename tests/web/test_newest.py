"""The newest C of a run, while others write into it."""

from pathlib import Path

import numpy as np
import pytest
from tests.web.training import made_for, search_goes_on

from reverie.errors import UserError
from reverie.models.controller import Controller, ControllerConfig
from reverie.models.files import load_controller, load_memory, save_controller
from reverie.run.folder import RunFolder
from reverie.web.newest import Newest


def test_it_is_the_one_that_the_run_keeps(tiny_run: RunFolder):
    newest = Newest(tiny_run.path)
    assert (newest.file, newest.trouble) == (tiny_run.controller, "")
    assert newest.params is not None
    np.testing.assert_array_equal(newest.params, load_controller(tiny_run.controller)[1])


def test_it_follows_a_search(tiny_run: RunFolder):
    newest = Newest(tiny_run.path)
    first, models, kept = newest.version, newest.models, newest.params
    assert kept is not None
    for step in (1, 2):
        before, current = newest.version, search_goes_on(tiny_run, step)
        newest.look()
        assert newest.file == current
        assert newest.params is not None
        np.testing.assert_array_equal(newest.params, kept + step)
        assert newest.version not in (first, before if step > 1 else "")
    assert newest.models == models


def test_nothing_is_read_where_nothing_changed(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    newest = Newest(tiny_run.path)
    monkeypatch.setattr(Newest, "_read", lambda _: pytest.fail("read again"))
    newest.look()


def test_half_a_file_is_not_taken(tiny_run: RunFolder):
    newest = Newest(tiny_run.path)
    current = search_goes_on(tiny_run, 1)
    newest.look()
    version, whole = newest.version, current.read_bytes()
    current.write_bytes(whole[: len(whole) // 2])
    newest.look()
    assert newest.version == version
    assert "current.safetensors is damaged" in newest.trouble
    current.write_bytes(whole)
    newest.look()
    assert (newest.version, newest.trouble) == (version, "")


def test_a_c_for_other_models_is_not_taken(tiny_run: RunFolder):
    newest = Newest(tiny_run.path)
    controller, params = load_controller(tiny_run.controller)
    tiny_run.reopen("controller")
    save_controller(tiny_run.evolution / "current.safetensors", controller, params, vision_sha256="another")
    version = newest.version
    newest.look()
    assert newest.version == version
    assert "was not made for" in newest.trouble


def test_a_run_that_is_begun_anew_leaves_the_old_one(tiny_run: RunFolder):
    newest = Newest(tiny_run.path)
    version = newest.version
    tiny_run.forget("vision")
    newest.look()
    assert newest.version == version
    assert "has not finished its stage vision" in newest.trouble


def test_before_the_first(tiny_run: RunFolder):
    tiny_run.forget("controller")
    newest = Newest(tiny_run.path)
    assert (newest.file, newest.controller, newest.params, newest.version) == (None, None, None, "")
    memory = load_memory(tiny_run.memory)
    controller = Controller(ControllerConfig(), memory.z_size, memory.config.hidden_size)
    params = np.zeros(controller.num_params)
    save_controller(tiny_run.evolution / "current.safetensors", controller, params, **made_for(tiny_run))
    models = newest.models
    newest.look()
    assert newest.version
    assert newest.models == models


def test_a_run_that_cannot_drive_is_refused(tiny_run: RunFolder, tmp_path: Path):
    with pytest.raises(UserError, match="there is no run in"):
        Newest(tmp_path / "nowhere")
    tiny_run.forget("memory")
    with pytest.raises(UserError, match="has not finished its stage memory"):
        Newest(tiny_run.path)
