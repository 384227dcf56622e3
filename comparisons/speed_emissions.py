"""What does an iteration of EM cost with each emission family, in units of that with diagonal Gaussians?

Iterations of expectation-maximisation (E-step, all statistics, M-step) within `HMM.fit` on one sequence, one thread,
4 states, 2 columns (one of symbols; three of bits, and of counts out of a total), against diagonal Gaussians on a
sequence as long. A family may take three times as long. "Gaps": one entry in ten is missing. Seconds are those of
the processor.
"""

import time

import numpy as np
from common import Row, finish_speed, hold_to_two_processors, in_turns, print_surroundings, speed_parser, wanted
from threadpoolctl import threadpool_limits

from seqmodels import HMM, Sequences
from seqmodels.emissions import (
    AutoregressiveGaussian,
    Bernoulli,
    Beta,
    Categorical,
    Exponential,
    Gamma,
    Gaussian,
    Geometric,
    Laplace,
    LogNormal,
    Mixture,
    Multinomial,
    NegativeBinomial,
    Poisson,
    Product,
    StudentT,
    VonMises,
    ZeroInflated,
)

LIMIT = 3.0  # times the diagonal Gaussian
STATES, STEPS, QUICK_STEPS = 4, 20_000, 5_000
MISSING = 0.1  # the share of entries in rows with gaps
ITERATIONS = 12  # of a run, of which the first two are not counted
YARDSTICK = "Gaussian diagonal"


def numbers(g, level):
    return g.normal(3.0 * level, 1.0)


def counts(g, level):
    return g.poisson(2.0 + 4.0 * level)


def counts_and_zeros(g, level):
    return counts(g, level) * g.binomial(1, 0.7, level.shape)


# family, what it is fitted to: drawn by a generator around levels (T, 2) from 0 to 3
FAMILIES = {
    YARDSTICK: (Gaussian(), numbers),
    "Gaussian spherical": (Gaussian("spherical"), numbers),
    "Gaussian full": (Gaussian("full"), numbers),
    "Gaussian tied": (Gaussian("tied"), numbers),
    "Categorical": (Categorical(0.5), lambda g, level: g.integers(4, size=(len(level), 1)) + 4 * level[:, :1]),
    "Bernoulli": (Bernoulli(), lambda g, level: g.random((len(level), 3)) < 0.1 + 0.25 * level[:, :1]),
    "Multinomial": (Multinomial(0.5), lambda g, level: g.multinomial(6, np.array(SHARES)[level[:, 0]])),
    "Poisson": (Poisson(), counts),
    "NegativeBinomial": (NegativeBinomial(), lambda g, level: g.negative_binomial(3, 0.6 - 0.15 * level)),
    "Geometric": (Geometric(), lambda g, level: g.geometric(0.7 - 0.2 * level) - 1),
    "ZeroInflated Poisson": (ZeroInflated(Poisson()), counts_and_zeros),
    "StudentT": (StudentT(), lambda g, level: 3.0 * level + g.standard_t(3, level.shape)),
    "Laplace": (Laplace(), lambda g, level: g.laplace(3.0 * level)),
    "LogNormal": (LogNormal(), lambda g, level: g.lognormal(level)),
    "Exponential": (Exponential(), lambda g, level: g.exponential(1.0 + 3.0 * level)),
    "Gamma": (Gamma(), lambda g, level: g.gamma(2.0 + 4.0 * level)),
    "Beta": (Beta(), lambda g, level: g.beta(2.0 + 3.0 * level, 5.0 - level)),
    "VonMises": (VonMises(), lambda g, level: g.vonmises(1.5 * level - 3.0, 3.0)),
    "Product of Gaussian and Categorical": (
        Product([Gaussian(), Categorical(0.5)]), lambda g, level: np.column_stack([g.normal(level[:, 0]), level[:, 1]])
    ),
    "Product of Gaussian and Poisson": (
        Product([Gaussian(), Poisson()]),
        lambda g, level: np.column_stack([g.normal(level[:, 0]), counts(g, level)[:, 0]])
    ),
    "AutoregressiveGaussian 1": (AutoregressiveGaussian(1), numbers),
    "AutoregressiveGaussian 2": (AutoregressiveGaussian(2), numbers),
    "Mixture of Gaussian": (Mixture(Gaussian(), 2), numbers),
    "Mixture of Poisson": (Mixture(Poisson(), 2), counts),
}  # fmt: skip
SHARES = [[0.7, 0.2, 0.1], [0.1, 0.7, 0.2], [0.2, 0.1, 0.7], [0.4, 0.3, 0.3]]
GAPS = ["Gaussian diagonal", "Gaussian full", "Gaussian tied", "StudentT", "Gamma", "AutoregressiveGaussian 2"]
QUICK = {"Gaussian full", "Gaussian full gaps", "Poisson", "StudentT", "AutoregressiveGaussian 2"}


