"""The main job: fit models to the same sequences, and say which expects held-out ones best."""

import numbers
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from ..base import SequenceModel
from ..datasets import Dataset
from ..sequences import Sequences
from .candidates import baselines_for, families, kind, named, note
from .holdout import difference, mean_per_observation, set_aside
from .progress import Watch, display, share
from .result import Comparison, Row
from .words import counted

__all__ = ["compare"]


def compare(models, X, *, validation=None, test=None, budget=None, baselines=True, random_state=None, verbose=1):
    """Fit models to the same training sequences and judge them on the same held-out ones.

    The currency is the mean log-likelihood of an observation given those before it, in nats (`score`). The
    models themselves stay as they are: copies are fitted.

    Parameters
    ----------
    models : dict or list
        Models, by name or named by their classes. A list of candidates in the place of a model is chosen
        among by its validation score.
    X : list of sequences, Sequences or Dataset
        All data, of which shares are kept out for validation and test where these are not given: sequences at
        random, 10 % each; with fewer than 10 sequences, later parts of each, 20 % each.
    validation : like X, optional
        Sequences that choose among candidates, EM iterates and epochs.
    test : like X, optional
        Held-out sequences.
    budget : float, optional
        Seconds, compilation included. The models get equal parts, and what one leaves goes to those after it.
        A model that is cut off is marked "still improving". None trains each to its own end.
    baselines : bool
        Add `Independent`, and for symbols a `MarkovChain` of order 1 to 5.
    random_state : int or RandomState, optional
        Seed of the split, and of the models that have none of their own.
    verbose : int
        0 shows nothing; else there is a live progress bar for each model (which needs rich).

    Returns
    -------
    Comparison
        Interrupted by Control-C, of the models done until then.

    Raises
    ------
    ValueError, TypeError
        If data cannot be taken or a model cannot be fitted.
    """
    began = time.perf_counter()
    if budget is not None and not budget > 0:
        raise ValueError(f"budget is {budget!r}; positive numbers of seconds and None are accepted")
    entries = named(models)
    sequences = Sequences.wrap(X.sequences if isinstance(X, Dataset) else X)
    emissions = families(entries, sequences)
    notes = []
    if baselines:
        added, notes = baselines_for(emissions)
        entries = added | entries
    if not entries:
        raise ValueError("models is empty and baselines is False; at least one model is needed")
    seed = _seed(random_state)
    symbolic = any(emission.symbolic for emission in emissions)
    split = set_aside(sequences, validation, test, symbolic=symbolic, seed=seed)
    contenders = []
    with display(verbose) as shown:
        deadline = np.inf if budget is None else began + budget
        try:
            for position, (name, candidates) in enumerate(entries.items()):
                evaluation = max((contender.evaluation for contender in contenders), default=0.0)
                until = share(deadline, len(entries) - position, reserve=evaluation)
                contenders.append(_best(name, candidates, split, seed, until, shown))
                if contenders[-1].interrupted:
                    break
        except KeyboardInterrupt:
            if not contenders:
                raise
    undone = [name for name in entries if name not in {contender.row.model for contender in contenders}]
    if undone:
        notes = [*notes, f"Interrupted. Not done: {', '.join(undone)}."]
    return Comparison(
        table=_with_differences(contenders, split),
        models={contender.row.model: contender.model for contender in contenders},
        split=split,
        sums={contender.row.model: contender.sums for contender in contenders},
        data=_described(X, sequences, emissions),
        notes=notes,
        seed=seed,
        budget=budget,
        seconds=time.perf_counter() - began,
    )


def _seed(random_state):
    """An integer, so that it can be told and used again."""
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31))


# -------------------------------------------------------------------- fitting


class Fit(NamedTuple):
    """One candidate, fitted."""

    model: SequenceModel
    note: str
    seconds: float
    validation: float
    cut_off: bool


class Contender(NamedTuple):
    """The best candidate under one name."""

    row: Row
    model: SequenceModel
    sums: np.ndarray  # held-out log-likelihood of each unit
    evaluation: float  # seconds after the last fit
    interrupted: bool


def _best(name, candidates, split, seed, deadline, shown):
    """Fit the candidates (those that Control-C leaves time for) and evaluate the one that validates best."""
    fits, interrupted = [], False
    shown.begin(name, deadline, len(candidates))
    try:
        for number, candidate in enumerate(candidates):
            watch = Watch(deadline, len(candidates) - number, shown.record)
            fits.append(_fit(name, candidate, note(candidate, candidates), split, seed, watch, shown))
    except KeyboardInterrupt:
        if not fits:
            raise
        interrupted = True
    began = time.perf_counter()
    chosen = max(fits, key=lambda fit: fit.validation)
    sums = split.sums(chosen.model.log_likelihoods(split.test))
    held_out = mean_per_observation(sums, split.counts)
    row = Row(
        model=name,
        note=chosen.note,
        kind=kind(chosen.model),
        parameters=int(chosen.model.n_parameters_),
        seconds=sum(fit.seconds for fit in fits),
        train=chosen.model.score(split.train),
        validation=chosen.validation,
        held_out=held_out.value,
        standard_error=held_out.standard_error,
        status="interrupted" if interrupted else _status(chosen, fits),
    )
    _check_number(row.train, row.label, "training")
    _check_number(row.held_out, row.label, "held-out")
    shown.end(row)
    return Contender(row, chosen.model, sums, time.perf_counter() - began, interrupted)


def _check_number(score, label, part):
    if np.isnan(score):
        raise ValueError(f"the model {label!r} gives log-likelihoods of {part} data that are NaN")


def _fit(name, candidate, words, split, seed, watch, shown):
    model = clone(candidate)
    parameters = model.get_params()
    if parameters.get("random_state", seed) is None:
        model.set_params(random_state=seed)
    if "callbacks" in parameters:
        model.set_params(callbacks=[*(model.callbacks or ()), watch])
    shown.candidate(words, parameters.get("max_iter", parameters.get("max_epochs")))
    began = time.perf_counter()
    model.fit(split.train, validation=split.validation)
    seconds = time.perf_counter() - began
    if "callbacks" in parameters:
        model.set_params(callbacks=candidate.callbacks)
    cut_off = watch.stopped and not getattr(model, "converged_", False)
    validation = model.score(split.validation)
    _check_number(validation, name, "validation")
    return Fit(model, words, seconds, validation, cut_off)


def _status(chosen, fits):
    if chosen.cut_off:
        return "still improving"
    if not getattr(chosen.model, "converged_", True):
        return f"not converged after {chosen.model.n_iter_}"
    if any(fit.cut_off for fit in fits):
        return "another candidate still improving"
    return ""


def _with_differences(contenders, split):
    """The rows, with differences to the best of them."""
    best = max(contenders, key=lambda contender: contender.row.held_out)
    rows = []
    for contender in contenders:
        value, error, _ = difference(contender.sums, best.sums, split.counts)
        if contender is best:
            value, error = 0.0, None
        rows.append(replace(contender.row, difference=value, difference_error=error))
    return rows


def _described(X, sequences, emissions):
    """What the data are, in a line or two."""
    about = f"{X.title}.\n{X.description}\n" if isinstance(X, Dataset) else ""
    if sequences.alphabet is not None:
        width = counted(len(sequences.alphabet), "symbol")
    else:
        width = counted(sequences.n_features, "column")
    size = [counted(len(sequences), "sequence"), counted(sequences.n_observations, "observation"), width]
    missing = int(sequences.missing.sum())
    if missing:
        size.append(f"{missing:,} missing")
    return f"{about}{', '.join(size)}; {', '.join(map(repr, emissions))}."
