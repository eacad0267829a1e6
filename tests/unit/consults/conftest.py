from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clinic import Clinic, open_transaction


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    transaction = open_transaction(tmp_path)
    yield Clinic(transaction)
    transaction.close()
    transaction.engine.dispose()
