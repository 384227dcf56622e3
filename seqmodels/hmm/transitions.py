"""What is known about the hidden chain before the data are seen."""

import numbers

import numpy as np
from scipy.special import xlogy
from sklearn.base import BaseEstimator

from ..checks import check_count
from .rescaled import SMALLEST_TRANSITION
from .stationary import stationary_distribution, transition_with_starts

__all__ = ["Ergodic", "Jumps", "LeftToRight", "Sticky"]

NEVER = SMALLEST_TRANSITION
"""A fitted transition below this is set to zero: no sequence needs it, and it would call for logarithms."""

ROUNDING = 1e-5
"""How far given probabilities may be from what they have to be."""


class Ergodic(BaseEstimator):
    """Every state may follow every state, unless the start of training says never.

    A transition (or a first state) whose probability is zero at the start of EM stays at zero.

    Parameters
    ----------
    prior : float
        Parameter of the symmetric Dirichlet distribution that is the prior of the initial distribution and of
        each row of the transition matrix. 1 is maximum likelihood; above 1 keeps probabilities off zero.
    fixed : array (K, K), optional
        Transitions that are known and not estimated; NaN where one is free. The free ones of a row share what
        the others leave. States are numbered as in `init`, or as known states number them.
    stationary : bool
        Sequences start from the stationary distribution of the transition matrix, which the M-step takes into
        account (Zucchini and MacDonald 2009); the prior is then that of the transitions only.
    """

    #: Whether each state is entered from those before it only, so that training may start from segments of time.
    in_order = False

    def __init__(self, prior=1.0, fixed=None, stationary=False):
        self.prior = prior
        self.fixed = fixed
        self.stationary = stationary

    @property
    def tied(self):
        """Whether the initial distribution is the stationary one."""
        return self.stationary

    @property
    def described(self):
        """What error messages call it."""
        return repr(self)

    # ---------------------------------------------------------------- what is known

    def check(self, n_states):
        """Raise a ValueError where a hyperparameter is out of range."""
        if not (isinstance(self.prior, numbers.Real) and 1 <= self.prior < np.inf):
            raise ValueError(f"prior is {self.prior!r}; numbers from 1 (maximum likelihood) are accepted")
        if not isinstance(self.tied, bool | np.bool_):
            raise ValueError(f"stationary is {self.tied!r}; True and False are accepted")
        if self.fixed is None:
            return
        known = np.asarray(self.fixed, dtype=float)
        if known.shape != (n_states, n_states):
            raise ValueError(f"fixed has shape {known.shape}; {n_states} states take {(n_states, n_states)}")
        _, possible = self.possible(n_states)
        held = ~np.isnan(known)
        wrong = held & ~((known >= 0) & (known <= 1) & (possible | (known == 0)))
        if wrong.any():
            i, j = np.argwhere(wrong)[0]
            accepted = "probabilities and NaN (free)" if possible[i, j] else f"by {self.described}, 0 and NaN"
            raise ValueError(f"fixed[{i}, {j}] is {known[i, j]}; {accepted} are accepted")
        total, free = np.where(held, known, 0.0).sum(axis=1), (possible & ~held).any(axis=1)
        wrong = np.where(free, total > 1 - ROUNDING, abs(total - 1) > ROUNDING)
        if wrong.any():
            i = int(np.argmax(wrong))
            accepted = "a sum below 1, which leaves something to its free entries," if free[i] else "a sum of 1"
            raise ValueError(f"fixed[{i}] sums to {total[i]}; {accepted} is accepted")

    def possible(self, n_states):
        """Which states may come first (K,), and which may follow which (K, K)."""
        return np.ones(n_states, dtype=bool), np.ones((n_states, n_states), dtype=bool)

    def held(self, shape):
        """The known probabilities, NaN where one is free, for an array (K,) or (K, K)."""
        if self.fixed is None or len(shape) == 1:
            return np.full(shape, np.nan)
        known = np.array(self.fixed, dtype=float)
        total = np.nansum(known, axis=1, keepdims=True)
        return np.where(total > 1 - ROUNDING, known / np.where(total > 0, total, 1.0), known)

    def pseudo_counts(self, shape):
        """What the prior adds to counts (K,) or (K, K)."""
        return np.full(shape, self.prior - 1)

    def begin(self, initial, transition, given=()):
        """The start of training as it has to be.

        Parameters
        ----------
        initial, transition : arrays (K,), (K, K)
        given : collection of {"initial", "transition"}
            Which of them come from a user, and are refused where they contradict what is known.
        """
        first, possible = self.possible(len(initial))
        known = self.held(transition.shape)
        if "transition" in given:
            contradicts = (transition > 0) & ~possible | (abs(transition - known) > ROUNDING)
            if contradicts.any():
                i, j = np.argwhere(contradicts)[0]
                accepted = known[i, j] if possible[i, j] else 0
                found = f"transition[{i}, {j}] is {transition[i, j]}"
                raise ValueError(f"{found}; by {self.described}, {accepted} is accepted")
        transition = np.where(possible, transition, 0.0)
        transition = self._shared_out(transition, transition)
        start = stationary_distribution(transition) if self.tied else np.where(first, initial, 0.0)
        start = np.where(first, 1.0, 0.0) if not start.any() else start
        start /= start.sum()
        if "initial" in given and not np.allclose(initial, start, rtol=0, atol=ROUNDING):
            raise ValueError(f"initial is {initial}; by {self.described}, {start} is accepted")
        return start, transition

    # ---------------------------------------------------------------- the M-step

    def update(self, starts, pairs, initial, transition, fixed=()):
        """Initial distribution (K,) and transitions (K, K) that maximise expected log-likelihood plus log prior.

        Parameters
        ----------
        starts, pairs : arrays (K,), (K, K)
            Expected counts.
        initial, transition : arrays (K,), (K, K)
            The probabilities that they were found under.
        fixed : collection of {"initial", "transition"}
            Which of them stay.
        """
        if self.tied:
            if "transition" in fixed:
                return initial, transition
            free = (transition > 0) & np.isnan(self.held(transition.shape))
            counts = pairs + self.pseudo_counts(pairs.shape)
            transition = transition_with_starts(starts, counts, transition, free)
            return stationary_distribution(transition), transition
        return (
            initial if "initial" in fixed else self.maximize(starts, initial),
            transition if "transition" in fixed else self.maximize(pairs, transition),
        )

    def maximize(self, counts, old):
        """Probabilities that maximise expected log-likelihood plus log prior, along the last axis.

        Parameters
        ----------
        counts, old : arrays (K,) or (K, K)
            Expected counts, and the probabilities that they were found under.
        """
        return self._shared_out(np.where(old > 0, counts + self.pseudo_counts(counts.shape), 0.0), old, NEVER)

    def _shared_out(self, counts, old, smallest=0.0):
        """Probabilities in proportion to counts, but for the known ones; rows without counts stay as they were."""
        known = self.held(counts.shape)
        free = np.isnan(known)
        counts = np.where(free, counts, 0.0)
        total = counts.sum(axis=-1, keepdims=True)
        left = 1 - np.where(free, 0.0, known).sum(axis=-1, keepdims=True)
        shares = counts / np.where(total > 0, total, 1.0)
        shares = shares if free.all() else shares * left
        shares[shares < smallest] = 0.0
        return np.where(free, np.where(total > 0, shares, old), known)

    def log_prior(self, probabilities):
        """Logarithm of the prior density up to a constant; entries that are zero are taken as ruled out."""
        certain = np.where(probabilities > 0, probabilities, 1.0)
        return float(xlogy(self.pseudo_counts(certain.shape), certain).sum())

    def log_prior_of_chain(self, initial, transition):
        """The same of both; an initial distribution that is tied to the transitions has no prior of its own."""
        return self.log_prior(transition) + (0.0 if self.tied else self.log_prior(initial))


