"""The recurrent network as a generative model of sequences."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..arrays import map_arrays
from ..base import SequenceModel
from ..emissions import Categorical
from ..forms import as_context
from ..predictive import Predictive
from .diagnostics import Diagnostics
from .embedding import EMBEDDING
from .estimation import Estimation
from .layers import OUTPUT

__all__ = ["RNN"]

TITLES = {
    "input": "weight_ih", "recurrent": "weight_hh", "projection": "weight_hr", "candidate_bias": "bias_hn",
    "gate_bias": "bias", "context": "weight_context",
}  # fmt: skip
"""PyTorch's names of weights, where ours are others."""


class RNN(Estimation, Diagnostics, SequenceModel):
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
        ``Embedding(vectors, trainable=True)``. The unknown symbol, a missing one, the start and symbols without a
        vector have learned ones, which begin at zero. None: each symbol has input weights of its own; in a table,
        columns of symbols beside others are read as learned vectors of at most 16 numbers.
    optimizer : Optimizer, optional
        Such as ``AdamW(1e-3)`` or ``SGD(0.1, momentum=0.9)``; ``Adam(1e-3)`` if None.
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
    dropout : float
        The share of units that are left out, at each step anew, of what each layer hands up to the next and to the
        output; states go on in time as they are. The others make up for it, so that nothing is left out of a
        trained network. The history's training score is that of what was left in.
    validation_fraction : float
        Where `fit` gets no validation sequences, this share of the training sequences is held out (of a single
        series, its tail); 0 trains for `max_epochs`.
    patience : int
        Training has converged after this many epochs without a better validation score.
    weight_decay : float
        Added to the gradient, once it is clipped: this times each weight of a matrix (of inputs, embedded symbols,
        recurrent and output weights, not of biases), the gradient of a squared penalty of ``weight_decay / 2``.
        ``AdamW`` has a decay of its own, beside the gradient.
    recurrent_dropout : float
        The share of units of a hidden state that recurrent weights do not see: the same units at all steps of a
        sequence (with a truncation, of its window), drawn anew for each update (Gal & Ghahramani 2016). What goes on
        in time without such weights, a memory or what a GRU keeps of its state, does so as it is.
    jacobian_penalty : float
        For layers of `Elman` cells: added to the loss, this times the sum over steps, per observation, of
        ``(|d J| / |d| - 1)^2``, where d is the gradient of a hidden state and ``d J`` what it sends to the one before,
        so that gradients neither vanish nor explode (Pascanu et al. 2013). Of its gradient there is the immediate
        part, in recurrent weights, as in the paper; the history's training score is that without it.
    schedule : HalveOnRise, ExponentialDecay or OnPlateau, optional
        How the optimizer's learning rate changes from epoch to epoch.
    dtype : {"float32", "float64"}
        Precision of weights and hidden states.
    n_jobs : int, optional
        Threads, as in joblib: None is 1 outside of ``joblib.parallel_config``, -1 is all processors. Results do
        not depend on it.
    warm_start : bool
        Whether `fit` goes on from the weights that are there, with the alphabet and the scales of the first data.
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
        Epoch, nats per observation on training data (averaged over the epoch) and on validation data, seconds,
        learning rate.
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
        dropout=0.0,
        validation_fraction=0.1,
        patience=5,
        weight_decay=0.0,
        recurrent_dropout=0.0,
        jacobian_penalty=0.0,
        schedule=None,
        dtype="float32",
        n_jobs=None,
        warm_start=False,
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
        self.dropout = dropout
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.weight_decay = weight_decay
        self.recurrent_dropout = recurrent_dropout
        self.jacobian_penalty = jacobian_penalty
        self.schedule = schedule
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    # ---------------------------------------------------------------- weights

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
        return weights | {self._title(key): array.T.copy() for key, array in named.items()}

    @staticmethod
    def _title(key):
        """The name of a weight in `weights_`."""
        layer, name = key
        if layer == EMBEDDING:
            return "embedding"
        return f"{name}_out" if layer == OUTPUT else f"{TITLES.get(name, name)}_l{layer}"

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
