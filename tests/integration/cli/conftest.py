from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installation import STARTED, Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A folder with a configuration and nothing else yet."""
    return Installation(tmp_path / "candil")


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield
    while STARTED:
        STARTED.pop().process.stop()
