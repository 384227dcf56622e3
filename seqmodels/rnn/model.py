"""The recurrent network as a generative model of sequences."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..arrays import map_arrays
from ..base import SequenceModel, mean_term
from ..emissions import Categorical
from ..forms import as_context
from ..predictive import Predictive
from .bidirectional import Bidirectional
from .cells import LSTM, Cell
from .context import ContextInput
from .embedding import EMBEDDING, embedding_for
from .inputs import input_for
from .layers import OUTPUT
from .network import Network
from .optimizers import Adam, Optimizer
from .packing import Arena
from .training import train

__all__ = ["RNN"]

TITLES = {
    "input": "weight_ih", "recurrent": "weight_hh", "projection": "weight_hr", "candidate_bias": "bias_hn",
    "gate_bias": "bias", "context": "weight_context",
}  # fmt: skip
"""PyTorch's names of weights, where ours are others."""


class RNN(SequenceModel):
    """Recurrent network that predicts each observation from all before it.

    Before the first update it is the `Independent` model of the training data, whatever their scale: output
    weights start at zero, and a raw output of zero stands for the family fitted to all observations.

    Parameters
    ----------
    cell : Cell or list of Cell, optional
        The recurrent layer, or several from the bottom up; ``LSTM(64)`` if None.
    emission : Emission, optional
        Family of the next observation, such as ``Poisson()``; chosen by the data if None.
    embedding : int, dict of arrays by symbol, array (V, E), or Embedding, optional
        How symbols are read: as learned vectors of so many numbers, or as vectors that are given, such as those of
        word2vec (an array holds them in the order of ``alphabet_``), which stay as they are unless it is
        ``Embedding(vectors, trainable=True)``. None: each symbol has input weights of its own; in a table, columns
        of symbols beside others are read as learned vectors of at most 16 numbers.
    optimizer : Adam or SGD, optional
        ``Adam(1e-3)`` if None.
    max_epochs : int
        The largest number of passes over the training sequences.
    batch_size : int
        Sequences an update.
    truncation : int or None
        Truncated backpropagation through time: an update for every so many steps of a batch. Hidden states are
        carried on from one to the next and gradients are not; sequences leave the batch where they end. None goes
        back to the start of each sequence.
    clip_norm, clip_value : float or None
        Limits of the gradient's norm, and of each of its entries.
    validation_fraction : float
        Where `fit` gets no validation sequences, this share of the training sequences is held out (of a single
        series, its tail); 0 trains for `max_epochs`.
    patience : int
        Training has converged after this many epochs without a better validation score.
    dtype : {"float32", "float64"}
        Precision of weights and hidden states.
    n_jobs : int, optional
        Threads, as in joblib: None is 1 outside of ``joblib.parallel_config``, -1 is all processors. Results do
        not depend on it.
    random_state : int, optional
        Seed.
    verbose : int
        Print each epoch.
    callbacks : list, optional
        Functions of (model, record), called after each epoch (and, with no validation score, several times
        within long ones); one that returns True stops training.

    Attributes
    ----------
    weights_ : dict of arrays
        In PyTorch's layout and order of gates; "weight_ih_l0" is (G H, I), for symbols I counts the symbols,
        the unknown one, a missing one and the start. "weight_out" is (R, H). Of PyTorch's two biases there is the
        sum; only GRU(reset="after") needs the part of the second that cannot be added, "bias_hn_l0" (H,). Where
        sequences have a context of C numbers, "weight_context_l0" is (G H, C): it gives each a bias of its own. Where
        symbols are embedded, "embedding" is (S, E): the vectors of the symbols, of the unknown one, of a missing one
        and of the start, for each column of symbols; these are the last inputs, after numbers and flags.
    marginal_ : NamedTuple
        Parameters of the family that a raw output of zero stands for.
    history_ : list of dict
        Epoch, nats per observation on training data (averaged over the epoch) and on validation data, seconds.
    n_iter_ : int
        Epochs.
    converged_ : bool
        Whether training ended for want of improvement.
    family_ : Emission
        The family used.
    """

    takes_context = True

    def __init__(
        self,
        cell=None,
        emission=None,
        *,
        embedding=None,
        optimizer=None,
        max_epochs=50,
        batch_size=32,
        truncation=None,
        clip_norm=1.0,
        clip_value=None,
        validation_fraction=0.1,
        patience=5,
        dtype="float32",
        n_jobs=None,
        random_state=None,
        verbose=0,
        callbacks=None,
    ):
        self.cell = cell
        self.emission = emission
        self.embedding = embedding
        self.optimizer = optimizer
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.truncation = truncation
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    # ---------------------------------------------------------------- fitting

    def _fit(self, sequences, validation, weights):
        cells, optimizer = self._checked_hyperparameters()
        generator = np.random.default_rng(self.random_state)
        if weights is not None:
            sequences, weights = sequences[weights > 0], weights[weights > 0]
            if not sequences.scored.any():
                raise ValueError("sample_weight is 0 for every sequence of X with an observation")
        if validation is None:
            sequences, validation, weights = self._hold_out(sequences, weights, generator)
        row_weights = None if weights is None else np.repeat(weights, sequences.lengths)
        self.marginal_ = self.family_.fit_marginal(sequences, row_weights)
        embedding = embedding_for(sequences, self.family_.symbolic_columns, self.embedding, self.dtype)
        inputs = input_for(sequences, self.dtype, None if embedding is None else embedding.columns)
        context = None if sequences.context is None else ContextInput(sequences.context, self.dtype)
        self._network = network = Network(inputs, cells, self.family_, self.marginal_, self.dtype, context, embedding)
        self._weights, self._ready_for = network.initial_weights(generator), None
        self.history_ = []
        weighted, arena = network.weighted(sequences, row_weights, self.truncation), Arena()

        def validate(vector):
            terms = network.terms(network.ready(vector), validation, n_jobs=self.n_jobs)
            return mean_term(terms, validation)

        def report(vector, record, belongs):
            self._weights, self._ready_for = vector, None
            if belongs:
                return self._report(record)
            return any([callback(self, record) is True for callback in self.callbacks or ()])

        outcome = train(
            self._weights,
            lambda vector, window: network.loss_and_gradient(
                vector, weighted, window.which, arena, self.n_jobs, window.state
            ),
            lambda which: network.windows(weighted, which),
            len(sequences),
            None if validation is None else validate,
            optimizer,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            clip_norm=self.clip_norm,
            clip_value=self.clip_value,
            patience=self.patience,
            generator=generator,
            report=report,
        )
        self._weights, self.n_iter_, self.converged_ = outcome

    def _checked_hyperparameters(self):
        cells = [LSTM(64)] if self.cell is None else self.cell if isinstance(self.cell, list | tuple) else [self.cell]
        for cell in cells:
            if isinstance(cell, Bidirectional):
                raise ValueError(
                    f"cell is {cell!r}, which would see the future that the network predicts; cells that run in one "
                    "direction, such as LSTM(64), are accepted"
                )
            if not isinstance(cell, Cell):
                raise TypeError(f"cell is {cell!r}; a cell such as LSTM(64), or a list of them, is accepted")
            cell.check()
        if not cells:
            raise ValueError("cell is an empty list; at least one layer is needed")
        for name, least in (("max_epochs", 0), ("batch_size", 1), ("patience", 1)):
            value = getattr(self, name)
            if not (isinstance(value, int | np.integer) and value >= least):
                raise ValueError(f"{name} is {value!r}; integers from {least} are accepted")
        if not (self.truncation is None or (isinstance(self.truncation, int | np.integer) and self.truncation >= 1)):
            raise ValueError(f"truncation is {self.truncation!r}; integers from 1 and None are accepted")
        for name in ("clip_norm", "clip_value"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value!r}; positive numbers and None are accepted")
        if not (self.n_jobs is None or (isinstance(self.n_jobs, int | np.integer) and self.n_jobs != 0)):
            raise ValueError(f"n_jobs is {self.n_jobs!r}; None and integers but 0 are accepted")
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(f"validation_fraction is {self.validation_fraction!r}; numbers in [0, 1) are accepted")
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f"dtype is {self.dtype!r}; 'float32' and 'float64' are accepted")
        if not self.family_.for_networks:
            raise ValueError(f"{self.family_!r} cannot be the output of a network")
        optimizer = Adam() if self.optimizer is None else self.optimizer
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer is {optimizer!r}; an optimizer such as Adam(1e-3) is accepted")
        optimizer.check()
        return list(cells), optimizer

    def _hold_out(self, sequences, weights, generator):
        """Training sequences, validation sequences (or None) and training weights."""
        N = len(sequences)
        if self.validation_fraction == 0:
            return sequences, None, weights
        if N == 1:
            length = int(np.ceil((1 - self.validation_fraction) * sequences.n_observations))
            kept = np.array([0])
            training, validation = sequences.first(length), sequences.given_past(length)
        else:
            n_held = min(N - 1, max(1, round(self.validation_fraction * N)))
            order = generator.permutation(N)
            held, kept = np.sort(order[:n_held]), np.sort(order[n_held:])
            training, validation = sequences[kept], sequences[held]
        if not (training.scored.any() and validation.scored.any()):
            return sequences, None, weights
        return training, validation, None if weights is None else weights[kept]

    @property
    def n_parameters_(self):
        """The number of weights, but of those of raw outputs that are constant, which are 0."""
        check_is_fitted(self, "_network")
        return self._network.n_parameters

    @property
    def weights_(self):
        """Weights by name, in PyTorch's layout; copies."""
        check_is_fitted(self, "_network")
        weights, named = {}, self._network.named(self._weights)
        if self._network.embedding is not None:
            weights["embedding"] = self._network.embedding.prepared(named.pop((EMBEDDING, "weight")), [])
        for (layer, name), array in named.items():
            title = f"{name}_out" if layer == OUTPUT else f"{TITLES.get(name, name)}_l{layer}"
            weights[title] = array.T.copy()
        return weights

    # ---------------------------------------------------------------- a belief is all hidden states, (n, U)

    @property
    def _ready(self):
        """The weights ready for use; they are prepared once."""
        if "_network" not in self.__dict__:
            check_is_fitted(self, "_network")
        if self._ready_for is None or self._ready_for[0] is not self._weights:
            self._ready_for = self._weights, self._network.ready(self._weights)
        return self._ready_for[1]

    def __getstate__(self):
        return super().__getstate__() | ({"_ready_for": None} if hasattr(self, "_ready_for") else {})

    def start(self, n, context=None):
        ready = self._ready
        context = None if context is None else as_context(context, n)
        self._check_context(context, n, "start")
        return self._network.start_state(ready, n, context)

    def predictive(self, belief):
        parameters = self._network.parameters_of(self._ready, belief)
        parameters = map_arrays(lambda array: array[:, None], parameters)
        return Predictive(self.family_, np.ones((len(belief), 1)), parameters, self._template)

    def update(self, belief, values):
        return self._network.next_state(self._ready, belief, values)

    def _terms(self, sequences):
        ready = self._ready
        return self._network.terms(ready, sequences, n_jobs=self.n_jobs)

    def _draw(self, belief, length, generator, temperature, top_k, top_p):
        """As in general; symbols above a single layer without Python in the loop."""
        network = self._network
        simple = isinstance(self.family_, Categorical) and len(network.stack.cells) == 1 and network.inputs.symbols
        if not (simple and top_k is None and top_p is None and temperature > 0):
            return super()._draw(belief, length, generator, temperature, top_k, top_p)
        # the same random numbers as in general, where a number picks the only component of each mixture first
        per_step = 1 if temperature != 1 else 2
        uniforms = np.ascontiguousarray(generator.random((length, per_step, len(belief)))[:, -1])
        return network.generate(self._ready, belief, uniforms, temperature).T[..., None]

    def _beliefs_after(self, sequences):
        ready = self._ready
        return self._network.states_after(ready, sequences, n_jobs=self.n_jobs)
