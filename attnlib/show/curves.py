"""Lines over a horizontal axis: what is measured, and how it changes with a width, a distance, or
the steps of a training.
"""

from typing import Literal

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from attnlib import _check
from attnlib.show.labels import drawable, fonts
from attnlib.show.sheet import DPI, Picture, colour, on_paper, text_width

# told apart without colours, too
STYLES = ("-", (0, (5, 1.6)), (0, (1.4, 1.2)), (0, (5, 1.4, 1.2, 1.4)))
LEFT = 0.75  # inches for the numbers and the name of the vertical axis


@on_paper(lines=_check.named)
def curves(
    x,
    lines,
    *,
    title="",
    axes=("x", "y"),
    log: Literal["", "x", "y", "xy"] = "",
    cursor=None,
    limits=None,
    width=6.2,
    height=3.4,
) -> Picture:
    """Lines with their names at their ends.

    x        (n,) the horizontal axis
    lines    name -> y (n,), or (runs, n): then the median is drawn, with a band from the lowest to
             the highest run
    axes     names of the horizontal and the vertical axis, with units
    log      "x", "y" or "xy": axes in powers of 10; a value that is not above 0 is left out there
    cursor   a place on the horizontal axis to mark; a dot on each line at the nearest number of x,
             its value there
    limits   (low, high) of the vertical axis, found from the lines unless given
    width, height   inches; more where the names or the title need more
    """
    x, lines, cursor, limits = _checked(x, lines, log, cursor, limits)
    top, right = 0.3 + 0.3 * bool(title), max(_room(name) for name in lines)
    width = max(width, LEFT + 1.5 + right, 0.1 * len(title))
    picture = Picture(width, max(height, 0.55 + top + 0.16 * max(len(lines), 4)), title=title)
    plot = _axes(picture, axes, top, right)
    _scales(plot, x, log)
    for number, y in enumerate(lines.values()):
        _line(plot, x, y, number)
    if limits is not None:
        plot.set_ylim(*limits)
    if len(x) > 1 and x.min() < x.max():
        plot.set_xlim(x.min(), x.max())
    if cursor is not None:
        _mark(plot, x, lines, cursor)
    _ticks(plot)
    _name(picture, plot, x, lines)
    picture.alt = f"{title or 'Curves'}: {axes[1]} against {axes[0]}. " + " ".join(
        _words(x, name, y) for name, y in lines.items()
    )
    return picture


@on_paper
def beside(*pictures, title="", columns=None) -> Picture:
    """Several pictures in one, from left to right, `columns` to a row."""
    if not pictures:
        raise ValueError("beside needs at least one picture")
    for picture in pictures:
        if not isinstance(picture, Picture):
            raise TypeError(
                f"pictures must be given one by one, as beside(a, b), got {type(picture).__name__}"
            )
    columns = _check.integer("columns", len(pictures) if columns is None else columns)
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    width = max(sum(p.get_figwidth() for p in row) for row in rows)
    heights = [max(p.get_figheight() for p in row) for row in rows]
    top = 0.4 * bool(title)
    whole = Picture(max(width, 0.1 * len(title)), top + sum(heights))
    whole.write(0.12, 0.12, title, size=11, weight="bold", va="top")
    for row, y in zip(rows, top + np.cumsum([0, *heights])):
        x = 0.0
        for picture in row:
            picture.canvas.draw()
            pixels = np.asarray(picture.canvas.buffer_rgba())
            whole.place(
                pixels,
                round(x * DPI) / DPI,
                round(y * DPI) / DPI,
                pixels.shape[1] / DPI,
                pixels.shape[0] / DPI,
            )
            x += picture.get_figwidth()
    whole.alt = " ".join(
        filter(None, [f"{title}." if title else "", *(picture.alt for picture in pictures)])
    )
    return whole


def _checked(x, lines, log, cursor, limits):
    """What `curves` is given, as numbers: x (n,), lines name -> (runs, n), a place or None,
    (low, high) or None.
    """
    x = _check.finite("x", _check.floats("x", x, "n")) + 0.0  # 0 for -0
    if x.ndim != 1 or not len(x):
        raise ValueError(f"x must have the shape (n,) with at least one number, got {x.shape}")
    lines = {str(name): _runs(name, y, len(x), "y" in log) for name, y in lines.items()}
    cursor = None if cursor is None else _number("cursor", cursor)
    limits = None if limits is None else _limits(limits, "y" in log)
    if "x" in log:
        if not (x > 0).any():
            raise ValueError(
                "x must have a number above 0 on a logarithmic axis, and its largest is"
                f" {x.max():.4g}"
            )
        x, lines = x[x > 0], {name: y[:, x > 0] for name, y in lines.items()}
    return x, lines, cursor, limits


