"""What families have in common: how they refuse what they cannot take, and what is done without mass."""

import numbers

import numpy as np

__all__ = [
    "keep_without_mass",
    "n_members",
    "observed_mass",
    "raise_abstract",
    "raise_at",
    "refuse",
    "refuse_past",
    "refuse_unless_distributions",
    "refuse_unless_number",
]


def n_members(parameters):
    """Length of the leading axis."""
    while isinstance(parameters, tuple):
        parameters = parameters[0]
    return len(parameters)


def refuse_past(emission, what):
    """Raise a ValueError where a family depends on the past that `what` does not know of."""
    if emission.order:
        raise ValueError(f"{what} takes no family that depends on the past, such as {emission!r}; an HMM does")


def raise_abstract(emission, method):
    """Say which method a family lacks."""
    raise TypeError(f"{type(emission).__name__} does not define {method}")


def raise_at(wrong, sequences, name, accepted):
    """Raise a ValueError that names the first place where `wrong` (M, D) holds."""
    if wrong.any():
        m, d = np.argwhere(wrong)[0]
        raise ValueError(f"{sequences.where(m, name, d)} is {sequences.values[m, d]}; {accepted} are accepted")


def refuse(wrong, array, accepted):
    """Raise a ValueError that names the first entry of given parameters where `wrong` holds."""
    if np.any(wrong):
        raise ValueError(f"emission holds {array[wrong].flat[0]}; {accepted} are accepted")


def refuse_unless_number(value, name, accepted="numbers from 0"):
    """Raise a ValueError unless a hyperparameter is a number from 0 (or, by that name, a positive one)."""
    right = isinstance(value, numbers.Real) and np.isfinite(value)
    if not (right and (value > 0 or (value == 0 and accepted == "numbers from 0"))):
        raise ValueError(f"{name} is {value!r}; {accepted} are accepted")


def refuse_unless_distributions(probabilities):
    """Raise a ValueError unless probabilities (..., V) are distributions along the last axis."""
    refuse(probabilities < 0, probabilities, "probabilities")
    totals = probabilities.sum(axis=-1)
    refuse(~np.isclose(totals, 1, atol=1e-6), totals, "as the sum of probabilities, only ones")


def observed_mass(values, visits):
    """Visits (K, D) that saw each column: all of them, where nothing is missing."""
    return visits.T @ ~np.isnan(values)


def keep_without_mass(mass, new, old):
    """`new`, but `old` where there is no `mass`; the shapes broadcast from the left."""
    mass = mass.reshape(mass.shape + (1,) * (np.ndim(new) - mass.ndim))
    return np.where(mass > 0, new, old)
