"""One symbol out of a finite alphabet."""

from typing import NamedTuple

import numpy as np

from ..arrays import choose, smallest_integers
from ..forms import MISSING
from ..jit import kernel
from ..simd import exp, largest, load, maximum, splat, store, total
from .base import Emission, keep_without_mass, refuse_unless_distributions

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

    def __init__(self, pseudo_count=0.0, unknown="keep"):
        self.pseudo_count = pseudo_count
        self.unknown = unknown

    def check(self, sequences, name="X"):
        if self.unknown not in ("keep", "error"):
            raise ValueError(f"unknown is {self.unknown!r}; 'keep' and 'error' are accepted")
        if not self.pseudo_count >= 0:
            raise ValueError(f"pseudo_count is {self.pseudo_count!r}; numbers from 0 are accepted")

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
        offset = np.log(marginal.probabilities).astype(raw.dtype)
        return _softmax_kernel(values, np.arange(len(values)), raw, offset, out)

    def compiled_gradient(self, marginal, dtype):
        return softmax, np.log(marginal.probabilities).astype(dtype)

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


def softmax(values, rows, raw, offset, out):
    """Log probability of each row's code under ``softmax(raw + offset)``, and its gradient."""
    n, R = raw.shape
    width = -(-R // BLOCK) * BLOCK if R > BLOCK else -(-R // LANES) * LANES
    logits = np.full((1, width), -np.inf, dtype=raw.dtype)  # what lies beyond R has no share
    offsets = offset.reshape(1, R)
    whole = R - R % LANES  # entries that are written one by one cannot be read at once without a wait
    log_probability = np.zeros(n)
    for i in range(n):
        code = values[rows[i], 0]
        if code < 0:
            out[i] = 0
            continue
        for r in range(0, whole, LANES):
            store(logits, 0, r, load(raw, i, r, LANES) + load(offsets, 0, r, LANES))
        for r in range(whole, R):
            logits[0, r] = raw[i, r] + offset[r]
        highest = load(logits, 0, 0, LANES)
        for r in range(LANES, width, LANES):
            highest = maximum(highest, load(logits, 0, r, LANES))
        top, sum_of_odds = largest(highest), 0.0
        for first in range(0, width, BLOCK):
            odds = splat(raw.dtype.type(0), LANES)
            for r in range(first, min(first + BLOCK, width), LANES):
                own = exp(load(logits, 0, r, LANES) - top)
                store(logits, 0, r, own)
                odds = odds + own
            sum_of_odds += total(odds)
        share = raw.dtype.type(-1 / sum_of_odds)
        for r in range(0, whole, LANES):
            store(out, i, r, load(logits, 0, r, LANES) * share)
        for r in range(whole, R):
            out[i, r] = logits[0, r] * share
        for r in range(R, width):
            logits[0, r] = -np.inf
        if code < R:
            log_probability[i] = raw[i, code] + offset[code] - top - np.log(sum_of_odds)
            out[i, code] += 1
        else:  # outside of the alphabet, which has no unknown symbol
            log_probability[i] = -np.inf
            out[i] = 0
    return log_probability


_softmax_kernel = kernel(softmax)
