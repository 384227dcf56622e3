"""How long does a new process take to its first trained step, and what does the import cost?

Every figure comes from processes of their own, whose byte code is cached. Import: `import seqmodels`, after numpy,
scipy, scikit-learn and numba. First step: `import seqmodels` and one update of an LSTM, or one iteration of EM,
after the same four; warm, with compiled code in Numba's cache on disk, and cold, with an empty cache. Peers: one
update of an LSTM of the same size, from the start of the process, and after the import of numpy and the framework.

torch is not part of the extra `peers`: install the CPU build of PyTorch (measured with 2.13.0). JAX comes with
dynamax, which is.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from common import Row, finish_speed, hold_to_two_processors, print_surroundings, speed_parser, wanted

PEERS = {
    "torch": "install the CPU build of PyTorch; it is not part of the extra `peers`",
    "jax": "comes with dynamax: pip install 'seqmodels[peers]'",
}
LIMITS = {"warm": (1.0, 0.5), "cold": (15, 6)}  # seconds beyond the imports: floor and target
SIZES = {"symbols": 64, "units": 64, "batch": 16, "length": 50, "states": 4}

# Each program notes `after_imports`, works, and prints its moments.
FOUR = "import numpy, scipy, sklearn, numba"
IMPORT = """
from numba.core import event
compilations = []
class Listener(event.Listener):
    def on_start(self, event): compilations.append(event)
    def on_end(self, event): pass
event.register("numba:compile", Listener())
after_imports = time.time()
import seqmodels
done = time.time()
notes["compilations"] = len(compilations)
"""
DATA = "data = list(numpy.random.default_rng(0).integers(0, {symbols}, ({batch}, {length})))"
OUR_LSTM = """
after_imports = time.time()
from seqmodels import RNN
from seqmodels.rnn import LSTM
RNN(LSTM({units}), max_epochs=1, batch_size={batch}, validation_fraction=0).fit(data)
done = time.time()
"""
OUR_HMM = """
after_imports = time.time()
from seqmodels import HMM
HMM({states}, max_iter=1).fit(data)
done = time.time()
"""
TORCH = """
import torch
after_imports = time.time()
codes = torch.from_numpy(numpy.array(data).T)
layer, output = torch.nn.LSTM({symbols}, {units}), torch.nn.Linear({units}, {symbols})
optimizer = torch.optim.Adam([*layer.parameters(), *output.parameters()])
hidden, _ = layer(torch.nn.functional.one_hot(codes, {symbols}).float())
torch.nn.functional.cross_entropy(output(hidden).flatten(0, 1), codes.flatten()).backward()
optimizer.step()
done = time.time()
"""
JAX = """
import jax
import jax.numpy as jnp
after_imports = time.time()
codes = jnp.asarray(numpy.array(data).T)
shapes = {{"input": ({symbols}, 4 * {units}), "recurrent": ({units}, 4 * {units}), "output": ({units}, {symbols})}}
weights = {{name: 0.1 * jnp.ones(shape) for name, shape in shapes.items()}}
def loss(weights):
    def step(state, x):
        i, f, g, o = jnp.split(x + state[0] @ weights["recurrent"], 4, axis=-1)
        memory = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
        hidden = jax.nn.sigmoid(o) * jnp.tanh(memory)
        return (hidden, memory), hidden
    zeros = jnp.zeros(({batch}, {units}))
    hidden = jax.lax.scan(step, (zeros, zeros), weights["input"][codes])[1]
    return -jnp.take_along_axis(jax.nn.log_softmax(hidden @ weights["output"]), codes[..., None], axis=-1).mean()
