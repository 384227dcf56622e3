"""The same tests on registers of 32 bytes, as processors without AVX-512 have."""

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from llvmlite.binding import get_host_cpu_features
from numba import njit

from seqmodels import simd

REPOSITORY = pathlib.Path(__file__).parents[1]
NARROW = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma,+bmi,+bmi2,+f16c"}  # the name is not enough

REPRESENTATIVE = [
    f"tests/{name}.py" for name in ("test_simd", "hmm/test_passes", "rnn/test_recurrence", "rnn/test_cells")
]
ALL = ["tests/test_simd.py", "tests/hmm", "tests/rnn"]

# Runs tests, and looks at the machine code of everything that is compiled meanwhile.
RUN = """
    import json
    import sys

    import pytest
    from numba.core import event

    class Compiled(event.Listener):
        dispatchers = {}  # held here, because some tests drop theirs

        def on_start(self, event):
            pass

        def on_end(self, event):
            self.dispatchers[id(event.data["dispatcher"])] = event.data["dispatcher"]

    event.register("numba:compile", Compiled())
    failed = pytest.main(["-q", "-n0", "--tb=short", "-p", "no:cacheprovider", *sys.argv[1:]])

    from seqmodels import simd

    code = {}
    for dispatcher in Compiled.dispatchers.values():
        name = f"{dispatcher.py_func.__module__}.{dispatcher.py_func.__qualname__}"
        code.setdefault(name, []).extend(dispatcher.inspect_asm().values())
    print(json.dumps({
        "failed": int(failed), "wide registers": simd._has_wide_registers(), "panel bytes": simd.PANEL_BYTES,
        "kernels": sorted(code), "zmm": [name for name in code if any("zmm" in text for text in code[name])],
        "ymm": [name for name in code if any("ymm" in text for text in code[name])],
    }))
    """

needs_avx2 = pytest.mark.skipif(
    not all(get_host_cpu_features().get(feature, False) for feature in ("avx2", "fma", "bmi", "bmi2", "f16c")),
    reason="this processor cannot run such code",
)


def run_narrow(cache, *tests):
    """What is said at the end of a run of tests in a new process that compiles everything anew."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTEST_"))}
    environment |= NARROW | {"NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", textwrap.dedent(RUN), *tests]
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout, done.stderr
    try:
        outcome = json.loads(done.stdout.splitlines()[-1])
    except json.JSONDecodeError:
        pytest.fail(done.stdout + done.stderr)
    assert outcome["failed"] == 0, done.stdout
    return outcome


def assert_narrow(outcome):
    assert outcome["wide registers"] is False
    assert outcome["panel bytes"] <= 64
    assert outcome["zmm"] == []
    for package in ("seqmodels.hmm", "seqmodels.rnn"):
        assert [name for name in outcome["kernels"] if name.startswith(package)], outcome["kernels"]
        assert [name for name in outcome["ymm"] if name.startswith(package)]  # that there are vectors at all


@pytest.mark.compiled
@needs_avx2
def test_what_matters_most_holds_on_narrow_vectors(tmp_path):
    assert_narrow(run_narrow(tmp_path, *REPRESENTATIVE))


@pytest.mark.compiled
@pytest.mark.slow
@needs_avx2
def test_everything_numerical_holds_on_narrow_vectors(tmp_path):
    assert_narrow(run_narrow(tmp_path, *ALL))


@pytest.mark.compiled
def test_wide_registers_are_seen_where_they_are_used():
    @njit
    def sum_of_panel(a):
        return simd.total(simd.load_panel(a, 0, 0))

    a = np.ones((1, simd.panel_width(np.float64)))
    assert sum_of_panel(a) == a.size
    assert any("zmm" in text for text in sum_of_panel.inspect_asm().values()) == simd._has_wide_registers()
