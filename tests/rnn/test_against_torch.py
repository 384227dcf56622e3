"""Outputs and gradients of layers against PyTorch, from the same weights, on ragged batches.

PyTorch is no part of any extra, and these tests are skipped without it. They were run with the CPU build of PyTorch
2.13 in the environment: ``pytest tests/rnn/test_against_torch.py``.
"""

import numpy as np
import pytest

from seqmodels.rnn import GRU, LSTM, Elman, ProjectedLSTM
from seqmodels.rnn.packing import Batch, longest_first

from .stacks import Driven, random_weights

torch = pytest.importorskip("torch", reason="the CPU build of PyTorch is not installed")
I, H = 3, 17
LENGTHS = (4, 1, 6, 3, 6)
CELLS = {
    "Elman tanh": (lambda: Elman(H), lambda: torch.nn.RNN(I, H, 2)),
    "Elman relu": (lambda: Elman(H, "relu"), lambda: torch.nn.RNN(I, H, 2, nonlinearity="relu")),
    "LSTM": (lambda: LSTM(H), lambda: torch.nn.LSTM(I, H, 2)),
    "LSTM, projected": (lambda: ProjectedLSTM(H, 5), lambda: torch.nn.LSTM(I, H, 2, proj_size=5)),
    "GRU": (lambda: GRU(H), lambda: torch.nn.GRU(I, H, 2)),
}
TITLES = {"input": "weight_ih", "recurrent": "weight_hh", "projection": "weight_hr", "bias": "bias_ih"}
TOLERANCES = {"float32": (1e-6, 1e-5), "float64": (1e-10, 1e-10)}  # of outputs, and of gradients


def named(layer, name):
    return f"{TITLES[name]}_l{layer}"


def peer_like(peer, weights, dtype):
    """PyTorch's layers with our weights; of the second biases, only what a GRU adds to the candidate's product."""
    peer = peer.to(getattr(torch, dtype))
    with torch.no_grad():
        for layer in range(2):
            getattr(peer, f"bias_hh_l{layer}").zero_()
        for (layer, name), array in weights.items():
            if name == "candidate_bias":
                getattr(peer, f"bias_hh_l{layer}")[2 * H :] = torch.from_numpy(array)
            else:
                getattr(peer, named(layer, name)).copy_(torch.from_numpy(np.ascontiguousarray(array.T)))
    return peer


def of_torch(peer, x, d_top, batch):
    """Outputs (M, P), and the gradients by (layer, name) of their products with `d_top`."""
    packed = torch.nn.utils.rnn.PackedSequence(torch.from_numpy(x), torch.from_numpy(batch.sizes))
    outputs = peer(packed)[0].data
    (outputs * torch.from_numpy(d_top)).sum().backward()
    gradients = {}
    for layer in range(2):
        for name, title in TITLES.items():
            if hasattr(peer, f"{title}_l{layer}"):
                gradients[layer, name] = getattr(peer, f"{title}_l{layer}").grad.numpy().T
        if isinstance(peer, torch.nn.GRU):
            gradients[layer, "candidate_bias"] = getattr(peer, f"bias_hh_l{layer}").grad.numpy()[2 * H :]
    return outputs.detach().numpy(), gradients


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", CELLS)
def test_two_layers_equal_those_of_pytorch(kind, dtype, rng):
    cells, offsets = [CELLS[kind][0]() for _ in range(2)], np.cumsum([0, *LENGTHS])
    batch = Batch.of(offsets, longest_first(offsets, np.arange(len(LENGTHS))))
    weights = random_weights(cells, I, rng, dtype)
    x = rng.normal(size=(offsets[-1], I)).astype(dtype)
    d_top = rng.normal(size=(offsets[-1], cells[1].n_outputs)).astype(dtype)
    expected, d_expected = of_torch(peer_like(CELLS[kind][1](), weights, dtype), x, d_top, batch)
    driven = Driven(cells, weights)
    outputs = driven.forward(x @ weights[0, "input"] + weights[0, "bias"], batch.sizes)[-1].hidden
    d_projected, gradient = driven.backward(d_top, batch)
    gradient |= {(0, "input"): x.T @ d_projected, (0, "bias"): d_projected.sum(axis=0)}
    of_outputs, of_gradients = TOLERANCES[dtype]
    assert outputs.dtype == dtype and gradient.keys() == d_expected.keys()
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=of_outputs)
    for key, array in gradient.items():
        assert np.abs(array - d_expected[key]).max() <= of_gradients * np.abs(d_expected[key]).max(), key
