"""The steps of EM for a semi-Markov chain, whatever the families of its observations and durations are."""

from typing import NamedTuple

import numpy as np

from . import durations, segments
from .ascent import Steps, climb
from .start import starting_parameters
from .tables import source_of
from .training import gathered, maximize_emission
from .transitions import Ergodic

__all__ = ["SemiMarkovParameters", "starting_point", "steps_of"]

SHORT_RUN = 5  # steps of EM that show which of several starts is best
STRETCH = 4  # the ratio of the durations of one start to those of the one before


class SemiMarkovParameters(NamedTuple):
    """Everything that EM estimates."""

    initial: np.ndarray  # (K,)
    transition: np.ndarray  # (K, K), zero on the diagonal
    durations: tuple  # NamedTuple, leading axis K
    emission: tuple  # NamedTuple, leading axis K


def steps_of(family, duration_family, chain, fixed, max_duration, data, n_jobs):
    """Baum-Welch over segmentations; the duration of a segment that is cut off is summed over."""

    def expect(parameters):
        tables = durations.durations_of(duration_family, parameters.durations, max_duration)
        own = segments.chain_of(parameters.initial, parameters.transition, tables)
        source = source_of(family, data.values, data.rows, parameters.emission, len(parameters.initial))
        found, _ = segments.expectations(own, source, data.offsets, data.weights, n_jobs)
        found = gathered(found, family, data, parameters.emission)
        return float(data.weights @ found.log_likelihood), (found, tables)

    def log_prior(parameters):
        on_chain = chain.log_prior_of_chain(parameters.initial, parameters.transition)
        return on_chain + family.log_prior(parameters.emission) + duration_family.log_prior(parameters.durations)

    def maximize(found_and_tables, parameters):
        found, tables = found_and_tables
        initial, transition, lasting, emission = parameters
        if "durations" not in fixed:
            lasting = durations.maximize(duration_family, lasting, tables, found.completed, found.censored)
        initial, transition = chain.update(found.starts, found.pairs, initial, transition, fixed)
        emission = maximize_emission(found.visits, emission, family, fixed)
        return SemiMarkovParameters(initial, transition, lasting, emission)

    return Steps(expect, log_prior, maximize)


def starting_point(model, chain, given, sequences, data, steps, generator):
    """Where EM starts: as for an HMM, whose stays become durations; these are stretched, if that is better soon.

    Narrow distributions of short durations hold on to them, however much longer the states are that fit best.
    """
    init = model.init if isinstance(model.init, str) else {n: v for n, v in given.items() if n == "emission"}
    initial, transition, emission = starting_parameters(
        init, model.n_states, model.family_, Ergodic(), sequences, data, None, generator
    )
    lasting = 1 / np.maximum(1 - np.diagonal(transition), 1e-12)
    initial, transition = given.get("initial", initial), given.get("transition", transition)
    initial, transition = chain.begin(initial, transition, given)
    start = SemiMarkovParameters(initial, transition, given.get("durations"), emission)
    if start.durations is not None:
        return start
    starts, n_segments = [], data.n_scored / model.n_states
    while not starts or lasting.max() <= model.max_duration_ / 2:
        lengths = durations.starting_parameters(
            model._duration_family, lasting, n_segments, model.max_duration_, generator
        )
        starts.append(start._replace(durations=lengths))
        lasting = STRETCH * lasting
    if len(starts) == 1:
        return starts[0]
    runs = [climb(start, steps, data.n_scored, max_iter=SHORT_RUN, tol=0.0) for start in starts]
    return starts[int(np.argmax([run.value for run in runs]))]
