"""How kernels are compiled, and what the key of the disk cache is: decided here and nowhere else."""

import functools
import inspect
import pathlib
import zlib

import numba
from numba.core import event
from numba.core.caching import FunctionCache
from numba.extending import register_jitable

__all__ = ["APART", "ARITHMETIC", "code_for", "inline", "inline_here", "kernel", "when_compiling"]

_UNREACHED = {"no_cfunc_wrapper": True, "no_cpython_wrapper": True}  # wrappers would take their time to compile


def inline(function=None, **options):
    """Mark a plain function that kernels may call: it is compiled into each of them."""
    if function is None:
        return functools.partial(inline, **options)
    _name_apart(function)
    return register_jitable(**_UNREACHED, **options)(function)


inline_here = functools.partial(inline, _nrt=False, forceinline=True)
"""Marks a function of kernels that own no memory: counting references to arrays would take longer than a step."""


@functools.cache
def _checksum_of_sources():
    """CRC of every source file of the package, so that an edit anywhere outdates all compiled code."""
    folder = pathlib.Path(__file__).parent
    checksum = 0
    for path in sorted(folder.rglob("*.py")):
        checksum = zlib.crc32(path.relative_to(folder).as_posix().encode(), checksum)
        checksum = zlib.crc32(path.read_bytes(), checksum)
    return checksum


def _closed_over(function):
    """What a closure closes over, as far as it is there: a factory may define that only after the closure."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            pass


def _checksum_of_code(function, seen):
    """CRC of a function's code and of all functions it uses, which may be a user's own and in any file."""
    function = getattr(function, "py_func", function)
    if function in seen or not inspect.isfunction(function):
        return 0
    seen.add(function)
    code = function.__code__
    checksum = zlib.crc32(code.co_code)
    used = [function.__globals__.get(name) for name in code.co_names]
    used += _closed_over(function)
    for thing in [*code.co_consts, *used]:
        if inspect.iscode(thing):
            checksum = zlib.crc32(thing.co_code, checksum)
        elif isinstance(thing, int | float | str | bool | tuple | None):
            checksum = zlib.crc32(repr(thing).encode(), checksum)
        elif callable(thing):
            checksum = zlib.crc32(str(_checksum_of_code(thing, seen)).encode(), checksum)
    return checksum


def _name_apart(function, key=None):
    """Give a closure a name that tells what it closes over.

    Numba names machine code by the function's name and a counter of the process. Two closures of one factory, each
    compiled first in a process of its own and loaded from the disk by a third, would have one name, and the calls
    of both would go to one of them.
    """
    if function.__closure__ and not hasattr(function, "named_apart"):
        checksum = zlib.crc32(repr((key, _checksum_of_code(function, set()))).encode())
        function.__qualname__ = f"{function.__qualname__}_{checksum:08x}"
        function.named_apart = True


class _Cache(FunctionCache):
    """Numba's disk cache under a key of our own.

    Numba's own key pickles what a closure closes over (a jitted function inside misses in every new
    process), does not see edits in imported files, and does not know the compile options.
    """

    def __init__(self, function, specialisation):
        super().__init__(function)
        self._specialisation = specialisation

    def _index_key(self, signature, codegen):
        return signature, codegen.magic_tuple(), _checksum_of_sources(), self._specialisation

    # A full, vanished or unreadable disk costs a compilation, not the result.

    def load_overload(self, signature, target_context):
        try:
            return super().load_overload(signature, target_context)
        except OSError:
            return None
        except Exception:  # an index that names what another version of the package had elsewhere
            self._forget()
            return None

    def _forget(self):
        try:
            self.flush()
        except OSError:
            pass

    def save_overload(self, signature, data):
        try:
            super().save_overload(signature, data)
        except OSError:
            pass


ARITHMETIC = {"_nrt": False, "forceinline": True}
"""Options of kernels that allocate nothing and have small steps: counting references to arrays, and calls with
arrays as arguments, would take longer than the steps."""

APART = {"_nrt": False, "forceinline": False}
"""Options of kernels that other kernels call: they are compiled once, and not once more in each caller."""


def kernel(function=None, *, key=None, **options):
    """Compile a function with Numba, on first use, and keep the machine code on disk.

    Parameters
    ----------
    key : str, optional
        Names the specialisation. Required for a closure, whose code depends on more than its source.
    **options
        Numba's compile options, beyond ``nogil=True`` and ``error_model="numpy"``, which always hold (the
        default error model would block the vectorisation of every loop with a division in it).

    Raises
    ------
    TypeError
        If the function is a closure and `key` is missing.
    """
    if function is None:
        return functools.partial(kernel, key=key, **options)
    if function.__closure__ and key is None:
        raise TypeError(f"the kernel {function.__qualname__} is a closure: name the specialisation with key=...")
    _name_apart(function, key)
    options = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True} | options
    dispatcher = numba.njit(**options)(function)
    if dispatcher is not function:  # it is, where NUMBA_DISABLE_JIT is set
        try:
            # a set of fastmath flags has no order, hence no text that every process agrees on
            plain = {name: tuple(sorted(v)) if isinstance(v, set) else v for name, v in options.items()}
            specialisation = key, _checksum_of_code(function, set()), tuple(sorted(plain.items()))
            dispatcher._cache = _Cache(function, specialisation)
        except (RuntimeError, OSError):  # no folder can be written: compile in memory, once a process
            pass
    return dispatcher


def code_for(kernel, arguments):
    """The machine code of a kernel for arguments of these types, to be called like the kernel.

    Numba's look at the types takes longer than a small kernel, where named tuples are among the arguments. Here,
    whoever calls vouches for them: nothing but the number of dimensions and the size of an entry is checked.
    """
    if not hasattr(kernel, "overloads"):  # compilation is off
        return kernel
    signature = tuple(map(numba.typeof, arguments))
    kernel.compile(signature)
    return kernel.overloads[signature].entry_point


class when_compiling(event.Listener):
    """Context in which `report` is called with True when a compilation begins and False when it ends.

    Reading compiled code from the disk cache does not count.
    """

    def __init__(self, report):
        self._report = report
        self._depth = 0  # functions that are compiled into others begin and end within them

    def on_start(self, event):
        self._depth += 1
        if self._depth == 1:
            self._report(True)

    def on_end(self, event):
        self._depth -= 1
        if self._depth == 0:
            self._report(False)

    def __enter__(self):
        event.register("numba:compile", self)
        return self

    def __exit__(self, *_):
        event.unregister("numba:compile", self)
