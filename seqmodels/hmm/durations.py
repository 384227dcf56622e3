"""How long a state lasts: tables of explicit durations, and what the M-step of their family sees.

A segment lasts d >= 1 steps, and d - 1 follows a family of counts, or of symbols, whose codes are d - 1. Up to the
longest duration A that is told apart, probabilities are those of the family. P(duration >= A) is the family's as
well; beyond, a segment ends at each step with probability 1 / A. As no parameter says how, EM is exact, but for how
coarse the grid of a tail is far beyond A.
"""

from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from ..arrays import map_arrays
from ..emissions import Categorical, Emission
from ..emissions.helpers import n_members
from ..sequences import Sequences
from .logarithms import logarithms_of

__all__ = ["Durations", "checked_family", "durations_of", "maximize", "parameters_given", "starting_parameters"]

PADDING = 8  # columns of tables come in vectors of this length
BULK = 1e-12  # the share of a distribution that may lie beyond its tail's grid
NEGLIGIBLE = 1e-18  # the share of a tail that may
FARTHEST = 64  # how many times A the grid may reach, count by count
FINENESS = 64  # a block beyond is that part of its beginning long
LARGEST = 1e15  # where blocks end


class Durations(NamedTuple):
    """Logarithms of probabilities, -inf beyond A - 1 in tables; column m of a reversed table stands for L - m."""

    mass: np.ndarray  # (K, L), column m: P(duration = m + 1)
    mass_reversed: np.ndarray  # (K, L)
    survivor: np.ndarray  # (K, L), column m: P(duration >= m + 1)
    survivor_reversed: np.ndarray  # (K, L)
    beyond: np.ndarray  # (K,), P(duration >= A)
    longest: int  # A
    leave: float  # the end of a segment that has lasted A or more, at each step
    stay: float

    def hazards(self):
        """Probabilities (K, A) of ending after 1, 2, ..., A or more steps, and of going on."""
        before = np.column_stack([self.survivor[:, : self.longest - 1], self.beyond])  # (K, A)
        possible = before[:, :-1] > -np.inf
        scale = np.where(possible, before[:, :-1], 0.0)
        end = np.where(possible, np.exp(self.mass[:, : self.longest - 1] - scale), 1.0)
        on = np.where(possible, np.exp(before[:, 1:] - scale), 0.0)
        last = np.ones((len(before), 1))
        return np.hstack([end, np.exp(self.leave) * last]), np.hstack([on, np.exp(self.stay) * last])


def checked_family(durations):
    """The family of durations less one; one of symbols knows no unknown ones."""
    accepted = "a family of counts such as Poisson(), or Categorical(), is accepted"
    if not isinstance(durations, Emission):
        raise TypeError(f"durations is {durations!r}; {accepted}")
    if isinstance(durations, Categorical):
        return clone(durations).set_params(unknown="error")
    if durations.symbolic:
        raise ValueError(f"durations is {durations!r}; {accepted}")
    try:
        durations.check(_as_sequences(durations, 4), "durations")
    except ValueError as error:
        raise ValueError(f"durations is {durations!r}; {accepted}") from error
    if not durations.discrete or _total_of_few(durations) > 1 + 1e-9:
        raise ValueError(f"durations is {durations!r}; {accepted}")
    return durations


def _total_of_few(family):
    """Probability of the counts 0 to 3: more than 1 where a family is of counts whose total is given."""
    values = _as_sequences(family, 4)
    return np.exp(family.log_table(values.values, family.rough(values))).sum()


def _as_sequences(family, n):
    """The durations from 1 to n, less one, as data of the family."""
    values = np.arange(n)[:, None]
    offsets = np.array([0, n])
    return Sequences(values, offsets, tuple(range(n))) if family.symbolic else Sequences(values * 1.0, offsets)


def _values(family, first, end):
    return np.arange(first, end)[:, None] * (1 if family.symbolic else 1.0)


