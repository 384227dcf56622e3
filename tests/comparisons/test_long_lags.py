"""The generators and the judges of the scripts on long lags and on music: no training, no times."""

import math
import types

import numpy as np
import pytest


@pytest.fixture
def lags():
    import long_lags

    return long_lags


@pytest.fixture
def music():
    import music

    return music


# -------------------------------------------------------------------- embedded Reber grammar


def accepted(lags, inner):
    """Whether the grammar makes a string such as BTXSE."""
    state = 0
    for symbol in inner[1:]:
        if symbol not in lags.REBER.get(state, {}):
            return False
        state = lags.REBER[state][symbol]
    return inner[0] == "B" and state == lags.END


@pytest.mark.parametrize(
    "inner", ["BTXSE", "BPVVE", "BTSSXXTVVE", "BTXXVPSE", "BPVPXVPXVPXVVE", "BTSXXVPSE", "BPTVPSE"]
)
def test_published_strings_are_accepted(lags, inner):
    assert accepted(lags, inner)


@pytest.mark.parametrize("inner", ["BTSSPXSE", "BPTVVB", "BTXXVVSE", "BTE", "BPVE"])
def test_other_strings_are_not(lags, inner):
    assert not accepted(lags, inner)


def test_what_may_follow_is_what_follows(lags, rng):
    strings = [lags.reber_string(rng) for _ in range(3000)]
    seen, stated = {}, {}
    for string, legal in strings:
        assert string[1] == string[-2] and accepted(lags, string[2:-2])
        assert len(legal) == len(string) - 1
        for i, symbols in enumerate(legal):
            seen.setdefault(string[: i + 1], set()).add(string[i + 1])
            assert stated.setdefault(string[: i + 1], symbols) == symbols
    assert seen["B"] == set("TP")
    for prefix, symbols in seen.items():
        assert symbols <= set(stated[prefix])
        if len(prefix) < 5:  # often enough to have shown all
            assert symbols == set(stated[prefix])


class Knowing:
    """Gives every legal symbol the same probability, and forgets the second one if it is `forgetful`."""

    n_parameters_ = 0

    def __init__(self, lags, forgetful):
        self.lags = lags
        self.forgetful = forgetful

    def predict_next(self, prefixes):
        rows = []
        for prefix in prefixes:
            may = self.may_follow(prefix)
            rows.append([(symbol in may) / len(may) for symbol in self.lags.SYMBOLS])
        return types.SimpleNamespace(probabilities=lambda: np.array(rows))

    def may_follow(self, prefix):
        if len(prefix) < 3:
            return {1: "TP", 2: "B"}[len(prefix)]
        state = 0
        for symbol in prefix[3:]:
            if state == self.lags.END:
                return "E"
            state = self.lags.REBER[state][symbol]
        if state != self.lags.END:
            return "".join(self.lags.REBER[state])
        return "TP" if self.forgetful else prefix[1]


def test_one_symbol_that_is_not_above_the_others_is_a_fault(lags):
    assert lags.legal_first(Knowing(lags, forgetful=False), 50, np.random.default_rng(0)) == 1
    strings = [lags.reber_string(np.random.default_rng(0))[0]]
    share = lags.legal_first(Knowing(lags, forgetful=True), 1, np.random.default_rng(0))
    assert share == pytest.approx(1 - 1 / (len(strings[0]) - 1))  # the repeated symbol alone


@pytest.mark.parametrize(("learns_in", "expected"), [(3, 1500), (None, 10_000)])
def test_every_presentation_counts(lags, learns_in, expected):
    class Learning(Knowing):
        def fit(self, training):
            assert len(training) == lags.N_STRINGS
            for epoch in range(self.n_epochs + 1):
                for share in (0.0, 0.5):  # reports within an epoch are no ends of epochs
                    self.forgetful = learns_in is None or epoch < learns_in
                    if any([callback(self, {"epoch": epoch + share}) for callback in self.callbacks]):
                        return self
                    if epoch == self.n_epochs:
                        return self

    def make(seed, n_epochs, callbacks):
        model = Learning(lags, forgetful=True)
        model.n_epochs, model.callbacks = n_epochs, callbacks
        return model

    presented, solved, afterwards, _ = lags.presented_until_solved(make, 0, lags.LIMIT)
    assert presented == expected
    assert solved == (learns_in is not None) and (afterwards == 1) == solved


