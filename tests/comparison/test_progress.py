import io
import sys

import numba
import pytest
from comparison_cases import Scripted

from seqmodels.comparison import compare, progress

X = ["abcab" * 3] * 20


@pytest.fixture
def rich_console():
    return pytest.importorskip("rich.console").Console


def run(monkeypatch, shown, models):
    monkeypatch.setattr("seqmodels.comparison.contest.display", lambda verbose: shown)
    return compare(models, X, random_state=0)


def test_silence(capfd):
    compare([Scripted()], X, verbose=0)
    assert capfd.readouterr() == ("", "")


def test_files_and_pipes_get_a_line_for_each_model(capsys):
    pytest.importorskip("rich")
    compare([Scripted()], X, random_state=0)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.split(":")[0] for line in lines[::2]] == ["Independent", "Scripted"]
    assert lines[1].startswith("MarkovChain, order ")
    assert all(line.endswith("nats per observation") for line in lines)


def test_terminals_get_a_bar_for_each_model(monkeypatch, rich_console):
    screen = io.StringIO()
    bars = progress.Bars(rich_console(file=screen, force_terminal=True, width=120, color_system=None))
    records = []
    monkeypatch.setattr(bars, "record", lambda record: (type(bars).record(bars, record), records.append(bars._place)))
    run(monkeypatch, bars, {"mine": [Scripted(max_iter=4), Scripted(max_iter=2)]})
    assert records == [*(f"iteration {i}/4" for i in range(4)), *(f"iteration {i}/2" for i in range(3))]
    last = screen.getvalue()
    assert all(name in last for name in ("Independent", "MarkovChain", "mine, max_iter="))
    assert "valid. -" in last


def test_bars_say_when_code_is_compiled(rich_console):
    screen = io.StringIO()
    with progress.Bars(rich_console(file=screen, force_terminal=True, width=120)) as bars:
        bars.begin("model", float("inf"), 1)
        bars.candidate("", 10)
        bars._compile(True)
        bars._compile(True)
        bars._compile(False)
        bars._progress.refresh()
        assert "compiling" in screen.getvalue()
        bars._compile(False)
        screen.truncate(0)
        bars._progress.refresh()
        assert "compiling" not in screen.getvalue()


@pytest.mark.compiled
def test_compilation_is_noticed(rich_console, monkeypatch):
    bars = progress.Bars(rich_console(file=io.StringIO(), force_terminal=True))
    noticed = []
    monkeypatch.setattr(bars._listener, "_report", noticed.append)

    @numba.njit
    def twice(x):
        return x + x

    with bars:
        twice(1)
    assert noticed and noticed[0] is True and noticed[-1] is False


def test_time_left_is_that_of_the_deadline_or_of_the_work(rich_console, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    bars = progress.Bars(rich_console(file=io.StringIO()))
    bars.begin("model", 140.0, 1)
    bars.candidate("", 10)
    now[0] = 110.0
    assert bars._left() == pytest.approx(30.0)
    bars.record({"iteration": 5, "train": None, "validation": -2.0})
    assert bars._left() == pytest.approx(10.0)
    bars.begin("endless", float("inf"), 1)
    bars.candidate("", None)
    assert bars._left() is None


def test_a_share_is_an_equal_part_of_what_is_left(monkeypatch):
    monkeypatch.setattr("time.perf_counter", lambda: 100.0)
    assert progress.share(130.0, 3) == 110.0
    assert progress.share(130.0, 3, reserve=4.0) == 106.0
    assert progress.share(90.0, 3) == progress.share(130.0, 3, reserve=40.0) == 100.0
    assert progress.share(float("inf"), 3) == float("inf")


@pytest.mark.parametrize("module", ["rich", "matplotlib"])
def test_what_is_missing_is_named_with_its_remedy(module, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'needs {module}: pip install "seqmodels\[compare\]"'):
        compare([Scripted()], X) if module == "rich" else compare([Scripted()], X, verbose=0).plot()


def test_silence_needs_no_extras(monkeypatch, tmp_path):
    for module in ("rich", "matplotlib"):
        monkeypatch.setitem(sys.modules, module, None)
    comparison = compare([Scripted()], X, verbose=0)
    comparison.report(tmp_path / "page.html")
    assert "Scripted" in str(comparison)
