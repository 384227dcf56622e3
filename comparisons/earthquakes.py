"""How many kinds of years do the earthquake counts of 1900-2006 have, and does a network see more?

107 annual counts of large earthquakes (USGS), the running example of Zucchini & MacDonald, "Hidden Markov
Models for Time Series". Log-likelihoods of Poisson hidden Markov models fitted to all 107 counts, with a free
initial distribution and, as in the book, with the stationary one; and, the last fifth of the counts held out,
one-step predictions of an HMM and a network.
"""

import numpy as np
from common import finish, parser, print_protocol, print_table

from seqmodels import HMM, RNN, Independent, Sequences, datasets
from seqmodels.emissions import Poisson
from seqmodels.hmm import Ergodic
from seqmodels.rnn import GRU, Adam

# states: log-likelihood; one state by formula, the others by Baum-Welch (hmmlearn 0.3.3 finds the same)
STATED = {1: -391.9189, 2: -341.8787, 3: -328.5275}
# the book's, stationary chains by direct maximisation: parameters, -log L, AIC, BIC as printed; and for 3 states
STATIONARY = {
    1: (1, "391.9189", "785.84", "788.51"),
    2: (4, "342.3183", "692.6365", "703.3278"),
    3: (9, "329.4603", "676.9206", "700.9760"),
}
RATES, DISTRIBUTION = ("13.146", "19.721", "29.714"), ("0.4436", "0.4045", "0.1519")
N_TRAINING = 86
SEEDS = (0, 1, 2)


def whole_series(counts):
    """Log-likelihood, AIC and BIC of Independent and of HMMs with 2 and 3 states."""
    models = {1: Independent(Poisson())}
    for n_states in (2, 3):
        models[n_states] = HMM(n_states, Poisson(), tol=1e-12, max_iter=10_000, n_init=5, random_state=0)
    rows, found = [], {}
    for n_states, model in models.items():
        model.fit(counts)
        found[n_states] = float(model.log_likelihood(counts)[0])
        rates = np.sort(np.atleast_1d(model.emission_.rates.ravel()))
        rows.append(
            [f"{n_states} states" if n_states > 1 else "Independent", f"{model.n_parameters_}", found[n_states],
             model.aic(counts), model.bic(counts), " ".join(f"{rate:.3f}" for rate in rates)]
        )  # fmt: skip
    print_table(["", "parameters", "log L", "AIC", "BIC", "rates"], rows)
    return found


def stationary_chains(counts):
    """Every printed figure of the book's table beside what is found, as (name, found, whether the digits agree)."""
    rows, figures = [], []

    def compare(name, found, printed):
        decimals = len(printed.partition(".")[2])
        figures.append((f"{name}, {printed} stated", found, f"{found:.{decimals}f}" == printed))

    for n_states, (n_parameters, *printed) in STATIONARY.items():
        chain = Ergodic(stationary=True)
        model = HMM(n_states, Poisson(), transitions=chain, tol=1e-12, max_iter=10_000, n_init=5, random_state=0)
        model.fit(counts).reorder("rates")
        rates, distribution = model.emission_.rates.ravel(), model.stationary_distribution_
        found = [-float(model.log_likelihood(counts)[0]), model.aic(counts), model.bic(counts)]
        compare(f"stationary, {n_states} states, parameters", float(model.n_parameters_), str(n_parameters))
        for name, value, stated in zip(("-log L", "AIC", "BIC"), found, printed, strict=True):
            compare(f"stationary, {n_states} states, {name}", value, stated)
        if n_states == 3:
            for name, values, stated in (("rate", rates, RATES), ("probability", distribution, DISTRIBUTION)):
                for state in range(3):
                    compare(f"stationary, 3 states, {name} {state + 1}", float(values[state]), stated[state])
        rows.append(
            [f"stationary, {n_states} states", f"{model.n_parameters_}", *found,
             " ".join(f"{rate:.3f}" for rate in rates), " ".join(f"{share:.4f}" for share in distribution)]
        )  # fmt: skip
    print_table(["", "parameters", "-log L", "AIC", "BIC", "rates", "stationary distribution"], rows)
    return figures


def held_out(counts):
    """Nats per year on the last years, given all before them."""
    past, future = counts.first(N_TRAINING), counts.given_past(N_TRAINING)
    rows = [["Independent", "", Independent(Poisson()).fit(past).score(future)]]
    for n_states in (2, 3):
        scores = [HMM(n_states, Poisson(), n_init=5, random_state=s).fit(past).score(future) for s in SEEDS]
        rows.append([f"HMM, {n_states} states", f"{np.std(scores):.4f}", float(np.mean(scores))])
    scores = []
    for seed in SEEDS:
        network = RNN(GRU(8), Poisson(), optimizer=Adam(1e-2), max_epochs=200, patience=20, random_state=seed)
        scores.append(network.fit(past).score(future))
    rows.append(["GRU, 8 units", f"{np.std(scores):.4f}", float(np.mean(scores))])
    print_table(["", "sd over seeds", "nats per year"], rows)


def main():
    options = parser(__doc__.splitlines()[0]).parse_args()
    counts = Sequences.wrap(datasets.load("earthquakes").sequences)
    print_protocol(
        f"{counts.n_observations} annual counts; EM to a gain below 1e-12 nats an observation, the best of 5 starts;",
        f"held out: fitted to the first {N_TRAINING} years, the others scored one step ahead; seeds {SEEDS};",
        "the network stops early on the last tenth of those it is fitted to",
    )
    found = whole_series(counts)
    print()
    stationary = stationary_chains(counts)
    print()
    held_out(counts)
    finish(
        [
            (f"log-likelihood, {k} states, {stated} stated", found[k], abs(found[k] - stated) < 5.1e-5)
            for k, stated in STATED.items()
        ]
        + stationary,
        options.check,
    )


if __name__ == "__main__":
    main()
