"""Slow and plain: what the fast code is held against."""

import itertools
import math
from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np
from scipy import stats

# -------------------------------------------------------------------- interpolated Kneser-Ney

START, GAP = "<start>", "<gap>"


def kneser_ney(sequences, weights, alphabet, order):
    """A function of (history, symbol), the interpolated Kneser-Ney probability; None is a missing symbol.

    Symbols outside of the alphabet are one symbol, "unknown".
    """
    raw = Counter()  # n-gram -> weighted count
    left = defaultdict(set)  # n-gram -> what stood before it
    for sequence, weight in zip(sequences, weights, strict=True):
        if weight == 0:
            continue
        for t, symbol in enumerate(sequence):
            if symbol is None:
                continue
            symbol = symbol if symbol in alphabet else "unknown"
            before = [START, *sequence[:t]] if t <= order else sequence[t - order - 1 : t]
            context = usable(before, alphabet)
            for length in range(min(order, len(context)) + 1):
                gram = (*context[len(context) - length :], symbol)
                raw[gram] += weight
                left[gram].add(context[-length - 1] if length < len(context) else GAP)

    def count(gram):
        at_start = gram[0] == START
        return raw[gram] if len(gram) == order + 1 or at_start else len(left[gram])

    counts = {gram: count(gram) for gram in raw}
    discounts = {}
    followers = defaultdict(dict)
    for length in range(1, order + 2):
        of_length = {gram: c for gram, c in counts.items() if len(gram) == length}
        once = sum(0.5 <= c < 1.5 for c in of_length.values())
        twice = sum(1.5 <= c < 2.5 for c in of_length.values())
        discounts[length] = once / (once + 2 * twice) if once and twice else 0.5
        for gram, c in of_length.items():
            followers[gram[:-1]][gram[-1]] = c

    def probability(context, symbol):
        shorter = probability(context[1:], symbol) if context else 1 / (len(alphabet) + 1)
        if context not in followers:
            return shorter
        discount, total = discounts[len(context) + 1], sum(followers[context].values())
        own = max(followers[context].get(symbol, 0) - discount, 0) / total
        return own + sum(min(c, discount) for c in followers[context].values()) / total * shorter

    def of(history, symbol):
        before = [START, *history] if len(history) < order else history[len(history) - order :]
        return probability(usable(before, alphabet), symbol if symbol in alphabet else "unknown")

    return of


def usable(before, alphabet):
    """The symbols (and start marker) after the last gap."""
    context = ()
    for symbol in before:
        context = (*context, symbol) if symbol == START or symbol in alphabet else ()
    return context


# -------------------------------------------------------------------- recurrent networks, one number at a time
# Weights lie as PyTorch documents them: W_ih (G H, I) and W_hh (G H, H), one block of H rows a gate, in the order
# i f g o (LSTM) and r z n (GRU). A step maps (x, h, c, W_ih, W_hh, b) and what other weights the cell has to (h, c),
# all of them lists.


def logistic(x):
    return 1 / (1 + math.exp(-x))


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def blocks(rows, n):
    """Rows (n H, ...) as n lists of H rows."""
    H = len(rows) // n
    return [rows[gate * H : (gate + 1) * H] for gate in range(n)]


def elman_step(f):
    """h = f(W_ih x + W_hh h + b), Elman (1990)."""

    def step(x, h, c, W_ih, W_hh, b):
        return [f(dot(W_ih[j], x) + dot(W_hh[j], h) + b[j]) for j in range(len(h))], c

    return step


def lstm_step(x, h, c, W_ih, W_hh, b):
    """Hochreiter and Schmidhuber (1997) with the forget gate of Gers, Schmidhuber and Cummins (2000)."""
    new_h, new_c = [], []
    for j in range(len(h)):
        i, f, g, o = (
            dot(W[j], x) + dot(R[j], h) + bias[j]
            for W, R, bias in zip(blocks(W_ih, 4), blocks(W_hh, 4), blocks(b, 4), strict=True)
        )
        new_c.append(logistic(f) * c[j] + logistic(i) * math.tanh(g))
        new_h.append(logistic(o) * math.tanh(new_c[j]))
    return new_h, new_c