# -------------------------------------------------------------------- copy memory, the loaded coin


def test_a_string_comes_again_after_blanks_and_a_marker(lags, rng):
    strings = lags.copy_strings(20, 50, rng)
    for string in strings:
        assert len(string) == 50 + 20
        np.testing.assert_array_equal(string[:10], string[-10:])
        assert set(string[:10]) <= set(range(8))
        assert (string[10:59] == lags.BLANK).all() and string[59] == lags.MARKER


def test_what_knows_the_form_and_remembers_nothing_loses_the_baseline(lags, rng):
    def score(given):
        assert given.n_scored == 60 * len(given)  # the ten random symbols are merely given
        return -10 * math.log(8) / 60

    loss = lags.copy_loss(types.SimpleNamespace(score=score), lags.copy_strings(5, 50, rng))
    assert loss == pytest.approx(lags.copy_baseline(50)) == pytest.approx(10 * math.log(8) / 70)


def test_the_coin_is_loaded_as_stated(lags, rng):
    series = lags.coin_series(50, 2000, rng)
    x, y = series // 2, series % 2
    early, late, now = x[:, 5:-3], x[:, :-8], y[:, 8:]
    assert abs(x.mean() - 0.5) < 0.01
    for a, b, probability in [(0, 0, 0.5), (1, 0, 1.0), (0, 1, 0.25), (1, 1, 0.75)]:
        assert now[(early == a) & (late == b)].mean() == pytest.approx(probability, abs=0.02)


@pytest.mark.parametrize(("known", "nats"), [(0, 0.661563), (1, 0.519167), (2, 0.454454)])
def test_floors_of_the_loaded_coin(lags, known, nats):
    assert lags.coin_floor(known) - math.log(2) == pytest.approx(nats, abs=1e-6)


# -------------------------------------------------------------------- music, and options of both


def test_states_start_near_different_chords(music):
    chords = [np.eye(88, dtype=int)[:10], np.eye(88, dtype=int)[:20], np.eye(88, dtype=int)[:20]]  # each comes again
    states = music.chord_states(chords, 20, 0.8, seed=0)
    assert states.shape == (20, 88) and ((states > 0) & (states < 1)).all()
    assert len(set(states.argmax(axis=1))) == 20


def test_a_figure_is_the_mean_over_seeds(music):
    def make(training, seed):
        scores = {"validation": -1.0 - seed, "test": -2.0 - seed}
        model = types.SimpleNamespace(score=scores.get, n_parameters_=5)
        model.fit = lambda training, validation: model
        return model

    sets = ("training", "validation", "test")
    row, [(name, found, holds)] = music.measured("jsb", "LSTM", make, 3.5, sets, (0, 1, 2))
    assert row[:4] == ["jsb: LSTM", "5", 2.0, 3.0]
    assert (found, holds) == (3.0, True) and "3.5" in name
    assert music.measured("jsb", "LSTM", make, 2.9, sets, (0, 1, 2))[1][0][2] is False
    assert music.measured("jsb", "LSTM", make, None, sets, (0,))[1] == []


def test_parts_can_be_run_by_themselves(lags, music, capsys):
    options = lags.parser("question", lags.PARTS)
    assert options.parse_args([]).only == lags.PARTS
    assert options.parse_args(["--only", "coins"]).only == ["coins"]
    with pytest.raises(SystemExit):
        options.parse_args(["--only", "adding"])
    assert "adding" in capsys.readouterr().err


def test_without_its_data_music_cannot_be_measured(music, monkeypatch):
    monkeypatch.delenv("SEQMODELS_DATA", raising=False)
    with pytest.raises(SystemExit) as left:
        music.pieces("JSB_Chorales.mat")
    assert left.value.code == 2
