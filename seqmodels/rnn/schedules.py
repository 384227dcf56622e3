"""How the learning rate changes from epoch to epoch."""

import math

from sklearn.base import BaseEstimator

from ..checks import check_count

__all__ = ["ExponentialDecay", "HalveOnRise", "OnPlateau", "Schedule"]


class Schedule(BaseEstimator):
    """What the optimizer's learning rate is multiplied by; holds hyperparameters only, its state is passed.

    The loss that it watches is that of the validation sequences, or, where there are none, of training.
    """

    def check(self):
        """Raise a ValueError where a hyperparameter is out of range."""

    def begin(self, loss=math.inf):
        """State to keep between epochs: a dict with the present `factor`; the loss is that before the first one."""
        return {"factor": 1.0}

    def after_epoch(self, state, loss):
        """Take note of the loss, in nats per observation, and change ``state["factor"]``."""
        raise TypeError(f"{type(self).__name__} does not define after_epoch")


class HalveOnRise(Schedule):
    """Halve the rate whenever the loss is higher than the epoch before, or is no number."""

    def begin(self, loss=math.inf):
        """The factor, and the loss of the epoch before."""
        return {"factor": 1.0, "last": loss}

    def after_epoch(self, state, loss):
        """Take note of the loss."""
        if not loss <= state["last"]:
            state["factor"] *= 0.5
        state["last"] = math.inf if math.isnan(loss) else loss


class ExponentialDecay(Schedule):
    """Multiply the rate by `decay` after every epoch.

    Parameters
    ----------
    decay : float
        In (0, 1].
    """

    def __init__(self, decay=0.95):
        self.decay = decay

    def check(self):
        """Raise a ValueError where a hyperparameter is out of range."""
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay is {self.decay!r}; numbers in (0, 1] are accepted")

    def after_epoch(self, state, loss):
        """Take note that an epoch has passed."""
        state["factor"] *= self.decay


class OnPlateau(Schedule):
    """Multiply the rate by `factor` after every `patience` epochs in a row whose loss is not below the lowest so far.

    Parameters
    ----------
    factor : float
        In (0, 1).
    patience : int
        Shorter than the network's own, with which training ends.
    """

    def __init__(self, factor=0.5, patience=2):
        self.factor = factor
        self.patience = patience

    def check(self):
        """Raise a ValueError where a hyperparameter is out of range."""
        if not 0 < self.factor < 1:
            raise ValueError(f"factor is {self.factor!r}; numbers in (0, 1) are accepted")
        check_count("patience", self.patience)

    def begin(self, loss=math.inf):
        """The factor, the lowest loss, and the epochs since."""
        return {"factor": 1.0, "lowest": loss, "since": 0}

    def after_epoch(self, state, loss):
        """Take note of the loss."""
        if loss < state["lowest"]:
            state["lowest"], state["since"] = loss, 0
            return
        state["since"] += 1
        if state["since"] == self.patience:
            state["factor"], state["since"] = state["factor"] * self.factor, 0
