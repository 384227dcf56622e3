"""Does a recurrent network predict chorales better than a hidden Markov model?

Bach's chorales as piano-rolls of 88 notes (Boulanger-Lewandowski et al. 2012, quarter notes), nats per time step
on the test pieces. The HMM mixes over whole chords; the network, which knows the past better, has outputs that are
independent over notes.
"""

import time

import numpy as np
from common import data_folder, finish, parser, print_protocol, print_table
from scipy.io import loadmat

from seqmodels import HMM, RNN, Independent
from seqmodels.emissions import Bernoulli
from seqmodels.rnn import LSTM, Adam

SEEDS = (0, 1, 2)


def pieces(name):
    """Training, validation and test pieces, lists of (T, 88)."""
    arrays = loadmat(data_folder("jsb_pianoroll_mat") / name)
    return tuple([piece.astype(np.int64) for piece in arrays[key][0]] for key in ("traindata", "validdata", "testdata"))


def models(quick):
    """Name, how to make the model of a seed, seeds, and the figure stated (negative nats per step)."""
    hmm = ("HMM, 32 states", lambda seed: HMM(32, Bernoulli(0.1), init="random", max_iter=200, random_state=seed), 7.7)
    units, epochs, stated = (64, 12, 9.6) if quick else (128, 100, 8.7)

    def lstm(seed):
        return RNN(
            LSTM(units), Bernoulli(), optimizer=Adam(5e-3 if quick else 3e-3), max_epochs=epochs, batch_size=16,
            patience=8, random_state=seed,
        )  # fmt: skip

    return [("Independent", lambda seed: Independent(Bernoulli()), 11.07), hmm, (f"LSTM, {units} units", lstm, stated)]


def main():
    options = parser(__doc__.splitlines()[0]).parse_args()
    seeds = SEEDS[:1] if options.quick else SEEDS
    train, validation, test = pieces("JSB_Chorales.mat")
    print_protocol(
        f"JSB chorales, {len(train)} / {len(validation)} / {len(test)} pieces, "
        f"{sum(map(len, train))} / {sum(map(len, validation))} / {sum(map(len, test))} steps, the published split;",
        "the EM iterate and the epoch are chosen on the validation pieces; HMM: random start, at most 200 iterations,",
        "pseudo-count 0.1; network: Adam, batches of 16 pieces, gradient clipped at norm 1, float32;",
        f"seeds {seeds}",
    )
    rows, figures = [], []
    for name, make, stated in models(options.quick):
        scores, seconds = [], []
        for seed in seeds:
            began = time.perf_counter()
            model = make(seed).fit(train, validation=validation)
            seconds.append(time.perf_counter() - began)
            scores.append(-model.score(test))
        rows.append(
            [name, f"{model.n_parameters_}", float(np.mean(scores)), float(np.std(scores)), f"{np.mean(seconds):.1f}"]
        )
        figures.append((f"{name}, at most {stated} stated", float(np.mean(scores)), np.mean(scores) <= stated))
    print_table(["", "parameters", "nats a step", "sd over seeds", "seconds a seed"], rows)
    finish(figures, options.check)


if __name__ == "__main__":
    main()
