"""The drivers that the accuracy of the pictures is measured with, one test each."""

import pytest
from bench.drivers import DRIVERS, Driver


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.__name__)
def driver(request: pytest.FixtureRequest) -> Driver:
    return request.param