def _runs(name, y, n, positive):
    """A line as (runs, n); what a logarithmic axis cannot show is left out."""
    given = _check.floats(f"lines[{name!r}]", y, "n")
    y = np.atleast_2d(given)
    if y.ndim != 2 or y.shape[1] != n or not len(y):
        raise ValueError(
            f"lines[{name!r}] must have the shape ({n},) or (runs, {n}), got {given.shape}"
        )
    shown = np.isfinite(y) & ((y > 0) | (not positive))
    return np.where(shown, y, np.nan)


def _number(name, value):
    """A place or a limit as a float; it must be one finite number."""
    array = _check.floats(name, value, "")
    if array.ndim or not np.isfinite(array):
        raise ValueError(f"{name} must be one finite number, got {value!r}")
    return float(array)


def _limits(limits, positive):
    given = _check.pair("limits", limits, lambda name, value: value, "numbers (low, high)")
    low, high = (_number("limits", value) for value in given)
    if low >= high or (positive and low <= 0):
        raise ValueError(
            f"limits must be two numbers (low, high), {'0 < ' * positive}low < high, got ({low:g},"
            f" {high:g})"
        )
    return low, high


def _room(name):
    """Inches at the right of the plot for the name of a line."""
    return max(0.088 * len(name) + 0.25, text_width(name, 8.5) + 0.15)


def _alone(y):
    """Which numbers have no neighbour that a line could lead to."""
    there = np.pad(np.isfinite(y), 1)
    return there[1:-1] & ~there[:-2] & ~there[2:]


def _of_runs(function, y):
    """A function over the runs at every place, NaN where no run has a number."""
    there = np.isfinite(y).any(axis=0)
    out = np.full(y.shape[1], np.nan)
    out[there] = function(y[:, there], axis=0)
    return out


def _middle(y):
    return _of_runs(np.nanmedian, y)


def _axes(picture, names, top, right):
    """Axes in the colours of the theme, with room above for a title and at the right for the names
    of the lines.
    """
    width, height = picture.get_figwidth(), picture.get_figheight()
    plot = picture.add_axes(
        (
            LEFT / width,
            0.55 / height,
            (width - LEFT - right) / width,
            (height - 0.55 - top) / height,
        )
    )
    plot.set_facecolor(colour("paper"))
    plot.grid(True, color=colour("blocked"), linewidth=0.8)
    plot.set_axisbelow(True)
    for side in ("top", "right"):
        plot.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        plot.spines[side].set_color(colour("hatch"))
    plot.tick_params(which="both", colors=colour("faint"), labelsize=8, length=3)
    plot.yaxis.get_offset_text().set_size(8)
    plot.ticklabel_format(scilimits=(-4, 5))
    how = {"color": colour("ink"), "fontsize": 9, "family": fonts(), "parse_math": False}
    across = plot.set_xlabel(drawable(str(names[0])), **how).get_window_extent().width
    along = plot.set_ylabel(drawable(str(names[1])), labelpad=3, **how).get_window_extent().height
    room = (
        np.array(
            [width - LEFT - right + 2 * min(LEFT, right), height - 0.55 - top + 2 * min(0.55, top)]
        )
        * 0.9
        * picture.dpi
    )
    plot.xaxis.label.set_size(9 * min(1, room[0] / across))  # a long one is written smaller
    plot.yaxis.label.set_size(9 * min(1, room[1] / along))
    return plot


