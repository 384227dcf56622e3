"""How sequences are shared out among tasks: by the data alone, never by the number of threads."""

import numpy as np

from ..arrays import vector_length
from .steps import LONGEST_SIDE_BY_SIDE
from .tables import tile_steps

__all__ = ["groups", "long_ones"]

WORTH_TWO_TASKS = 1_000
"""Steps of a sequence whose two passes go faster in two tasks."""

WORTH_TWO_TASKS_IF_SHORT = 1_000_000
"""The same where vectors are short: two passes side by side in one task are nearly as fast as in two."""


def long_ones(source, lengths, memory="fast", side_by_side=True):
    """Which sequences (N,) are worked on alone: tile by tile, or because their two passes are worth two tasks.

    `side_by_side` says that the passes over one that is alone go side by side where there is but one thread.
    """
    if source.in_tiles:
        return lengths > tile_steps(source.width)
    if memory == "low":
        return lengths > 4 * tile_steps(source.width)
    if vector_length(source.width) > LONGEST_SIDE_BY_SIDE:
        worth = WORTH_TWO_TASKS
    else:
        worth = WORTH_TWO_TASKS_IF_SHORT if side_by_side else np.inf
    return (lengths > worth) & (4 * lengths > lengths.sum())


def groups(source, offsets, is_long):
    """The others, neighbours together: pairs of the first sequence of a group and the first one after it."""
    found, begin, N = [], 0, len(is_long)
    stops = np.append(np.flatnonzero(is_long), N)
    while begin < N:
        stop = int(stops[np.searchsorted(stops, begin)])  # the next one that is long
        if begin == stop:
            begin += 1
            continue
        end = int(np.searchsorted(offsets, offsets[begin] + source.most_steps, side="right")) - 1
        end = min(max(end, begin + 1), stop)
        found.append((begin, end))
        begin = end
    return found
