import pytest

from seqmodels.rnn import shards


@pytest.fixture
def always_shared_out(monkeypatch):
    """However little work a batch is, from here on: otherwise a small one is a single shard, in one thread."""
    monkeypatch.setattr(shards, "LITTLE_WORK", 0)
    monkeypatch.setattr(shards, "MUCH_WORK", 0)
