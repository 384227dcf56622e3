import pathlib

import pytest

SCRIPTS = pathlib.Path(__file__).parents[2] / "comparisons"


@pytest.fixture(autouse=True)
def scripts_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
