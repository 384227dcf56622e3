"""The compiler's disk cache, watched from outside: a private copy of a package, run in new processes."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import seqmodels
from seqmodels import jit
from seqmodels.jit import code_for, kernel, when_compiling

SOURCES = pathlib.Path(seqmodels.__file__).parent
CACHE_VARIABLES = ("NUMBA_CACHE_DIR", "NUMBA_DISABLE_JIT", "PYTHONDONTWRITEBYTECODE")

TINY = {
    "__init__.py": "",
    "constants.py": "FACTOR = 2.0\n",
    "helpers.py": """
        from .constants import FACTOR
        from .jit import inline

        @inline
        def scaled(x):
            return FACTOR * x
        """,
    "kernels.py": """
        from .helpers import scaled
        from .jit import kernel

        @kernel
        def total(x):
            result = 0.0
            for i in range(len(x)):
                result += scaled(x[i])
            return result

        def lost_digits(x):
            return (x + 1e16) - 1e16

        exact = kernel(lost_digits)
        hasty = kernel(lost_digits, fastmath=True)

        def power(exponent):
            @kernel(key=f"power {exponent}")
            def of(x):
                result = 1.0
                for _ in range(exponent):
                    result *= x
                return result

            return of
        """,
}
RUN_TINY = """
    import json
    import numpy as np
    from tiny import kernels

    square, cube = kernels.power(2), kernels.power(3)
    results = [kernels.total(np.ones(3)), kernels.exact(1.0), kernels.hasty(1.0), square(2.0), cube(2.0)]
    used = [kernels.total, kernels.exact, kernels.hasty, square, cube]
    misses = sum(sum(k.stats.cache_misses.values()) for k in used)
    hits = sum(sum(k.stats.cache_hits.values()) for k in used)
    print(json.dumps({"results": results, "misses": misses, "hits": hits}))
    """
RUN_TOTAL = """
    import json
    import numpy as np
    from tiny.kernels import total

    print(json.dumps({"result": total(np.ones(3)), "misses": sum(total.stats.cache_misses.values())}))
    """


@pytest.fixture
def tiny(tmp_path):
    """A package of three modules around a copy of jit.py."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for name, source in TINY.items():
        (folder / name).write_text(textwrap.dedent(source))
    shutil.copy(SOURCES / "jit.py", folder)
    return folder


def run(folder, script, **variables):
    """What the script prints as JSON, in a new process that finds its packages beside `folder` first."""
    environment = {k: v for k, v in os.environ.items() if k not in CACHE_VARIABLES}
    environment |= {"PYTHONPATH": str(folder.parent), **variables}
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, env=environment, cwd=folder.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def files(folder):
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


# -------------------------------------------------------------------- a small package


@pytest.mark.compiled
def test_a_second_process_compiles_nothing_and_leaves_nothing(tiny):
    first = run(tiny, RUN_TINY)
    assert (first["misses"], first["hits"]) == (5, 0)
    before = files(tiny)
    second = run(tiny, RUN_TINY)
    assert (second["misses"], second["hits"]) == (0, 5)
    assert files(tiny) == before
    # Variants in flags and in specialisation differ on a hit too; fast arithmetic may cancel 1e16 first.
    assert first["results"] == second["results"] == [6.0, 0.0, 1.0, 4.0, 8.0]


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("module", "old", "new", "expected"),
    [
        ("constants.py", "FACTOR = 2.0", "FACTOR = 5.0", 15.0),
        ("helpers.py", "FACTOR * x", "FACTOR * x + 1.0", 9.0),
        ("kernels.py", "result = 0.0", "result = 0.5", 6.5),
        ("late.py", "", "LATE = None", 6.0),
    ],
)
def test_an_edit_in_any_module_compiles_anew(tiny, module, old, new, expected):
    assert run(tiny, RUN_TOTAL) == {"result": 6.0, "misses": 1}
    source = (tiny / module).read_text() if old else ""
    assert old in source
    (tiny / module).write_text(source.replace(old, new))
    later = time.time() + 5  # Python tells outdated byte code by size and whole seconds
    os.utime(tiny / module, (later, later))
    assert run(tiny, RUN_TOTAL) == {"result": expected, "misses": 1}


