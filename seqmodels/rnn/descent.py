"""Steps down a gradient: an optimizer with its state, at the rate that a schedule gives, on clipped gradients."""

import copy

from .optimizers import clip

__all__ = ["Descent"]


class Descent:
    """How some weights are changed, and all that is kept from one update to the next.

    Parameters
    ----------
    optimizer : Optimizer
    weights : array (W,)
    schedule : Schedule, optional
    clip_norm, clip_value : float, optional
    decay : array (W,), optional
        Times the weights, it is added to the gradient once that is clipped.
    earlier : Descent, optional
        What has changed these weights before: its state is taken over as far as the same kind of optimizer, and of
        schedule, goes on.
    """

    def __init__(self, optimizer, weights, schedule=None, clip_norm=None, clip_value=None, decay=None, earlier=None):
        self._optimizer = copy.copy(optimizer)
        self._learning_rate = optimizer.learning_rate
        self._schedule, self._decay = schedule, decay
        self._clip_norm, self._clip_value = clip_norm, clip_value
        self._state = optimizer.begin(weights)
        self._scheduled = {"factor": 1.0} if schedule is None else schedule.begin()
        if earlier is not None and _kind(optimizer, self._state) == _kind(earlier._optimizer, earlier._state):
            self._state = copy.deepcopy(earlier._state)
        if earlier is not None and type(schedule) is type(earlier._schedule):
            self._scheduled = dict(earlier._scheduled)

    @property
    def learning_rate(self):
        """The present one."""
        return self._learning_rate * self._scheduled["factor"]

    def step(self, weights, gradient):
        """Change weights (W,) in place; the gradient (W,) is used up."""
        clip(gradient, self._clip_norm, self._clip_value)
        if self._decay is not None:
            gradient += self._decay * weights
        self._optimizer.learning_rate = self.learning_rate
        self._optimizer.update(weights, gradient, self._state)

    def start_from(self, loss):
        """Let the schedule know the loss before the first epoch."""
        if self._schedule is not None:
            self._scheduled = self._schedule.begin(loss)

    def after_epoch(self, loss):
        """Let the schedule know the loss of an epoch, in nats per observation."""
        if self._schedule is not None:
            self._schedule.after_epoch(self._scheduled, loss)


def _kind(optimizer, state):
    return type(optimizer), sorted(state)