def lstm_variant_step(
    gate=logistic, squash=math.tanh, read=math.tanh, without=None, full=False, peepholes=None, projected=False
):
    """An LSTM in general: memories are those of the units, and before them the gates i, f, o where gates see them.

    `peepholes` is None, "diagonal" or "full". Beside the weights of all LSTMs come, in this order, those of the gates
    (3 H, 3 H), those of the projection (P + Q, H) and those of peepholes (3 H,) or (3 H, H).
    """

    def step(x, h, c, W_ih, W_hh, b, *others):
        others = list(others)
        W_gates = others.pop(0) if full else None
        W_out = others.pop(0) if projected else None
        P = others.pop(0) if peepholes else None
        n_gates, n_recurrent = 4 - (without is not None), len(W_hh[0])
        names = [name for name in ("input_gate", "forget_gate", "g", "output_gate") if name != without]
        H = len(W_ih) // n_gates
        seen = [dot(W, x) + dot(R, h[:n_recurrent]) + bias for W, R, bias in zip(W_ih, W_hh, b, strict=True)]
        seen = dict(zip(names, blocks(seen, n_gates), strict=True))
        before, memory = c[-H:], c[-H:]
        if full:
            for name, rows in zip(("input_gate", "forget_gate", "output_gate"), blocks(W_gates, 3), strict=True):
                seen[name] = [a + dot(row, c[: 3 * H]) for a, row in zip(seen[name], rows, strict=True)]

        def look(name, number, memory):
            if peepholes == "diagonal":
                return [a + p * m for a, p, m in zip(seen[name], blocks(P, 3)[number], memory, strict=True)]
            if peepholes == "full":
                return [a + dot(row, memory) for a, row in zip(seen[name], blocks(P, 3)[number], strict=True)]
            return seen[name]

        def opened(name, number, memory):
            return [1.0] * H if name == without else [gate(a) for a in look(name, number, memory)]

        i, f = opened("input_gate", 0, before), opened("forget_gate", 1, before)
        memory = [f[j] * before[j] + i[j] * squash(seen["g"][j]) for j in range(H)]
        o = opened("output_gate", 2, memory)
        m = [o[j] * read(memory[j]) for j in range(H)]
        return [dot(row, m) for row in W_out] if projected else m, [*i, *f, *o, *memory] if full else memory

    return step


def coupled_lstm_step(x, h, c, W_ih, W_hh, b):
    """CIFG of Greff et al. (2015): c' = f * c + (1 - f) * g."""
    seen = [dot(W, x) + dot(R, h) + bias for W, R, bias in zip(W_ih, W_hh, b, strict=True)]
    f, g, o = blocks(seen, 3)
    memory = [logistic(f[j]) * c[j] + (1 - logistic(f[j])) * math.tanh(g[j]) for j in range(len(h))]
    return [logistic(o[j]) * math.tanh(memory[j]) for j in range(len(h))], memory


def normalised(row):
    """With mean zero and variance one, as torch.nn.LayerNorm."""
    mean = sum(row) / len(row)
    variance = sum((a - mean) ** 2 for a in row) / len(row)
    return [(a - mean) / math.sqrt(variance + 1e-5) for a in row]


def layer_norm_lstm_step(x, h, c, W_ih, W_hh, _, gain_ih, gain_hh, gain_c, b=None, b_c=None):
    """Ba, Kiros and Hinton (2016), equations 20 to 22, with one bias of the gates."""
    H = len(h)
    b, b_c = b or [0.0] * 4 * H, b_c or [0.0] * H
    from_x, from_h = normalised([dot(W, x) for W in W_ih]), normalised([dot(R, h) for R in W_hh])
    seen = [gain_ih[j] * from_x[j] + gain_hh[j] * from_h[j] + b[j] for j in range(4 * H)]
    i, f, g, o = blocks(seen, 4)
    memory = [logistic(f[j]) * c[j] + logistic(i[j]) * math.tanh(g[j]) for j in range(H)]
    shown = normalised(memory)
    return [logistic(o[j]) * math.tanh(gain_c[j] * shown[j] + b_c[j]) for j in range(H)], memory


def gru_step_reset_after(x, h, c, W_ih, W_hh, b, b_hn=None):
    """As torch.nn.GRU: n = tanh(W_in x + b_in + r * (W_hn h + b_hn)), h' = (1 - z) * n + z * h."""
    b_hn = [0.0] * len(h) if b_hn is None else b_hn
    (W_r, W_z, W_n), (R_r, R_z, R_n), (b_r, b_z, b_n) = blocks(W_ih, 3), blocks(W_hh, 3), blocks(b, 3)
    new = []
    for j in range(len(h)):
        r = logistic(dot(W_r[j], x) + dot(R_r[j], h) + b_r[j])
        z = logistic(dot(W_z[j], x) + dot(R_z[j], h) + b_z[j])
        n = math.tanh(dot(W_n[j], x) + b_n[j] + r * (dot(R_n[j], h) + b_hn[j]))
        new.append((1 - z) * n + z * h[j])
    return new, c


