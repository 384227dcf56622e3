"""Forward-backward over one long sequence: each pass is a task, and goes tile by tile."""

import numpy as np

from ..arrays import aligned
from ..threads import in_threads
from .passes import LEAST_EVIDENCE, LOG_2, STEPS_BETWEEN_SCALES, sum_of_shifts
from .tables import summed, tile_steps

__all__ = ["LongSequence"]

FORWARD, BACKWARD = 0, 1


class LongSequence:
    """One try.

    Where memory is low, only the vector before each tile is kept of what a pass finds in its own half, and the
    other pass follows it anew from there, over the tile that it needs.

    Parameters
    ----------
    step : Step
    n : int
        Number of the sequence.
    """

    def __init__(self, step, n):
        self.step, self.n, self.source = step, n, step.source
        self.begin, self.T = int(step.offsets[n]), int(step.lengths[n])
        self.halves = self.T // 2, self.T - self.T // 2
        self.every = STEPS_BETWEEN_SCALES[step.tries[n]]
        self.size, width = tile_steps(self.source.width), self.source.width
        self.keeps = step.memory == "fast"
        n_tiles = -(-self.halves[BACKWARD] // self.size)
        self.before = aligned(2 * n_tiles, width).reshape(2, n_tiles, width)
        self.pending = np.zeros((2, n_tiles), dtype=np.int64)
        nothing = aligned(1, width)
        tile = self.source.tile(self.begin, self.begin + 1, step.space)
        self.chains = []
        for which, name in enumerate(("forward", "backward")):
            stored = step.space.take(name, self.halves[which] if self.keeps else self.size + 1, width)
            self.chains.append(step.chain(which, tile, stored, 0, nothing))

    def expectations(self, n_jobs):
        """What is added to the results, or None if a pass fails."""
        shifts = in_threads(self.follow, [FORWARD, BACKWARD], n_jobs)
        if None in shifts:
            return None
        forward, backward = self.chains
        evidence = self.step.passes.meet(forward, backward, self.halves[FORWARD], self.T)
        if not evidence > LEAST_EVIDENCE:
            return None
        visits = in_threads(self.gather, [FORWARD, BACKWARD], n_jobs)
        if any(part is None for part in visits):
            return None
        exponents = forward.exponents[0] + backward.exponents[0]
        self.step.log_likelihood[self.n] = np.log(evidence) + exponents * LOG_2 + sum(shifts)
        starts = forward.start * backward.own[:1]
        starts *= self.step.weights[self.n] / starts.sum()
        return self.step.result(starts, forward.pairs, backward.pairs, summed(visits))

    def follow(self, which):
        """A pass over its own half; returns the sum of its shifts, or None if it fails."""
        shifts, chain = 0.0, self.chains[which]
        for number, (first, end) in enumerate(self.tiles(which)):
            chain, tile, begin, stop = self.over(chain, which, first, end)
            shifts += sum_of_shifts(tile.shift, tile.rows, tile.first + begin, tile.first + stop)
            if not self.keeps:
                chain.stored[0] = chain.stored[self.size]
                self.before[which, number], self.pending[which, number] = chain.stored[0], chain.exponents[1]
                chain = chain._replace(base=first - 1)
            if not self.advance(chain, first, end):
                return None
        self.chains[which] = chain
        return shifts

    def gather(self, which):
        """A pass over the half of the other; returns the visits, or None if it fails."""
        found, chain, other = None, self.chains[which], 1 - which
        visits = self.source.new_visits(self.step.space)
        weight = self.step.weights[self.n]
        for number, (first, end) in reversed(list(enumerate(self.tiles(other)))):
            opposite, _, begin, stop = self.over(self.chains[other], other, first, end)
            opposite = opposite._replace(exponents=np.array([0, self.pending[other, number]]))
            if not self.keeps:
                stored = self.step.space.take("again", self.size + 1, self.source.width)
                stored[0] = self.before[other, number]
                opposite = opposite._replace(stored=stored, base=first - 1)
                self.advance(opposite, first, end)
            first_row = opposite.first + (1 - self.T if other == BACKWARD else self.T - 1)
            chain = chain._replace(table=opposite.table, rows=opposite.rows, first=first_row, visits=visits)
            meeting = end == self.halves[other]
            if not self.step.passes.gather(
                chain, opposite, self.T - end, self.T - first, 0, 0, meeting, self.T, weight, self.every
            ):
                return None
            found = self.source.added(found, begin, stop, visits)
        return found

    def tiles(self, which):
        """First and last step of each tile of a pass over its own half."""
        half = self.halves[which]
        return [(first, min(first + self.size, half)) for first in range(0, half, self.size)]

    def over(self, chain, which, first, end):
        """A chain with the likelihoods of its steps from `first` to `end`, their tile and their times."""
        last = self.begin + self.T
        begin, stop = (self.begin + first, self.begin + end) if which == FORWARD else (last - end, last - first)
        tile = self.source.tile(begin, stop, self.step.space)
        start = tile.first + (self.begin if which == FORWARD else last - 1)
        return chain._replace(table=tile.table, rows=tile.rows, first=start), tile, begin, stop

    def advance(self, chain, first, end):
        """Follow a chain alone; False if it fails."""
        if first == 0:
            if not self.step.passes.begin(chain):
                return False
            first = 1
        idle = chain._replace(exponents=np.zeros(2, dtype=np.int64))
        return self.step.passes.follow(chain, idle, first, end, 0, self.every)
