"""How much faster than PyTorch are recurrent networks trained, scored and sampled from on a processor?

One layer, 64 symbols, float32. Train: one update of Adam (forward, loss, backward, step) on a batch of B sequences
of T symbols, timed within `RNN.fit` between two records of its history. Infer: `RNN.score` of such a batch, data
checks included. Generate: one symbol of `RNN.sample(1)`. The peer runs in a process of its own. Both sides start
from the same weights; their losses after 3 updates (log-likelihoods, for infer and generate) must agree to 1e-5
before a ratio counts.

torch is not part of the extra `peers`: install the CPU build of PyTorch (measured with 2.13.0). JAX comes with
dynamax, which is; its rows are for information, and so is that of a PyTorch whose allocator gives nothing back to the
system: by itself, it has large temporaries mapped anew at every step.
"""

import functools
import math
import time

import numpy as np
from apart import Apart
from common import (
    N_THREADS,
    Row,
    finish_speed,
    hold_to_two_processors,
    in_turns,
    print_surroundings,
    relative_difference,
    speed_parser,
    timed,
    wanted,
)
from rnn_problem import Weights

from seqmodels import RNN, Sequences
from seqmodels.emissions import Categorical
from seqmodels.rnn import GRU, LSTM, Adam, Elman

N_SYMBOLS = 64
TOLERANCE = 1e-5
TIMING = 0.02  # seconds that one timing takes at least
CELLS = {"LSTM": LSTM, "GRU": GRU, "Elman": Elman}
PEERS = {
    "torch": "install the CPU build of PyTorch; it is not part of the extra `peers`",
    "jax": "comes with dynamax: pip install 'seqmodels[peers]'",
}

# units, sequences in a batch: floor and target of training, floor and target of inference
LSTM_LIMITS = {
    (16, 1): (12, 25, 12, 25),
    (16, 16): (5, 10, 6, 12),
    (16, 64): (4.5, 9, 5, 9),
    (64, 1): (4, 8, 3, 5),
    (64, 16): (3.5, 6, 2.7, 4.5),
    (64, 64): (3, 5, 2.3, 3.5),
    (128, 1): (2, 3, 1.5, 2.2),
    (128, 16): (1.9, 3, 1.5, 2.1),
    (128, 64): (1.9, 3, 1.5, 2.1),
    (256, 16): (1.4, 2, 1.15, 1.6),
    (256, 64): (1.8, 2.6, 1.2, 1.8),
    (512, 16): (1.0, 1.4, 0.9, 1.2),
    (512, 64): (1.2, 1.9, 1.0, 1.35),
}
# units: floor and target, 16 sequences of 50
GRU_LIMITS = {16: (30, 160), 64: (13, 22), 128: (6, 11), 256: (3, 5.5), 512: (3, 3.5)}
ELMAN_LIMITS = {16: (13, 27), 64: (11, 22), 128: (5, 10), 256: (3, 6.3), 512: (2.5, 4.4)}
# units: floor and target, 16 sequences of 5 to 200
RAGGED_LIMITS = {16: (8, 14), 64: (5, 8.4), 128: (3, 4.2), 256: (2.5, 3.4)}
# units: floor and target, one symbol
GENERATE_LIMITS = {16: (100, 280), 128: (10, 30), 512: (1.5, 2.6)}
JAX_ROWS = ((16, 16), (64, 16), (256, 64))
KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "10000000000"}
QUICK = {
    "LSTM train H=16 B=1 T=50", "LSTM train H=64 B=16 T=50", "LSTM train H=64 B=16 T=5..200",
    "GRU train H=64 B=16 T=50", "Elman train H=64 B=16 T=50", "LSTM infer H=64 B=16 T=50", "LSTM generate H=16",
    "LSTM train H=64 B=16 T=50 jax",
}  # fmt: skip


def sequences(n, length):
    """So many sequences of symbols, of this length or, given as a pair, of lengths between."""
    generator = np.random.default_rng(n)
    shortest, longest = length if isinstance(length, tuple) else (length, length)
    lengths = generator.integers(shortest, longest + 1, n)
    return [generator.integers(0, N_SYMBOLS, T) for T in lengths]


