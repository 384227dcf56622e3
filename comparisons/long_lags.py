"""How far back do recurrent networks see, and hidden Markov models beside them?

Three tasks whose answer lies many steps back, as a generative model meets them. Embedded Reber grammar (Hochreiter
& Schmidhuber 1997): the last symbol but one repeats the second, which nothing in between tells. Copy memory: ten
symbols come again after a stretch of blanks. A coin Y that is loaded by another coin X of 3 and of 8 steps before
(r2rt.com, "Recurrent neural networks in TensorFlow"): backpropagation through fewer than 8 steps cannot find the
second of these.
"""

import math
import time

import numpy as np
from common import N_THREADS, finish, parser, print_protocol, print_table

from seqmodels import HMM, RNN, Sequences
from seqmodels.emissions import Categorical
from seqmodels.rnn import GRU, LSTM, Adam, Elman, ExponentialDecay

PARTS = ("reber", "copy", "coins")

# -------------------------------------------------------------------- embedded Reber grammar

SYMBOLS = "BTPSXVE"
END = 6
REBER = {0: {"T": 1, "P": 2}, 1: {"S": 1, "X": 3}, 2: {"T": 2, "V": 4}, 3: {"X": 2, "S": 5}, 4: {"P": 3, "V": 5},
         5: {"E": END}}  # fmt: skip
N_STRINGS, LIMIT = 500, 10_000  # training strings, and how many may be presented in all
N_CHECKED, N_AFTERWARDS = 256, 1000  # fresh strings after each epoch, and once training has ended


def reber_string(generator):
    """One string of the embedded grammar, and the symbols that may follow each of its symbols but the last."""
    branch = "TP"[generator.integers(2)]
    string, legal, state = f"B{branch}B", ["TP", "B"], 0
    while state != END:
        arcs = REBER[state]
        legal.append("".join(arcs))
        symbol = legal[-1][generator.integers(len(arcs))]
        string, state = string + symbol, arcs[symbol]
    return f"{string}{branch}E", [*legal, branch, "E"]


def reber_strings(n, generator):
    """Strings alone, as sequences of symbols in the order of `SYMBOLS`."""
    return Sequences.wrap([reber_string(generator)[0] for _ in range(n)], alphabet=SYMBOLS)


def legal_first(model, n, generator):
    """Share of the steps of n fresh strings at which every legal symbol is more probable than every other one."""
    strings = [reber_string(generator) for _ in range(n)]
    follow = {string[: i + 1]: symbols for string, legal in strings for i, symbols in enumerate(legal)}
    probabilities = dict(zip(follow, model.predict_next(list(follow)).probabilities(), strict=True))
    holds = []
    for string, legal in strings:
        for i, symbols in enumerate(legal):
            row = probabilities[string[: i + 1]][: len(SYMBOLS)]
            may = np.array([symbol in symbols for symbol in SYMBOLS])
            holds.append(row[may].min() > row[~may].max())
    return float(np.mean(holds))