def _scales(plot, x, log):
    """Whole numbers are counted in whole numbers; logarithmic axes get few marks: the measured
    places or powers of 10.
    """
    plot.set(xscale="log" if "x" in log else "linear", yscale="log" if "y" in log else "linear")
    for axis in (plot.xaxis, plot.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(numticks=6))
            axis.set_minor_locator(NullLocator())
    if "x" not in log and np.array_equal(x, np.round(x)):
        plot.xaxis.get_major_locator().set_params(integer=True)
    elif "x" in log and len(x) <= 16:
        places = [x[0]]
        for place in x[:: -(-len(x) // 6)]:  # none so near the one before that their numbers touch
            if abs(np.log(place / places[-1])) > 0.08 * np.log(x.max() / x.min()):
                places.append(place)
        plot.xaxis.set_major_locator(FixedLocator(places))
        plot.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def _ticks(plot):
    """Where a logarithmic axis shows less than two powers of 10: round numbers between them."""
    for axis, (low, high) in ((plot.xaxis, plot.get_xlim()), (plot.yaxis, plot.get_ylim())):
        powers = (
            np.floor(np.log10(high)) - np.ceil(np.log10(low)) + 1
            if axis.get_scale() == "log"
            else 2
        )
        if powers < 2 and not isinstance(axis.get_major_locator(), FixedLocator):
            axis.set_major_locator(MaxNLocator(5) if high < 5 * low else LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def _line(plot, x, y, number):
    """One line: its median, dots where a number stands alone, and a band over its runs where there
    are several.
    """
    color, middle = colour("lines")[number % len(colour("lines"))], _middle(y)
    plot.plot(x, middle, color=color, linewidth=1.8, linestyle=STYLES[number % len(STYLES)])
    alone = _alone(middle)
    if alone.any():
        plot.plot(x[alone], middle[alone], "o", markersize=4, color=color, clip_on=False)
    if len(y) > 1:
        plot.fill_between(
            x, _of_runs(np.nanmin, y), _of_runs(np.nanmax, y), color=color, alpha=0.18, linewidth=0
        )


def _mark(plot, x, lines, cursor):
    """A vertical line at the cursor, or at the edge next to it; on every line a dot at the nearest
    place that was measured.
    """
    place = int(np.abs(x - cursor).argmin())
    plot.axvline(np.clip(cursor, x.min(), x.max()), color=colour("ink"), linewidth=1)
    for number, y in enumerate(lines.values()):
        value = _middle(y)[place]
        # not where the limits cut it off, or at NaN
        if plot.get_ylim()[0] <= value <= plot.get_ylim()[1]:
            color = colour("lines")[number % len(colour("lines"))]
            plot.plot(
                [x[place]],
                [value],
                "o",
                markersize=6,
                color=color,
                markeredgecolor=colour("paper"),
                clip_on=False,
                zorder=3,
            )


def _name(picture, plot, x, lines):
    """The name of each line where it ends: at the right edge, or within the plot if the line ends
    early and nothing is in the way.
    """
    # asking for the limits also settles them
    edge, tall = plot.get_xlim()[1], picture.get_figheight()
    plot.get_ylim()
    right = plot.transData.transform((edge, plot.get_ylim()[1]))[0] / picture.dpi
    # inches
    spots = {
        name: plot.transData.transform(_points(x, y)) / picture.dpi for name, y in lines.items()
    }
    within, ends = {}, []
    for number, (name, points) in enumerate(spots.items()):
        if len(points):
            (across, up), room = points[-1], text_width(name, 8.5) + 0.15
            early = (
                len(x) > 1
                and across + room < right
                and not any(_crosses(other, across, up, room) for other in spots.values())
            )
            (within.setdefault(across, []) if early else ends).append([tall - up, name, number])
    box = plot.get_position()
    low, high = (tall * (1 - edge) for edge in (box.y1, box.y0))
    for over, across, group in [
        *((plot, *one) for one in within.items()),
        (None, right - 0.01, ends),
    ]:
        for y, name, number in _apart(group, low, high):
            color = colour("lines")[number % len(colour("lines"))]
            picture.write(
                across + 0.08,
                y,
                name,
                size=8.5,
                weight="bold",
                color=color,
                va="center_baseline",
                over=over,
            )


def _apart(ends, low, high):
    """Names [y, …] from top to bottom, moved apart where they would touch."""
    ends.sort()
    for before, end in zip([[low - 0.08]] + ends, ends):
        end[0] = max(end[0], before[0] + 0.16)
    for end, after in zip(ends[::-1], [[high + 0.16], *ends[::-1]]):
        end[0] = min(end[0], after[0] - 0.16)
    return ends


def _points(x, y):
    """The middle of a line where it has numbers, from left to right. (m, 2)"""
    middle, order = _middle(y), np.argsort(x, kind="stable")
    return np.array([(x[i], middle[i]) for i in order if np.isfinite(middle[i])]).reshape(-1, 2)


def _crosses(points, across, up, room):
    """Does a line pass where a name of this width would stand? points (m, 2)"""
    steps = np.linspace(across + 0.05, across + room, 20)
    heights = (
        np.interp(steps, *points.T, left=np.nan, right=np.nan) if len(points) else steps + np.nan
    )
    return bool((np.abs(heights - up) < 0.14).any())


def _words(x, name, y):
    there = np.flatnonzero(np.isfinite(_middle(y)))
    if not len(there):
        return f"{name}: no values."
    first, last = there[0], there[-1]
    return (
        f"{name}: {_middle(y)[first]:.3g} at {x[first]:.6g}, {_middle(y)[last]:.3g} at"
        f" {x[last]:.6g}."
    )
