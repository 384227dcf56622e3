import subprocess
import sys

import pytest

import seqmodels
from seqmodels import cli, datasets
from seqmodels.comparison import compare


@pytest.fixture
def calls(monkeypatch):
    """What the command asks of `compare`, which fits baselines only."""
    calls = []

    def baselines_only(models, X, **options):
        calls.append((models, X, options))
        return compare([], X, verbose=0, random_state=options["random_state"])

    monkeypatch.setattr("seqmodels.comparison.compare", baselines_only)
    return calls


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "some.txt"
    path.write_text("abcab cab\n" * 30)
    return path


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "some.csv"
    rows = [f"{who},{(step * step) % 7},{step / 3}" for who in range(12) for step in range(6)]
    path.write_text("\n".join(["who,count,size", *rows]))
    return path


def failure(capsys, *arguments):
    """The one line that a command without success leaves."""
    assert cli.main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "Traceback" not in err
    return err


# -------------------------------------------------------------------- compare


def test_defaults(calls, capsys, monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda name: {"prose": series("abcab")}[name])
    assert cli.main(["compare"]) == 0
    ((models, _, options),) = calls
    assert list(models) == ["HMM", "Elman", "GRU", "LSTM"]
    assert options == {"budget": 75, "random_state": 0}
    assert "Independent" in capsys.readouterr().out


def series(symbols):
    return datasets.Dataset("series", "", "", seqmodels.Sequences.wrap([symbols * 20]))


def test_options_reach_compare(calls, text, tmp_path, capsys):
    page = tmp_path / "page.html"
    arguments = ["--models", "lstm, HMM", "--budget", "none", "--seed", "4", "--tokens", "words"]
    assert cli.main(["compare", str(text), *arguments, "--report", str(page)]) == 0
    ((models, data, options),) = calls
    assert list(models) == ["LSTM", "HMM"]
    assert options == {"budget": None, "random_state": 4}
    assert data.sequences.alphabet == ("abcab", "cab")
    assert page.read_text().startswith("<!doctype html>")
    out, err = capsys.readouterr()
    assert "some.txt: words" in out and str(page) in err


def test_a_table_with_a_family(calls, table):
    arguments = ["compare", str(table), "--id", "who", "--columns", "count", "--emission", "Poisson"]
    assert cli.main(arguments) == 0
    ((models, data, _),) = calls
    assert type(models["HMM"][0].emission).__name__ == "Poisson"
    assert len(data.sequences) == 12


def test_a_data_set_by_name_brings_its_family(calls):
    assert cli.main(["compare", "nile"]) == 0
    assert cli.main(["compare", "earthquakes", "--emission", "gaussian"]) == 0
    assert [type(models["LSTM"].emission).__name__ for models, _, _ in calls] == ["Gaussian", "Gaussian"]


def test_everything_for_real(text, capsys):
    assert cli.main(["compare", str(text), "--models", "HMM", "--budget", "0.01"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n{name}" in out for name in ("Independent", "MarkovChain, order ", "HMM, "))


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["iris"], "there is no data set and no file 'iris'; prose, earthquakes, nile, digits, or a .txt or .csv"),
        (["nile", "--id", "x"], "--id is for .csv files"),
        (["nile", "--report", "no/such/folder/page.html"], "there is no folder no/such/folder"),
        (["prose", "--emission", "gaussian"], "symbols such as"),
        (["digits", "--emission", "categorical"], "8 columns; symbols take one"),
    ],
)
def test_errors_of_data_are_one_line(arguments, words, capsys):
    assert words in failure(capsys, "compare", *arguments)


def test_errors_in_files_name_them(table, tmp_path, capsys):
    assert "some.csv: column 'z' is not there" in failure(capsys, "compare", table, "--columns", "z")
    (tmp_path / "a.json").write_text("{}")
    assert "a.json ends in '.json'" in failure(capsys, "compare", tmp_path / "a.json")


@pytest.mark.parametrize(
    "option, value, words",
    [
        ("--budget", "-1", "'-1' is not a positive number of seconds, or none"),
        ("--budget", "soon", "'soon' is not a positive number"),
        ("--models", "HMM,CNN", "'CNN' is not among HMM, Elman, GRU, LSTM"),
        ("--emission", "cauchy", "'cauchy' is not among"),
        ("--tokens", "bytes", "invalid choice"),
    ],
)
def test_errors_of_arguments(option, value, words, capsys):
    with pytest.raises(SystemExit) as exit:
        cli.main(["compare", f"{option}={value}"])
    assert exit.value.code == 2
    assert words in capsys.readouterr().err


def test_control_c_before_any_model_is_done(monkeypatch, text, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("seqmodels.comparison.compare", interrupted)
    assert cli.main(["compare", str(text)]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_warnings_are_a_line_each(monkeypatch, text, capsys):
    import warnings

    def warns(models, X, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("few data", stacklevel=1)
        return "table"

    monkeypatch.setattr("seqmodels.comparison.compare", warns)
    assert cli.main(["compare", str(text)]) == 0
    assert capsys.readouterr() == ("table\n", "seqmodels: few data\n")


# -------------------------------------------------------------------- the rest


def test_datasets_are_listed(capsys):
    assert cli.main(["datasets"]) == 0
    out = capsys.readouterr().out
    assert all(f"{name}: " in out for name in datasets.names())
    assert "1 sequence, 107 observations; Poisson()" in out


def test_version(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"seqmodels {seqmodels.__version__}\n"


def test_a_command_is_needed(capsys):
    with pytest.raises(SystemExit) as exit:
        cli.main([])
    assert exit.value.code == 2


def test_as_a_module():
    done = subprocess.run([sys.executable, "-m", "seqmodels", "--version"], capture_output=True, text=True)
    assert done.stdout.strip() == f"seqmodels {seqmodels.__version__}"
    failed = subprocess.run([sys.executable, "-m", "seqmodels", "compare", "iris"], capture_output=True, text=True)
    assert failed.returncode == 2 and failed.stderr.count("\n") == 1


def test_asking_for_the_version_imports_no_more_than_the_package():
    code = "import sys, seqmodels; before = set(sys.modules); import seqmodels.cli; print(set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = {name.split(".")[0] for name in eval(done.stdout)}
    assert not loaded & {"rich", "matplotlib"}
