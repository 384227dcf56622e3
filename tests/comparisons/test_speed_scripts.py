"""The logic of the scripts that measure speed: no peers, no times."""

import types

import numpy as np
import pytest


@pytest.fixture
def common():
    import common

    return common


@pytest.fixture
def with_avx512(common, monkeypatch):
    monkeypatch.setattr(common, "has_avx512", lambda: True)


def row(common, ratio, floor=2.0, target=4.0, **changes):
    return common.Row("row", [1.0, 1.0, 1.0], [ratio] * 3, "peer", floor, target, **changes)


# -------------------------------------------------------------------- rows and verdicts


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.9, "BELOW FLOOR"), (2.0, "below target"), (3.9, "below target"), (4.0, "reached")]
)
def test_a_ratio_is_held_against_floor_and_target(common, ratio, verdict):
    assert row(common, ratio).verdict(judged=True) == verdict
    assert row(common, ratio).verdict(judged=False) == "not judged"


@pytest.mark.parametrize(("amount", "verdict"), [(0.4, "reached"), (0.9, "below target"), (1.1, "ABOVE LIMIT")])
def test_an_amount_is_to_stay_below_its_limits(common, amount, verdict):
    measured = common.Row("row", [amount], floor=1.0, target=0.5, unit="s", at_most=True)
    assert measured.verdict(judged=True) == verdict
    assert "<= 1" in measured.cells(judged=True)


def test_the_ratio_is_that_of_medians_and_its_spread_that_of_neighbours(common):
    measured = common.Row("row", [0.001, 0.002, 0.004], [0.008, 0.006, 0.004], "peer", 2.0, 2.5)
    assert measured.value == pytest.approx(3.0)
    assert measured.cells(judged=True)[1:6] == ["2 ms", "6 ms", "peer", "3", "1..8"]


def test_no_ratio_without_equal_results_or_without_a_peer(common):
    different, alone = row(common, 9.0, agrees=False), common.Row("row", [1.0], floor=2.0)
    assert different.verdict(judged=True) == "DIFFERS" and different.cells(judged=True)[4] == ""
    assert alone.verdict(judged=True) == "not measured" and alone.cells(judged=True)[4] == ""


def test_a_row_that_others_disturbed_says_nothing(common, with_avx512):
    disturbed = row(common, 9.0, others=0.4)
    assert disturbed.verdict(judged=True) == "disturbed (40%)" and disturbed.cells(judged=True)[4] == ""
    assert common.exit_status([disturbed], judged=True, absent=[]) == common.NOT_MEASURED


# -------------------------------------------------------------------- exit status


def test_exit_status(common, with_avx512):
    good, bad, different = row(common, 5.0), row(common, 1.0), row(common, 5.0, agrees=False)
    information = row(common, 0.1, floor=None, target=None)
    assert common.exit_status([good, information], judged=True, absent=[]) == 0
    assert common.exit_status([good, bad], judged=True, absent=[]) == common.MISSED == 1
    assert common.exit_status([good, bad], judged=False, absent=[]) == 0
    assert common.exit_status([good], judged=True, absent=["torch"]) == common.NOT_MEASURED == 2
    assert common.exit_status([good, common.Row("row", [])], judged=True, absent=[]) == 2
    assert common.exit_status([good, different], judged=True, absent=[]) == 2
    assert common.exit_status([good, different], judged=False, absent=[]) == 2


def test_floors_are_judged_on_processors_with_avx512_only(common, monkeypatch, capsys):
    monkeypatch.setattr(common, "has_avx512", lambda: False)
    assert common.exit_status([row(common, 1.0)], judged=True, absent=[]) == 2
    options = types.SimpleNamespace(quick=False, check=True)
    with pytest.raises(SystemExit) as left:
        common.finish_speed([row(common, 5.0)], options, [])
    assert left.value.code == 2
    printed = capsys.readouterr().out
    assert "this one has none" in printed and "row" in printed


def test_only_check_turns_a_miss_into_an_error(common, with_avx512, capsys):
    for check, status in ((True, 1), (False, 0)):
        with pytest.raises(SystemExit) as left:
            common.finish_speed([row(common, 1.0)], types.SimpleNamespace(quick=False, check=check), [])
        assert left.value.code == status
    assert "1 BELOW FLOOR" in capsys.readouterr().out


