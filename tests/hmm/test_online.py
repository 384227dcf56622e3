"""One batch after the other."""

import numpy as np
import pytest
from reference import chain_by_logarithms

from seqmodels import HMM
from seqmodels.emissions import Categorical, Gaussian, Laplace, Mixture, Poisson, StudentT
from seqmodels.hmm import Ergodic

from .cases import FAMILIES, assert_same_parameters, sequences


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_step_is_one_of_em(family):
    X = sequences(family, np.random.default_rng(0), gaps=True)
    options, weights = {"random_state": 3, "transitions": Ergodic(1.5)}, [1.0, 0.5, 2.0, 1.0]
    online = HMM(2, FAMILIES[family], **options)
    try:
        online.partial_fit(X, sample_weight=weights)
    except TypeError as error:  # the family has not said how batches add up
        assert "partial_fit" in str(error)
        assert "Laplace" in str(error)
        return
    whole = HMM(2, FAMILIES[family], max_iter=1, tol=0, **options).fit(X, sample_weight=weights)
    assert_same_parameters(online, whole, rtol=1e-9, atol=1e-12)
    for key in ("iteration", "objective", "train"):
        assert online.history_[0][key] == pytest.approx(whole.history_[0][key], rel=1e-12)


@pytest.mark.parametrize("family", [Poisson(), Categorical(0.5), Gaussian(), Gaussian("full")])
def test_steps_by_hand(family):
    """Averages that move by ``t ** -0.6``: expected counts from posteriors, moments about zero."""
    generator = np.random.default_rng(5)
    symbolic, decay = family.symbolic, HMM.STEP_DECAY
    batches = [
        [generator.integers(3, size=n).tolist() if symbolic else generator.poisson(4.0, (n, 2)) * 1.0 for n in lengths]
        for lengths in ((9, 4), (12,), (3, 3, 8))
    ]
    model = HMM(2, family, transitions=Ergodic(1.5), random_state=0)
    average, n_scored = None, 0
    for number, batch in enumerate(batches, start=1):
        if average is None:
            before = HMM(2, family, transitions=Ergodic(1.5), random_state=0, max_iter=0).fit(batch)
        else:
            before = HMM.from_parameters(model.initial_, model.transition_, model.emission_, family, model.alphabet_)
        data = before._known(batch)
        densities = data.split(before.family_.log_table(data.values, before.emission_))
        truths = [chain_by_logarithms(before.initial_, before.transition_, own) for own in densities]
        n = data.n_observations
        starts, pairs = sum(truth.posteriors[0] for truth in truths) / n, sum(truth.pairs for truth in truths) / n
        gamma = np.concatenate([truth.posteriors for truth in truths])
        if symbolic:
            seen = np.eye(before.emission_.probabilities.shape[1])[data.values[:, 0]]
            moments = [gamma.T @ seen / n]
        else:
            squares = data.values[:, :, None] * data.values[:, None]
            moments = [gamma.sum(axis=0) / n, gamma.T @ data.values / n, np.einsum("mk,mde->kde", gamma, squares) / n]
        step, now = number**-decay, [starts, pairs, *moments]
        average = now if average is None else [(1 - step) * a + step * b for a, b in zip(average, now, strict=True)]
        n_scored += n
        model.partial_fit(batch)
        starts, pairs, *moments = average
        expected = n_scored * starts + 0.5
        np.testing.assert_allclose(model.initial_, expected / expected.sum(), rtol=1e-9)
        expected = n_scored * pairs + 0.5
        np.testing.assert_allclose(model.transition_, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)
        if symbolic:
            expected = n_scored * moments[0] + 0.5
            expected /= expected.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(model.emission_.probabilities, expected, rtol=1e-9)
            continue
        means = moments[1] / moments[0][:, None]
        np.testing.assert_allclose(model.emission_[0], means, rtol=1e-9)
        if isinstance(family, Gaussian):
            covariances = moments[2] / moments[0][:, None, None] - means[:, :, None] * means[:, None]
            if family.covariance == "diagonal":
                covariances = np.diagonal(covariances, axis1=1, axis2=2)
            np.testing.assert_allclose(model.emission_.covariances, covariances, rtol=1e-7)
    assert model.n_iter_ == len(model.history_) == 3
    assert [record["iteration"] for record in model.history_] == [0, 1, 2]


