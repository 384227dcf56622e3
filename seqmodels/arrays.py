"""Helpers for NamedTuples of arrays, nested or not, and for drawing from tables of probabilities."""

import numpy as np

__all__ = ["choose", "map_arrays", "take"]


def map_arrays(function, parameters, *others):
    """Apply a function to each array of a NamedTuple, or of several of one shape; nested ones too."""
    if isinstance(parameters, tuple):
        return type(parameters)(*(map_arrays(function, *arrays) for arrays in zip(parameters, *others, strict=True)))
    return function(parameters, *others)


def take(parameters, index):
    """The members at `index` of the leading axes."""
    return map_arrays(lambda array: array[index], parameters)


def choose(probabilities, generator):
    """One index drawn from each distribution along the last axis of `probabilities` (..., V)."""
    cumulative = np.cumsum(probabilities, axis=-1)
    uniform = generator.random((*cumulative.shape[:-1], 1)) * cumulative[..., -1:]
    return np.minimum((cumulative <= uniform).sum(axis=-1), probabilities.shape[-1] - 1)