def test_absent_peers_are_named(common, monkeypatch, capsys):
    monkeypatch.setattr(common, "version", lambda name: None if name == "torch" else "1.0")
    assert common.print_surroundings({"torch": "install it", "hmmlearn": ""}) == ["torch"]
    printed = capsys.readouterr().out
    assert "skipped: torch is absent (install it)" in printed and "hmmlearn 1.0" in printed
    assert "AVX-512" in printed and "2 threads" in printed


# -------------------------------------------------------------------- measuring


def test_sides_take_turns(common, monkeypatch):
    monkeypatch.setattr(common, "REST", 0)
    calls = []

    def side(name):
        calls.append(name)
        return len(calls)

    timings, others = common.in_turns({"ours": lambda: side("ours"), "peer": lambda: side("peer")}, 3)
    assert calls == ["ours", "peer"] * 3
    assert timings == {"ours": [1, 3, 5], "peer": [2, 4, 6]} and others >= 0


def test_differences_are_relative_and_never_nan(common):
    assert common.relative_difference([1.0, 2.0], [1.0, 2.2]) == pytest.approx(0.2 / 2.2)
    assert common.relative_difference([0.0], [0.0]) == 0
    assert common.relative_difference([1e-9], [2e-9], negligible=1e-6) == pytest.approx(1e-3)
    assert common.relative_difference([1.0], [np.nan]) == np.inf
    assert common.relative_difference([1.0], [1.0, 1.0]) == np.inf


def test_rows_are_chosen_by_words(common):
    assert common.wanted("A categorical K=4", []) and common.wanted("A categorical K=4", ["K=4", "A"])
    assert not common.wanted("A categorical K=4", ["K=16"]) and not common.wanted("LSTM train H=16", ["H=1"])


def test_a_slope_is_the_exponent_of_the_larger_sizes():
    import scaling

    sizes = [1, 10, 100, 1000]
    assert scaling.slope_of(sizes, [7.0, 3.0, 300.0, 30_000.0], smallest=10) == pytest.approx(2)


# -------------------------------------------------------------------- what all sides get


def test_every_row_of_the_design_is_measured():
    import speed_hmm
    import speed_rnn

    names = [name for name, *_ in speed_rnn.all_rows()]
    assert len(names) == len(set(names)) == 2 * 13 * 2 + 5 + 5 + 4 + 3 + 3 + 1
    assert set(names) >= speed_rnn.QUICK
    assert {*speed_hmm.EM_ROWS, *speed_hmm.VITERBI_ROWS} >= set(speed_hmm.QUICK)
    assert {name for name, _ in speed_hmm.SLOW} <= set(speed_hmm.EM_ROWS)


def test_every_cell_is_compared_with_an_lstm_of_its_size():
    import speed_cells

    from seqmodels import rnn

    kinds = {type(cell) for cell, _ in speed_cells.CELLS.values()}
    assert kinds == {kind for kind in vars(rnn).values() if isinstance(kind, type) and issubclass(kind, rnn.Cell)} - {
        rnn.Cell
    }
    assert speed_cells.QUICK <= speed_cells.CELLS.keys()
    for cell, lstm in speed_cells.CELLS.values():
        if lstm.n_hidden != cell.n_hidden:  # as many recurrent weights, or fewer
            sizes = [
                sum(
                    np.prod(shape)
                    for name, shape in own.weight_shapes(1).items()
                    if len(shape) == 2 and name != "input"
                )
                for own in (cell, lstm)
            ]
            assert 0.85 * sizes[0] < sizes[1] <= sizes[0]


def test_networks_read_what_came_before_what_they_predict():
    from rnn_problem import IGNORED, inputs_and_targets

    inputs, targets = inputs_and_targets([np.array([3, 1, 2]), np.array([0])], n_symbols=4)
    assert targets.T.tolist() == [[3, 1, 2], [0, IGNORED, IGNORED]]
    assert inputs[:, 0].tolist() == [4, 3, 1]
    assert inputs[0, 1] == 4 and inputs.min() >= 0


