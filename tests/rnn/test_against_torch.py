"""What PyTorch has too, against it: layers in one direction and in both, optimizers, and the schedule of plateaus.

PyTorch is no part of any extra, and these tests are skipped without it. They were run with the CPU build of PyTorch
2.13 in the environment: ``pytest tests/rnn/test_against_torch.py``.
"""

import numpy as np
import pytest

from seqmodels.rnn import GRU, LSTM, SGD, Adagrad, Adam, AdamW, Elman, OnPlateau, ProjectedLSTM, RMSProp

from .stacks import Driven, batch_of, random_weights
from .test_bidirectional import ready
from .test_optimizers import descend
from .test_schedules import factors

torch = pytest.importorskip("torch", reason="the CPU build of PyTorch is not installed")

# -------------------------------------------------------------------- layers, from the same weights, on ragged batches

I, H = 3, 17
LENGTHS = (4, 1, 6, 3, 6)
CELLS = {
    "Elman tanh": (lambda: Elman(H), lambda: torch.nn.RNN(I, H, 2)),
    "Elman relu": (lambda: Elman(H, "relu"), lambda: torch.nn.RNN(I, H, 2, nonlinearity="relu")),
    "LSTM": (lambda: LSTM(H), lambda: torch.nn.LSTM(I, H, 2)),
    "LSTM, projected": (lambda: ProjectedLSTM(H, 5), lambda: torch.nn.LSTM(I, H, 2, proj_size=5)),
    "GRU": (lambda: GRU(H), lambda: torch.nn.GRU(I, H, 2)),
}
TITLES = {
    "input": "weight_ih", "recurrent": "weight_hh", "projection": "weight_hr", "bias": "bias_ih",
    "candidate_bias": "bias_hh",
}  # fmt: skip
TOLERANCES = {"float32": (1e-6, 1e-5), "float64": (1e-10, 1e-10)}  # of outputs, and of gradients

each_precision = pytest.mark.parametrize("dtype", TOLERANCES)


def place_of(peer, key):
    """The parameter of PyTorch, and its rows, that are the array of ours by (layer, name) or (layer, way, name)."""
    layer, *way, name = key
    rows = slice(2 * H, None) if name == "candidate_bias" else slice(None)
    return getattr(peer, f"{TITLES[name]}_l{layer}{''.join(way)}"), rows


def peer_like(peer, weights, dtype):
    """PyTorch's layers with our weights; of the second biases, only what a GRU adds to the candidate's product."""
    peer = peer.to(getattr(torch, dtype))
    with torch.no_grad():
        for parameter in peer.parameters():
            parameter.zero_()
        for key, array in weights.items():
            parameter, rows = place_of(peer, key)
            parameter[rows] = torch.from_numpy(np.ascontiguousarray(array.T))
    return peer


def assert_same_as_torch(peer, weights, batch, x, d_top, own):
    """Outputs (M, P), and the gradients of their products with `d_top`: that of `x` (M, I), and those of all weights.

    Outputs equal those of PyTorch to 1e-6 and gradients to 1e-5 relative in single, both to 1e-10 in double precision.
    """
    outputs, d_x, gradient = own
    given = torch.from_numpy(x).requires_grad_()
    packed = torch.nn.utils.rnn.PackedSequence(given, torch.from_numpy(batch.sizes))
    expected = peer(packed)[0].data
    (expected * torch.from_numpy(d_top)).sum().backward()
    of_outputs, of_gradients = TOLERANCES[str(x.dtype)]
    assert outputs.dtype == x.dtype and gradient.keys() == weights.keys()
    np.testing.assert_allclose(outputs, expected.detach().numpy(), rtol=0, atol=of_outputs)
    pairs = {"inputs": (d_x, given.grad.numpy())}
    for key, array in gradient.items():
        parameter, rows = place_of(peer, key)
        pairs[key] = array, parameter.grad[rows].numpy().T
    for key, (array, truth) in pairs.items():
        assert np.abs(array - truth).max() <= of_gradients * np.abs(truth).max(), key


@each_precision
@pytest.mark.parametrize("kind", CELLS)
def test_two_layers_equal_those_of_pytorch(kind, dtype, rng):
    cells, batch = [CELLS[kind][0]() for _ in range(2)], batch_of(LENGTHS)
    weights = random_weights(cells, I, rng, dtype)
    x, d_top = (rng.normal(size=(sum(LENGTHS), n)).astype(dtype) for n in (I, cells[1].n_outputs))
    driven = Driven(cells, weights)
    outputs = driven.forward(x @ weights[0, "input"] + weights[0, "bias"], batch.sizes)[-1].hidden
    d_projected, gradient = driven.backward(d_top, batch)
    gradient |= {(0, "input"): x.T @ d_projected, (0, "bias"): d_projected.sum(axis=0)}
    own = outputs, d_projected @ weights[0, "input"].T, gradient
    assert_same_as_torch(peer_like(CELLS[kind][1](), weights, dtype), weights, batch, x, d_top, own)


@each_precision
def test_two_layers_in_both_directions_equal_those_of_pytorch(dtype, rng):
    _, weights, run = ready([LSTM(H), LSTM(H)], I, dtype=dtype)
    batch, peer = batch_of(LENGTHS), torch.nn.LSTM(I, H, 2, bidirectional=True)
    x, d_top = (rng.normal(size=(sum(LENGTHS), n)).astype(dtype) for n in (I, 2 * H))
    outputs = run.forward(batch, x)
    gradient, d_x = run.backward(d_top)
    assert_same_as_torch(peer_like(peer, weights, dtype), weights, batch, x, d_top, (outputs, d_x, gradient))


# -------------------------------------------------------------------- optimizers and schedules

OPTIMIZERS = {
    "SGD": SGD(0.05), "SGD momentum": SGD(0.05, 0.9), "SGD nesterov": SGD(0.05, 0.9, True), "RMSProp": RMSProp(0.01),
    "Adagrad": Adagrad(0.05), "Adam": Adam(0.01), "AdamW": AdamW(0.01, weight_decay=0.2),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_equals_pytorch(name, rng):
    own, (kind, _, variant) = OPTIMIZERS[name], name.partition(" ")
    options = {"lr": own.learning_rate} | ({"momentum": 0.9, "nesterov": variant == "nesterov"} if variant else {})
    if kind == "AdamW":
        options["weight_decay"] = own.weight_decay
    weights, gradients = rng.normal(size=5), rng.normal(size=(20, 5))
    parameter = torch.nn.Parameter(torch.tensor(weights))
    theirs = getattr(torch.optim, {"RMSProp": "RMSprop"}.get(kind, kind))([parameter], **options)
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        theirs.step()
    np.testing.assert_allclose(descend(own, weights, gradients), parameter.detach().numpy(), rtol=1e-12)


def test_a_plateau_is_that_of_pytorch(rng):
    """Whose patience is one less: it counts the epochs that are borne."""
    for patience in (1, 2, 4):
        losses = rng.normal(size=60) + np.linspace(2, 0, 60)
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        peer = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=patience - 1, threshold=0)
        expected = []
        for loss in losses:
            peer.step(loss)
            expected.append(optimizer.param_groups[0]["lr"])
        own = factors(OnPlateau(0.5, patience), losses)
        np.testing.assert_allclose(np.maximum(own, 1e-7), np.maximum(expected, 1e-7))