def gru_step_reset_before(x, h, c, W_ih, W_hh, b):
    """Cho et al. (2014), z as in Chung et al. (2014): n = tanh(W_n x + R_n (r * h)), h' = (1 - z) * h + z * n."""
    (W_r, W_z, W_n), (R_r, R_z, R_n), (b_r, b_z, b_n) = blocks(W_ih, 3), blocks(W_hh, 3), blocks(b, 3)
    r = [logistic(dot(W_r[j], x) + dot(R_r[j], h) + b_r[j]) for j in range(len(h))]
    gated = [r_j * h_j for r_j, h_j in zip(r, h, strict=True)]
    new = []
    for j in range(len(h)):
        z = logistic(dot(W_z[j], x) + dot(R_z[j], h) + b_z[j])
        n = math.tanh(dot(W_n[j], x) + dot(R_n[j], gated) + b_n[j])
        new.append((1 - z) * h[j] + z * n)
    return new, c


def run_layer(step, inputs, W_ih, W_hh, b, *others, n_outputs=None, n_memory=None):
    """Hidden states and memories of one sequence of input vectors, both starting at zero."""
    H = len(W_hh[0])
    h, c = [0.0] * (n_outputs or H), [0.0] * (n_memory or H)
    hidden, memory = [], []
    for x in inputs:
        h, c = step(x, h, c, W_ih, W_hh, b, *others)
        hidden.append(h)
        memory.append(c)
    return hidden, memory


def network_terms(sequence, steps, weights, read, start, log_density, masks=None):
    """log p(x_t given x_<t) of one sequence under a network.

    `steps` holds one step a layer, `weights` arrays under PyTorch's names, `read` turns an observation into an
    input vector, `start` is the vector before the first one, `log_density(x, raw)` belongs to the family.
    With dropout, layer l hands up its hidden states times ``masks[l]`` (T, H).
    """
    weights = {name: array.tolist() for name, array in weights.items()}
    inputs = [start, *(read(x) for x in sequence[:-1])]
    for layer, step in enumerate(steps):
        own = {name: array for name, array in weights.items() if name.endswith(f"_l{layer}")}
        W_ih, W_hh = own.pop(f"weight_ih_l{layer}"), own.pop(f"weight_hh_l{layer}")
        b = own.pop(f"bias_l{layer}", [0.0] * len(W_hh))
        inputs, _ = run_layer(step, inputs, W_ih, W_hh, b, *own.values())
        if masks is not None:
            inputs = [[h * m for h, m in zip(*both, strict=True)] for both in zip(inputs, masks[layer], strict=True)]
    V, b = weights["weight_out"], weights["bias_out"]
    return [
        log_density(x, [dot(row, h) + b_r for row, b_r in zip(V, b, strict=True)])
        for x, h in zip(sequence, inputs, strict=True)
    ]


# What raw outputs mean: zero stands for the marginal.


def categorical_output(probabilities):
    def log_density(symbol, raw):
        if symbol is None:
            return 0.0
        odds = [p * math.exp(r) for p, r in zip(probabilities, raw, strict=True)]
        return math.log(odds[symbol] / sum(odds))

    return log_density


def bernoulli_output(probabilities):
    def log_density(x, raw):
        total = 0.0
        for x_d, p, r in zip(x, probabilities, raw, strict=True):
            one = p * math.exp(r) / (p * math.exp(r) + 1 - p)
            total += 0.0 if math.isnan(x_d) else math.log(one if x_d == 1 else 1 - one)
        return total

    return log_density


def poisson_output(rates):
    def log_density(x, raw):
        total = 0.0
        for x_d, rate, r in zip(x, rates, raw, strict=True):
            rate = rate * math.exp(r)
            total += 0.0 if math.isnan(x_d) else x_d * math.log(rate) - rate - math.lgamma(x_d + 1)
        return total

    return log_density