def presented_until_solved(make, seed, limit):
    """Strings presented until a model of the grammar has no fault on fresh strings, or until the limit.

    Returns
    -------
    presented : int
    solved : bool
    afterwards : float
        Share of the steps of other fresh strings that are right.
    n_parameters : int
    """
    generator = np.random.default_rng(seed)
    training, shares = reber_strings(N_STRINGS, generator), []

    def solved(model, record):
        n_passes = record.get("epoch", record.get("iteration"))
        if n_passes and n_passes == int(n_passes):
            shares.append(legal_first(model, N_CHECKED, generator))
            return shares[-1] == 1

    model = make(seed, limit // N_STRINGS, [solved]).fit(training)
    afterwards = legal_first(model, N_AFTERWARDS, generator)
    return N_STRINGS * len(shares), shares[-1] == 1, afterwards, model.n_parameters_


def network(cell, optimizer, seed, max_epochs, callbacks=(), **training):
    """A network of symbols that trains for a number of epochs, without validation."""
    return RNN(
        cell, Categorical(), optimizer=optimizer, max_epochs=max_epochs, validation_fraction=0, n_jobs=N_THREADS,
        random_state=seed, callbacks=list(callbacks), **training,
    )  # fmt: skip


def reber_models():
    """How to make each model of a seed, a number of passes and callbacks."""

    def recurrent(cell):
        return lambda seed, n, callbacks: network(cell, Adam(1e-2), seed, n, callbacks, batch_size=1)

    def hidden(seed, n, callbacks):
        return HMM(
            32, Categorical(), init="random", max_iter=n, tol=1e-9, n_jobs=N_THREADS, random_state=seed,
            callbacks=callbacks,
        )  # fmt: skip

    cells = {"LSTM": LSTM(32), "GRU": GRU(32), "Elman": Elman(32)}
    return {f"{name}, 32 units": recurrent(cell) for name, cell in cells.items()} | {"HMM, 32 states": hidden}


def reber(quick):
    """Rows of the table and figures of the embedded Reber grammar."""
    seeds, rows, figures = range(2 if quick else 10), [], []
    for name, make in reber_models().items():
        began = time.perf_counter()
        presented, solved, afterwards, n_parameters = zip(
            *(presented_until_solved(make, seed, LIMIT) for seed in seeds), strict=True
        )
        reached = f"{sum(solved)} of {len(seeds)} solved; {100 * np.mean(afterwards):.2f} % of steps right"
        counts = f"{np.mean(presented):,.0f} ({min(presented):,}..{max(presented):,})"
        rows.append(row(f"Reber: {name}", n_parameters[0], counts, reached, began, len(seeds)))
        if name.startswith(("LSTM", "GRU")):
            stated = f"Reber: {name}, solved within {LIMIT:,} strings, {len(seeds)} of {len(seeds)} stated"
            figures.append((stated, float(sum(solved)), all(solved)))
    return rows, figures


def row(name, n_parameters, presented, reached, began, n=1):
    """One line of the table; `n` runs have taken the time since `began`."""
    print(f"{name}: {reached}", flush=True)
    return [name, f"{n_parameters:,}", presented, reached, f"{(time.perf_counter() - began) / n:.1f}"]


# -------------------------------------------------------------------- copy memory

N_KINDS, N_COPIED, BLANK, MARKER = 8, 10, 8, 9
N_COPY_TRAINING, N_COPY_TEST = 50_000, 500
SOLVED = 0.01  # of the loss without memory: training ends
COPY_STATED = {50: 0.05, 200: 0.7}  # of the loss without memory, for an LSTM whose gates begin almost open


def copy_strings(n, length, generator):
    """Ten symbols, ``length - 1`` blanks, a marker, and the ten symbols again; n strings (T + 20,)."""
    symbols = generator.integers(0, N_KINDS, (n, N_COPIED))
    blanks, markers = np.full((n, length - 1), BLANK), np.full((n, 1), MARKER)
    return list(np.concatenate([symbols, blanks, markers, symbols], axis=1))


def copy_baseline(length):
    """Nats a step of what knows the form of a string and remembers nothing."""
    return N_COPIED * math.log(N_KINDS) / (length + 2 * N_COPIED)


def copy_loss(model, strings):
    """Nats a step over whole strings, but for the ten random symbols, which cost nothing."""
    given = Sequences.wrap(strings).given_past(N_COPIED)
    return -model.score(given) * given.n_scored / given.n_observations


def copy_models(length, quick):
    """How to make each model of callbacks, by name."""
    most = 3 if quick else 9

    def recurrent(cell, n_epochs):
        slower = ExponentialDecay(0.8 if length > 100 else 1.0)  # where long, constant rates are unstable
        return lambda callbacks: network(cell, Adam(3e-3), 0, n_epochs, callbacks, batch_size=16, schedule=slower)

    kept = round(math.log(length), 1)
    return {
        f"LSTM, 128 units, forget bias {kept}": recurrent(LSTM(128, forget_bias=kept), most),
        "LSTM, 128 units": recurrent(LSTM(128), most // 3),
        "GRU, 128 units": recurrent(GRU(128), most // 3),
        "Elman, 128 units": recurrent(Elman(128), most // 3),
    }


def copied(make, length, n_strings):
    """A model trained on random strings, its loss on others and how many it was presented."""
    training = copy_strings(n_strings, length, np.random.default_rng(0))
    test, losses = copy_strings(N_COPY_TEST, length, np.random.default_rng(1)), []

    def solved(model, record):
        if record["epoch"] and record["epoch"] == int(record["epoch"]):
            losses.append(copy_loss(model, test))
            return losses[-1] < SOLVED * copy_baseline(length)

    model = make([solved]).fit(training)
    return model, losses[-1], n_strings * len(losses)


def copy(quick):
    """Rows of the table and figures of copy memory."""
    rows, figures = [], []
    for length in (20,) if quick else (50, 200):
        baseline = copy_baseline(length)
        rows.append([f"copy, T = {length}: no memory", "", "", f"{baseline:.4f} nats a step", ""])
        for name, make in copy_models(length, quick).items():
            began = time.perf_counter()
            model, loss, presented = copied(make, length, N_COPY_TRAINING // (5 if quick else 1))
            reached = f"{loss:.4f} nats a step, {loss / baseline:.3f} of no memory"
            rows.append(row(f"copy, T = {length}: {name}", model.n_parameters_, f"{presented:,}", reached, began))
            if "forget bias" in name and not quick:
                stated = COPY_STATED[length]
                what = f"copy, T = {length}: {name}, share of the loss without memory, at most {stated} stated"
                figures.append((what, loss / baseline, loss / baseline <= stated))
    return rows, figures


# -------------------------------------------------------------------- a coin loaded by another

LAGS = (3, 8)
N_COINS, N_COIN_TOSSES, N_TEST_COINS, N_TEST_TOSSES = 400, 500, 100, 2000
TOLERANCE, QUICKLY, NEAR = 0.005, 0.01, 0.02  # nats


def load(early, late):
    """Probability of a one in Y, given X of 3 and of 8 steps before."""
    return 0.5 + 0.5 * early - 0.25 * late


def coin_series(n, length, generator):
    """Series (n, T) of pairs as symbols ``2 x + y``; X has been tossed before the series begin."""
    x = generator.integers(0, 2, (n, LAGS[1] + length))
    times = np.arange(LAGS[1], LAGS[1] + length)
    y = generator.random((n, length)) < load(x[:, times - LAGS[0]], x[:, times - LAGS[1]])
    return 2 * x[:, times] + y


def entropy(probability):
    """Nats of a coin."""
    return -sum(p * math.log(p) for p in (probability, 1 - probability) if p > 0)


def coin_floor(known):
    """Nats a pair for what knows X of so many of the lags (the nearest first) and all probabilities."""
    loads = np.array([[load(early, late) for late in (0, 1)] for early in (0, 1)])
    for axis in range(known, 2):
        loads = loads.mean(axis=axis, keepdims=True)
    return math.log(2) + float(np.mean([entropy(p) for p in loads.ravel()]))


def coin_runs(quick):
    """Cells, how many steps back their gradients reach (None: all), and what is stated, as nats and a tolerance."""
    both, nearest = coin_floor(2), coin_floor(1)
    if quick:
        return [(GRU(16), None, both, QUICKLY), (Elman(4), 5, nearest, NEAR)]
    return [
        *((cell, None, both, TOLERANCE) for cell in (LSTM(16), GRU(16), Elman(16))),
        *((cell, 5, None, None) for cell in (LSTM(16), GRU(16), Elman(16))),
        (LSTM(16), 1, None, None),
        (Elman(4), None, None, None),
        (Elman(4), 5, nearest, NEAR),
    ]


def coins(quick):
    """Rows of the table and figures of the loaded coin."""
    training = list(coin_series(N_COINS, N_COIN_TOSSES, np.random.default_rng(0)))
    test = coin_series(N_TEST_COINS, N_TEST_TOSSES, np.random.default_rng(1))
    test = Sequences.wrap(list(test)).given_past(LAGS[1])
    n_epochs, rows, figures = 6 if quick else 10, [], []
    for known, words in enumerate(("neither lag", "lag 3", "lags 3 and 8")):
        rows.append([f"coins: {words} known", "", "", f"{coin_floor(known):.4f} nats a step", ""])
    for cell, truncation, stated, within in coin_runs(quick):
        began = time.perf_counter()
        model = network(
            cell, Adam(1e-2), 0, n_epochs, batch_size=4 if truncation else 1, truncation=truncation,
            schedule=ExponentialDecay(0.75),
        ).fit(training)  # fmt: skip
        loss = -model.score(test)
        back = {None: "all steps", 1: "1 step"}.get(truncation, f"{truncation} steps")
        name = f"coins: {type(cell).__name__}, {cell.n_hidden} units, gradients through {back}"
        rows.append(row(name, model.n_parameters_, f"{n_epochs * N_COINS:,}", f"{loss:.4f} nats a step", began))
        if stated is not None:
            what = f"{name}, nats a step, {stated:.4f} within {within} stated"
            figures.append((what, loss, abs(loss - stated) <= within))
    return rows, figures


def main():
    options = parser(__doc__.splitlines()[0], PARTS).parse_args()
    print_protocol(
        f"Reber: {N_STRINGS} training strings, drawn for each seed and presented one by one, again in each epoch "
        f"until {LIMIT:,} presentations;",
        f"solved: at the end of an epoch every legal symbol is above every other one at all steps of {N_CHECKED} fresh "
        f"strings; steps right: of {N_AFTERWARDS} others at the end;",
        f"networks: Adam(0.01), HMM: EM from a random start, an iteration presents all; "
        f"{2 if options.quick else 10} seeds;",
        "copy: ten symbols of 8 kinds, T - 1 blanks, a marker, the ten again, generated jointly and drawn anew for the "
        "test; loss: over blanks, marker and copy,",
        "divided by all T + 20 steps as published (the ten symbols drawn at random cost nothing); Adam(0.003), for "
        "T = 200 with 0.8 times the rate after each epoch, batches of 16, one seed;",
        f"coins: pairs (x, y) as 4 symbols, {N_COINS} series of {N_COIN_TOSSES} for training; test: {N_TEST_COINS} of "
        f"{N_TEST_TOSSES}, scored after {LAGS[1]} steps; Adam(0.01), "
        "0.75 times the rate after each epoch, one seed;",
        "gradients through all steps: one series an update; through 5 steps: windows of 5 in batches of 4 series, the "
        "state carried over; clipped at norm 1, float32",
    )
    rows, figures = [], []
    for part in options.only:
        more, stated = {"reber": reber, "copy": copy, "coins": coins}[part](options.quick)
        rows, figures = rows + more, figures + stated
    print()
    print_table(["", "parameters", "presented", "reached", "seconds a run"], rows)
    finish(figures, options.check)


if __name__ == "__main__":
    main()
