"""Forward-backward over one long sequence, tile by tile; the two passes are two tasks, or go side by side in one."""

import itertools

import numpy as np
from joblib import effective_n_jobs

from ..arrays import aligned, vector_length
from ..threads import in_threads
from .passes import LOG_2, STEPS_BETWEEN_SCALES, sum_of_shifts
from .steps import LEAST_EVIDENCE, LONGEST_SIDE_BY_SIDE
from .tables import summed, tile_steps

__all__ = ["LongSequence"]

FORWARD, BACKWARD = 0, 1
BOTH = FORWARD, BACKWARD

LIKELIHOODS_TO_KEEP = 2**22
"""32 MiB: so many that are found while the passes follow their chains are kept until they gather."""


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
        width = self.source.width
        self.keeps = step.memory == "fast"
        self.size = tile_steps(width) if self.source.in_tiles or not self.keeps else self.T
        self.tables = None
        if self.keeps and self.source.costly and self.T * width <= LIKELIHOODS_TO_KEEP:
            self.tables = step.space.take("tables", self.T, width)
        self.tiles = [  # first and last step of each tile of a pass over its own half
            [(first, min(first + self.size, half)) for first in range(0, half, self.size)] for half in self.halves
        ]
        n_tiles = len(self.tiles[BACKWARD])
        self.before = aligned(2 * n_tiles, width).reshape(2, n_tiles, width)
        self.pending = np.zeros((2, n_tiles), dtype=np.int64)
        tile, nothing = self.source.tile(self.begin, self.begin + 1, step.space), aligned(1, width)
        self.chains = []
        for which, name in enumerate(("forward", "backward")):
            stored = step.space.take(name, self.halves[which] if self.keeps else self.size + 1, width)
            self.chains.append(step.chain(which, tile, stored, 0, nothing))

    def expectations(self, n_jobs):
        """What is added to the results, or None if a pass fails."""
        side_by_side = effective_n_jobs(n_jobs) == 1 and vector_length(self.source.width) <= LONGEST_SIDE_BY_SIDE
        tasks = [BOTH] if side_by_side else [(FORWARD,), (BACKWARD,)]
        shifts = in_threads(self.follow, tasks, n_jobs)
        if None in shifts:
            return None
        forward, backward = self.chains
        evidence = self.step.passes.meet(forward, backward, self.halves[FORWARD], self.T)
        if not evidence > LEAST_EVIDENCE:
            return None
        visits = in_threads(self.gather, tasks, n_jobs)
        if None in visits:
            return None
        exponents = forward.exponents[0] + backward.exponents[0]
        self.step.log_likelihood[self.n] = np.log(evidence) + exponents * LOG_2 + sum(itertools.chain(*shifts))
        starts = forward.start * backward.own[:1]
        starts *= self.step.weights[self.n] / starts.sum()
        return self.step.result(starts, forward.pairs, backward.pairs, summed(list(itertools.chain(*visits))))

    def follow(self, sides):
        """Passes over their own halves; returns the sum of the shifts of each, or None if one fails."""
        shifts = [0.0 for _ in sides]
        for number in range(max(len(self.tiles[which]) for which in sides)):
            active = [which for which in sides if number < len(self.tiles[which])]
            for which in active:
                tile, begin, stop = self.likelihoods(which, number)
                shift = sum_of_shifts(tile.shift, tile.rows, tile.first + begin, tile.first + stop)
                shifts[sides.index(which)] += shift
                chain = self.over(which, tile)
                if not self.keeps:
                    chain.stored[0] = chain.stored[self.size]
                    self.before[which, number], self.pending[which, number] = chain.stored[0], chain.exponents[1]
                    chain = chain._replace(base=number * self.size - 1)
                self.chains[which] = chain
            if not self.advance(self.chains, active, number):
                return None
        return shifts

    def gather(self, sides):
        """Passes over each other's halves; returns the visits of each, or None if one fails."""
        step, found = self.step, [None, None]
        visits = [self.source.new_visits(step.space, which) for which in BOTH]
        for back in range(len(self.tiles[BACKWARD])):
            chains, ranges, times = list(self.chains), [(0, 0), (0, 0)], {}
            for which in sides:
                other = 1 - which
                number = len(self.tiles[other]) - 1 - back
                if number < 0:
                    continue
                tile, *times[which] = self.likelihoods(other, number, again=True)
                if not self.keeps:
                    chains[other] = self.followed_again(other, number, tile, chains[other])
                first, end = self.tiles[other][number]
                ranges[which] = self.T - end, self.T - first
                chains[which] = self.over(which, tile, chains[which])._replace(visits=visits[which])
            chains = idle_but(sides, chains)
            weight = step.weights[self.n]
            if not step.passes.gather(*chains, *ranges[0], *ranges[1], back == 0, self.T, weight, self.every):
                return None
            for which, (begin, stop) in times.items():
                found[which] = self.source.added(found[which], begin, stop, visits[which])
        return [found[which] for which in sides]

    def likelihoods(self, which, number, again=False):
        """A tile of a pass over its own half, and its times."""
        first, end = self.tiles[which][number]
        last = self.begin + self.T
        begin, stop = (self.begin + first, self.begin + end) if which == FORWARD else (last - end, last - first)
        if self.tables is None:
            space = self.step.space
            table = None
            if self.source.in_tiles:
                table = space.take(f"table {which}", self.size, self.source.width)[: stop - begin]
            return self.source.tile(begin, stop, space, table), begin, stop
        table = self.tables[begin - self.begin : stop - self.begin]
        tile = self.source.tile_of(table, begin) if again else self.source.tile(begin, stop, self.step.space, table)
        return tile, begin, stop

    def over(self, which, tile, chain=None):
        """A pass with the likelihoods of a tile."""
        start = tile.first + self.begin + (0 if which == FORWARD else self.T - 1)
        chain = self.chains[which] if chain is None else chain
        return chain._replace(table=tile.table, rows=tile.rows, first=start)

    def followed_again(self, which, number, tile, chain):
        """A pass with the vectors of a tile of its own half, found anew from the vector before it."""
        stored = self.step.space.take(f"again {which}", self.size + 1, self.source.width)
        stored[0] = self.before[which, number]
        chain = chain._replace(stored=stored, base=number * self.size - 1)
        again = self.over(which, tile, chain)._replace(exponents=np.array([0, self.pending[which, number]]))
        self.advance([again, again], [which], number)
        return chain

    def advance(self, chains, active, number):
        """Follow some of the two chains over a tile, side by side; False if one fails."""
        ends, first = [0, 0], number * self.size
        for which in active:
            ends[which] = self.tiles[which][number][1]
            if first == 0 and not self.step.passes.begin(chains[which]):
                return False
        return self.step.passes.follow(*idle_but(active, chains), max(first, 1), *ends, self.every)


def idle_but(active, chains):
    """The two chains, of which the idle ones have exponents of no account: another task may be at work on theirs."""
    nothing = np.zeros(2, dtype=np.int64)
    return [chain if which in active else chain._replace(exponents=nothing) for which, chain in enumerate(chains)]
