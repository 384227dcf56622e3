"""Checks of arguments and hyperparameters that all models have."""

import numpy as np

__all__ = ["check_count", "check_n_jobs"]


def check_count(name, value, least=1):
    """Raise a ValueError unless an argument is an integer from `least` on."""
    if not (isinstance(value, int | np.integer) and value >= least):
        raise ValueError(f"{name} is {value!r}; integers from {least} are accepted")


def check_n_jobs(n_jobs):
    """Raise a ValueError unless this is a number of threads as joblib has it."""
    if not (n_jobs is None or (isinstance(n_jobs, int | np.integer) and n_jobs != 0)):
        raise ValueError(f"n_jobs is {n_jobs!r}; None and integers but 0 are accepted")
