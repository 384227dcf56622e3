"""What comparisons say in words."""

import numpy as np

__all__ = ["capitalised", "counted", "verdict"]


def counted(n, noun):
    """A number with its noun: "1 sequence", "1,437 sequences"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def capitalised(words):
    """The same words with a capital in front, for the start of a sentence."""
    return words[:1].upper() + words[1:]


def verdict(comparison):
    """Sentences: the best HMM against the best network, then baselines; a list of str.

    Each side is chosen by its validation score. Where one of the sides is absent: the best of all against the
    runner-up. A difference is clear when its 95 % interval does not cover zero.
    """
    rows = comparison.table
    hmm, network, baseline = (_chosen(rows, kind) for kind in ("HMM", "network", "baseline"))
    if hmm is None or network is None:
        if len(rows) < 2:
            return []
        best, second = sorted(rows, key=lambda row: row.held_out, reverse=True)[:2]
        return [capitalised(_compared(comparison, best, second, rows))]
    trained = [row for row in rows if row.kind in ("HMM", "network")]
    sentences = [capitalised(_compared(comparison, hmm, network, trained))]
    if baseline is not None:
        better = max(hmm, network, key=lambda row: row.held_out)
        beaten = _clear_winner(comparison, baseline, better) is baseline
        lead = "A baseline beats both" if beaten else "No baseline clearly beats both"
        sentences.append(f"{lead}: {_compared(comparison, baseline, better, [better])}")
    return sentences


def _chosen(rows, kind):
    return max((row for row in rows if row.kind == kind), key=lambda row: row.validation, default=None)


def _clear_winner(comparison, row, other):
    """Whichever is better beyond doubt, or None."""
    estimate = comparison.difference(row.model, other.model)
    if estimate.value is None:
        return None
    if np.isinf(estimate.value):
        return row if estimate.value > 0 else other
    low, high = estimate.interval() or (-np.inf, np.inf)
    return row if low > 0 else other if high < 0 else None


def _compared(comparison, row, other, trained):
    """A sentence about two rows, which is about this budget if one of the rows `trained` was cut off."""
    if (comparison.difference(row.model, other.model).value or 0.0) < 0:
        row, other = other, row
    estimate = comparison.difference(row.model, other.model)
    winner, loser = _name(row), _name(other)
    within = ", within this budget" if any("still improving" in r.status for r in trained) else ""
    if estimate.value is None:
        return f"{winner} and {loser} both give held-out observations probability zero{within}."
    if np.isinf(estimate.value):
        return f"{winner} is better than {loser}, which gives held-out observations probability zero{within}."
    if estimate.standard_error is None:
        ahead = f"{estimate.value:.2f} nats per observation (there are too few held-out data for an interval)"
        return f"{winner} is ahead of {loser} by {ahead}{within}."
    digits = _decimals(estimate.standard_error)
    low, high = (f"{bound:.{digits}f}" for bound in estimate.interval())
    ahead = f"{estimate.value:.{digits}f} nats per observation (95 % interval {low} to {high})"
    if _clear_winner(comparison, row, other) is row:
        return f"{winner} is better than {loser} by {ahead}{within}."
    return f"no clear difference between {winner} and {loser}{within}: the former is ahead by {ahead}."


def _name(row):
    article = "" if row.model == "Independent" else "the "
    return f"{article}{row.model} ({row.note})" if row.note else f"{article}{row.model}"


def _decimals(standard_error):
    """As many as show the first digit of a standard error, between 2 and 4."""
    return int(np.clip(-np.floor(np.log10(standard_error)), 2, 4)) if standard_error else 4
