"""One symbol out of a finite alphabet."""

from typing import NamedTuple

import numpy as np

from ..arrays import choose, smallest_integers
from ..forms import MISSING
from ..jit import inline, kernel
from ..simd import exp, largest, load, maximum, splat, store, total
from .base import Compiled, Emission
from .helpers import keep_without_mass, refuse_unless_distributions, refuse_unless_number

__all__ = ["Categorical", "CategoricalParameters"]


class CategoricalParameters(NamedTuple):
    """Parameters of :class:`Categorical`."""

    probabilities: np.ndarray  # (..., V) or (..., V + 1), the last one that of the unknown symbol


class CategoricalStatistics(NamedTuple):
    """Expected counts."""

    counts: np.ndarray  # (..., V) or (..., V + 1)


class Categorical(Emission):
    """Symbols, each with a probability of its own.

    Parameters
    ----------
    pseudo_count : float
        Added to the count of every symbol: a symmetric Dirichlet prior of parameter ``1 + pseudo_count``,
        whose mode the M-step finds. 0 is maximum likelihood, under which a symbol not seen in fit has
        probability zero.
    unknown : {"keep", "error"}
        What becomes of symbols not seen in fit: one "unknown" symbol stands for all of them and has the
        prior's mass, or they are refused.
    """

    Parameters = CategoricalParameters
    symbolic = True
    discrete = True
    absolute = True

    def __init__(self, pseudo_count=0.0, unknown="keep"):
        self.pseudo_count = pseudo_count
        self.unknown = unknown

    def check(self, sequences, name="X"):
        if self.unknown not in ("keep", "error"):
            raise ValueError(f"unknown is {self.unknown!r}; 'keep' and 'error' are accepted")
        refuse_unless_number(self.pseudo_count, "pseudo_count")

    def log_density(self, values, parameters):
        codes = values[..., 0]
        table = _log_probabilities(parameters.probabilities)
        leading = np.broadcast_shapes(codes.shape, table.shape[:-1])
        table = np.broadcast_to(table, leading + table.shape[-1:])
        codes = np.broadcast_to(codes, leading)
        return np.take_along_axis(table, codes[..., None], axis=-1)[..., 0]

    def smoothed(self):
        return self if self.pseudo_count > 0 else Categorical(0.5, self.unknown)

    # ---------------------------------------------------------------- hidden Markov models

    def distinct(self, values):
        codes = np.ascontiguousarray(values[:, 0], dtype=np.int64)
        n_codes = codes.max(initial=0) + 1
        distinct = np.append(np.arange(n_codes), MISSING)  # the last row is that of missing symbols
        rows = np.empty(len(codes), dtype=smallest_integers(n_codes + 1))
        # read without their sign, missing codes are larger than all others
        np.minimum(codes.view(np.uint64), np.uint64(n_codes), out=rows, casting="unsafe")
        return distinct[:, None], rows

    def log_table(self, values, parameters):
        table = _log_probabilities(parameters.probabilities).T  # (V + 2, K)
        return table[values[:, 0]]

    def rough(self, sequences):
        """Uniform probabilities; the unknown symbol has a column where it has mass."""
        n_symbols = len(sequences.alphabet) + (self.unknown == "keep" and self.pseudo_count > 0)
        return CategoricalParameters(np.full((1, n_symbols), 1 / n_symbols))

    def sufficient_statistics(self, values, visits, parameters):
        """Expected counts of each symbol in each state."""
        n_symbols = parameters.probabilities.shape[-1]
        codes = values[:, 0]
        seen = (codes >= 0) & (codes < n_symbols)
        codes, visits = codes[seen], visits[seen].T
        return CategoricalStatistics(np.array([np.bincount(codes, own, n_symbols) for own in visits]))

    def maximize(self, statistics, parameters):
        """Relative frequencies, the pseudo-count added."""
        counts = statistics.counts + self.pseudo_count
        mass = counts.sum(axis=-1)
        with np.errstate(invalid="ignore"):
            return CategoricalParameters(keep_without_mass(mass, counts / mass[..., None], parameters.probabilities))

    def points(self, values):
        return None

    def log_prior(self, parameters):
        if self.pseudo_count == 0:
            return 0.0
        return self.pseudo_count * float(np.log(parameters.probabilities).sum())

    def check_parameters(self, parameters):
        refuse_unless_distributions(parameters.probabilities)

    def n_symbols(self, parameters):
        """How many symbols have a probability, the unknown one included where it has one."""
        return parameters.probabilities.shape[-1]

    def n_parameters(self, parameters):
        return int(np.prod(parameters.probabilities.shape[:-1])) * (parameters.probabilities.shape[-1] - 1)

    # ---------------------------------------------------------------- networks

    def n_raw(self, marginal):
        """One logit a symbol."""
        return marginal.probabilities.shape[-1]

    def from_raw(self, raw, marginal):
        """Softmax of the raw outputs plus the marginal's logarithm."""
        logits = raw + np.log(marginal.probabilities)
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return CategoricalParameters(odds / odds.sum(axis=-1, keepdims=True))

    def value_and_gradient(self, values, raw, marginal, out):
        """Log probabilities (n,), and their gradient in `raw` (n, R) written to `out`: y - softmax."""
        (n, R), terms = raw.shape, np.empty(len(values))
        logits = np.full((n, -(-R // LANES) * LANES), -np.inf, raw.dtype)
        logits[:, :R] = raw + np.log(marginal.probabilities).astype(raw.dtype)
        _softmax_kernel(values, np.arange(n), 0, n, logits, (R,), terms)
        out[...] = logits[:, :R]
        return terms

    def compiled(self, marginal, dtype):
        offset = np.log(marginal.probabilities).astype(dtype)
        return Compiled(log_softmax, softmax, offset, -np.inf, (len(offset),))

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        return choose(parameters.probabilities, generator)[..., None]

    def mode(self, parameters):
        return parameters.probabilities.argmax(axis=-1)[..., None]

    def mean(self, parameters):
        raise TypeError("symbols have no mean; mode() gives the most probable one")

    def cdf(self, values, parameters):
        raise TypeError("symbols have no order, hence no intervals; probabilities() gives their distribution")


def _log_probabilities(probabilities):
    """Logarithms with two columns more: -inf for a symbol outside of the table, 0 for a missing one.

    Codes run over them as they are: an unknown symbol is the first past the end, a missing one is -1.
    """
    with np.errstate(divide="ignore"):
        table = np.log(probabilities)
    ends = np.broadcast_to([-np.inf, 0.0], (*table.shape[:-1], 2))
    return np.concatenate([table, ends], axis=-1)


LANES = 16  # logits in a vector
BLOCK = 1024  # logits that are added in single precision before the sum goes on in double


@inline
def _highest(logits, i):
    highest = load(logits, i, 0, LANES)
    for r in range(LANES, logits.shape[1], LANES):
        highest = maximum(highest, load(logits, i, r, LANES))
    return largest(highest)


def log_softmax(values, rows, first, n, logits, constants, terms):
    """Log probabilities of codes, 0 of a missing one and -inf of one that no logit stands for."""
    for i in range(n):
        code = values[rows[first + i], 0]
        if code < 0 or code >= constants[0]:
            terms[i] = 0.0 if code < 0 else -np.inf
            continue
        top, sum_of_odds = _highest(logits, i), 0.0
        for begin in range(0, logits.shape[1], BLOCK):
            odds = splat(logits.dtype.type(0), LANES)
            for r in range(begin, min(begin + BLOCK, logits.shape[1]), LANES):
                odds = odds + exp(load(logits, i, r, LANES) - top)
            sum_of_odds += total(odds)
        terms[i] = logits[i, code] - top - np.log(logits.dtype.type(sum_of_odds))


def softmax(values, rows, first, n, logits, constants, terms):
    """The same, and the gradients of logits in their place: 1 less the probability, for the others less nothing."""
    for i in range(n):
        code = values[rows[first + i], 0]
        if code < 0 or code >= constants[0]:
            terms[i] = 0.0 if code < 0 else -np.inf
            logits[i] = 0
            continue
        top, sum_of_odds = _highest(logits, i), 0.0
        own = logits[i, code] - top
        for begin in range(0, logits.shape[1], BLOCK):
            odds = splat(logits.dtype.type(0), LANES)
            for r in range(begin, min(begin + BLOCK, logits.shape[1]), LANES):
                odd = exp(load(logits, i, r, LANES) - top)
                store(logits, i, r, odd)
                odds = odds + odd
            sum_of_odds += total(odds)
        terms[i] = own - np.log(logits.dtype.type(sum_of_odds))  # as exact as the logits, in half the time
        share = logits.dtype.type(-1 / sum_of_odds)
        for r in range(0, logits.shape[1], LANES):
            store(logits, i, r, load(logits, i, r, LANES) * share)
        logits[i, code] += 1


_softmax_kernel = kernel(softmax)