def gaussian_output(means, variances, shared=False):
    """Raw outputs are D shifts of the mean, in standard deviations, and D (or 1 shared) log ratios of scales."""

    def log_density(x, raw):
        D, total = len(means), 0.0
        for d in range(D):
            deviation = math.sqrt(variances[d])
            mean = means[d] + raw[d] * deviation
            deviation *= math.exp(raw[D] if shared else raw[D + d])
            if not math.isnan(x[d]):
                total += -((x[d] - mean) ** 2) / (2 * deviation**2) - math.log(deviation * math.sqrt(2 * math.pi))
        return total

    return log_density


# -------------------------------------------------------------------- hidden Markov chains
# One sequence at a time, by enumeration of all K^T paths and by recursions on logarithms; log_likelihoods (T, K)
# are those of the observations in each state, 0 where one is missing.


class Chain(NamedTuple):
    """What inference finds in one sequence."""

    log_likelihood: float
    terms: np.ndarray  # (T,) log p(x_t given x_<t)
    filters: np.ndarray  # (T, K) p(z_t given x_<=t)
    posteriors: np.ndarray  # (T, K) p(z_t given x)
    pairs: np.ndarray  # (K, K) expected transitions


def chain_by_enumeration(initial, transition, log_likelihoods):
    """From the probabilities of all paths; they must not underflow, and the sequence must be possible."""
    T, K = log_likelihoods.shape
    evidence, filters = np.zeros(T), np.zeros((T, K))
    posteriors, pairs = np.zeros((T, K)), np.zeros((K, K))
    for length in range(1, T + 1):
        for path in itertools.product(range(K), repeat=length):
            probability = path_probability(initial, transition, log_likelihoods, path)
            evidence[length - 1] += probability
            filters[length - 1, path[-1]] += probability
            if length == T:
                for t, state in enumerate(path):
                    posteriors[t, state] += probability
                for before, after in itertools.pairwise(path):
                    pairs[before, after] += probability
    terms = np.diff(np.log(evidence), prepend=0.0)
    filters /= evidence[:, None]
    return Chain(math.log(evidence[-1]), terms, filters, posteriors / evidence[-1], pairs / evidence[-1])


def path_probability(initial, transition, log_likelihoods, path):
    """p(path, x)."""
    probability = initial[path[0]] * math.exp(log_likelihoods[0, path[0]])
    for t in range(1, len(path)):
        probability *= transition[path[t - 1], path[t]] * math.exp(log_likelihoods[t, path[t]])
    return probability


def log_path_probability(initial, transition, log_likelihoods, path):
    """log p(path, x), also where p underflows."""
    with np.errstate(divide="ignore"):
        log_initial, log_transition = np.log(initial), np.log(transition)
    on_chain = log_initial[path[0]] + math.fsum(log_transition[i, j] for i, j in itertools.pairwise(path))
    return on_chain + math.fsum(log_likelihoods[t, state] for t, state in enumerate(path))


def paths_by_enumeration(initial, transition, log_likelihoods):
    """All paths of positive probability and their log p(path, x), best first."""
    T, K = log_likelihoods.shape
    paths = itertools.product(range(K), repeat=T)
    scored = [(log_path_probability(initial, transition, log_likelihoods, path), path) for path in paths]
    scored = sorted((each for each in scored if each[0] > -np.inf), key=lambda each: -each[0])
    return [path for _, path in scored], np.array([score for score, _ in scored])


def chi_square(found, probabilities):
    """How probable counts as far from `probabilities` (a dict) as those of `found` (a list) would be.

    What is expected less than five times is taken together; what has probability zero must not occur.
    """
    counts, n = Counter(found), len(found)
    assert all(probabilities.get(each, 0.0) > 0 for each in counts)
    often = [each for each, p in probabilities.items() if n * p >= 5]
    observed = np.array([counts[each] for each in often] + [n - sum(counts[each] for each in often)])
    expected = n * np.array([probabilities[each] for each in often] + [1 - sum(probabilities[e] for e in often)])
    if expected[-1] < 1e-9 * n:
        observed, expected = observed[:-1], expected[:-1]
    return stats.chi2.sf(((observed - expected) ** 2 / expected).sum(), len(observed) - 1)


def best_path_by_enumeration(initial, transition, log_likelihoods):
    """The largest log p(path, x), and whether only one path has it."""
    T, K = log_likelihoods.shape
    paths = itertools.product(range(K), repeat=T)
    probabilities = np.array([path_probability(initial, transition, log_likelihoods, path) for path in paths])
    largest = probabilities.max()
    return math.log(largest), (probabilities > largest * (1 - 1e-9)).sum() == 1


