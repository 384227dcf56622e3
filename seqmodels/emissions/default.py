"""The family for data about which the user said nothing."""

import numpy as np

from .bernoulli import Bernoulli
from .categorical import Categorical
from .gaussian import Gaussian

__all__ = ["default_emission"]


def default_emission(sequences, name="X"):
    """Choose by the data.

    Symbols and one column of integers: Categorical; several columns of zeros and ones: Bernoulli; other
    floats: Gaussian. Several columns of integers could be counts or codes, and are refused.
    """
    values = sequences.values
    if sequences.alphabet is not None or (values.dtype.kind in "iu" and sequences.n_features == 1):
        return Categorical()
    if np.all((values == 0) | (values == 1) | sequences.missing) and sequences.n_features > 1:
        return Bernoulli()
    if values.dtype.kind == "f":
        return Gaussian()
    raise ValueError(
        f"{name} has {sequences.n_features} columns of integers, which could be counts or codes of symbols; "
        "say emission=Poisson(), or give one column for Categorical()"
    )
