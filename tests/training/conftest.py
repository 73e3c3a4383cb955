"""Less of what takes long, where nothing depends on how well it is done."""

from collections.abc import Iterator

import pytest

from reverie.training.controller import imitation


@pytest.fixture(scope="module")
def few_steps_of_imitation() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imitation, "STEPS", 20)
        yield
