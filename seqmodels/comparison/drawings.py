"""Pictures for an HTML page that loads nothing: lines as SVG, matrices as PNG, both written into the page."""

import base64
import html
import struct
import zlib

import numpy as np

__all__ = ["curves", "matrix", "series"]

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#999999",
)  # Okabe and Ito (2008)
WIDTH, HEIGHT = 720, 320
LEFT, BOTTOM, EDGE = 64, 44, 12  # room for the labels of the axes, and on the other sides


def curves(lines, levels, x_label, y_label):
    """Curves over time, and levels that do not change, with a legend.

    Parameters
    ----------
    lines : dict of str to pair of arrays
        Coordinates x and y by label.
    levels : dict of str to float
        Dashed lines across.
    x_label, y_label : str

    Returns
    -------
    str
        HTML.
    """
    heights = np.concatenate([*(y for _, y in lines.values()), list(levels.values())])
    heights = heights[np.isfinite(heights)]
    if not len(heights):
        return "<p>There is nothing to draw.</p>"
    right = max((x[-1] for x, _ in lines.values()), default=1.0) or 1.0
    low, high = _with_margin(heights.min(), heights.max())

    def across(x):
        return LEFT + x / right * (WIDTH - LEFT - EDGE)

    def up(y):
        return EDGE + (high - y) / (high - low) * (HEIGHT - BOTTOM - EDGE)

    parts, legend = [], []
    for tick in _ticks(low, high):
        parts.append(f'<path class="grid" d="M{LEFT} {up(tick):.1f}H{WIDTH - EDGE}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{up(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in _ticks(0.0, right):
        parts.append(f'<text x="{across(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:g}</text>')
    middle = (HEIGHT - BOTTOM) / 2
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{html.escape(x_label)}</text>')
    turned = f'text-anchor="middle" transform="rotate(-90 14 {middle})"'
    parts.append(f'<text x="14" y="{middle}" {turned}>{html.escape(y_label)}</text>')
    paths = {label: _path(across(x), up(y)) for label, (x, y) in lines.items()}
    paths |= {label: f"M{LEFT} {up(y):.1f}H{WIDTH - EDGE}" for label, y in levels.items() if np.isfinite(y)}
    for number, (label, path) in enumerate(paths.items()):
        colour = COLOURS[number % len(COLOURS)]
        dashes = ' stroke-dasharray="6 4"' if label in levels else ""
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
        legend.append(f'<li style="border-color:{colour}">{html.escape(label)}</li>')
    return f'{_svg(WIDTH, HEIGHT, "".join(parts))}<ul class="legend">{"".join(legend)}</ul>'


def series(values, low, high):
    """One column of numbers (T,) as a line between `low` and `high`; gaps where values are missing."""
    width, height = WIDTH, 64
    low, high = _with_margin(low, high)
    x = np.linspace(EDGE, width - EDGE, len(values)) if len(values) > 1 else np.array([width / 2])
    y = np.clip((high - values) / (high - low), 0.0, 1.0) * height
    return _svg(width, height, f'<path d="{_path(x, y)}" fill="none" stroke="{COLOURS[0]}" stroke-width="1.5"/>')


def matrix(values, low, high):
    """Numbers (rows, columns) as shades of grey, from white at `low` to black at `high` and above."""
    shades = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-12), 0.0, 1.0)
    pixels = np.round(255 * (1 - shades)).astype(np.uint8)
    n_rows, n_columns = pixels.shape
    lines = np.hstack([np.zeros((n_rows, 1), np.uint8), pixels])  # each line begins with its filter, none
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", n_columns, n_rows, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    size = max(1, min(8, WIDTH // n_columns))
    return (
        f'<img alt="" width="{size * n_columns}" height="{size * n_rows}" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    )


def _svg(width, height, content):
    return f'<svg viewBox="0 0 {width} {height}" role="img">{content}</svg>'


def _path(x, y):
    """A line through points, broken where one is not finite."""
    steps, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if np.isfinite(b):
            steps.append(f"{pen}{a:.1f} {b:.1f}")
        pen = "L" if np.isfinite(b) else "M"
    return "".join(steps)


def _with_margin(low, high):
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _ticks(low, high):
    """About five round numbers from `low` to `high`."""
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - rough))
    return [float(f"{step * n:.10g}") for n in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]
