"""Hyperparameters of hidden chains, checked when these are trained."""

import numbers

import numpy as np

__all__ = ["check_hyperparameters"]

CHOICES = {"training": ("baum-welch", "viterbi"), "memory": ("fast", "low"), "warm_start": (True, False)}


def check_hyperparameters(model, least_states=1):
    """Raise a ValueError that names the first one that is out of range."""
    for name, least in (("n_states", least_states), ("n_init", 1), ("max_iter", 0)):
        value = getattr(model, name)
        if not (isinstance(value, int | np.integer) and value >= least):
            raise ValueError(f"{name} is {value!r}; integers from {least} are accepted")
    if not (isinstance(model.tol, numbers.Real) and model.tol >= 0):
        raise ValueError(f"tol is {model.tol!r}; numbers from 0 are accepted")
    if not (isinstance(model.init, dict) or model.init in ("kmeans", "random")):
        raise ValueError(f"init is {model.init!r}; 'kmeans', 'random' or a dict is accepted")
    if not (model.n_jobs is None or (isinstance(model.n_jobs, int | np.integer) and model.n_jobs != 0)):
        raise ValueError(f"n_jobs is {model.n_jobs!r}; None and integers but 0 are accepted")
    for name, accepted in CHOICES.items():
        if hasattr(model, name) and getattr(model, name) not in accepted:
            listed = " and ".join(map(repr, accepted))
            raise ValueError(f"{name} is {getattr(model, name)!r}; {listed} are accepted")
