"""The states of a fitted model: how often and how long they occur, and the order in which they stand."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..arrays import take
from .states import best_match
from .stationary import stationary_distribution

__all__ = ["OrderedStates"]


class OrderedStates:
    """What an HMM tells about its states, and how it numbers them."""

    @property
    def stationary_distribution_(self):
        """Probabilities (K,) of the states in the long run; an error if they depend on where the chain starts."""
        check_is_fitted(self, "emission_")
        return stationary_distribution(self.transition_)

    @property
    def expected_durations_(self):
        """Mean number of steps (K,) for which each state lasts; inf for one that is never left."""
        check_is_fitted(self, "emission_")
        leaving = 1 - np.diagonal(np.asarray(self.transition_, dtype=float))
        with np.errstate(divide="ignore"):
            return 1 / np.maximum(leaving, 0.0)

    @property
    def n_parameters_(self):
        """Free parameters: without those that are fixed, and without zeros that are not estimates.

        A transition that was zero at the start of training, or has been set to zero since, is not free.
        """
        check_is_fitted(self, "emission_")
        return self._freedom.count(self.initial_, self.transition_, self.emission_, self.family_)

    def reorder(self, by):
        """Number the states anew, since training gives them any order.

        Parameters
        ----------
        by : str or array (K,) of int
            The name of a parameter of the emission, such as "means" or "rates", or "mean", the mean of the
            emission: in increasing order of it (of its first column). "stationary": the state that occurs most
            comes first. Or the old number of each new state.

        Returns
        -------
        self
            Hyperparameters that speak of single states (`init`, ``transitions.fixed``) are left as they are.
        """
        check_is_fitted(self, "emission_")
        order = self._order_by(by) if isinstance(by, str) else np.asarray(by)
        K = len(self.initial_)
        if order.dtype.kind not in "iu" or order.shape != (K,) or not np.array_equal(np.sort(order), np.arange(K)):
            raise ValueError(f"by is {by!r}; each of the states 0 to {K - 1} once, or a name, is accepted")
        self.initial_ = np.asarray(self.initial_)[order]
        self.transition_ = np.asarray(self.transition_)[np.ix_(order, order)]
        self.emission_ = take(self.emission_, order)
        self._freedom = self._freedom.permuted(order)
        self._online = None if self._online is None else self._online.permuted(order)
        return self

    def _order_by(self, name):
        fields = self.emission_._asdict()
        if name == "stationary":
            return np.argsort(-self.stationary_distribution_, kind="stable")
        if name == "mean" and not self.family_.symbolic:
            values = self.family_.mean(self.emission_)
        elif isinstance(fields.get(name), tuple | None):
            names = [key for key, value in fields.items() if not isinstance(value, tuple)]
            names += ["stationary"] if self.family_.symbolic else ["mean", "stationary"]
            listed = ", ".join(map(repr, names))
            raise ValueError(f"by is {name!r}; {listed} or the old number of each new state are accepted")
        else:
            values = np.asarray(fields[name])
        return np.argsort(values.reshape(len(values), -1)[:, 0], kind="stable")

    def align_to(self, other, X, lengths=None):
        """Number the states as another model does: so that most steps of X are decoded to the same number.

        Parameters
        ----------
        other : HMM
            With as many states.
        X : like the data that the models were fitted to

        Returns
        -------
        self
        """
        check_is_fitted(self, "emission_")
        K = len(self.initial_)
        if len(other.initial_) != K:
            raise ValueError(f"other has {len(other.initial_)} states; {K}, as many as this model, are accepted")
        paths, theirs = (np.concatenate(model.decode(X, lengths=lengths)) for model in (self, other))
        return self.reorder(best_match(np.bincount(paths * K + theirs, minlength=K * K).reshape(K, K)))