def test_peers_start_from_our_weights():
    import speed_rnn
    from rnn_problem import Weights

    model = speed_rnn.network(speed_rnn.LSTM(8), 2, 0).fit(speed_rnn.as_sequences(speed_rnn.sequences(2, 5)))
    weights, V = Weights(model, speed_rnn.N_SYMBOLS), speed_rnn.N_SYMBOLS
    assert weights.input.shape == (32, V + 1) and weights.n_hidden == 8
    np.testing.assert_array_equal(weights.input[:, V], model.weights_["weight_ih_l0"][:, V + 2])
    np.testing.assert_allclose(np.exp(weights.output_bias), model.marginal_.probabilities, rtol=1e-6)


@pytest.mark.parametrize("family", ["categorical", "diagonal", "full"])
def test_problems_are_the_same_every_time_and_fit_our_side(family):
    import speed_hmm
    from hmm_problem import N_SYMBOLS, problem_of

    problem, again = problem_of(family, 2, 60, 3), problem_of(family, 2, 60, 3)
    np.testing.assert_array_equal(problem.sequences[1], again.sequences[1])
    np.testing.assert_allclose(problem.transition.sum(axis=1), 1)
    if family == "categorical":
        assert set(np.concatenate(problem.sequences)) == set(range(N_SYMBOLS))
    run = speed_hmm.Ours(problem).em(2)
    assert len(run.log_likelihoods) == 3 and run.log_likelihoods[0] < run.log_likelihoods[2]
    assert set(run.parameters) == {"initial", "transition", *problem.emission}
    assert speed_hmm.em_difference(run, run) == 0
    changed = run._replace(parameters=run.parameters | {"transition": run.parameters["transition"] * (1 + 1e-7)})
    assert speed_hmm.em_difference(run, changed) > 1


def test_the_seconds_of_an_iteration_leave_out_the_first():
    from hmm_problem import seconds_of

    assert seconds_of([5.0, 6.0, 9.0]) == 2.0


def test_an_impossible_path_has_no_probability():
    import speed_hmm
    from hmm_problem import Problem

    probabilities = {"probabilities": np.array([[0.5, 0.5], [0.1, 0.9]])}
    problem = Problem("categorical", [np.array([0, 1])], np.array([0.5, 0.5]), np.full((2, 2), 0.5), probabilities)
    assert speed_hmm.path_log_probability(problem, np.array([0, 1])) == pytest.approx(np.log(0.5**3 * 0.9))


# -------------------------------------------------------------------- emissions


def test_the_cost_of_every_emission_is_measured():
    import speed_emissions

    from seqmodels import emissions

    named = {word for name in speed_emissions.FAMILIES for word in name.split()}
    exported = {name for name in emissions.__all__ if isinstance(getattr(emissions, name), type)}
    exported = {name for name in exported if issubclass(getattr(emissions, name), emissions.Emission)}
    assert named >= exported - {"Emission"}
    every = [*speed_emissions.FAMILIES, *(f"{name} gaps" for name in speed_emissions.GAPS)]
    assert set(every) >= speed_emissions.QUICK


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("name", ["Multinomial", "Product of Gaussian and Categorical", "Gaussian full gaps"])
def test_the_data_of_an_emission_fit_it(name):
    import speed_emissions

    side = speed_emissions.Side(name, 60)
    assert side.data.n_observations == 60
    assert side.data.missing.any() == name.endswith("gaps")
    assert side.seconds() > 0


# -------------------------------------------------------------------- starting


@pytest.mark.compiled
def test_a_process_tells_its_moments():
    import speed_start

    process = speed_start.Process("import numpy\nafter_imports = time.time()\ndone = time.time()\nnotes['x'] = {units}")
    found = process.run()
    assert 0 <= found["beyond"] < found["whole"] and found["x"] == speed_start.SIZES["units"]


def test_rows_of_start_stand_beside_their_peers():
    import speed_start

    def process(seconds):
        process = speed_start.Process("")
        process.moments = [{"beyond": seconds, "whole": 2 * seconds, "compilations": 0}]
        return process

    rows = speed_start.rows_of({
        "import seqmodels": process(0.1), "LSTM first step warm": process(0.4), "HMM first step cold": process(7.0),
        "torch": process(2.0),
    })  # fmt: skip
    by_name = {row.name: row for row in rows}
    assert [row.verdict(True) for row in rows] == ["reached", "reached", "reached", "", "below target", ""]
    assert by_name["LSTM first step warm, from process start"].peer == [4.0]
    assert by_name["HMM first step cold, beyond imports"].peer == ()
