import numpy as np
import pytest
from comparison_cases import Clock, Constant, Impossible, Interrupted, Scripted

from seqmodels import HMM, RNN, Independent
from seqmodels.baselines import MarkovChain
from seqmodels.comparison import compare, default_models
from seqmodels.comparison.candidates import kind, named, note
from seqmodels.datasets import Dataset
from seqmodels.emissions import Categorical, Gaussian, Multinomial, Poisson
from seqmodels.rnn import GRU, LSTM, Elman
from seqmodels.sequences import Sequences


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)
    monkeypatch.setattr(Scripted, "clock", clock)
    return clock


@pytest.fixture
def reals(rng):
    return [rng.normal(size=int(length)) for length in rng.integers(3, 9, 40)]


def run(models, X, **options):
    return compare(models, X, **{"verbose": 0, "random_state": 0, "baselines": False} | options)


# -------------------------------------------------------------------- one protocol for all


def test_all_models_see_the_same_sequences(reals):
    comparison = run({"a": [Scripted(), Scripted(n_steps=1)], "b": Scripted()}, reals)
    (train, validation), other = comparison.models["a"].seen_, comparison.models["b"].seen_
    assert np.array_equal(train.values, other[0].values)
    assert np.array_equal(validation.values, other[1].values)
    assert np.array_equal(train.values, comparison.split.train.values)
    assert len(train) == 32


def test_figures_are_those_of_score(reals):
    comparison = run({"a": Independent()}, reals)
    row, model, split = comparison.table[0], comparison.models["a"], comparison.split
    assert row.train == model.score(split.train)
    assert row.validation == model.score(split.validation)
    assert row.held_out == pytest.approx(model.score(split.test), rel=1e-13)
    assert row.held_out_bits == pytest.approx(row.held_out / np.log(2))
    assert row.parameters == model.n_parameters_ == 2


def test_a_series_is_judged_on_its_last_part_given_the_past(rng):
    X = [rng.normal(size=100)]
    comparison = run({"a": Independent()}, X)
    expected = comparison.models["a"].log_likelihoods(X)[0][80:].mean()
    assert comparison.table[0].held_out == pytest.approx(expected, rel=1e-13)


def test_differences_to_the_best_are_paired(reals):
    comparison = run({"good": Independent(), "bad": Constant(-9.0), "worse": Constant(-10.0)}, reals)
    good, bad, worse = comparison.table
    assert (good.difference, good.difference_error) == (0.0, None)
    estimate = comparison.difference("bad", "good")
    assert (bad.difference, bad.difference_error) == (estimate.value, estimate.standard_error)
    assert worse.difference == pytest.approx(worse.held_out - good.held_out)
    assert bad.difference_error == pytest.approx(worse.difference_error)  # a constant adds no spread


def test_differences_ask_for_names_that_are_there(reals):
    with pytest.raises(ValueError, match="no model is called 'b'; 'a' are"):
        run({"a": Independent()}, reals).difference("a", "b")


def test_candidates_are_chosen_by_validation(reals):
    comparison = run({"a": [Constant(-3.0), Constant(-2.0), Constant(-4.0)]}, reals)
    assert comparison.models["a"].value == -2.0
    assert comparison.table[0].label == "a, value=-2.0"


def test_copies_are_fitted(reals):
    model = Scripted(callbacks=[print], emission=Gaussian())
    comparison = run({"a": model}, reals)
    assert not hasattr(model, "emission_")
    assert comparison.models["a"].callbacks == [print]


def test_seeds_go_to_models_that_have_none(reals):
    comparison = run({"a": Scripted(), "b": Scripted(random_state=5)}, reals, random_state=7)
    assert comparison.models["a"].random_state == 7
    assert comparison.models["b"].random_state == 5
    assert comparison.seed == 7


def test_any_seed_is_told(reals):
    first = run({"a": Independent()}, reals, random_state=np.random.RandomState(1))
    again = run({"a": Independent()}, reals, random_state=first.seed)
    assert first.table[0].held_out == again.table[0].held_out
    assert run({"a": Independent()}, reals, random_state=np.int64(3)).seed == 3


# -------------------------------------------------------------------- baselines


def test_baselines_come_first():
    comparison = run([HMM(2, max_iter=1)], ["abcab" * 4] * 20, baselines=True)
    assert [row.model for row in comparison.table] == ["Independent", "MarkovChain", "HMM"]
    assert comparison.table[1].note.startswith("order ")
    assert comparison.notes == []


