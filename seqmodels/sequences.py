"""Ragged data, end to end: N sequences in one array of observations, with offsets between them."""

import numbers
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from .forms import MISSING, as_array, as_context, encode_symbols, item_as_array, listed, split_at

__all__ = ["Sequences"]


@dataclass(frozen=True, eq=False)
class Sequences:
    """N sequences of M observations in all.

    Make one with :meth:`wrap`; the fields are for those who write models.

    Parameters
    ----------
    values : array (M, D)
        All observations, one sequence after the other. Numbers (NaN is missing), or, where there is an
        alphabet, codes of symbols (M, 1) (-1 is missing, ``len(alphabet)`` is a symbol outside of it).
    offsets : array (N + 1,)
        Sequence n is ``values[offsets[n]:offsets[n + 1]]``.
    alphabet : tuple, optional
        The symbols, in the order of their codes.
    form : {"rows", "flat", "text"}
        How one sequence looks outside: (T, D), (T,), or a string.
    given : array (N,), optional
        How many leading observations of each sequence only condition the rest and are not scored
        themselves; see :meth:`given_past`.
    context : array (N, C), optional
        A vector that conditions each sequence as a whole; see :meth:`with_context`.
    """

    values: np.ndarray
    offsets: np.ndarray
    alphabet: tuple | None = None
    form: str = "rows"
    given: np.ndarray | None = None
    context: np.ndarray | None = None

    # ---------------------------------------------------------------- made from what users have

    @classmethod
    def wrap(cls, X, lengths=None, alphabet=None, name="X"):
        """Take data in any of the accepted forms.

        Parameters
        ----------
        X : list of arrays, list of strings, array, or Sequences
            A list of N sequences, each (T,) or (T, D); a sequence of symbols may hold ints, strings or any
            hashable objects, and a string is a sequence of characters. NaN (None for symbols) is missing.
            Also an array (N, T, D), a column of lists from a data frame, or one array (T, D), which is
            taken as one sequence with a warning.
        lengths : sequence of int, optional
            The lengths of the sequences that stand one after the other in the array X.
        alphabet : sequence, optional
            All symbols that may occur.
        name : str
            What error messages call the argument.

        Raises
        ------
        ValueError, TypeError
            Naming the sequence and the position of what cannot be taken.
        """
        if isinstance(X, cls):
            if lengths is not None:
                raise ValueError(f"{name} is a Sequences and knows its lengths; leave lengths out")
            return X if alphabet is None else X.encoded(tuple(alphabet), name=name)
        if isinstance(X, str):
            raise TypeError(f"{name} is one string; write [{name}] for one sequence of characters")
        items = split_at(as_array(X, name), lengths, name) if lengths is not None else listed(X, name)
        if not items:
            raise ValueError(f"{name} holds no sequence; at least one is needed")
        sequences = cls._from_items([item_as_array(item, n, name) for n, item in enumerate(items)], name)
        return sequences if alphabet is None else sequences.encoded(tuple(alphabet), name=name)

    @classmethod
    def _from_items(cls, items, name):
        forms = [form for form, _ in items]
        symbolic = any(array.dtype == object for _, array in items)
        for n, (form, array) in enumerate(items):
            if len(array) == 0:
                raise ValueError(f"{name}[{n}] is empty; every sequence needs at least one observation")
            if (form == "rows") != (forms[0] == "rows"):
                raise ValueError(
                    f"{name}[{n}] has {array.ndim} dimensions but {name}[0] has {items[0][1].ndim}; "
                    "all sequences must be (T,) or all (T, D)"
                )
            if form == "rows" and array.shape[1] != items[0][1].shape[1]:
                raise ValueError(f"{name}[{n}] has {array.shape[1]} columns but {name}[0] has {items[0][1].shape[1]}")
        offsets = np.concatenate([[0], np.cumsum([len(array) for _, array in items])])
        form = "text" if all(form == "text" for form in forms) else "rows" if forms[0] == "rows" else "flat"
        if symbolic:
            if form == "rows" and items[0][1].shape[1] != 1:
                raise TypeError(
                    f"{name} holds symbols in {items[0][1].shape[1]} columns; one column is accepted (in a table, "
                    "symbols are codes 0, 1, ..., and emissions.Product says which columns hold them)"
                )
            values, alphabet = encode_symbols(np.concatenate([array.ravel() for _, array in items]), form)
            return cls(values[:, None], offsets, alphabet, form)
        values = np.concatenate([array.reshape(len(array), -1) for _, array in items])
        if values.dtype.kind == "f" and not np.all(finite := np.isfinite(values) | np.isnan(values)):
            m, d = np.argwhere(~finite)[0]
            sequences = cls(values, offsets, form=form)
            raise ValueError(f"{sequences.where(m, name, d)} is {values[m, d]}; finite numbers and NaN are accepted")
        return cls(values, offsets, form=form)

    # ---------------------------------------------------------------- what it looks like

    def __len__(self):
        return len(self.offsets) - 1

    @property
    def shape(self):
        """(N,): for scikit-learn, one sequence is one sample."""
        return (len(self),)

    @cached_property
    def lengths(self):
        """Array (N,): the number of observations of each sequence."""
        return np.diff(self.offsets)

    @property
    def n_observations(self):
        """M, the number of observations in all."""
        return len(self.values)

    @property
    def n_features(self):
        """D, the number of columns."""
        return self.values.shape[1]

    @property
    def missing(self):
        """Array (M, D) of bool: which entries are missing."""
        return self.values < 0 if self.alphabet is not None else np.isnan(self.values)

    @cached_property
    def scored(self):
        """Array (M,) of bool: the observations that count, neither missing altogether nor merely given."""
        scored = ~self.missing.all(axis=1)
        if self.given is not None:
            scored &= self.positions >= np.repeat(self.given, self.lengths)
        return scored

    @cached_property
    def n_scored(self):
        """How many observations count."""
        return int(np.count_nonzero(self.scored))

    @property
    def positions(self):
        """Array (M,): the position of each observation in its sequence."""
        return np.arange(self.n_observations) - np.repeat(self.offsets[:-1], self.lengths)

    def __getitem__(self, index):
        if isinstance(index, tuple):  # scikit-learn asks for X[indices, ...]
            if len(index) != 2 or index[1] is not Ellipsis:
                raise IndexError("Sequences take one index: the number or the numbers of the sequences")
            index = index[0]
        if isinstance(index, numbers.Integral):
            return self.outside(self.values[slice(*self._bounds(index))])
        chosen = np.arange(len(self))[index]
        lengths = self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], lengths)
        given = None if self.given is None else self.given[chosen]
        context = None if self.context is None else self.context[chosen]
        return replace(self, values=self.values[rows], offsets=offsets, given=given, context=context)

    def __iter__(self):
        return (self[n] for n in range(len(self)))

    def __repr__(self):
        kind = f"{len(self.alphabet)} symbols" if self.alphabet is not None else f"{self.n_features} columns"
        return f"<Sequences: {len(self)} sequences, {self.n_observations} observations, {kind}>"

    def _bounds(self, n):
        n = range(len(self))[n]
        return self.offsets[n], self.offsets[n + 1]

    def outside(self, values):
        """The values of one sequence (T, D) as the user knows them: decoded, and in the form of the data."""
        if self.alphabet is None:
            return values if self.form == "rows" else values[:, 0]
        symbols = [*self.alphabet, None, None]  # unknown and missing
        decoded = [symbols[code] for code in values[:, 0]]
        if self.form == "text":
            return "".join("\N{REPLACEMENT CHARACTER}" if symbol is None else symbol for symbol in decoded)
        array = np.empty(len(decoded), dtype=object)
        array[:] = decoded
        kinds = {type(symbol) for symbol in self.alphabet}
        if None not in decoded and (kinds == {int} or kinds == {str}):
            array = np.array(decoded)
        return array if self.form != "rows" else array[:, None]

    def where(self, m, name="X", d=None):
        """Words for the place of observation m, such as "X[3], position 17"."""
        n = int(np.searchsorted(self.offsets, m, side="right")) - 1
        column = f", column {d}" if d is not None and self.n_features > 1 else ""
        return f"{name}[{n}], position {m - self.offsets[n]}{column}"

    # ---------------------------------------------------------------- made from another one

    def encoded(self, alphabet=None, unknown="keep", name="X"):
        """The same sequences as codes of symbols.

        Parameters
        ----------
        alphabet : tuple, optional
            The symbols in the order of their codes; those that occur, by default.
        unknown : {"keep", "error"}
            Symbols outside the alphabet get the code ``len(alphabet)``, or are refused.
        """
        if self.alphabet is None:
            if self.n_features != 1:
                raise ValueError(f"{name} has {self.n_features} columns; symbols take one")
            fractional = ~(np.isnan(self.values) | (self.values == np.round(self.values)))
            if fractional.any():
                m = int(np.argmax(fractional))
                raise ValueError(
                    f"{self.where(m, name)} is {self.values[m, 0]}; symbols are accepted: integers, strings or objects"
                )
            own, codes = np.unique(self.values[:, 0], return_inverse=True)
            observed = own[~np.isnan(own)]
            codes = np.where(codes < len(observed), codes, MISSING)
            own = tuple(int(symbol) for symbol in observed)
        else:
            own, codes = self.alphabet, self.values[:, 0]
        target = own if alphabet is None else tuple(alphabet)
        if self.alphabet is not None and target == own and (unknown == "keep" or self._largest_code < len(own)):
            return self
        translated = codes
        if target != own:
            known = {symbol: code for code, symbol in enumerate(target)}
            if len(known) < len(target):
                raise ValueError(f"alphabet has {len(target)} symbols, of which only {len(known)} are different")
            translation = np.array([*(known.get(symbol, len(target)) for symbol in own), len(target), MISSING])
            translated = translation[codes]
        if unknown == "error" and np.any(translated == len(target)):
            m = int(np.argmax(translated == len(target)))
            symbol = repr(own[codes[m]]) if codes[m] < len(own) else "outside of its alphabet"
            raise ValueError(
                f"{self.where(m, name)} is the symbol {symbol}, which is not among the "
                f"{len(target)} symbols seen in fit"
            )
        return replace(self, values=translated.astype(np.int64, copy=False)[:, None], alphabet=target)

    def numeric(self, name="X"):
        """The same sequences as numbers, where the symbols are numbers."""
        if self.alphabet is None:
            return self
        if not all(isinstance(symbol, numbers.Real) for symbol in self.alphabet):
            symbol = next(s for s in self.alphabet if not isinstance(s, numbers.Real))
            raise TypeError(f"{name} holds symbols such as {symbol!r}; numbers are accepted here")
        table = np.array([*self.alphabet, np.nan, np.nan], dtype=float)
        return replace(self, values=table[self.values], alphabet=None)

    def given_past(self, given):
        """The same sequences, of which the first `given` (N,) observations only condition the rest."""
        return replace(self, given=np.minimum(np.broadcast_to(given, len(self)), self.lengths))

    def with_context(self, context):
        """The same sequences, each with a vector that conditions all of it.

        A network takes such sequences wherever it takes ``context=``; scikit-learn cuts them into folds as one.

        Parameters
        ----------
        context : array (N, C)

        Raises
        ------
        ValueError, TypeError
            Unless there is one vector of finite numbers for each sequence.
        """
        return replace(self, context=as_context(context, len(self)))

    def first(self, lengths):
        """The first `lengths` (N,) observations of each sequence; sequences of length zero are left out."""
        lengths = np.minimum(np.broadcast_to(lengths, len(self)), self.lengths)
        kept = self.positions < np.repeat(lengths, self.lengths)
        offsets = np.concatenate([[0], np.cumsum(lengths[lengths > 0])])
        context = None if self.context is None else self.context[lengths > 0]
        return replace(self, values=self.values[kept], offsets=offsets, given=None, context=context)

    def longest_first(self):
        """The order (N,) in which lengths fall; equal lengths keep their order."""
        return self._longest_first

    @cached_property
    def _longest_first(self):
        return np.argsort(-self.lengths, kind="stable")

    @cached_property
    def _largest_code(self):
        return self.values.max(initial=MISSING)

    def __getstate__(self):
        return {field.name: getattr(self, field.name) for field in fields(self)}  # not what is found from these

    def split(self, terms):
        """An array (M, ...) over all observations, as a list of one array per sequence."""
        return np.split(terms, self.offsets[1:-1])

    def per_sequence(self, terms):
        """Sums (N,) of `terms` (M,) over each sequence."""
        return np.add.reduceat(terms, self.offsets[:-1], dtype=np.result_type(terms, np.int64))