@pytest.mark.compiled
def test_an_index_that_names_a_class_that_is_gone_costs_no_result(tiny):
    """As an update of the package leaves it, where the kernel's own file is what it was."""
    script = """
        import json
        import numpy as np
        from tiny import pairs
        from tiny.kernels import first

        print(json.dumps({"result": first(pairs.make(np.ones(3))), "misses": sum(first.stats.cache_misses.values())}))
        """
    source = """
        from typing import NamedTuple
        import numpy as np

        class Pair(NamedTuple):
            a: np.ndarray
            b: np.ndarray

        def make(array):
            return Pair(array, array)
        """
    with (tiny / "kernels.py").open("a") as kernels:
        kernels.write("\n@kernel\ndef first(pair):\n    return pair.a[0]\n")
    (tiny / "pairs.py").write_text(textwrap.dedent(source))
    assert run(tiny, script) == {"result": 1.0, "misses": 1}
    assert run(tiny, script) == {"result": 1.0, "misses": 0}
    (tiny / "pairs.py").write_text(textwrap.dedent(source).replace("Pair", "Couple"))
    assert run(tiny, script) == {"result": 1.0, "misses": 1}
    assert run(tiny, script) == {"result": 1.0, "misses": 0}


@pytest.mark.compiled
def test_kernels_that_kernels_call_are_not_mistaken_for_each_other(tiny):
    """Each of two is compiled first in a process of its own; a third reads both from the disk."""
    with (tiny / "kernels.py").open("a") as kernels:
        kernels.write(
            textwrap.dedent("""
                import numpy as np
                from .jit import APART, inline_here

                def scaling(factor):
                    @inline_here
                    def times(x):
                        return factor * x

                    @kernel(key=f"part {factor}", **APART)
                    def part(x):
                        result = 0.0
                        for i in range(len(x)):
                            result += times(x[i])
                            for j in range(len(x)):  # so long that it is not compiled into its caller
                                y = times(x[j]) + j
                                result += np.sin(y) + np.cos(y) + np.exp(-y) + np.log(1 + y * y) + np.arctan(y)
                                result -= np.sin(y) + np.cos(y) + np.exp(-y) + np.log(1 + y * y) + np.arctan(y)
                        return round(result)

                    @kernel(key=f"whole {factor}")
                    def whole(x):
                        return part(x)

                    return whole
                """)
        )
    script = """
        import json
        import numpy as np
        from tiny.kernels import scaling

        print(json.dumps([scaling(factor)(np.ones(3)) for factor in FACTORS]))
        """
    assert run(tiny, script.replace("FACTORS", "(2.0,)")) == [6]
    assert run(tiny, script.replace("FACTORS", "(5.0,)")) == [15]
    assert run(tiny, script.replace("FACTORS", "(2.0, 5.0, 7.0)")) == [6, 15, 21]
    assert run(tiny, script.replace("FACTORS", "(7.0, 5.0, 2.0)")) == [21, 15, 6]


@pytest.mark.compiled
def test_where_no_folder_can_be_written_kernels_are_compiled_in_memory(tiny):
    (tiny / "__pycache__").write_text("a file, where Python and Numba want a folder")
    nowhere = str(tiny / "jit.py" / "below a file")
    variables = {
        "HOME": nowhere,
        "XDG_CACHE_HOME": nowhere,
        "LOCALAPPDATA": nowhere,
        "NUMBA_CACHE_DIR": nowhere,
    }
    before = files(tiny)
    outcome = run(tiny, RUN_TINY, **variables)
    assert outcome["results"][0] == 6.0
    assert outcome["hits"] == 0
    assert files(tiny) == before


@pytest.mark.compiled
def test_a_cache_folder_that_vanishes_costs_no_result(tiny):
    outcome = run(
        tiny,
        """
        import json, pathlib, shutil
        import numpy as np
        from tiny import kernels

        folder = pathlib.Path(kernels.__file__).parent / "__pycache__"
        shutil.rmtree(folder)
        folder.write_text("a file")
        print(json.dumps(kernels.total(np.ones(3))))
        """,
    )
    assert outcome == 6.0


@pytest.mark.compiled
def test_compilation_is_announced_and_reading_the_cache_is_not(tiny):
    script = """
        import json
        import numpy as np
        from tiny import kernels
        from tiny.jit import when_compiling

        reports = []
        with when_compiling(reports.append):
            kernels.total(np.ones(3))
            kernels.total(np.ones(4))
        with when_compiling(lambda _: 1 / 0):
            pass
        kernels.exact(1.0)
        print(json.dumps(reports))
        """
    assert run(tiny, script) == [True, False]
    assert run(tiny, script) == []


def test_without_compilation_kernels_are_the_plain_functions(tiny):
    outcome = run(
        tiny,
        """
        import json
        import numpy as np
        from tiny import kernels

        plain = kernels.exact is kernels.lost_digits and kernels.hasty is kernels.lost_digits
        print(json.dumps([plain, kernels.total(np.ones(3)), kernels.power(3)(2.0)]))
        """,
        NUMBA_DISABLE_JIT="1",
    )
    assert outcome == [True, 6.0, 8.0]


def test_a_closure_has_to_name_its_specialisation():
    factor = 2.0

    def scaled(x):
        return factor * x

    with pytest.raises(TypeError, match=r"the kernel .*scaled is a closure: name the specialisation with key="):
        kernel(scaled)
    with pytest.raises(TypeError, match="is a closure"):
        kernel(fastmath=True)(scaled)
    assert kernel(scaled, key="twice")(1.5) == 3.0


