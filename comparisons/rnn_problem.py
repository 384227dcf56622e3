"""What is the same on all sides of a comparison of networks: weights to start from, inputs and targets."""

import numpy as np

IGNORED = -100  # target of a padded step, as cross-entropy knows it


class Weights:
    """Weights of a network of one layer, as all sides want them: without columns of symbols that never occur."""

    def __init__(self, model, n_symbols):
        weights = model.weights_
        kept = [*range(n_symbols), n_symbols + 2]  # all symbols and the start; not the unknown, not a missing one
        self.n_inputs = len(kept)
        self.input = weights["weight_ih_l0"][:, kept]  # (G H, V + 1)
        self.recurrent = weights["weight_hh_l0"]  # (G H, H)
        self.bias = weights["bias_l0"]  # (G H,)
        self.recurrent_bias = np.zeros_like(self.bias)
        if "bias_hn_l0" in weights:
            self.recurrent_bias[-self.n_hidden :] = weights["bias_hn_l0"]
        self.output = weights["weight_out"]  # (V, H)
        offset = np.log(model.marginal_.probabilities).astype(self.input.dtype)
        self.output_bias = weights["bias_out"] + offset  # (V,)

    @property
    def n_hidden(self):
        """H."""
        return self.recurrent.shape[1]


def inputs_and_targets(sequences, n_symbols):
    """What the network reads and predicts at each step, time-major and padded: codes (T, B) twice."""
    length = max(map(len, sequences))
    targets = np.full((length, len(sequences)), IGNORED)
    for b, sequence in enumerate(sequences):
        targets[: len(sequence), b] = sequence
    start = np.full((1, len(sequences)), n_symbols)
    return np.concatenate([start, np.maximum(targets[:-1], 0)]), targets
