"""Every cell beyond the plain ones with every option once, and its plain twin."""

from typing import NamedTuple

import pytest
import reference
from numba import config

from seqmodels.rnn import LSTM, Cell, CoupledLSTM, LayerNormLSTM, PeepholeLSTM, ProjectedLSTM


def hard_sigmoid(x):
    return min(max(x / 6 + 0.5, 0.0), 1.0)


def rectified(x):
    return max(x, 0.0)


def same(x):
    return x


class Variant(NamedTuple):
    cell: Cell
    step: object  # its plain twin
    compiled: bool = False  # whether it is tested in compiled form as well


variant = reference.lstm_variant_step
VARIANTS = {
    "hard gates": Variant(LSTM(3, gate_activation="hard_sigmoid"), variant(hard_sigmoid)),
    "sigmoid input": Variant(LSTM(3, input_activation="sigmoid"), variant(squash=reference.logistic)),
    "relu input": Variant(LSTM(3, input_activation="relu"), variant(squash=rectified)),
    "NIAF": Variant(LSTM(3, input_activation="identity"), variant(squash=same)),
    "sigmoid output": Variant(LSTM(3, output_activation="sigmoid"), variant(read=reference.logistic)),
    "relu output": Variant(LSTM(3, output_activation="relu"), variant(read=rectified)),
    "NOAF": Variant(LSTM(3, output_activation="identity"), variant(read=same)),
    "NIG": Variant(LSTM(3, without="input_gate"), variant(without="input_gate")),
    "NFG": Variant(LSTM(3, without="forget_gate"), variant(without="forget_gate")),
    "NOG": Variant(LSTM(3, without="output_gate"), variant(without="output_gate")),
    "FGR": Variant(LSTM(3, full_gate_recurrence=True), variant(full=True), True),
    "diagonal peepholes": Variant(PeepholeLSTM(3), variant(peepholes="diagonal"), True),
    "full peepholes": Variant(PeepholeLSTM(3, "full"), variant(peepholes="full"), True),
    "CIFG": Variant(CoupledLSTM(3), reference.coupled_lstm_step, True),
    "projection": Variant(ProjectedLSTM(3, 2), variant(projected=True)),
    "wide projection": Variant(ProjectedLSTM(2, 4), variant(projected=True)),
    "both projections, peepholes": Variant(
        ProjectedLSTM(3, 2, 2, peepholes=True), variant(projected=True, peepholes="diagonal"), True
    ),
    "layer norm": Variant(LayerNormLSTM(3), reference.layer_norm_lstm_step, True),
}
COMPILED = [name for name, own in VARIANTS.items() if own.compiled]

interpreted = pytest.mark.skipif(
    not config.DISABLE_JIT, reason="one specialisation more to compile; runs where NUMBA_DISABLE_JIT=1"
)
each_variant = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if own.compiled else [interpreted]) for name, own in VARIANTS.items()]
)