def chain_by_logarithms(initial, transition, log_likelihoods):
    """Right at any likelihood ratio; in extended precision, where the platform has it."""
    given = initial, transition, log_likelihoods
    initial, transition, densities = (np.asarray(array, dtype=np.longdouble) for array in given)
    with np.errstate(divide="ignore"):
        log_initial, log_transition = np.log(initial), np.log(transition)
    log_sum = np.logaddexp.reduce
    T, K = densities.shape
    forward, backward, terms = np.empty_like(densities), np.zeros_like(densities), np.empty(T, np.longdouble)
    for t in range(T):
        predicted = log_initial if t == 0 else log_sum(forward[t - 1][:, None] + log_transition, axis=0)
        forward[t] = predicted + densities[t]
        terms[t] = log_sum(forward[t])
        forward[t] -= terms[t]
    for t in range(T - 2, -1, -1):
        backward[t] = log_sum(log_transition + (densities[t + 1] + backward[t + 1]), axis=1)
        backward[t] -= backward[t].max()
    both = forward + backward
    posteriors = np.exp(both - log_sum(both, axis=1)[:, None])
    pairs = forward[:-1, :, None] + log_transition + (densities[1:] + backward[1:])[:, None]  # (T - 1, K, K)
    pairs = np.exp(pairs - log_sum(pairs.reshape(T - 1, K * K), axis=1)[:, None, None])
    found = Chain(terms.sum(), terms, np.exp(forward), posteriors, pairs.sum(axis=0))
    return Chain(*(np.asarray(part, dtype=float) for part in found))


# -------------------------------------------------------------------- semi-Markov chains
# By enumeration of all paths: without transitions from a state to itself, runs of equal states are the segments.
# mass(k, d) and survivor(k, d) are the probabilities that state k lasts d steps, and d steps or more.


class SegmentedChain(NamedTuple):
    """What inference finds in one sequence."""

    log_likelihood: float
    terms: np.ndarray  # (T,) log p(x_t given x_<t)
    filters: np.ndarray  # (T, K) p(z_t given x_<=t)
    posteriors: np.ndarray  # (T, K) p(z_t given x)
    pairs: np.ndarray  # (K, K) expected transitions between segments
    completed: np.ndarray  # (K, T) expected segments of d = 1, ..., T steps that end before the sequence does
    censored: np.ndarray  # (K, T) and of those that it cuts off
    best: float  # the largest log p(path, x)


def runs(path):
    """Pairs of a state and how long it lasts."""
    return [(state, len(list(run))) for state, run in itertools.groupby(path)]


def log_segmentation_probability(initial, transition, mass, survivor, log_likelihoods, path):
    """log p(path, x)."""

    def log(p):
        return math.log(p) if p > 0 else -math.inf

    segments = runs(path)
    parts = [log(initial[path[0]])]
    parts += [log(transition[a, b]) for (a, _), (b, _) in itertools.pairwise(segments)]
    parts += [log(mass(state, d)) for state, d in segments[:-1]]
    parts += [log(survivor(*segments[-1])), *(log_likelihoods[t, state] for t, state in enumerate(path))]
    return -math.inf if -math.inf in parts else math.fsum(parts)


def semi_markov_by_enumeration(initial, transition, mass, survivor, log_likelihoods):
    """From the probabilities of all paths; the sequence must be possible."""
    T, K = log_likelihoods.shape
    evidence, filters = np.empty(T), np.zeros((T, K))
    posteriors, pairs = np.zeros((T, K)), np.zeros((K, K))
    completed, censored = np.zeros((K, T)), np.zeros((K, T))
    for length in range(1, T + 1):
        paths = list(itertools.product(range(K), repeat=length))
        given = initial, transition, mass, survivor, log_likelihoods
        scores = np.array([log_segmentation_probability(*given, path) for path in paths])
        evidence[length - 1] = np.logaddexp.reduce(scores)
        for path, share in zip(paths, np.exp(scores - evidence[length - 1]), strict=True):
            filters[length - 1, path[-1]] += share
    for path, share in zip(paths, np.exp(scores - evidence[-1]), strict=True):
        segments = runs(path)
        for t, state in enumerate(path):
            posteriors[t, state] += share
        for (a, d), (b, _) in itertools.pairwise(segments):
            pairs[a, b] += share
            completed[a, d - 1] += share
        censored[segments[-1][0], segments[-1][1] - 1] += share
    terms = np.diff(evidence, prepend=0.0)
    return SegmentedChain(evidence[-1], terms, filters, posteriors, pairs, completed, censored, scores.max())
