"""The face of a family to an E-step that goes over observations in tiles."""

import numpy as np

from .helpers import n_members

__all__ = ["Tiles"]


class Tiles:
    """Log densities and statistics of observations in tiles, under the parameters of one E-step.

    Families that have a faster way than :meth:`Emission.log_table` and :meth:`Emission.sufficient_statistics`
    give another class.

    Parameters
    ----------
    emission : Emission
    parameters : NamedTuple
        Leading axis K.
    """

    def __init__(self, emission, parameters):
        self.emission = emission
        self.parameters = parameters

    def fill_log_table(self, values, out):
        """Write the log densities of n observations (n, D) to `out` (n, L), and -inf beyond the K states."""
        log_table = self.emission.log_table(values, self.parameters)
        out[:, : log_table.shape[1]] = log_table
        out[:, log_table.shape[1] :] = -np.inf

    def statistics(self, values, visits):
        """Sufficient statistics of n observations (n, D) from the visits (n, L) of the states, zero beyond K."""
        visits = visits[:, : n_members(self.parameters)]
        return self.emission.sufficient_statistics(values, visits, self.parameters)
