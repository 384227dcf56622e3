"""How the sequences of a batch are shared out: by the data, and never by the number of threads."""

from ..products import padded
from .layers import EIGHT

__all__ = ["dealt_out", "shard_size"]

LITTLE_WORK, MUCH_WORK = 3.5e7, 3e8  # multiplications and additions


def shard_size(n, largest, work):
    """Sequences that are worked on together, of n: whole tiles of the product, and shards for two or four threads.

    Each shard has a cost of its own, so that there are the fewer, the less `work` there is.
    """
    n_shards = 1 if work < LITTLE_WORK else 2 if work < MUCH_WORK else 4
    return min(largest, padded(-(-n // n_shards), EIGHT))


def dealt_out(order, size):
    """Dealt out one by one, so that no shard has all the long sequences."""
    n_shards = -(-len(order) // size)
    return [order] if n_shards == 1 else [order[number::n_shards].copy() for number in range(n_shards)]