update = jax.jit(lambda w: jax.tree.map(lambda a, g: a - 1e-3 * g, w, jax.grad(loss)(w)))
jax.block_until_ready(update(weights))
done = time.time()
"""


class Process:
    """A program that is run again and again in new processes.

    Parameters
    ----------
    program : str
    cache : str, optional
        Folder for Numba's cache. Without one, each process has a cache of its own, which is empty.
    """

    def __init__(self, program, cache=None):
        end = 'print(json.dumps({"after_imports": after_imports, "done": done, **notes}))'
        self.program = f"import json, time\nnotes = {{}}\n{program.format(**SIZES)}\n{end}"
        self.cache = cache
        self.moments = []

    def run(self):
        """Seconds `whole`, from the start of the process, and `beyond`, after its first imports; and its notes."""
        with tempfile.TemporaryDirectory() as empty:
            environment = os.environ | {"NUMBA_CACHE_DIR": self.cache or empty}
            environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installation leaves bytecode
            command = [sys.executable, "-c", self.program]
            began = time.time()
            result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        found = json.loads(result.stdout.splitlines()[-1])
        return found | {"whole": found["done"] - began, "beyond": found["done"] - found["after_imports"]}

    def __getitem__(self, part):
        return [moment[part] for moment in self.moments]


def measured(processes, repeats):
    """Run all processes in turn, after a first time that fills their caches."""
    for process in processes.values():
        if process.cache:
            process.run()
    for _ in range(repeats):
        for process in processes.values():
            process.moments.append(process.run())


def processes_of(options, absent, cache):
    """What has to be run for the rows that were asked for."""
    programs = {
        "import seqmodels": (f"{FOUR}\n{IMPORT}", cache),
        "LSTM first step warm": (f"{FOUR}\n{DATA}\n{OUR_LSTM}", cache),
        "HMM first step warm": (f"{FOUR}\n{DATA}\n{OUR_HMM}", cache),
        "LSTM first step cold": (f"{FOUR}\n{DATA}\n{OUR_LSTM}", None),
        "HMM first step cold": (f"{FOUR}\n{DATA}\n{OUR_HMM}", None),
    }
    processes = {
        name: Process(*program)
        for name, program in programs.items()
        if wanted(name, options.only) and not (options.quick and name.endswith("cold"))
    }
    if any(name.startswith("LSTM") for name in processes):
        for package, program in (("torch", TORCH), ("jax", JAX)):
            if package not in absent:
                processes[package] = Process(f"import numpy\n{DATA}\n{program}", cache)
    return processes


def rows_of(processes):
    """The table; an LSTM stands beside those of the peers, which have no cache of compiled code."""
    rows = []
    for name, process in processes.items():
        if name == "import seqmodels":
            seconds, compiled = process["beyond"], process["compilations"]
            rows.append(Row("import seqmodels beyond the four", seconds, (), "", 0.15, 0.15, "s", at_most=True))
            rows.append(Row("functions compiled by it", compiled, (), "", 0, 0, "", at_most=True))
        elif name not in PEERS:
            limits = LIMITS[name.split()[-1]]
            beside = [peer for peer in PEERS if peer in processes and name.startswith("LSTM")] or [""]
            for part, words, (floor, target) in (
                ("beyond", "beyond imports", limits),
                ("whole", "from process start", (None, None)),
            ):
                for peer in beside:
                    theirs = processes[peer][part] if peer else ()
                    rows.append(Row(f"{name}, {words}", process[part], theirs, peer, floor, target, "s", at_most=True))
    return rows


def main():
    options = speed_parser(__doc__.splitlines()[0], repeats=5).parse_args()
    repeats = options.repeats or (2 if options.quick else 5)
    hold_to_two_processors()
    absent = print_surroundings(
        PEERS,
        f"LSTM of {SIZES['units']} units on {SIZES['batch']} sequences of {SIZES['length']}, HMM of {SIZES['states']} "
        f"states on the same, {SIZES['symbols']} symbols;",
        f"medians of {repeats} processes each, in turn; `imports`: of numpy, scipy, scikit-learn and numba (`the "
        "four`), or of numpy and the peer",
    )
    with tempfile.TemporaryDirectory() as cache:
        processes = processes_of(options, absent, cache)
        measured(processes, repeats)
    finish_speed(rows_of(processes), options, absent)


if __name__ == "__main__":
    main()