def as_sequences(arrays):
    """Encoded once, so that no call has to find out again which symbols there are."""
    return Sequences.wrap(arrays, alphabet=range(N_SYMBOLS))


def learning_rate(units):
    """As large as lets the comparison of losses see a wrong gradient, and does not let it see rounding."""
    return min(0.01, 0.64 / units)


def network(cell, batch, epochs):
    """A network that trains on every sequence, unclipped."""
    return RNN(
        cell, Categorical(0.5, unknown="error"), optimizer=Adam(learning_rate(cell.n_hidden)), n_jobs=N_THREADS,
        batch_size=batch, max_epochs=epochs, clip_norm=None, validation_fraction=0, random_state=0,
    )  # fmt: skip


def peer_like(model, package, kind, units, environment=None):
    """A peer's network with the weights of ours."""
    name = {"torch": "TorchNetwork", "jax": "JaxNetwork"}[package]
    weights, rate = Weights(model, N_SYMBOLS), learning_rate(units)
    return Apart("rnn_peers", name, kind, weights, rate, N_THREADS, environment=environment)


# -------------------------------------------------------------------- training


def losses_of_ours(cell, batch, arrays, n_updates):
    """Losses before each of some updates, all on the same batch."""
    history = network(cell, batch, n_updates).fit(as_sequences(arrays)).history_
    return [-record["train"] for record in history[1:]]


def training_side(cell, batch, length, n):
    """Seconds of one update of ours, from the second epoch over n batches."""
    data = as_sequences(sequences(n * batch, length))

    def side():
        history = network(cell, batch, 2).fit(data).history_
        return (history[2]["seconds"] - history[1]["seconds"]) / n

    return side


def peer_training_side(peer, batch, length, n):
    """Seconds of one update of a peer, over n batches."""
    peer.call("prepare", sequences(n * batch, length), batch)
    return functools.partial(peer.call, "seconds_of_updates")


def training_row(name, kind, units, batch, length, limits, repeats, package, environment=None):
    """Time an update on both sides, after a comparison of the losses."""
    arrays, cell = sequences(batch, length), CELLS[kind](units)
    untrained = network(cell, batch, 0).fit(as_sequences(arrays))
    with peer_like(untrained, package, kind, units, environment) as peer:
        difference = relative_difference(losses_of_ours(cell, batch, arrays, 4), peer.call("losses", arrays, 4))
        sides = {
            "ours": long_enough(lambda n: training_side(cell, batch, length, n)),
            "peer": long_enough(lambda n: peer_training_side(peer, batch, length, n)),
        }
        return row(name, sides, difference, limits, repeats, package, peer)


def long_enough(make, at_most=500):
    """A side that repeats its work so often that one timing takes `TIMING` seconds, whatever a call costs besides."""
    n, side = 2, make(2)
    side()
    while (seconds := n * side()) < TIMING and n < at_most:
        n = min(at_most, 10 * n, math.ceil(1.2 * n * TIMING / seconds))
        side = make(n)
    return side


def row(name, sides, difference, limits, repeats, peer_name, peer):
    """Let both sides take turns."""
    timings, others = in_turns(sides, repeats, peer)
    print(f"{name}: largest relative difference {difference:.1e}", flush=True)
    agrees = difference <= TOLERANCE
    return Row(name, timings["ours"], timings["peer"], peer_name, *limits, agrees=agrees, others=others)


# -------------------------------------------------------------------- inference and generation


def repeated(function, n):
    """Seconds of one of n calls."""

    def side():
        began = time.perf_counter()
        for _ in range(n):
            function()
        return (time.perf_counter() - began) / n

    return side


def trained(units, batch, length):
    """A network after some updates, whose outputs are no longer those of its marginal."""
    arrays = sequences(batch, length)
    return network(LSTM(units), batch, 3).fit(as_sequences(arrays)), arrays


def inference_row(name, units, batch, length, limits, repeats):
    """Time the log-likelihood of a batch on both sides."""
    model, arrays = trained(units, batch, length)
    data = as_sequences(arrays)
    with peer_like(model, "torch", "LSTM", units) as peer:
        peer.call("prepare", arrays, batch)
        difference = relative_difference(model.log_likelihood(data).sum(), peer.call("log_likelihood_held"))
        sides = {
            "ours": long_enough(functools.partial(repeated, lambda: model.score(data))),
            "peer": long_enough(lambda n: functools.partial(peer.call, "seconds_of_scoring", n)),
        }
        return row(name, sides, difference, limits, repeats, "torch", peer)


