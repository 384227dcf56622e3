"""What any model has to beat: no memory at all, and the last few symbols."""

import numpy as np

from . import kneser_ney
from .arrays import map_arrays
from .base import SequenceModel
from .checks import check_count
from .emissions import CategoricalParameters
from .emissions.helpers import refuse_past
from .forms import MISSING
from .predictive import Predictive

__all__ = ["Independent", "MarkovChain"]


class Independent(SequenceModel):
    """Every observation by itself: one distribution, the same at every step.

    It is where every network starts, so symbols not seen in fit have a little probability (a pseudo-count of
    0.5) even where the emission asks for none.

    Parameters
    ----------
    emission : Emission, optional
        The family; chosen by the data if None.

    Attributes
    ----------
    emission_ : NamedTuple
        Parameters of the family, without leading axes.
    """

    def __init__(self, emission=None):
        self.emission = emission

    def _fit(self, sequences, validation, weights):
        refuse_past(self.family_, "Independent")
        if weights is not None:
            weights = np.repeat(weights, sequences.lengths)
        self.emission_ = self.family_.fit_marginal(sequences, weights)

    @property
    def n_parameters_(self):
        """Free parameters."""
        return self.family_.n_parameters(self.emission_)

    def start(self, n):
        return np.empty((n, 0))

    def predictive(self, belief):
        parameters = map_arrays(lambda array: np.asarray(array)[None, None], self.emission_)
        return Predictive(self.family_, np.ones((len(belief), 1)), parameters, self._template)

    def update(self, belief, values):
        return belief

    def _terms(self, sequences):
        return self.family_.log_density(sequences.values, self.emission_)

    def _beliefs_after(self, sequences):
        return self.start(len(sequences))

    def _ahead(self, beliefs, n_steps, n_samples, generator):
        return [self.predictive(beliefs)] * n_steps


class MarkovChain(SequenceModel):
    """The last few symbols: interpolated Kneser-Ney, with one absolute discount for each length of context.

    The longest contexts count how often each symbol followed them. Shorter ones count in how many ways the
    context and the symbol continue to the left: how many different symbols stood before them. A discount is
    taken off every count, and what it takes goes to the distribution after the context that is one symbol
    shorter; the empty context passes it on to the uniform distribution over the alphabet and one unknown
    symbol, so that no symbol has probability zero. A sequence begins with a start marker; contexts that
    reach back to it count occurrences, whatever their length. A symbol that is missing or unknown ends the
    contexts after it.

    The discount is ``n1 / (n1 + 2 n2)``, of the numbers of n-grams counted once and twice, and 1/2 where
    one of these is zero. Sample weights scale occurrences, so that integers repeat sequences; n1 and n2 are
    then the numbers of n-grams whose weighted count rounds to one and to two, and a count below the discount
    is given away whole.

    Parameters
    ----------
    order : int
        The number of symbols that the next one depends on.

    Attributes
    ----------
    discounts_ : array (order + 1,)
        Of contexts of 0, ..., `order` symbols.

    References
    ----------
    Chen and Goodman (1999), An empirical study of smoothing techniques for language modeling.
    """

    emission = None  # chosen by the data, which have to be symbols

    def __init__(self, order=1):
        self.order = order

    def _learn_data(self, sequences, name="X"):
        if sequences.n_features != 1:
            raise ValueError(f"{name} has {sequences.n_features} columns; MarkovChain takes one column of symbols")
        if sequences.alphabet is None and sequences.values.dtype.kind == "f":
            raise ValueError(
                f"{sequences.where(0, name)} is {sequences.values[0, 0]}, a real number; MarkovChain takes "
                "symbols: integers, strings or other hashable objects (None where one is missing)"
            )
        return super()._learn_data(sequences, name)

    def _fit(self, sequences, validation, weights):
        check_count("order", self.order)
        if weights is None:
            weights = np.ones(len(sequences))
        sequences, weights = sequences[weights > 0], weights[weights > 0]
        if sequences.missing.all():
            raise ValueError("sample_weight is 0 for every sequence of X with an observed symbol")
        codes = self._with_start_markers(sequences)
        self._levels = kneser_ney.fit(codes, np.repeat(weights, sequences.lengths + 1), self.order, self._start_code)
        self.discounts_ = np.array([level.discount for level in self._levels])

    @property
    def n_parameters_(self):
        """The number of n-grams seen: each context is free to say how much each symbol seen after it gets."""
        n_start_markers = 1  # alone it is a context, never predicted
        return sum(len(level.keys) - 1 for level in self._levels) - n_start_markers

    @property
    def _start_code(self):
        return len(self._template.alphabet) + 1  # after the symbols and the unknown one

    def _with_start_markers(self, sequences):
        """Codes (M + N,), a marker in front of each sequence."""
        return np.insert(sequences.values[:, 0], sequences.offsets[:-1], self._start_code)

    # A belief (n, order) holds the last codes, MISSING before the start marker and up to the last gap.

    def start(self, n):
        belief = np.full((n, len(self._levels) - 1), MISSING)
        belief[:, -1] = self._start_code
        return belief

    def predictive(self, belief):
        probabilities = kneser_ney.distributions(self._levels, belief, self._start_code)
        parameters = CategoricalParameters(probabilities[:, None])
        return Predictive(self.family_, np.ones((len(belief), 1)), parameters, self._template)

    def update(self, belief, values):
        belief = np.concatenate([belief[:, 1:], values], axis=1)
        unknown = len(self._template.alphabet)
        gap = (values == MISSING) | (values == unknown)
        return np.where(gap, MISSING, belief)

    def _terms(self, sequences):
        p = kneser_ney.probabilities(self._levels, self._with_start_markers(sequences), self._start_code)
        markers = sequences.offsets[:-1] + np.arange(len(sequences))
        return np.where(sequences.missing[:, 0], 0.0, np.log(np.delete(p, markers)))

    def _beliefs_after(self, sequences):
        codes = self._with_start_markers(sequences)
        last = sequences.offsets[1:] + np.arange(len(sequences))
        back = np.arange(len(self._levels) - 1)[::-1]
        within = back < kneser_ney.context_lengths(codes, self._start_code)[last][:, None]
        return np.where(within, codes[np.maximum(last[:, None] - back, 0)], MISSING)
