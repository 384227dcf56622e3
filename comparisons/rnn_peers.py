"""The same recurrent network in PyTorch and in JAX, from the weights that seqmodels starts with.

Each is to live in a process of its own: PyTorch takes memory from the system and gives it back at every step, or does
not, by what else the process has taken, which makes it up to three times as slow or as fast; its threads spin for
a while when they have nothing to do.

PyTorch gets what is fastest there: time-major batches, one-hot inputs made beforehand (they are not timed; an
embedding in front of identity weights was up to five times slower), `nn.LSTM`, `nn.GRU` or `nn.RNN` with oneDNN,
the fused Adam. Its second bias, which only doubles the step of the first, is zero and frozen; of a GRU, all but the
part for the candidate, whose other gradients are set to zero. The offset that seqmodels adds to the raw outputs, the
logarithm of the symbols' frequencies, stands in the output bias.
"""

import functools
import time

import numpy as np
from rnn_problem import inputs_and_targets

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError:
    torch = None

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    jax = None


class Peer:
    """What a comparison asks of a network, in seconds and in numbers."""

    def losses(self, sequences, n):
        """Before each of n updates on the same batch."""
        data = self.batch(sequences)
        return [float(self.update(data)) for _ in range(n)]

    def prepare(self, sequences, size):
        """Hold these sequences in batches."""
        self._batches = [self.batch(sequences[first : first + size]) for first in range(0, len(sequences), size)]

    def seconds_of_updates(self):
        """Of one of the updates on all that is held."""
        return _seconds(lambda: [self.update(data) for data in self._batches]) / len(self._batches)

    def log_likelihood_held(self):
        """Of the first batch that is held."""
        return self.log_likelihood(self._batches[0])

    def seconds_of_scoring(self, n):
        """Of one of n times that."""
        return _seconds(lambda: [self.log_likelihood_held() for _ in range(n)]) / n

    def log_likelihood_of_steps(self, symbols):
        """Of one sequence, step by step as it is generated."""
        return self.sampler(len(symbols), symbols)

    def seconds_of_sampling(self, n):
        """Of one of n sampled symbols."""
        return _seconds(lambda: self.sampler(n)) / n


def _seconds(function):
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


