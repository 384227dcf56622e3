"""The same expectation-maximisation in hmmlearn, deeptime and dynamax, from the same start.

Each is brought to maximum likelihood: hmmlearn's priors are set to those of no effect (its covariances have one by
default); deeptime is told not to make the chain reversible; of dynamax the E-step is used, compiled together with
an M-step that has no prior (its own gives NaN without one). An iteration is an E-step, all its statistics, and
an M-step; what each does before the first and after the last is not counted.
"""

import time

import numpy as np
from common import N_THREADS
from hmm_problem import Run, seconds_of
from threadpoolctl import threadpool_limits

try:
    from hmmlearn import hmm as hmmlearn_models
    from hmmlearn.base import ConvergenceMonitor
except ImportError:
    ConvergenceMonitor = object

try:
    from deeptime.markov import hmm as deeptime_models
except ImportError:
    deeptime_models = None

try:
    import jax
    import jax.numpy as jnp
    from dynamax import hidden_markov_model as dynamax_models
except ImportError:
    jax = None


# -------------------------------------------------------------------- hmmlearn


class Monitor(ConvergenceMonitor):
    """Lets all iterations happen, and notes when each has ended."""

    def __init__(self, n_iterations):
        super().__init__(-np.inf, n_iterations, False)
        self.stamps, self.found = [], []

    def report(self, log_prob):
        """Take the log-likelihood of an iteration."""
        self.stamps.append(time.perf_counter())
        self.found.append(log_prob)
        super().report(log_prob)


class Hmmlearn:
    """One of hmmlearn's two implementations, "scaling" or "log"."""

    package = "hmmlearn"

    def __init__(self, problem, implementation):
        self.problem, self.implementation = problem, implementation
        stacked = np.concatenate(problem.sequences)
        self.values = stacked.reshape(len(stacked), -1)

    @staticmethod
    def takes(problem):
        """Whether it has the family."""
        return True

    def _model(self, n_iterations=1):
        problem = self.problem
        options = {"n_iter": n_iterations, "tol": -np.inf, "init_params": "", "implementation": self.implementation}
        if problem.family == "categorical":
            model = hmmlearn_models.CategoricalHMM(problem.n_states, **options)
            model.emissionprob_ = problem.emission["probabilities"].copy()
            model.n_features = model.emissionprob_.shape[1]
        else:
            form = {"diagonal": "diag", "full": "full"}[problem.family]
            model = hmmlearn_models.GaussianHMM(problem.n_states, form, covars_prior=0, min_covar=0, **options)
            model.n_features = problem.emission["means"].shape[1]
            model.means_ = problem.emission["means"].copy()
            model.covars_ = problem.emission["covariances"].copy()
        model.startprob_, model.transmat_ = problem.initial.copy(), problem.transition.copy()
        model.monitor_ = Monitor(n_iterations)
        return model

    def em(self, n):
        """Seconds of one of n iterations, after one that is not counted."""
        model = self._model(n + 1).fit(self.values, self.problem.lengths)
        parameters = {"initial": model.startprob_, "transition": model.transmat_}
        if self.problem.family == "categorical":
            parameters["probabilities"] = model.emissionprob_
        else:
            parameters |= {"means": model.means_, "covariances": model._covars_}
        return Run(seconds_of(model.monitor_.stamps), model.monitor_.found, parameters)

    def decoder(self):
        """A function that finds the most probable states (M,)."""
        model = self._model()
        return lambda: model.decode(self.values, self.problem.lengths)[1]


# -------------------------------------------------------------------- deeptime


class Deeptime:
    """Its maximum-likelihood estimator; symbols only (its Gaussians have one dimension).

    Its second thread helps on long sequences, and on many short ones makes it slower, at times by seconds.
    """

    package = "deeptime"
    short = 1000  # steps

    def __init__(self, problem):
        self.problem = problem
        self.values = [sequence.astype(np.int32) for sequence in problem.sequences]
        self.n_threads = N_THREADS if problem.lengths.mean() >= self.short else 1

    @staticmethod
    def takes(problem):
        """Whether it has the family."""
        return problem.family == "categorical"

    def em(self, n):
        """Seconds of one of n iterations, after one that is not counted."""
        stamps, problem = [], self.problem

        class Progress:
            """What deeptime takes for a progress bar."""

            def __init__(self, **_):
                self.total = None

            def __enter__(self):
                return self

            def __exit__(self, *_):
                return False

            def update(self):
                stamps.append(time.perf_counter())

        start = deeptime_models.HiddenMarkovModel(
            problem.transition.copy(),
            deeptime_models.DiscreteOutputModel(problem.emission["probabilities"].copy()),
            problem.initial.copy(),
        )
        estimator = deeptime_models.MaximumLikelihoodHMM(
            start, lagtime=1, reversible=False, accuracy=-np.inf, maxit=n + 1
        )
        with threadpool_limits(self.n_threads, user_api="openmp"):
            model = estimator.fit(self.values, progress=Progress).fetch_model()
        parameters = {
            "initial": model.initial_distribution,
            "transition": model.transition_model.transition_matrix,
            "probabilities": model.output_model.output_probabilities,
        }
        return Run(seconds_of(stamps), list(model.likelihoods), parameters)

    def decoder(self):
        """A function that finds the most probable states (M,)."""
        problem = self.problem
        output = deeptime_models.DiscreteOutputModel(problem.emission["probabilities"])

        def decode():
            likelihoods = [output.to_state_probability_trajectory(sequence) for sequence in self.values]
            return np.concatenate(
                [deeptime_models.viterbi(problem.transition, table, problem.initial) for table in likelihoods]
            )

        return decode