def durations_of(family, parameters, max_duration):
    """The tables of a family whose durations are told apart up to a maximum; with symbols there are no others."""
    longest = max_duration + 1 if family.symbolic else max_duration
    K, width = n_members(parameters), -(-longest // PADDING) * PADDING
    mass, survivor = np.full((K, width), -np.inf), np.full((K, width), -np.inf)
    beyond = np.full(K, -np.inf)
    if not family.symbolic:
        beyond = _tail(family, parameters, longest)[2]
    if longest > 1:
        mass[:, : longest - 1] = family.log_table(_values(family, 0, longest - 1), parameters).T
        downwards = np.column_stack([beyond, mass[:, longest - 2 :: -1]])
        survivor[:, : longest - 1] = np.logaddexp.accumulate(downwards, axis=1)[:, :0:-1]
    leave, stay = logarithms_of([1 / longest, 1 - 1 / longest])
    backwards = (np.ascontiguousarray(table[:, ::-1]) for table in (mass, survivor))
    reversed_mass, reversed_survivor = backwards
    return Durations(mass, reversed_mass, survivor, reversed_survivor, beyond, longest, float(leave), float(stay))


def _tail(family, parameters, longest):
    """Durations from A on as a grid: values (E, 1) of the family, their shares (E, K), and log P(duration >= A) (K,).

    The grid ends where nothing of weight is left. Of states that last so much longer than A that this is too far,
    it goes on in blocks, each with the probability of all that is in it.
    """
    first, end, step = longest - 1, longest - 1, max(longest, 64)
    log_total, tables = np.full(n_members(parameters), -np.inf), []
    while end < FARTHEST * max(longest, 64):
        table = family.log_table(_values(family, end, end + step), parameters)
        end, step = end + step, 2 * step
        tables.append(table)
        added = np.logaddexp.reduce(table, axis=0)
        log_total = np.logaddexp(log_total, added)
        beyond = _beyond(family, parameters, end)
        if np.all((beyond < BULK) & (added <= log_total + np.log(NEGLIGIBLE))):
            break
    values = _values(family, first, end)
    if np.any(beyond >= BULK):
        middles, log_table = _blocks(family, parameters, end)
        values = np.concatenate([values, middles])
        tables.append(log_table)
        log_total = np.logaddexp(log_total, np.logaddexp.reduce(log_table, axis=0))
    log_table = np.concatenate(tables)
    shares = np.exp(log_table - np.where(np.isfinite(log_total), log_total, 0.0))
    survivor = _beyond(family, parameters, first)
    # the sum is exact where probabilities are small, else their complement is
    log_survivor = np.where(survivor > 1e-3, logarithms_of(survivor), log_total)
    return values, shares, log_survivor


def _blocks(family, parameters, first):
    """Counts from `first` on in blocks of growing length: their middles (E, 1), and log probabilities (E, K)."""
    n = int(np.ceil(np.log(LARGEST / first) / np.log1p(1 / FINENESS)))
    edges = np.floor(first * (1 + 1 / FINENESS) ** np.arange(n + 1))
    beyond = np.array([_beyond(family, parameters, edge) for edge in edges])  # (E + 1, K)
    beyond = np.where(beyond < BULK, 0.0, beyond)
    n = 1 + int(np.argmax(~beyond[1:].any(axis=1))) if not beyond[-1].any() else n
    return np.floor((edges[:n] + edges[1 : n + 1] - 1) / 2)[:, None], logarithms_of(beyond[:n] - beyond[1 : n + 1])


def _beyond(family, parameters, count):
    """P(counts >= count) (K,), to an absolute error."""
    return np.maximum(1.0 - np.ravel(family.cdf(np.array([[count - 1.0]]), parameters)), 0.0)


# -------------------------------------------------------------------- training


def maximize(family, parameters, durations, completed, censored):
    """Parameters by an M-step on expected durations.

    Parameters
    ----------
    family : Emission
    parameters : NamedTuple
        Leading axis K, of the E-step.
    durations : Durations
        Made of them.
    completed : array (K, L)
        Expected number of segments of each length.
    censored : array (K, L)
        And of those of which it is known that they last so long at least, up to A.
    """
    end, on = durations.hazards()
    A, counts, at_risk = durations.longest, completed.copy(), np.zeros(len(completed))
    for d in range(A - 1):  # what is censored ends later, as the family has it
        at_risk = at_risk + censored[:, d]
        counts[:, d] += at_risk * end[:, d]
        at_risk = at_risk * on[:, d]
    values, visits = _values(family, 0, A - 1), counts[:, : A - 1].T
    if not family.symbolic:
        tail, shares, _ = _tail(family, parameters, A)
        values = np.concatenate([values, tail])
        visits = np.concatenate([visits, shares * (at_risk + censored[:, A - 1])])
    return family.maximize(family.sufficient_statistics(values, visits, parameters), parameters)


def starting_parameters(family, lasting, n_segments, max_duration, generator):
    """Parameters to start from: as if states were left with the same probability at each step.

    Parameters
    ----------
    family : Emission
    lasting : array (K,)
        Mean numbers of steps.
    n_segments : float
        How much that shall count beside a prior.
    max_duration : int
    generator : numpy.random.Generator
    """
    values = _values(family, 0, max_duration)
    visits = (1 - 1 / lasting) ** np.arange(max_duration)[:, None] + np.finfo(float).tiny
    visits *= n_segments / visits.sum(axis=0)
    return family.initial_parameters(values, visits, family.rough(_as_sequences(family, max_duration)), generator)


def parameters_given(family, given, n_states, max_duration=None):
    """Parameters that a user gives, and the largest duration that a family of symbols has with them."""
    try:
        parameters = family.parameters_from(given)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("emission", "durations", 1)) from error
    longest = family.n_symbols(parameters) if family.symbolic else max_duration
    if family.symbolic and max_duration not in (None, longest):
        raise ValueError(f"max_duration is {max_duration}; the durations that are given end at {longest}")
    example = family.rough(_as_sequences(family, longest or 1))

    def check(array, own):
        accepted = (n_states, *own.shape[1:])
        if array.shape != accepted:
            raise ValueError(f"durations has an array of shape {array.shape}; {accepted} is accepted")

    map_arrays(check, parameters, example)
    return parameters, longest