def test_families_whose_batches_do_not_add_up_are_refused():
    class Relative(Poisson):
        absolute = False

    for family in (Relative(), Mixture(Relative(), 2)):
        model = HMM(2, family, random_state=0)
        with pytest.raises(TypeError, match=r"Relative\(\) does not define rebased"):
            model.partial_fit([[1, 2, 9]])
        assert not hasattr(model, "emission_")
        model.fit([[1, 2, 9]])


def test_many_batches_come_to_what_all_data_say():
    truth = HMM.from_parameters(
        [0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], Gaussian.Parameters([[0.0], [3.0]], [[1.0], [0.5]]), Gaussian()
    )
    X = truth.sample(150, 20, random_state=0)
    online = HMM(2, Gaussian(), random_state=0)
    for first in range(0, 150, 10):
        online.partial_fit(X[first : first + 10])
    whole = HMM(2, Gaussian(), random_state=0).fit(X)
    for model in (online.reorder("means"), whole.reorder("means")):
        np.testing.assert_allclose(model.emission_.means[:, 0], [0, 3], atol=0.15)
        np.testing.assert_allclose(model.transition_, [[0.9, 0.1], [0.2, 0.8]], atol=0.05)
    assert online.score(X) > whole.score(X) - 0.005


@pytest.mark.parametrize("training", ["baum-welch", "viterbi"])
def test_batches_with_known_states(training):
    """All known, and no batch forgotten: with a decay of 1, counting over all batches."""

    class Counting(HMM):
        STEP_DECAY = 1.0

    X, states = ["abba", "baab", "aabb"], [[0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 1, 1]]
    online = Counting(2, Categorical(0.5), transitions=Ergodic(1.5), training=training, random_state=0)
    for x, path in zip(X, states, strict=True):
        online.partial_fit([x], states=[path])
    whole = HMM(2, Categorical(0.5), transitions=Ergodic(1.5)).fit(X, states=states)
    assert_same_parameters(online, whole, rtol=1e-12, atol=1e-12)


def test_the_first_batch_sets_the_alphabet():
    model = HMM(2, Categorical(0.5), random_state=0).partial_fit(["abc", "ab"]).partial_fit(["cax"])
    assert model.alphabet_ == ("a", "b", "c")
    assert model.emission_.probabilities.shape == (2, 4)
    with pytest.raises(ValueError, match="X has 2 columns; the model was fitted to 1"):
        model.partial_fit([[[1.0, 2.0]]])
    assert model.n_iter_ == 2


def test_a_fitted_model_goes_on_from_where_it_is(rng):
    X = [rng.poisson(rng.choice([2, 20], 30)) for _ in range(4)]
    model = HMM(2, Poisson(), max_iter=20, random_state=0).fit(X[:2])
    one = HMM(2, Poisson(), max_iter=1, tol=0, init={
        "initial": model.initial_, "transition": model.transition_, "emission": model.emission_
    }).fit(X[2:])  # fmt: skip
    assert_same_parameters(model.partial_fit(X[2:]), one, rtol=1e-9, atol=1e-12)
    again = HMM(2, Poisson(), max_iter=3, random_state=0).partial_fit(X).fit(X)
    assert_same_parameters(again, HMM(2, Poisson(), max_iter=3, random_state=0).fit(X))
    assert again._online is None


def test_a_failed_batch_changes_nothing(rng):
    model = HMM(2, Poisson(), random_state=0).partial_fit([[1, 2, 9]])
    before, records = dict(model.__dict__), list(model.history_)
    for X, error in (([[1, -2]], ValueError), ([[np.nan]], ValueError), ([["a"]], TypeError)):
        with pytest.raises(error):
            model.partial_fit(X)
        assert all(model.__dict__[name] is before[name] for name in before)
    model.callbacks = [lambda *_: 1 / 0]
    with pytest.raises(ZeroDivisionError):
        model.partial_fit([[1, 2]])
    assert model.history_ == records
    assert model.transition_ is before["transition_"]


