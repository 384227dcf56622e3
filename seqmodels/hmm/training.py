"""Baum-Welch and Viterbi training: they know statistics and M-steps, and nothing about families."""

from typing import NamedTuple

import numpy as np

from .ascent import Steps, climb
from .expectations import counts_of_best_paths, expectations
from .freedom import ON_CHAIN
from .space import Space
from .tables import source_of

__all__ = [
    "Parameters",
    "TrainingData",
    "check_fixed",
    "expect",
    "gathered",
    "log_prior",
    "maximize",
    "maximize_emission",
    "train",
]


class Parameters(NamedTuple):
    """Everything that EM estimates."""

    initial: np.ndarray  # (K,)
    transition: np.ndarray  # (K, K)
    emission: tuple  # NamedTuple, leading axis K


class TrainingData(NamedTuple):
    """Sequences as EM sees them: distinct observations, and the order in which they come."""

    values: np.ndarray  # (S, D)
    rows: np.ndarray  # (M,)
    offsets: np.ndarray  # (N + 1,)
    weights: np.ndarray  # (N,)
    n_scored: float  # observations that count, weighted
    known: np.ndarray | None  # (S,) states, -1 where one is not known; None where none is

    @classmethod
    def of(cls, sequences, family, weights=None, states=None):
        """Gather equal observations of a `Sequences` where the family has few distinct ones.

        Where states (M,) are known, observations are equal if what is known of their states is equal too.
        """
        values, rows = family.distinct(family.with_past(sequences))
        known = None
        if states is not None:
            known, n_kinds = states, states.max() + 2
            if family.discrete:
                codes, rows = np.unique(rows * np.int64(n_kinds) + states + 1, return_inverse=True)
                values, known = values[codes // n_kinds], codes % n_kinds - 1
        weights = np.ones(len(sequences)) if weights is None else weights
        n_scored = float(weights @ sequences.per_sequence(sequences.scored))
        if n_scored == 0:
            raise ValueError("every observation of the sequences with a positive sample_weight is missing")
        return cls(values, rows, sequences.offsets, weights, n_scored, known)


def train(
    parameters, family, chain, data, *, max_iter, tol, training="baum-welch", fixed=(), validate=None, report=None,
    n_jobs=None, memory="fast",
):  # fmt: skip
    """Maximise log-likelihood plus log prior by expectation-maximisation (Baum et al. 1970; Rabiner 1989).

    Or, by the same steps on best paths, the log-probability of paths and observations (Juang and Rabiner 1990).

    Parameters
    ----------
    parameters : Parameters
        Where to start.
    family : Emission
    chain : Ergodic
        What is known about the chain.
    data : TrainingData
    max_iter : int
        The largest number of M-steps.
    tol : float
        Stop when an iteration gains less than this, in nats per observation.
    training : {"baum-welch", "viterbi"}
    fixed : collection of str
        Parameters that are not estimated.
    validate : callable, optional
        Score of parameters on held-out data; the best iterate is then the result.
    report : callable, optional
        Called with (parameters, record) after each E-step; returning True stops.
    n_jobs : int, optional
        Threads.
    memory : {"fast", "low"}
        What the E-step may take.

    Returns
    -------
    Run
    """
    space = Space()

    def expect_all(parameters):
        found = expect(parameters, family, data, training, n_jobs, memory, space)
        return float(data.weights @ found.log_likelihood), found

    steps = Steps(
        expect_all,
        lambda parameters: log_prior(parameters, family, chain),
        lambda found, parameters: maximize(found, parameters, family, chain, fixed),
    )
    return climb(parameters, steps, data.n_scored, max_iter=max_iter, tol=tol, validate=validate, report=report)


def log_prior(parameters, family, chain):
    """Logarithm of the prior density of all parameters, up to a constant."""
    on_chain = chain.log_prior_of_chain(parameters.initial, parameters.transition)
    return on_chain + family.log_prior(parameters.emission)


def expect(parameters, family, data, training="baum-welch", n_jobs=None, memory="fast", space=None):
    """The E-step: expected counts and statistics, or those of best paths."""
    initial, transition, emission = parameters
    source = source_of(family, data.values, data.rows, emission, len(initial), data.known)
    if training == "viterbi":
        found = counts_of_best_paths(initial, transition, source, data.offsets, data.weights, n_jobs)
    else:
        found = expectations(initial, transition, source, data.offsets, data.weights, n_jobs, memory, space)
    return gathered(found, family, data, emission)


def gathered(found, family, data, emission):
    """What an E-step has found of all sequences that count, visits of rows as statistics of the family."""
    impossible = np.isneginf(found.log_likelihood) & (data.weights > 0)
    if impossible.any():
        known = "" if data.known is None else " and the states that are given"
        raise ValueError(
            f"X[{int(np.argmax(impossible))}] has probability zero under the parameters that EM has reached{known}; "
            "give the start of training (init) fewer zeros, the chain a prior above 1, or the emission a pseudo-count"
        )
    if family.discrete:
        found = found._replace(visits=family.sufficient_statistics(data.values, found.visits, emission))
    return found._replace(log_likelihood=np.where(data.weights > 0, found.log_likelihood, 0.0))


def maximize(found, parameters, family, chain, fixed=()):
    """The M-step, but for parameters that are fixed."""
    initial, transition = chain.update(found.starts, found.pairs, parameters.initial, parameters.transition, fixed)
    return Parameters(initial, transition, maximize_emission(found.visits, parameters.emission, family, fixed))


def maximize_emission(statistics, emission, family, fixed):
    """The part of it that is the family's."""
    if "emission" in fixed:
        return emission
    return family.maximize_free(statistics, emission, [name for name in fixed if name not in ON_CHAIN])


def check_fixed(fixed, family, chain, more=()):
    """Raise an error that says which names can be held; `more` are those of a model's own."""
    if isinstance(fixed, tuple) and not fixed:
        return
    accepted = (*ON_CHAIN, *more, "emission", *family.freezable)
    listed = ", ".join(map(repr, dict.fromkeys(accepted)))
    if isinstance(fixed, str) or not isinstance(fixed, tuple | list | set | frozenset):
        raise TypeError(f"fixed is {fixed!r}; a tuple of names among {listed} is accepted")
    unknown = [name for name in fixed if name not in accepted]
    if unknown:
        raise ValueError(f"fixed has {unknown[0]!r}; {listed} are accepted with {family!r}")
    if chain.tied and "initial" in fixed and "transition" not in fixed:
        raise ValueError(f"fixed has 'initial', which {chain!r} ties to the transitions; 'transition' is accepted")
