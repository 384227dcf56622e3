import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from comparison_cases import Constant, Impossible, Scripted

from seqmodels import HMM, Independent
from seqmodels.comparison import compare, drawings
from seqmodels.comparison.report import page
from seqmodels.emissions import Poisson

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
pyplot = pytest.importorskip("matplotlib.pyplot")


class Checker(HTMLParser):
    """Notes every element, and that each is closed."""

    VOID = frozenset({"meta", "img", "path"})

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.attributes += attributes
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(written):
    checker = Checker()
    checker.feed(written)
    assert checker.open == []
    return checker


def run(models, X, **options):
    return compare(models, X, **{"verbose": 0, "random_state": 0} | options)


@pytest.fixture
def on_text():
    return run({"scripted <1>": Scripted(), "HMM": [HMM(2, max_iter=2)]}, ["abc & <b>cab</b>" * 3] * 20)


@pytest.fixture
def on_series(rng):
    series = rng.normal(size=100)
    series[90] = np.nan
    return run([Scripted(), Constant()], [series])


@pytest.fixture
def on_images(rng):
    return run([HMM(2, Poisson(), max_iter=2)], [rng.poisson(3, (5, 4)) for _ in range(30)])


# -------------------------------------------------------------------- text


def test_text_is_a_table_between_data_and_verdict(on_series):
    data, protocol, table, *rest = str(on_series).split("\n\n")
    assert data == "1 sequence, 100 observations, 1 column, 1 missing; Gaussian()."
    assert protocol.startswith("1 sequence (60 observations) to fit, 1 sequence (20 observations) to choose by")
    groups, headings, *rows = table.splitlines()
    assert groups.split() == "nats per observation bits per observation".split()
    assert headings.split() == "model parameters seconds train held out train held out to the best".split()
    assert [row.split()[0] for row in rows] == ["Independent", "Scripted", "Constant"]
    assert rest[0].startswith("MarkovChain is left out") and rest[1:] == on_series.verdict


def test_columns_stand_under_each_other(on_series):
    rows = str(on_series).split("\n\n")[2].splitlines()[2:]
    assert len({row.index("±") for row in rows}) == 1


def test_the_best_row_says_so(on_series):
    row = next(row for row in on_series.table if row.difference == 0.0)
    line = next(line for line in str(on_series).splitlines() if line.startswith(row.label + " "))
    assert "best" in line


# -------------------------------------------------------------------- HTML


@pytest.mark.parametrize("which", ["on_text", "on_series", "on_images"])
def test_the_page_is_whole_and_loads_nothing(which, request, tmp_path):
    comparison = request.getfixturevalue(which)
    comparison.report(tmp_path / "page.html")
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    checker = checked(written)
    assert not re.search(r"https?://|@import|url\(", written)
    assert not {"script", "link", "iframe"} & set(checker.seen)
    assert all(value.startswith("data:") for name, value in checker.attributes if name in ("src", "href"))
    for row in comparison.table:
        assert row.label.replace("<1>", "&lt;1&gt;") in written
    for words in (*comparison.verdict, "Learning curves", "Samples", "Seed 0", "numba", "Python 3"):
        assert words.replace("<1>", "&lt;1&gt;") in written


def test_what_stands_in_the_data_is_no_markup(on_text, tmp_path):
    on_text.report(tmp_path / "page.html")
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "abc &amp; &lt;b&gt;cab&lt;/b&gt;" in written and "<b>" not in written


def test_every_model_is_sampled(on_text, on_series, on_images):
    for comparison, element, count in ((on_text, "pre", 3), (on_series, "svg", 3), (on_images, "img", 10)):
        samples = page(comparison).split("<h2>Samples</h2>")[1].split("<h2>")[0]
        assert samples.count("<h3>") == 1 + len(comparison.table)
        models_only = samples.split("<h3>")[2:]
        assert all(block.count(f"<{element}") == count for block in models_only)


def test_symbols_that_are_no_text_are_written_with_spaces():
    words = [["to", "be", None, "or"] * 3] * 20
    assert "to be ? or" in page(run([], words))


def test_notebooks_get_the_table(on_series):
    fragment = on_series._repr_html_()
    assert checked(fragment).seen.count("tr") == 2 + 3
    assert "best" in fragment


def test_minus_infinity_on_a_page(rng):
    comparison = run({"a": Impossible()}, [rng.normal(size=5) for _ in range(20)])
    written = page(comparison)
    assert "-inf" in written and "nan" not in written.lower()


# -------------------------------------------------------------------- drawings


def test_curves_have_a_line_each():
    x = np.arange(5.0)
    drawing = drawings.curves({"a": (x, -x), "b": (x, x)}, {"c": 2.0}, "seconds", "nats")
    assert drawing.count('stroke-width="2"') == 3
    assert drawing.count("stroke-dasharray") == 1
    assert [drawing.count(f">{label}</li>") for label in "abc"] == [1, 1, 1]


@pytest.mark.parametrize("y", [np.full(3, 5.0), np.array([-np.inf, 1.0, 2.0]), np.array([1e5, 2e5, 3e5])])
def test_curves_of_any_height(y):
    assert "nan" not in drawings.curves({"a": (np.arange(3.0), y)}, {}, "", "")


def test_nothing_to_draw():
    assert "nothing to draw" in drawings.curves({}, {"a": -np.inf}, "", "")


def test_a_line_is_broken_where_values_are_missing():
    drawing = drawings.series(np.array([1.0, 2.0, np.nan, 3.0, 4.0]), 1.0, 4.0)
    assert drawing.count("M") == 2 and "nan" not in drawing


def test_a_matrix_is_a_picture():
    values = np.array([[0.0, 8.0, np.nan], [16.0, 4.0, 99.0]])
    encoded = re.search('base64,([^"]*)', drawings.matrix(values, 0.0, 16.0)).group(1)
    pixels = pyplot.imread(io.BytesIO(base64.b64decode(encoded)))
    assert np.allclose(1 - pixels, [[0, 0.5, 0], [1, 0.25, 1]], atol=0.01)


# -------------------------------------------------------------------- figures


def test_plot_shows_curves_and_held_out_figures(on_text):
    figure = on_text.plot()
    curves, held_out = figure.axes
    assert [text.get_text() for text in curves.get_legend().get_texts()] == ["scripted <1>", "HMM, 2 states"]
    assert [tick.get_text() for tick in held_out.get_yticklabels()][::-1] == [r.label for r in on_text.table]
    pyplot.close(figure)


def test_plot_of_baselines_alone():
    figure = run({"a": Independent()}, ["ab", "ba"] * 20, baselines=False).plot()
    assert figure.axes[0].get_legend() is None
    pyplot.close(figure)
