"""What any model has to beat: no memory at all, and the last few symbols."""

import numpy as np

from .arrays import map_arrays
from .base import SequenceModel
from .predictive import Predictive

__all__ = ["Independent"]


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