def test_a_markov_chain_is_left_out_where_there_are_no_symbols(reals):
    comparison = run([Constant()], reals, baselines=True)
    assert [row.model for row in comparison.table] == ["Independent", "Constant"]
    assert "MarkovChain is left out: it takes symbols, and Gaussian is not of symbols." in str(comparison)


def test_a_baseline_of_the_users_own_is_not_doubled():
    comparison = run({"Independent": Independent(Categorical(3.0))}, ["abcab"] * 20, baselines=True)
    assert comparison.models["Independent"].emission.pseudo_count == 3.0


def test_a_markov_chain_alone_knows_its_kind_of_data():
    assert len(run([MarkovChain(1), MarkovChain(2)], ["abcab"] * 20).table) == 2


# -------------------------------------------------------------------- budget


def test_the_budget_is_shared_and_what_is_cut_off_is_marked(reals, clock):
    slow = Scripted(max_iter=1000, n_steps=1000)
    comparison = run({"a": slow, "b": Scripted(n_steps=2), "c": slow}, reals, budget=30.0)
    a, b, c = comparison.table
    assert (a.seconds, b.seconds) == (10.0, 3.0)
    assert c.seconds == 17.0  # what b left goes to c
    assert [row.status for row in comparison.table] == ["still improving", "", "still improving"]
    assert "still improving" in str(comparison)
    assert comparison.seconds == 30.0
    assert ", within this budget" in comparison.verdict[0]


def test_candidates_share_what_is_left_after_the_first_record(reals, clock):
    candidates = [Scripted(max_iter=1000, n_steps=1000, seconds=s) for s in (2.0, 1.0)]
    comparison = run({"a": candidates}, reals, budget=22.0)
    assert comparison.table[0].seconds == 22.0  # 2 + half of 20, then 10
    assert comparison.seconds == 22.0


def test_another_candidate_that_is_cut_off_is_told(reals, clock):
    candidates = [Scripted(n_steps=1), Scripted(max_iter=1000, n_steps=1000)]
    assert run({"a": candidates}, reals, budget=10.0).table[0].status == "another candidate still improving"


def test_every_model_gets_its_first_record_however_short_the_budget(reals, clock):
    comparison = run([Scripted(), Scripted()], reals, budget=0.5)
    assert [row.seconds for row in comparison.table] == [1.0, 1.0]


def test_without_a_budget_models_run_to_their_own_end(reals, clock):
    comparison = run([Scripted(), Scripted(max_iter=2)], reals)
    assert [row.status for row in comparison.table] == ["", "not converged after 2"]
    assert "budget" not in " ".join(comparison.verdict)


def test_a_model_that_converges_as_time_runs_out_is_done(reals, clock):
    assert run([Scripted(n_steps=1)], reals, budget=2.0).table[0].status == ""


# -------------------------------------------------------------------- what goes wrong


def test_control_c_ends_with_what_is_done(reals):
    comparison = run({"a": Independent(), "b": Interrupted(), "c": Independent()}, reals)
    assert [row.model for row in comparison.table] == ["a"]
    assert comparison.notes == ["Interrupted. Not done: b, c."]


def test_control_c_among_candidates_keeps_those_that_are_done(reals):
    comparison = run({"a": [Independent(), Interrupted()], "b": Independent()}, reals)
    assert [row.status for row in comparison.table] == ["interrupted"]
    assert comparison.notes == ["Interrupted. Not done: b."]


def test_control_c_before_anything_is_done_is_passed_on(reals):
    with pytest.raises(KeyboardInterrupt):
        run([Interrupted()], reals)


def test_minus_infinity_is_printed_and_nothing_is_nan(reals):
    comparison = run({"good": Independent(), "bad": Impossible(), "no better": Impossible()}, reals)
    good, bad, _ = comparison.table
    assert bad.held_out == -np.inf and bad.standard_error is None
    assert bad.difference == -np.inf and bad.difference_error is None
    text = str(comparison)
    assert "-inf" in text and "nan" not in text.lower()
    assert "good is better than" in comparison.verdict[0] and "probability zero" in comparison.verdict[0]
    assert good.status == ""


def test_two_impossible_models_are_no_contest(reals):
    comparison = run({"a": Impossible(), "b": Impossible()}, reals)
    assert comparison.table[1].difference is None
    assert "both give held-out observations probability zero" in comparison.verdict[0]
    assert "nan" not in str(comparison).lower()


def test_nan_is_refused(reals):
    with pytest.raises(ValueError, match="'Constant' gives log-likelihoods of validation data that are NaN"):
        run([Constant(np.nan)], reals)


def test_what_a_model_refuses_is_passed_on():
    with pytest.raises(ValueError, match=r"X\[0\], position 1 is -1"):
        run([Independent(Poisson())], [[1, -1, 2]] * 20)