def generation_row(name, units, limits, repeats):
    """Time one sampled symbol on both sides, after a comparison of what both make of given symbols."""
    model, arrays = trained(units, 16, 50)
    ours = model.log_likelihood(as_sequences(arrays[:1]))[0]

    def ours_of(n):
        return lambda: timed(lambda: model.sample(1, length=n, random_state=0))[0] / n

    with peer_like(model, "torch", "LSTM", units) as peer:
        difference = relative_difference(ours, peer.call("log_likelihood_of_steps", arrays[0]))

        def theirs_of(n):
            return functools.partial(peer.call, "seconds_of_sampling", n)

        sides = {"ours": long_enough(ours_of, 100_000), "peer": long_enough(theirs_of, 100_000)}
        return row(name, sides, difference, limits, repeats, "torch", peer)


# -------------------------------------------------------------------- all rows


def all_rows():
    """Name, package of the peer and a function of the number of repeats, for every row."""
    rows = []

    def add_training(name, kind, units, batch, length, limits, package="torch", environment=None):
        def measure(n):
            return training_row(name, kind, units, batch, length, limits, n, package, environment)

        rows.append((name, package, measure))

    def add_inference(name, units, batch, length, limits):
        rows.append((name, "torch", lambda n: inference_row(name, units, batch, length, limits, n)))

    def add_generation(name, units, limits):
        rows.append((name, "torch", lambda n: generation_row(name, units, limits, n)))

    for (units, batch), limits in LSTM_LIMITS.items():
        for length in (50, 200):
            add_training(f"LSTM train H={units} B={batch} T={length}", "LSTM", units, batch, length, limits[:2])
    for (units, batch), limits in LSTM_LIMITS.items():
        for length in (50, 200):
            add_inference(f"LSTM infer H={units} B={batch} T={length}", units, batch, length, limits[2:])
    for kind, by_units in (("GRU", GRU_LIMITS), ("Elman", ELMAN_LIMITS)):
        for units, limits in by_units.items():
            add_training(f"{kind} train H={units} B=16 T=50", kind, units, 16, 50, limits)
    for units, limits in RAGGED_LIMITS.items():
        add_training(f"LSTM train H={units} B=16 T=5..200", "LSTM", units, 16, (5, 200), limits)
    for units, limits in GENERATE_LIMITS.items():
        add_generation(f"LSTM generate H={units}", units, limits)
    for units, batch in JAX_ROWS:
        name = f"LSTM train H={units} B={batch} T=50 jax"
        add_training(name, "LSTM", units, batch, 50, (None, None), "jax")
    name = "LSTM train H=64 B=64 T=200 torch that keeps its memory"
    add_training(name, "LSTM", 64, 64, 200, (None, None), environment=KEEPS_MEMORY)
    return rows


def main():
    options = speed_parser(__doc__.splitlines()[0], repeats=7).parse_args()
    repeats = options.repeats or (3 if options.quick else 7)
    hold_to_two_processors()
    absent = print_surroundings(
        PEERS,
        f"one layer, {N_SYMBOLS} symbols, float32, Adam; both sides in turn, {repeats} timings each "
        f"of at least {1000 * TIMING:.0f} ms, medians;",
        "ratio: of the medians; min..max: of the ratios of timings that followed each other;",
        "PyTorch reads one-hot inputs that are made beforehand and uses the fused Adam, both the fastest there are;",
        "T=5..200: sequences of different lengths, padded for PyTorch to the longest of their batch;",
        "torch that keeps its memory: with " + ", ".join(f"{key}={value}" for key, value in KEEPS_MEMORY.items()),
    )
    rows = []
    for name, package, measure in all_rows():
        if wanted(name, options.only) and (name in QUICK or not options.quick):
            rows.append(Row(name, [], peer_name=package) if package in absent else measure(repeats))
    finish_speed(rows, options, absent)


if __name__ == "__main__":
    main()
