"""The forms in which users have sequences, and symbols as codes."""

import numbers
import warnings

import numpy as np

__all__ = ["MISSING", "as_array", "as_context", "encode_symbols", "item_as_array", "listed", "split_at"]

MISSING = -1  # the code of a missing symbol


def as_array(X, name):
    """All observations as one array (M,) or (M, D)."""
    array = np.asarray(X)
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} has {array.ndim} dimensions; with lengths, (M,) or (M, D) is accepted")
    return array


def as_context(context, n):
    """One vector of finite numbers for each of n sequences, an array (n, C)."""
    accepted = f"a vector of numbers for each of the {n} sequences, ({n}, C), is accepted"
    try:
        array = np.asarray(context, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"context is {context!r}; {accepted}") from None
    if array.ndim != 2 or len(array) != n or array.shape[1] == 0:
        raise ValueError(f"context has shape {array.shape}; {accepted}")
    if not np.all(finite := np.isfinite(array)):
        i, column = np.argwhere(~finite)[0]
        raise ValueError(f"context[{i}], column {column} is {array[i, column]}; finite numbers are accepted")
    return array


def split_at(array, lengths, name):
    """Cut an array of all observations into sequences of these lengths."""
    lengths = np.asarray(lengths)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or np.any(lengths < 1):
        raise ValueError(f"lengths must be a list of positive integers, got {lengths!r}")
    if lengths.sum() != len(array):
        raise ValueError(f"lengths add up to {lengths.sum()}, but {name} has {len(array)} observations")
    return np.split(array, np.cumsum(lengths)[:-1])


def listed(X, name):
    """A list with one item per sequence."""
    for method in ("to_pylist", "to_list"):  # columns of lists: pyarrow, pandas, polars
        if hasattr(X, method) and not hasattr(X, "columns"):
            X = getattr(X, method)()
    if hasattr(X, "columns") and hasattr(X, "to_numpy"):
        X = X.to_numpy()
    if isinstance(X, np.ndarray):
        if X.ndim == 3:
            return list(X)
        if X.dtype != object or X.ndim == 2:
            if X.ndim not in (1, 2):
                raise ValueError(f"{name} has {X.ndim} dimensions; a list of sequences is accepted")
            warnings.warn(
                f"{name} is one array of shape {X.shape} and is taken as one sequence; write [{name}] to say so",
                stacklevel=4,
            )
            return [X]
    if isinstance(X, dict | set) or not hasattr(X, "__iter__"):
        raise TypeError(f"{name} is a {type(X).__name__}; a list of sequences is accepted")
    return list(X)


def item_as_array(item, n, name):
    """One sequence as (form, array), the array of numbers or of objects."""
    if isinstance(item, str):
        return "text", np.array(list(item), dtype=object)
    if item is None or not hasattr(item, "__iter__"):
        raise ValueError(f"{name}[{n}] is {item!r}; a sequence was expected (write [{name}] if this is one sequence)")
    if hasattr(item, "to_numpy"):
        item = item.to_numpy()
    try:
        array = np.asarray(item)
    except ValueError:  # elements of unequal shape: objects, such as tuples
        array = np.empty(len(item), dtype=object)
        array[:] = list(item)
    if array.dtype.kind not in "biufOUS":
        raise TypeError(f"{name}[{n}] holds {array.dtype}; numbers, strings or objects are accepted")
    if array.dtype.kind in "US" or (array.dtype == object and array.ndim == 2 and _hashable_rows(item)):
        array = _objects(item, array)
    if array.ndim not in (1, 2):
        raise ValueError(f"{name}[{n}] has {array.ndim} dimensions; (T,) or (T, D) is accepted")
    if array.dtype == np.uint64 and array.max(initial=0) > np.iinfo(np.int64).max:
        array = array.astype(object)  # too large for numbers here, but not for symbols
    if array.dtype == object:
        array = _floats_if_numbers(array)
        _check_hashable(array, n, name)
    elif array.dtype.kind == "f":
        array = array.astype(np.float64)
    else:
        array = array.astype(np.int64)
    return ("flat" if array.ndim == 1 else "rows"), array


def _hashable_rows(item):
    return all(isinstance(element, tuple) for element in item)


def _objects(item, array):
    """Symbols as Python objects, tuples kept whole, numbers among strings kept numbers."""
    if array.ndim == 2 and _hashable_rows(item):
        objects = np.empty(len(item), dtype=object)
        objects[:] = list(item)
        return objects
    return np.array(item, dtype=object)


def _floats_if_numbers(array):
    """Numbers that came as objects, as None is among them, become floats; a column of ints stays symbols."""
    flat = array.ravel()
    present = [element for element in flat if element is not None]
    columns = array.ndim == 2 and array.shape[1] > 1
    if (columns or any(isinstance(element, float) for element in present)) and all(
        isinstance(element, numbers.Real) for element in present
    ):
        return np.array([np.nan if e is None else e for e in flat], dtype=float).reshape(array.shape)
    return array


def _check_hashable(array, n, name):
    for t, symbol in enumerate(array.ravel()):
        try:
            hash(symbol)
        except TypeError:
            raise TypeError(
                f"{name}[{n}], position {t} is {symbol!r}; symbols have to be hashable, such as numbers, "
                "strings and tuples, and rows have to be of one length"
            ) from None


def encode_symbols(symbols, form):
    """Codes (M,) and the alphabet, in sorted order where there is one, else in order of appearance."""
    if form == "text":
        points = np.frombuffer("".join(symbols).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        distinct, codes = np.unique(points, return_inverse=True)
        return codes.astype(np.int64), tuple(chr(point) for point in distinct)
    symbols = [
        None if isinstance(s, float) and s != s else s.item() if isinstance(s, np.generic) else s for s in symbols
    ]
    distinct = dict.fromkeys(symbol for symbol in symbols if symbol is not None)
    try:
        alphabet = tuple(sorted(distinct))
    except TypeError:
        alphabet = tuple(distinct)
    codes = {symbol: code for code, symbol in enumerate(alphabet)} | {None: MISSING}
    return np.array([codes[symbol] for symbol in symbols], dtype=np.int64), alphabet