class Jumps(Ergodic):
    """The transitions of a semi-Markov chain: every state may follow every other one, and none follows itself."""

    described = "a semi-Markov chain, where no state follows itself"

    def possible(self, n_states):
        """Which states may come first (K,), and which may follow which (K, K)."""
        return np.ones(n_states, dtype=bool), ~np.eye(n_states, dtype=bool)


class Sticky(Ergodic):
    """States that tend to last: the prior expects a state to follow itself.

    Parameters
    ----------
    strength : float
        Added to the parameter of each state's own transition: as many steps in each state, seen before the data,
        of which none has left it.
    prior, fixed, stationary
        As in :class:`Ergodic`.
    """

    def __init__(self, strength, prior=1.0, fixed=None, stationary=False):
        super().__init__(prior, fixed, stationary)
        self.strength = strength

    def check(self, n_states):
        if not (isinstance(self.strength, numbers.Real) and 0 <= self.strength < np.inf):
            raise ValueError(f"strength is {self.strength!r}; numbers from 0 are accepted")
        super().check(n_states)

    def pseudo_counts(self, shape):
        """What the prior adds to counts (K,) or (K, K)."""
        return super().pseudo_counts(shape) + (self.strength * np.eye(*shape) if len(shape) == 2 else 0.0)


class LeftToRight(Ergodic):
    """States in an order that is never reversed (Bakis), as the parts of a word are; the first one comes first.

    From each state the chain stays, goes on to the next one, or skips some. The last state is never left. Training
    starts with sequences cut into segments, one a state: equal ones, or, with ``init="random"``, random ones.

    Parameters
    ----------
    skip : int
        How many states may be skipped at a time.
    prior, fixed
        As in :class:`Ergodic`. A distribution that is stationary would have all sequences start at their end.
    """

    in_order = True
    tied = False

    def __init__(self, skip=0, prior=1.0, fixed=None):
        self.skip = skip
        self.prior = prior
        self.fixed = fixed

    def check(self, n_states):
        check_count("skip", self.skip, 0)
        super().check(n_states)

    def possible(self, n_states):
        ahead = np.arange(n_states) - np.arange(n_states)[:, None]  # (K, K), how many states further
        return np.arange(n_states) == 0, (ahead >= 0) & (ahead <= 1 + self.skip)