# -------------------------------------------------------------------- dynamax


class Dynamax:
    """Its E-step in double precision, all sequences at once, compiled together with an M-step without prior."""

    package = "dynamax"

    def __init__(self, problem):
        jax.config.update("jax_enable_x64", True)
        self.problem = problem
        K = problem.n_states
        if problem.family == "categorical":
            self.model = dynamax_models.CategoricalHMM(K, 1, problem.emission["probabilities"].shape[1])
            stacked = np.stack(problem.sequences)[..., None]
        else:
            kind = {"diagonal": dynamax_models.DiagonalGaussianHMM, "full": dynamax_models.GaussianHMM}[problem.family]
            stacked = np.stack(problem.sequences)
            self.model = kind(K, stacked.shape[-1])
        self.values = jnp.asarray(stacked)  # (N, T, D)
        self._step = jax.jit(self._iterate)
        self._decode = jax.jit(lambda parameters, values: self.model.most_likely_states(parameters, values))

    @staticmethod
    def takes(problem):
        """Whether it has the family, and the sequences have one length."""
        return len(set(problem.lengths)) == 1

    def _parameters(self, initial, transition, **emission):
        """Numbers as dynamax holds them."""
        given = {"initial_probs": initial, "transition_matrix": transition}
        if self.problem.family == "categorical":
            given["emission_probs"] = emission["probabilities"][:, None]
        elif self.problem.family == "diagonal":
            given |= {
                "emission_means": emission["means"],
                "emission_scale_diags": jnp.sqrt(emission["covariances"]),
            }
        else:
            given |= {"emission_means": emission["means"], "emission_covariances": emission["covariances"]}
        return self.model.initialize(**{name: jnp.asarray(array) for name, array in given.items()})[0]

    def _iterate(self, parameters, values):
        """Parameters after an iteration, and the log-likelihood before it."""
        statistics, log_likelihoods = jax.vmap(lambda sequence: self.model.e_step(parameters, sequence))(values)
        starts, pairs, moments = jax.tree.map(lambda array: array.sum(axis=0), statistics)
        initial = parameters.initial._replace(probs=starts / starts.sum())
        transition = pairs / pairs.sum(axis=1, keepdims=True)
        transitions = parameters.transitions._replace(transition_matrix=transition)
        emissions = parameters.emissions._replace(**self._maximized(moments))
        return type(parameters)(initial, transitions, emissions), log_likelihoods.sum()

    def _maximized(self, moments):
        """Emission parameters of the highest likelihood, from dynamax's statistics."""
        if self.problem.family == "categorical":
            counts = moments["sum_x"]
            return {"probs": counts / counts.sum(axis=-1, keepdims=True)}
        mass = moments["sum_w"][:, None]
        means = moments["sum_x"] / mass
        if self.problem.family == "diagonal":
            return {"means": means, "scale_diags": jnp.sqrt(moments["sum_xsq"] / mass - means**2)}
        outer = means[:, :, None] * means[:, None, :]
        return {"means": means, "covs": moments["sum_xxT"] / mass[..., None] - outer}

    def em(self, n):
        """Seconds of one of n iterations, after one that is not counted."""
        parameters = self._parameters(self.problem.initial, self.problem.transition, **self.problem.emission)
        stamps, found = [], []
        for _ in range(n + 1):
            parameters, log_likelihood = self._step(parameters, self.values)
            found.append(float(log_likelihood))
            jax.block_until_ready(parameters)
            stamps.append(time.perf_counter())
        numbers = {"initial": parameters.initial.probs, "transition": parameters.transitions.transition_matrix}
        emissions = parameters.emissions
        if self.problem.family == "categorical":
            numbers["probabilities"] = emissions.probs[:, 0]
        elif self.problem.family == "diagonal":
            numbers |= {"means": emissions.means, "covariances": emissions.scale_diags**2}
        else:
            numbers |= {"means": emissions.means, "covariances": emissions.covs}
        return Run(seconds_of(stamps), found, {name: np.asarray(array) for name, array in numbers.items()})

    def decoder(self):
        """A function that finds the most probable states (M,), of one sequence."""
        parameters = self._parameters(self.problem.initial, self.problem.transition, **self.problem.emission)
        return lambda: np.asarray(self._decode(parameters, self.values[0]))
