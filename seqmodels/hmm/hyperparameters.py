"""Hyperparameters of hidden chains, checked when these are trained."""

import numbers

from ..checks import check_count, check_n_jobs

__all__ = ["check_hyperparameters"]

CHOICES = {"training": ("baum-welch", "viterbi"), "memory": ("fast", "low"), "warm_start": (True, False)}


def check_hyperparameters(model, least_states=1):
    """Raise a ValueError that names the first one that is out of range."""
    for name, least in (("n_states", least_states), ("n_init", 1), ("max_iter", 0)):
        check_count(name, getattr(model, name), least)
    if not (isinstance(model.tol, numbers.Real) and model.tol >= 0):
        raise ValueError(f"tol is {model.tol!r}; numbers from 0 are accepted")
    if not (isinstance(model.init, dict) or model.init in ("kmeans", "random")):
        raise ValueError(f"init is {model.init!r}; 'kmeans', 'random' or a dict is accepted")
    check_n_jobs(model.n_jobs)
    for name, accepted in CHOICES.items():
        if hasattr(model, name) and getattr(model, name) not in accepted:
            listed = " and ".join(map(repr, accepted))
            raise ValueError(f"{name} is {getattr(model, name)!r}; {listed} are accepted")