class TorchNetwork(Peer):
    """One recurrent layer, a linear output, cross-entropy and Adam.

    Parameters
    ----------
    kind : {"LSTM", "GRU", "Elman"}
    weights : Weights
    learning_rate : float
    n_threads : int
    """

    def __init__(self, kind, weights, learning_rate, n_threads):
        torch.set_num_threads(n_threads)
        layer = {"LSTM": nn.LSTM, "GRU": nn.GRU, "Elman": nn.RNN}[kind]
        self.weights = weights
        self.layer = layer(weights.n_inputs, weights.n_hidden)
        self.output = nn.Linear(weights.n_hidden, len(weights.output))
        values = {
            self.layer.weight_ih_l0: weights.input,
            self.layer.weight_hh_l0: weights.recurrent,
            self.layer.bias_ih_l0: weights.bias,
            self.layer.bias_hh_l0: weights.recurrent_bias,
            self.output.weight: weights.output,
            self.output.bias: weights.output_bias,
        }
        with torch.no_grad():
            for parameter, value in values.items():
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
        if kind == "GRU":
            free = torch.arange(len(weights.bias)) >= 2 * weights.n_hidden
            self.layer.bias_hh_l0.register_hook(lambda gradient: gradient * free)
        else:
            self.layer.bias_hh_l0.requires_grad_(False)
        trained = [parameter for parameter in values if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(trained, learning_rate, fused=True)

    def batch(self, sequences):
        """One-hot inputs (T, B, V + 1) and targets (T B,)."""
        codes, targets = inputs_and_targets(sequences, self.weights.n_inputs - 1)
        one_hot = functional.one_hot(torch.from_numpy(codes), self.weights.n_inputs).float()
        return one_hot, torch.from_numpy(targets.ravel())

    def _loss(self, inputs, targets, reduction):
        hidden, _ = self.layer(inputs)
        return functional.cross_entropy(self.output(hidden).flatten(0, 1), targets, reduction=reduction)

    def update(self, batch):
        """One step of training; returns the loss before it."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._loss(*batch, "mean")
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def log_likelihood(self, batch):
        """Of all sequences of a batch."""
        with torch.inference_mode():
            return -self._loss(*batch, "sum").item()

    @functools.cached_property
    def sampler(self):
        """A function of a length that samples so many symbols, one at a time."""
        cell = nn.LSTMCell(self.weights.n_inputs, self.weights.n_hidden)
        with torch.no_grad():
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(cell, name).copy_(getattr(self.layer, f"{name}_l0"))
        one_hot, n_hidden = torch.eye(self.weights.n_inputs), self.weights.n_hidden

        def sample(length, forced=None):
            """Sampled symbols; or, where symbols are `forced`, their log-likelihood."""
            state, symbol, symbols, total = (torch.zeros(1, n_hidden),) * 2, torch.tensor([len(one_hot) - 1]), [], 0.0
            with torch.inference_mode():
                for t in range(length):
                    state = cell(one_hot[symbol], state)
                    probabilities = functional.softmax(self.output(state[0])[0], dim=0)
                    if forced is None:
                        symbol = torch.multinomial(probabilities, 1)
                    else:
                        symbol = torch.tensor([int(forced[t])])
                        total += float(torch.log(probabilities[symbol]))
                    symbols.append(symbol)
            return torch.cat(symbols).numpy() if forced is None else total

        return sample


class JaxNetwork(Peer):
    """An LSTM by `lax.scan`, compiled as a whole: gathered inputs, cross-entropy and Adam.

    Parameters
    ----------
    kind : {"LSTM"}
    weights : Weights
    learning_rate : float
    n_threads : int
        Those that the processors it may run on allow.
    """

    def __init__(self, kind, weights, learning_rate, n_threads):
        named = ("input", "recurrent", "bias", "output", "output_bias")
        self.weights = {name: jnp.asarray(getattr(weights, name).T) for name in named}
        zeros = {name: jnp.zeros_like(array) for name, array in self.weights.items()}
        self.state = zeros, zeros, 0
        self._step = jax.jit(lambda *arguments: _jax_update(*arguments, learning_rate))
        self._n_symbols = weights.n_inputs - 1

    def batch(self, sequences):
        """Codes (T, B) read and predicted."""
        return tuple(jnp.asarray(codes) for codes in inputs_and_targets(sequences, self._n_symbols))

    def update(self, batch):
        """One step of training; returns the loss before it."""
        loss, self.weights, self.state = self._step(self.weights, self.state, *batch)
        return loss.block_until_ready()


def _jax_loss(weights, inputs, targets):
    projected = weights["input"][inputs] + weights["bias"]  # (T, B, 4 H)

    def step(state, x):
        hidden, memory = state
        i, f, g, o = jnp.split(x + hidden @ weights["recurrent"], 4, axis=-1)
        memory = jax.nn.sigmoid(f) * memory + jax.nn.sigmoid(i) * jnp.tanh(g)
        hidden = jax.nn.sigmoid(o) * jnp.tanh(memory)
        return (hidden, memory), hidden

    zeros = jnp.zeros((inputs.shape[1], weights["recurrent"].shape[0]), projected.dtype)
    _, hidden = jax.lax.scan(step, (zeros, zeros), projected)
    log_probabilities = jax.nn.log_softmax(hidden @ weights["output"] + weights["output_bias"])
    return -jnp.take_along_axis(log_probabilities, targets[..., None], axis=-1).mean()


def _jax_update(weights, state, inputs, targets, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    loss, gradient = jax.value_and_grad(_jax_loss)(weights, inputs, targets)
    first, second, updates = state
    updates = updates + 1
    first = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, first, gradient)
    second = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, second, gradient)

    def move(weight, m, v):
        return weight - learning_rate / (1 - beta1**updates) * m / (jnp.sqrt(v / (1 - beta2**updates)) + epsilon)

    return loss, jax.tree.map(move, weights, first, second), (first, second, updates)
