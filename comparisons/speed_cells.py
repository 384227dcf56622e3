"""How long does a recurrent network of each cell train, compared with an LSTM of its size?

One update of Adam (forward, loss, backward, step), timed within `RNN.fit`: 64 units, 16 sequences of 50 symbols out of
64, one layer, float32. Each cell takes turns with an LSTM; the ratio says how many times faster than that it is.
No cell may take more than 1.5 times as long. An LSTM of its size has as many units; where all units see all gates, or
all memories, the cell has 13 / 4 or 7 / 4 times as many recurrent weights, and an LSTM of its size has as many weights.
"""

from common import Row, finish_speed, hold_to_two_processors, in_turns, print_surroundings, speed_parser, wanted
from speed_rnn import N_SYMBOLS, TIMING, long_enough, training_side

from seqmodels.rnn import GRU, LSTM, CoupledLSTM, Elman, LayerNormLSTM, PeepholeLSTM, ProjectedLSTM

H, B, T = 64, 16, 50
FLOOR = 0.667  # 1 / 1.5
CELLS = {
    "Elman": (Elman(H), LSTM(H)),
    "GRU after": (GRU(H), LSTM(H)),
    "GRU before": (GRU(H, "before"), LSTM(H)),
    "LSTM hard_sigmoid": (LSTM(H, gate_activation="hard_sigmoid"), LSTM(H)),
    "LSTM NIG": (LSTM(H, without="input_gate"), LSTM(H)),
    "LSTM NFG": (LSTM(H, without="forget_gate"), LSTM(H)),
    "LSTM NOG": (LSTM(H, without="output_gate"), LSTM(H)),
    "LSTM NIAF": (LSTM(H, input_activation="identity"), LSTM(H)),
    "LSTM NOAF": (LSTM(H, output_activation="identity"), LSTM(H)),
    "LSTM FGR": (LSTM(H, full_gate_recurrence=True), LSTM(112)),
    "CoupledLSTM": (CoupledLSTM(H), LSTM(H)),
    "PeepholeLSTM diagonal": (PeepholeLSTM(H), LSTM(H)),
    "PeepholeLSTM full": (PeepholeLSTM(H, "full"), LSTM(80)),
    "ProjectedLSTM P=32": (ProjectedLSTM(H, 32), LSTM(H)),
    "ProjectedLSTM P=32 Q=16 peepholes": (ProjectedLSTM(H, 32, 16, peepholes=True), LSTM(H)),
    "LayerNormLSTM": (LayerNormLSTM(H), LSTM(H)),
}
QUICK = {"CoupledLSTM", "LayerNormLSTM"}


def row(name, cell, lstm, repeats):
    """Let a cell and an LSTM take turns."""
    timings, others = in_turns(
        {
            "ours": long_enough(lambda n: training_side(cell, B, T, n)),
            "peer": long_enough(lambda n: training_side(lstm, B, T, n)),
        },
        repeats,
    )
    print(name, flush=True)
    return Row(name, timings["ours"], timings["peer"], f"LSTM({lstm.n_hidden})", FLOOR, 1.0, others=others)


def main():
    options = speed_parser(__doc__.splitlines()[0], repeats=7).parse_args()
    repeats = options.repeats or (3 if options.quick else 7)
    hold_to_two_processors()
    print_surroundings(
        {},
        f"H={H} B={B} T={T}, one layer, {N_SYMBOLS} symbols, float32, Adam; a cell and an LSTM in turn, {repeats} "
        f"timings each of at least {1000 * TIMING:.0f} ms, medians;",
        "ratio: of medians, the LSTM over the cell; min..max: of the ratios of timings that followed each other",
    )
    rows = [
        row(name, *cells, repeats)
        for name, cells in CELLS.items()
        if wanted(name, options.only) and (name in QUICK or not options.quick)
    ]
    finish_speed(rows, options, [])


if __name__ == "__main__":
    main()
