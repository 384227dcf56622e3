"""Hidden states that are known: how users give them, and what the start of training makes of them."""

import numpy as np
from scipy.optimize import linear_sum_assignment

__all__ = ["agreeing", "best_match", "checked_states", "refuse_impossible", "segments"]


def checked_states(states, sequences, n_states, lengths=None):
    """Known states as one array (M,), -1 where one is not known.

    Parameters
    ----------
    states : list of N arrays (T,) of int
        From 0 to K - 1, or -1; one array where X is one with `lengths`.
    sequences : Sequences
    n_states : int
        K.
    lengths : sequence of int, optional
        As they were given with X.
    """
    if lengths is not None and np.ndim(states) == 1 and len(states) == sequences.n_observations:
        states = np.split(np.asarray(states), sequences.offsets[1:-1])
    if not hasattr(states, "__len__") or len(states) != len(sequences):
        found = f"{len(states)} sequences" if hasattr(states, "__len__") else repr(states)
        raise ValueError(f"states is {found}; one array of states for each of the {len(sequences)} of X is accepted")
    parts = []
    for n, (own, length) in enumerate(zip(states, sequences.lengths, strict=True)):
        own = np.asarray(own)
        if own.shape != (length,):
            raise ValueError(f"states[{n}] has shape {own.shape}; one state for each step of X[{n}], ({length},)")
        if own.dtype.kind not in "iu":
            raise TypeError(f"states[{n}] holds {own.dtype}; integers are accepted, -1 for a state that is not known")
        parts.append(own)
    known = np.concatenate(parts).astype(np.int64)
    wrong = (known < -1) | (known >= n_states)
    if wrong.any():
        m = int(np.argmax(wrong))
        raise ValueError(
            f"{sequences.where(m, 'states')} is {known[m]}; 0 to {n_states - 1} and -1 (not known) are accepted"
        )
    return known


def refuse_impossible(states, sequences, initial, transition):
    """Raise a ValueError where known states (M,) begin or follow each other as the chain never does."""
    first = states[sequences.offsets[:-1]]
    wrong = (first >= 0) & (initial[first] == 0)
    if wrong.any():
        n = int(np.argmax(wrong))
        raise ValueError(f"states[{n}], position 0 is {first[n]}, in which the chain never starts")
    after = np.delete(np.arange(len(states)), sequences.offsets[:-1])
    before, own = states[after - 1], states[after]
    wrong = (before >= 0) & (own >= 0) & (transition[before, own] == 0)
    if wrong.any():
        place = int(np.argmax(wrong))
        raise ValueError(
            f"{sequences.where(after[place], 'states')} is {own[place]} after {before[place]}, "
            "a transition of probability zero at the start of training"
        )


def best_match(overlap):
    """For each column of an array (K, K), the row that goes with it, so that the sum of the pairs is largest."""
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return rows[np.argsort(columns)]


def agreeing(shares, known, counts):
    """Made-up responsibilities (S, K) as known states (S,) want them.

    Clusters take the names of the states that they agree with best; where a state is known, it has it all.

    Parameters
    ----------
    counts : array (S,)
        How often each row occurs.
    """
    rows = np.flatnonzero(known >= 0)
    overlap = np.zeros((shares.shape[1],) * 2)  # clusters by states
    np.add.at(overlap.T, known[rows], shares[rows] * counts[rows, None])
    shares = shares[:, best_match(overlap)]
    shares[rows] = np.eye(shares.shape[1])[known[rows]]
    return shares


def segments(sequences, n_states, generator=None):
    """The number of the segment (M,) at each step: equal ones, or, with a generator, of random lengths."""
    position = (sequences.positions + 0.5) / np.repeat(sequences.lengths, sequences.lengths)
    if generator is None:
        return np.minimum((position * n_states).astype(np.int64), n_states - 1)
    ends = np.cumsum(generator.dirichlet(np.ones(n_states), len(sequences)), axis=1)[:, :-1]
    return (position[:, None] > np.repeat(ends, sequences.lengths, axis=0)).sum(axis=1)
