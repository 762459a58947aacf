"""What holds around every test."""

import pytest

from models import layers


@pytest.fixture(autouse=True)
def kernels_put_back():
    """A script that runs inside a test chooses kernels for the whole process; the next test begins with NNabla's own."""
    with layers.plain():
        yield
