from dataclasses import replace

import numpy as np
import pytest

from seqmodels.comparison.holdout import difference
from seqmodels.comparison.result import Row
from seqmodels.comparison.words import counted, verdict


class Told:
    """A comparison of which only rows and held-out sums are known."""

    def __init__(self, **means):
        rng = np.random.default_rng(0)
        self.counts = np.full(20, 10)
        noise = rng.normal(0, 1, 20)  # common to all, so that pairing matters
        own = {name: spread - spread.mean() for name in means for spread in [rng.normal(0, 0.3, 20)]}
        self.sums = {name: 10 * mean + noise + own[name] for name, mean in means.items()}
        self.table = [row(name, self.sums[name].sum() / 200) for name in means]

    def difference(self, model, other):
        return difference(self.sums[model], self.sums[other], self.counts)


def row(name, held_out):
    kind = {"HMM": "HMM", "Independent": "baseline", "MarkovChain": "baseline", "mine": "model"}.get(name, "network")
    note = {"HMM": "4 states", "MarkovChain": "order 2"}.get(name, "")
    return Row(name, note, kind, 1, 1.0, held_out, held_out, held_out, 0.1)


def test_the_better_one_is_named_first():
    assert verdict(Told(HMM=-2.0, LSTM=-1.5))[0].startswith(
        "The LSTM is better than the HMM (4 states) by 0.500 nats per observation (95 % interval 0.480 to 0.520)."
    )
    assert verdict(Told(HMM=-1.5, LSTM=-2.0))[0].startswith("The HMM (4 states) is better than the LSTM by 0.500 nats")


def test_no_clear_difference():
    sentence = verdict(Told(HMM=-2.0, LSTM=-2.0))[0]
    assert sentence.startswith("No clear difference between the ")
    assert "(95 % interval -0." in sentence


def test_each_side_is_chosen_by_validation():
    told = Told(HMM=-2.0, LSTM=-1.5, GRU=-1.0)
    told.table[1] = replace(told.table[1], validation=-0.5)
    assert verdict(told)[0].startswith("The LSTM is better")


@pytest.mark.parametrize(
    "baseline, lead",
    [
        (-1.0, "A baseline beats both: the MarkovChain (order 2) is better than the LSTM by 0.5"),
        (-1.5, "No baseline clearly beats both: no clear difference between "),
        (-1.7, "No baseline clearly beats both: the LSTM is better than the MarkovChain (order 2) by 0.2"),
    ],
)
def test_baselines_have_the_last_word(baseline, lead):
    sentences = verdict(Told(Independent=-3.0, MarkovChain=baseline, HMM=-2.0, LSTM=-1.5))
    assert len(sentences) == 2 and sentences[1].startswith(lead)


def test_independent_stands_without_an_article():
    sentence = verdict(Told(Independent=-1.0, HMM=-2.0, LSTM=-1.5))[1]
    assert sentence.startswith("A baseline beats both: Independent is better than the LSTM")


def test_what_was_cut_off_holds_within_the_budget_only():
    told = Told(Independent=-3.0, HMM=-2.0, GRU=-1.7, LSTM=-1.5)
    told.table[2] = replace(told.table[2], status="still improving")  # its score might yet have been the best
    assert [", within this budget." in sentence for sentence in verdict(told)] == [True, False]


def test_with_one_family_only_the_best_meets_the_runner_up():
    assert verdict(Told(Independent=-3.0, mine=-2.0, LSTM=-1.5))[0].startswith("The LSTM is better than the mine by")
    assert verdict(Told(LSTM=-1.5)) == []


def test_impossible_observations():
    zero = "which gives held-out observations probability zero"
    first, second = verdict(Told(Independent=-3.0, HMM=-np.inf, LSTM=-1.5))
    assert first == f"The LSTM is better than the HMM (4 states), {zero}."
    assert second.startswith("No baseline clearly beats both: the LSTM is better than Independent by 1.5")
    first, second = verdict(Told(Independent=-3.0, HMM=-np.inf, LSTM=-np.inf))
    assert first == "The HMM (4 states) and the LSTM both give held-out observations probability zero."
    assert second == f"A baseline beats both: Independent is better than the HMM (4 states), {zero}."
    _, second = verdict(Told(Independent=-np.inf, HMM=-np.inf, LSTM=-np.inf))
    assert second.startswith("No baseline clearly beats both: Independent and the HMM (4 states) both give")


def test_too_few_units_for_an_interval():
    told = Told(HMM=-2.0, LSTM=-1.5)
    told.sums = {name: sums[:1] for name, sums in told.sums.items()}
    told.counts = told.counts[:1]
    assert verdict(told)[0].startswith("The LSTM is ahead of the HMM (4 states) by ")
    assert "too few held-out data for an interval" in verdict(told)[0]


def test_numbers_with_nouns():
    assert [counted(n, "step") for n in (0, 1, 1234)] == ["0 steps", "1 step", "1,234 steps"]
