from pathlib import Path

import pytest

from tests.support.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A folder with a configuration and nothing else yet."""
    return Installation(tmp_path / "candil")