def test_densities_and_probabilities_do_not_compare():
    with pytest.raises(ValueError, match="densities and probabilities do not compare"):
        run({"counts": Independent(Poisson()), "reals": Independent(Gaussian())}, [[1, 2, 3]] * 20)


@pytest.mark.parametrize(
    "models, options, error, words",
    [
        ([], {}, ValueError, "models is empty"),
        ({"a": []}, {}, ValueError, r"models\['a'\] is empty"),
        (Independent(), {}, TypeError, "a dict or a list of models"),
        ([3], {}, TypeError, r"models\[0\] is 3; a model such as"),
        ([Independent("normal")], {}, TypeError, "emission is 'normal'"),
        ([Independent()], {"budget": 0}, ValueError, "budget is 0"),
    ],
)
def test_wrong_arguments(reals, models, options, error, words):
    with pytest.raises(error, match=words):
        run(models, reals, **options)


# -------------------------------------------------------------------- names


def test_models_are_named_by_their_classes():
    models = [HMM(), RNN(), RNN(GRU(3)), [RNN([Elman(2), Elman(3)])], HMM()]
    assert list(named(models)) == ["HMM", "LSTM", "GRU", "Elman", "HMM 2"]


@pytest.mark.parametrize(
    "model, expected_kind, expected_note",
    [
        (HMM(3), "HMM", "3 states"),
        (HMM(1), "HMM", "1 state"),
        (RNN(), "network", "64 hidden"),
        (RNN([GRU(3), LSTM(4)]), "network", "3 + 4 hidden"),
        (MarkovChain(2), "baseline", "order 2"),
        (Independent(), "baseline", ""),
    ],
)
def test_kinds_and_notes(model, expected_kind, expected_note):
    assert (kind(model), note(model, [model])) == (expected_kind, expected_note)


def test_notes_say_what_sets_candidates_apart():
    candidates = [RNN(Elman(3, "relu"), max_epochs=2), RNN(Elman(3), max_epochs=3)]
    assert note(candidates[0], candidates) == "3 hidden, cell__activation='relu', max_epochs=2"


# -------------------------------------------------------------------- real models


def test_hmms_and_networks_side_by_side(rng):
    X = [rng.poisson(np.where(np.arange(12) % 6 < 3, 2, 12)) for _ in range(20)]
    data = Dataset("waves", "Counts in waves", "Made up", Sequences.wrap(X), Poisson())
    models = {
        "HMM": [HMM(k, Poisson(), max_iter=3) for k in (1, 2)],
        "GRU": RNN(GRU(2), Poisson(), max_epochs=2),
    }
    comparison = compare(models, data, random_state=0, verbose=0)
    assert [row.label for row in comparison.table] == ["Independent", "HMM, 2 states", "GRU, 2 hidden"]
    assert [row.status for row in comparison.table[1:]] == ["not converged after 3", "not converged after 2"]
    assert comparison.verdict[0].startswith("The HMM (2 states) is better than the GRU (2 hidden) by ")
    assert comparison.verdict[1].startswith("No baseline clearly beats both: the HMM (2 states) is better than Ind")
    assert "Counts in waves.\nMade up\n20 sequences, 240 observations, 1 column; Poisson()." in str(comparison)


def test_test_symbols_that_training_lacks_are_in_the_alphabet():
    models = [HMM(2, Categorical(0.5), max_iter=1), RNN(Elman(2), max_epochs=1)]
    comparison = run(models, ["abab"] * 20, test=["axb"] * 3)
    assert comparison.models["HMM"].alphabet_ == ("a", "b", "x")
    assert all(np.isfinite(row.held_out) for row in comparison.table)


@pytest.mark.parametrize("n, n_states", [(100, 2), (1_000, 8), (30_000, 16)])
def test_default_models_suit_the_size(n, n_states):
    models = default_models([["a", "b"] * 2] * n)
    assert list(models) == ["HMM", "Elman", "GRU", "LSTM"]
    assert models["HMM"][0].n_states == n_states
    assert models["HMM"][0].emission.pseudo_count == 0.5  # or unseen symbols would be impossible


def test_default_models_take_the_family_of_a_data_set_unless_told():
    data = Dataset("", "", "", Sequences.wrap([[1, 2, 3]]), Poisson())
    assert isinstance(default_models(data)["LSTM"].emission, Poisson)
    assert isinstance(default_models(data, Gaussian())["LSTM"].emission, Gaussian)
    vectors = default_models([np.array([[2, 1], [0, 3]])], Multinomial())
    assert vectors["HMM"][0].emission.pseudo_count == 0.5  # as for symbols