def test_divisions_follow_numpy():
    @kernel
    def ratio(x, y):
        return x / y

    with np.errstate(divide="ignore"):
        assert ratio(np.float64(1.0), np.float64(0.0)) == np.inf


def test_listening_leaves_nothing_behind():
    reports = []
    with when_compiling(reports.append):
        pass

    @kernel
    def same(x):
        return x

    same(1.0)
    assert reports == []


# -------------------------------------------------------------------- the package itself

RUN_ALL = """
    import gc
    import json

    import numpy as np
    from numba.core.registry import CPUDispatcher

    import seqmodels
    from seqmodels.hmm import HMM, SemiMarkovHMM
    from seqmodels.rnn import GRU, RNN
    from seqmodels.emissions import Bernoulli, Categorical, Gaussian, Laplace, Poisson, StudentT

    scores = []
    for emission in (Categorical(), Bernoulli(), Gaussian(), Poisson(), StudentT(), Laplace()):
        X = [np.arange(12) % (2 if isinstance(emission, Bernoulli) else 5), np.array([1, 0, 1])]
        if isinstance(emission, Gaussian):  # the kernels of chains know nothing of emissions
            for chain in (HMM, SemiMarkovHMM):
                model = chain(2, emission, max_iter=2, random_state=0).fit(X)
                scores += [model.score(X), model.sample_paths(X, random_state=0)[0].sum().item()]
                scores.append(model.decode(X)[0].sum().item())
            scores.append(HMM(2, emission, max_iter=2, random_state=0).fit(X).k_best(X, 2)[1][0].sum())
        if isinstance(emission, StudentT | Laplace):  # which have kernels of their own
            scores.append(HMM(2, emission, max_iter=2, random_state=0).fit(X).score(X))
        scores.append(RNN(GRU(3), emission, max_epochs=1, random_state=0).fit(X).score(X))
    kernels = [k for k in gc.get_objects() if isinstance(k, CPUDispatcher)]
    kernels = [k for k in kernels if k.__module__.startswith("seqmodels")]
    misses = sum(sum(k.stats.cache_misses.values()) for k in kernels)
    hits = sum(sum(k.stats.cache_hits.values()) for k in kernels)
    used = [k for k in kernels if k.signatures]
    uncached = [k.__qualname__ for k in used if not k.stats.cache_hits and not k.stats.cache_misses]
    print(json.dumps({"from": seqmodels.__file__, "scores": scores, "misses": misses, "hits": hits,
                      "uncached": uncached}))
    """


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "seqmodels"
    shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.compiled
def test_all_kernels_of_the_models_come_from_the_cache_in_a_second_process(copy):
    first = run(copy, RUN_ALL)
    assert pathlib.Path(first["from"]).parent == copy
    assert first["misses"] > 8
    assert first["uncached"] == []
    before = files(copy)
    second = run(copy, RUN_ALL)
    assert second["misses"] == 0
    assert second["hits"] > 0
    assert second["scores"] == first["scores"]
    assert files(copy) == before


@pytest.mark.compiled
def test_importing_the_package_compiles_nothing(copy):
    script = """
        import json
        from numba.core import event

        with event.install_recorder("numba:compile") as recorder:
            import seqmodels
        print(json.dumps(len(recorder.buffer)))
        """
    assert run(copy, script) == 0
    assert not [path for path in files(copy) if path.endswith((".nbi", ".nbc"))]


def test_the_key_knows_the_code_that_a_closure_uses_in_whatever_file_it_stands():
    """A user's own cell is not among the package's sources."""

    def closure(source, factor):
        names = {}
        exec(source, names)
        helper = names["helper"]

        def function(x):
            return helper(x) * factor

        return jit._checksum_of_code(function, set())

    first = "def helper(x):\n    return x + 1.0"
    assert closure(first, 2.0) == closure(first, 2.0)
    assert closure(first, 2.0) != closure(first, 3.0)
    assert closure(first, 2.0) != closure(first.replace("1.0", "2.0"), 2.0)
    assert closure(first, 2.0) != closure(first.replace("+", "-"), 2.0)
    nested = "def inner(x):\n    return x * 2.0\ndef helper(x):\n    return inner(x)"
    assert closure(nested, 2.0) != closure(nested.replace("2.0", "4.0"), 2.0)


def test_code_for_some_types_does_what_the_kernel_does():
    @kernel
    def third(numbers, pair):
        return numbers[0] / 3 + pair[0].sum()

    code = code_for(third, (np.ones(3), (np.ones(2),)))
    for arguments in ((np.arange(5.0) + 1, (np.ones(4),)), (np.ones(1), (np.zeros(1),))):
        assert code(*arguments) == third(*arguments)
