"""What stands above the layers: raw outputs, the family's log-likelihood, and the gradients of both."""

import functools

import numpy as np

from ..jit import inline, kernel

__all__ = ["output_kernel"]


@functools.cache
def output_kernel(gradient, key):
    """One kernel for all that happens above the hidden states, under a family with a compiled gradient.

    Parameters
    ----------
    gradient : function
        ``gradient(values, rows, raw, constants, out) -> terms``, see
        :meth:`~seqmodels.emissions.base.Emission.compiled_gradient`.
    key : str
        Names the family in the disk cache.
    """
    gradient = inline(gradient)

    @kernel(key=key)
    def output(
        hidden, weight, bias, values, rows, counted, plain, constants, raw, d_raw, d_hidden, d_weight, d_weight_part,
        d_bias,
    ):  # fmt: skip
        """Log-likelihood above hidden states (M, H), so many rows at a time as `raw` (n, R) has."""
        M, size = len(hidden), len(raw)
        d_bias[:] = 0
        log_likelihood = 0.0
        for first in range(0, M, size):
            part = slice(first, min(first + size, M))
            own, n = rows[part], min(size, M - first)
            np.dot(hidden[part], weight, raw[:n])
            for i in range(n):
                for r in range(len(bias)):
                    raw[i, r] += bias[r]
            terms = gradient(values, own, raw[:n], constants, d_raw[:n])
            for i in range(n):
                count = 1.0 if plain else counted[own[i]]
                log_likelihood += count * terms[i]
                for r in range(len(bias)):
                    if not plain:
                        d_raw[i, r] *= count
                    d_bias[r] += d_raw[i, r]
            np.dot(d_raw[:n], weight.T, d_hidden[part])
            if first == 0:
                np.dot(hidden[part].T, d_raw[:n], d_weight)
            else:
                np.dot(hidden[part].T, d_raw[:n], d_weight_part)
                d_weight += d_weight_part
        return log_likelihood

    return output
