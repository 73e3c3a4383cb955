"""The drivers that the accuracy of the pictures is measured with, one test each."""

import pytest
from bench.scripted import SCRIPTED, Scripted


@pytest.fixture(params=SCRIPTED, ids=lambda driver: driver.__name__)
def driver(request: pytest.FixtureRequest) -> Scripted:
    return request.param
