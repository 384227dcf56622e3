"""Who takes part in a comparison: names, notes, baselines, and the models that are compared by default."""

from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from ..base import SequenceModel
from ..baselines import Independent, MarkovChain
from ..datasets import Dataset
from ..emissions import Categorical, Emission, Gaussian, Multinomial
from ..emissions.default import default_emission
from ..hmm import HMM
from ..rnn import GRU, LSTM, RNN, Adam, Elman
from ..sequences import Sequences
from .words import counted

__all__ = ["baselines_for", "default_models", "families", "kind", "named", "note"]

MARKOV_ORDERS = (1, 2, 3, 4, 5)

# -------------------------------------------------------------------- names


def named(models):
    """Models in the forms that `compare` takes, as a dict of lists of candidates by name."""
    if isinstance(models, dict):
        entries = {str(name): _candidates(entry, f"models[{name!r}]") for name, entry in models.items()}
    elif isinstance(models, list | tuple):
        entries = {}
        for number, entry in enumerate(models):
            candidates = _candidates(entry, f"models[{number}]")
            entries[_free(_class_name(candidates[0]), entries)] = candidates
    else:
        raise TypeError(f"models is {models!r}; a dict or a list of models is accepted")
    return entries


def _candidates(entry, where):
    candidates = list(entry) if isinstance(entry, list | tuple) else [entry]
    if not candidates:
        raise ValueError(f"{where} is empty; a model or a list of candidates is accepted")
    for candidate in candidates:
        if not isinstance(candidate, SequenceModel):
            raise TypeError(f"{where} is {candidate!r}; a model such as HMM(3), or a list of candidates, is accepted")
    return candidates


def _class_name(model):
    return type(_cells(model)[0]).__name__ if isinstance(model, RNN) else type(model).__name__


def _free(name, taken):
    """`name`, with a number where it is taken."""
    numbered = (name if n == 1 else f"{name} {n}" for n in range(1, len(taken) + 2))
    return next(candidate for candidate in numbered if candidate not in taken)


def _cells(network):
    cell = LSTM(64) if network.cell is None else network.cell
    return cell if isinstance(cell, list | tuple) else [cell]


def kind(model):
    """What a model is: "HMM", "network", "baseline", or "model" for what is none of these."""
    for name, classes in {"HMM": HMM, "network": RNN, "baseline": (Independent, MarkovChain)}.items():
        if isinstance(model, classes):
            return name
    return "model"


def note(model, candidates):
    """The size of a model, and what else sets it apart from the other candidates under its name."""
    words = []
    if isinstance(model, HMM):
        words.append(counted(model.n_states, "state"))
    elif isinstance(model, RNN):
        words.append(" + ".join(str(cell.n_hidden) for cell in _cells(model)) + " hidden")
    elif isinstance(model, MarkovChain):
        words.append(f"order {model.order}")
    said = {"n_states", "cell", "cell__n_hidden", "order", "callbacks"}
    for name, value in model.get_params().items():
        simple = name not in said and not hasattr(value, "get_params")
        if simple and len({repr(other.get_params().get(name)) for other in candidates}) > 1:
            words.append(f"{name}={value!r}")
    return ", ".join(words)


# -------------------------------------------------------------------- families and baselines


def families(entries, X):
    """The families of all candidates, in order, without repetition; all densities or all probabilities."""
    found, first = {}, None
    for name, candidates in entries.items():
        for model in candidates:
            family = _family(model, X)
            found.setdefault(repr(family), family)
            first = first or (name, family)
            if not np.array_equal(*(np.resize(each.whole_columns, X.n_features) for each in (family, first[1]))):
                raise ValueError(
                    f"models[{name!r}] has the emission {family!r} and models[{first[0]!r}] has "
                    f"{first[1]!r}: densities and probabilities do not compare; families that are all of "
                    "real numbers, or all of symbols, counts or bits, are accepted"
                )
    return list(found.values()) or [default_emission(X)]


def _family(model, X):
    if isinstance(model, MarkovChain):
        return Categorical()
    emission = getattr(model, "emission", None)
    if not isinstance(emission, Emission | None):
        raise TypeError(f"emission is {emission!r}; an emission such as Gaussian(), or None, is accepted")
    return default_emission(X) if emission is None else emission


def baselines_for(families):
    """The baselines for these families, by name, and sentences about what is left out."""
    without_past = next((family for family in families if not family.order), Gaussian())
    entries = {"Independent": [Independent(clone(without_past))]}
    if any(family.symbolic for family in families):
        return entries | {"MarkovChain": [MarkovChain(order) for order in MARKOV_ORDERS]}, []
    return entries, [f"MarkovChain is left out: it takes symbols, and {type(families[0]).__name__} is not of symbols."]


# -------------------------------------------------------------------- defaults


class Size(NamedTuple):
    """How large the default models are, and how they are trained."""

    n_states: tuple
    n_init: int
    n_hidden: int
    learning_rate: float
    batch_size: int
    patience: int


SIZES = {  # by the number of observations below which they hold
    2_000: Size((2, 3, 4), n_init=5, n_hidden=8, learning_rate=3e-3, batch_size=32, patience=30),
    50_000: Size((8, 16, 32), n_init=1, n_hidden=64, learning_rate=5e-3, batch_size=32, patience=10),
    float("inf"): Size((16, 32), n_init=1, n_hidden=64, learning_rate=1e-2, batch_size=8, patience=5),
}


def default_models(X, emission=None):
    """The HMMs and networks that ``seqmodels compare`` fits, of a size that suits the data.

    Parameters
    ----------
    X : list of sequences, Sequences or Dataset
    emission : Emission, optional
        None takes that of a Dataset, or chooses by the data.

    Returns
    -------
    dict
        For :func:`~seqmodels.compare`: HMMs of several numbers of states, an Elman, a GRU and an LSTM
        network.
    """
    if isinstance(X, Dataset):
        X, emission = X.sequences, X.emission if emission is None else emission
    X = Sequences.wrap(X)
    emission = default_emission(X) if emission is None else emission
    if isinstance(emission, Categorical | Multinomial):
        emission = emission.smoothed()
    size = next(size for limit, size in SIZES.items() if X.n_observations < limit)
    models = {"HMM": [HMM(k, emission, n_init=size.n_init, max_iter=1000) for k in size.n_states]}
    for cell in (Elman(size.n_hidden), GRU(size.n_hidden), LSTM(size.n_hidden)):
        models[type(cell).__name__] = RNN(
            cell, emission, optimizer=Adam(size.learning_rate), max_epochs=1000, batch_size=size.batch_size,
            patience=size.patience,
        )  # fmt: skip
    return models