def data_of(family, draw, n_steps, gaps):
    """One sequence, from a chain that stays nine times in ten."""
    generator = np.random.default_rng(n_steps)
    jumps = generator.random(n_steps) < 0.1
    level = generator.permuted(np.arange(n_steps) % STATES)[np.cumsum(jumps)]
    values = draw(generator, np.column_stack([level, level]))
    if family.symbolic:
        return Sequences.wrap([values[:, 0]])
    values = values.astype(float)
    if gaps:
        values[generator.random(values.shape) < MISSING] = np.nan
    return Sequences.wrap([values])


class Side:
    """One family and its data."""

    def __init__(self, name, n_steps):
        self.family, draw = FAMILIES[name.removesuffix(" gaps")]
        self.data = data_of(self.family, draw, n_steps, name.endswith(" gaps"))

    def seconds(self):
        """Seconds of the processor for one iteration, the median of those of a run."""
        ends = []
        HMM(
            STATES, self.family, init="random", max_iter=ITERATIONS, tol=0.0, random_state=0,
            callbacks=[lambda model, record: ends.append(time.process_time())],
        ).fit(self.data)  # fmt: skip
        return float(np.median(np.diff(ends)[2:]))


def names_of(options):
    """The rows that were asked for."""
    names = [name for name in FAMILIES if name != YARDSTICK] + [f"{name} gaps" for name in GAPS]
    return [name for name in names if wanted(name, options.only) and (name in QUICK or not options.quick)]


def row_of(name, n_steps, repeats):
    """A family and the yardstick in turns."""
    sides = {"own": Side(name, n_steps).seconds, "yardstick": Side(YARDSTICK, n_steps).seconds}
    in_turns(sides, 1)  # compiles
    timings, others = in_turns(sides, repeats)
    medians = {side: 1000 * np.median(timings[side]) for side in sides}
    print(f"{name}: {medians['own']:.3g} ms, diagonal Gaussian {medians['yardstick']:.3g} ms", flush=True)
    times = list(np.array(timings["own"]) / np.array(timings["yardstick"]))
    return Row(name, times, floor=LIMIT, target=LIMIT, unit="times", at_most=True, others=others)


def main():
    options = speed_parser(__doc__.splitlines()[0], repeats=7).parse_args()
    hold_to_two_processors()
    repeats, n_steps = options.repeats or (3 if options.quick else 7), QUICK_STEPS if options.quick else STEPS
    absent = print_surroundings(
        {},
        f"one sequence of {n_steps} steps, {STATES} states, one thread on both sides; {repeats} runs of {ITERATIONS} "
        "iterations each, in turn;",
        "medians of the ratios of runs that followed each other",
    )
    with threadpool_limits(1):
        rows = [row_of(name, n_steps, repeats) for name in names_of(options)]
    finish_speed(rows, options, absent)


if __name__ == "__main__":
    main()