def test_callbacks_see_every_batch():
    seen = []
    model = HMM(2, Poisson(), random_state=0, callbacks=[lambda model, record: seen.append(record["train"])])
    model.partial_fit([[1, 2, 9]]).partial_fit([[1, 8]])
    assert len(seen) == 2
    assert np.isfinite(seen).all()


@pytest.mark.parametrize("training", ["fit", "partial_fit"])
@pytest.mark.parametrize(("covariance", "shape"), [("full", "1, 1"), ("spherical", "")])
def test_parameters_of_another_covariance_are_refused(training, covariance, shape):
    X = [[1.0, 2.0, 4.0, 5.0]]
    model = HMM(2, Gaussian(), random_state=0, warm_start=True).fit(X).set_params(emission=Gaussian(covariance))
    with pytest.raises(ValueError, match=rf"emission_? has .* of shape \(2, 1\); .*{shape}\)"):
        getattr(model, training)(X)


@pytest.mark.parametrize("training", ["fit", "partial_fit"])
def test_a_floor_warns_once_and_at_the_call(training):
    model = HMM(2, Gaussian(), random_state=0)
    with pytest.warns(UserWarning, match="a variance fell to its floor") as warned:
        getattr(model, training)([[1.0, 1.0, 1.0, 5.0, 6.0, 1.0]])
    assert [warning.filename for warning in warned] == [__file__]


def test_fixed_parameters_and_known_transitions_hold(rng):
    known = np.array([[0.9, np.nan], [np.nan, np.nan]])
    model = HMM(2, Gaussian(), transitions=Ergodic(fixed=known), fixed=("means",), random_state=0)
    X = [rng.normal(size=(20, 2)) for _ in range(3)]
    model.partial_fit(X[:1])
    means = model.emission_.means
    model.partial_fit(X[1:])
    np.testing.assert_array_equal(model.emission_.means, means)
    assert model.transition_[0, 0] == 0.9
    assert model.n_parameters_ == 1 + (0 + 1) + 4


def test_a_stationary_chain_online(rng):
    model = HMM(2, Poisson(), transitions=Ergodic(stationary=True), random_state=0)
    for _ in range(3):
        model.partial_fit([rng.poisson(rng.choice([2, 20], 30))])
        np.testing.assert_allclose(model.initial_, model.stationary_distribution_, rtol=1e-10)


@pytest.mark.compiled
def test_student_t_learns_batch_by_batch():
    """Towards what is best for all the data, and from there nowhere; the degrees of freedom come last."""
    generator = np.random.default_rng(0)
    X = [
        np.repeat([0.0, 9.0], [60, 40]) + generator.standard_t(4, 100) * np.repeat([1.0, 2.0], [60, 40])
        for _ in range(60)
    ]
    init = {"emission": StudentT.Parameters([[1.0], [7.0]], [[2.0], [2.0]], [[10.0], [10.0]])}
    whole = HMM(2, StudentT(), init=init, max_iter=300, tol=1e-10).fit(X)
    there = HMM.from_parameters(whole.initial_, whole.transition_, whole.emission_, StudentT())
    for _ in range(5):
        there.partial_fit(X)
    assert_same_parameters(there, whole, rtol=1e-4, atol=1e-12)
    online, behind = HMM(2, StudentT(), init=init), []
    for x in X:
        online.partial_fit([x])
        behind.append(whole.score(X) - online.score(X))
    assert behind[0] > 0.03
    assert behind[-1] < behind[0] / 8


def test_laplace_says_why_not():
    model = HMM(2, Laplace(), random_state=0)
    with pytest.raises(TypeError, match="no sums over batches say where a median is; StudentT"):
        model.partial_fit([np.arange(9.0)])
    assert not hasattr(model, "emission_")
