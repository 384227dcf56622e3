"""Does a recurrent network predict music better than a hidden Markov model?

Bach's chorales and folk tunes of the Nottingham collection as piano-rolls of 88 notes (Boulanger-Lewandowski et al.
2012), nats per time step on the test pieces. The HMM mixes over whole chords; a network with one output a note knows
the past better, but its notes are independent of each other given the past. A mixture of vectors of notes as the
network's output has both.
"""

import time

import numpy as np
from common import N_THREADS, data_folder, finish, parser, print_protocol, print_table
from scipy.io import loadmat

from seqmodels import HMM, RNN, Independent
from seqmodels.emissions import Bernoulli, Mixture
from seqmodels.hmm import Ergodic
from seqmodels.rnn import GRU, LSTM, Adam

FILES = {"jsb": "JSB_Chorales.mat", "nottingham": "Nottingham.mat"}
SEEDS = (0, 1, 2)
PATIENCE = 6
FAINTEST = 1e-3  # probability of a note that no training piece has, where states of an HMM start
# of HMMs: pseudo-counts of notes and of transitions, weight of a chord at the start, gain that ends EM
CHAINS = {32: (0.07, 0.15, 0.9, 1e-5), 128: (0.07, 0.15, 0.9, 1e-5), 256: (0.02, 0.1, 0.8, 1e-4)}


def pieces(name):
    """Training, validation and test pieces, lists of (T, 88)."""
    arrays = loadmat(data_folder("jsb_pianoroll_mat") / name)
    return tuple([piece.astype(np.int64) for piece in arrays[key][0]] for key in ("traindata", "validdata", "testdata"))


# -------------------------------------------------------------------- models


def chord_states(training, n_states, weight, seed):
    """Probabilities (K, 88) near different chords, drawn from the steps of the training pieces.

    Two states at the same chord would stay equal for ever.
    """
    chords = np.concatenate(training)
    shuffled = np.random.default_rng(seed).permutation(chords)
    _, first = np.unique(shuffled, axis=0, return_index=True)
    drawn = shuffled[np.sort(first)[:n_states]]
    return weight * drawn + (1 - weight) * np.maximum(chords.mean(axis=0), FAINTEST)


def hidden(n_states):
    """How to make an HMM of training pieces and a seed."""
    of_notes, of_transitions, weight, tol = CHAINS[n_states]

    def make(training, seed):
        start = {"emission": {"probabilities": chord_states(training, n_states, weight, seed)}}
        return HMM(
            n_states, Bernoulli(of_notes), transitions=Ergodic(prior=1 + of_transitions), init=start, max_iter=400,
            tol=tol, n_jobs=N_THREADS, random_state=seed,
        )  # fmt: skip

    return make


def recurrent(cell, emission, rate, dropout, batch_size=16, max_epochs=100):
    """How to make a network of training pieces and a seed."""

    def make(_, seed):
        return RNN(
            cell, emission, optimizer=Adam(rate), dropout=dropout, batch_size=batch_size, max_epochs=max_epochs,
            patience=PATIENCE, n_jobs=N_THREADS, random_state=seed,
        )  # fmt: skip

    return make


def chords(n):
    """An output that is a mixture of n vectors of notes."""
    return Mixture(Bernoulli(), n)


def networks(data):
    """Name, how to make it, and the figure stated (nats a step)."""
    if data == "jsb":
        return [
            ("LSTM, 256 units, Bernoulli", recurrent(LSTM(256), Bernoulli(), 1e-2, 0.5), 8.6),
            ("GRU, 256 units, Bernoulli", recurrent(GRU(256), Bernoulli(), 5e-3, 0.5), 8.6),
            ("LSTM, 128 units, mixture of 16", recurrent(LSTM(128), chords(16), 1e-2, 0.4, 8), 6.35),
            ("GRU, 128 units, mixture of 32", recurrent(GRU(128), chords(32), 5e-3, 0.3), None),
        ]
    return [
        ("LSTM, 256 units, Bernoulli", recurrent(LSTM(256), Bernoulli(), 1e-2, 0.3), 3.3),
        ("LSTM, 128 units, mixture of 16", recurrent(LSTM(128), chords(16), 1e-2, 0.3), 2.9),
    ]


def models(data, quick):
    """Name, how to make the model of training pieces and a seed, and the figure stated (nats a step), or None."""
    independent = ("Independent", lambda training, seed: Independent(Bernoulli()), None)
    if quick:
        return [
            independent,
            ("HMM, 32 states", hidden(32), 7.6),
            ("LSTM, 64 units, Bernoulli", recurrent(LSTM(64), Bernoulli(), 1e-2, 0.2, max_epochs=15), 8.8),
            ("LSTM, 64 units, mixture of 16", recurrent(LSTM(64), chords(16), 1e-2, 0.2, max_epochs=15), 6.8),
        ]
    stated = {"jsb": (7.6, 6.65, 6.45), "nottingham": (None, None, None)}[data]
    chains = [(f"HMM, {k} states", hidden(k), limit) for k, limit in zip(CHAINS, stated, strict=True)]
    return [independent, *chains, *networks(data)]


# -------------------------------------------------------------------- the table


def measured(data, name, make, stated, sets, seeds):
    """A row of the table, and the figure that is stated of it, if there is one."""
    training, validation, test = sets
    validated, scores, seconds = [], [], []
    for seed in seeds:
        began = time.perf_counter()
        model = make(training, seed).fit(training, validation=validation)
        seconds.append(time.perf_counter() - began)
        validated.append(-model.score(validation))
        scores.append(-model.score(test))
    score = float(np.mean(scores))
    row = [
        f"{data}: {name}", f"{model.n_parameters_:,}", float(np.mean(validated)), score, float(np.std(scores)),
        f"{np.mean(seconds):.1f}",
    ]  # fmt: skip
    return row, [] if stated is None else [(f"{data}: {name}, at most {stated} stated", score, score <= stated)]


def main():
    options = parser(__doc__.splitlines()[0], tuple(FILES)).parse_args()
    parts = [part for part in options.only if part == "jsb" or not options.quick]
    seeds, sets = SEEDS[:1] if options.quick else SEEDS, {part: pieces(FILES[part]) for part in parts}
    print_protocol(
        *(
            f"{part}: {' / '.join(f'{len(group)}' for group in sets[part])} pieces, "
            f"{' / '.join(f'{sum(map(len, group)):,}' for group in sets[part])} steps in quarter notes, published split"
            for part in parts
        ),
        f"nats a step, summed over the 88 notes; mean over seeds {seeds}; the EM iterate and the epoch are chosen "
        "on the validation pieces;",
        "HMM: states start near different chords drawn from the training pieces; pseudo-counts of notes and moves: "
        + ", ".join(f"{notes} and {transitions} ({k} states)" for k, (notes, transitions, *_) in CHAINS.items())
        + ";",
        "networks: Adam, the rate 0.01 (GRU 0.005), batches of 16 pieces (mixture of 16 for jsb: 8), dropout below "
        f"the output 0.3 to 0.5, patience {PATIENCE}, gradient clipped at norm 1,",
        "float32; settings of networks chosen on the validation pieces with seed 0, those of HMMs with all three seeds",
    )
    rows, figures = [], []
    for part in parts:
        for model in models(part, options.quick):
            row, stated = measured(part, *model, sets[part], seeds)
            print(f"{row[0]}: {row[3]:.4f}", flush=True)
            rows, figures = [*rows, row], figures + stated
    print()
    print_table(["", "parameters", "validation", "test", "sd over seeds", "seconds a seed"], rows)
    finish(figures, options.check)


if __name__ == "__main__":
    main()
