"""Lines over a horizontal axis: what is measured, and how it changes with a width, a distance, or
the steps of a training.
"""

from typing import Literal

import numpy as np
from matplotlib.ticker import FixedLocator, Formatter, LogLocator, MaxNLocator, NullLocator

from attnlib import _check
from attnlib.show.sheet import (
    DPI,
    MARGIN,
    PAGE,
    SMALL,
    TEXT,
    Picture,
    colour,
    line,
    on_paper,
    text_width,
    under,
)
from attnlib.show.things import along, around, clear, known, looks, near, spot

LEFT, BELOW = 0.62, 0.52  # inches for the numbers of the vertical axis; for all of the other one
BEHIND = 0.12  # inches from the end of a line to its name
LEAST = 1.5  # inches of plot, however long the names are
NUMBERED = 3  # up to so many lines have their numbers at the cursor
SEEN = 0.012  # of the height: lines that are never further apart are seen as one
POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@on_paper(lines=_check.named, cursor_name=_check.text)
def curves(
    x,
    lines,
    *,
    title="",
    axes=("x", "y"),
    log: Literal["", "x", "y", "xy"] = "",
    cursor=None,
    cursor_name="",
    limits=None,
    width=PAGE,
    height=3.0,
) -> Picture:
    """Lines with their names at their ends, or where they are farthest from the others if the ends
    have met. A thing of the course, as RoPE, has the same colour in every picture; any other line
    that is alone is ink. Lines that lie on each other are named together.

    x        (n,) the horizontal axis
    lines    name -> y (n,), or (runs, n): then the median is drawn, with a band from the lowest to
             the highest run
    axes     names of the horizontal and the vertical axis, with units
    log      "x", "y" or "xy": axes in powers of 10; a value that is not above 0 is left out there
    cursor   a place on the horizontal axis to mark; a dot on each line at the nearest number of x,
             its value there
    cursor_name   what happened there, in words: then the place is a border, without dots
    limits   (low, high) of the vertical axis, found from the lines unless given
    width, height   inches; more where the names or the title need more
    """
    x, lines, cursor, limits = _checked(x, lines, log, cursor, limits)
    found, groups = _looks(lines), together(lines, log, limits)
    said = {name: text for group in groups for name, text in group.items()}
    right = max(text_width(text, TEXT) for text in said.values()) + BEHIND + MARGIN
    top = under(title) + line() * (1 + (cursor is not None)) + 0.08
    picture = Picture(
        max(width, LEFT + LEAST + right, *map(_room, axes)),
        max(height, BELOW + top + line(TEXT) * max(len(lines), 4)),
        title=title,
    )
    plot = frame(picture, axes, log, top, right, under(title))
    ticks(plot, x)
    for group in groups:
        for above, name in enumerate(reversed(group)):  # wider what is covered, so that it is seen
            _line(plot, x, lines[name], found[name], 1.8 + 1.6 * above, 2 - above / 10)
    if limits is not None:
        plot.set_ylim(*limits)
    if len(x) > 1 and x.min() < x.max():
        plot.set_xlim(x.min(), x.max())
    settle(picture, plot)
    rims = {name: _rims(picture, plot, x, y) for name, y in lines.items()}
    taken = np.concatenate([*map(_filled, rims.values()), _upright(picture, plot, x, cursor)])
    taken = np.concatenate([taken, _name(picture, plot, rims, groups, found, taken)])
    picture.alt = f"{title or 'Curves'}: {axes[1]} against {axes[0]}. " + " ".join(
        _words(x, name, y) for name, y in lines.items()
    )
    if cursor is not None:
        words = f"{_plain(axes[0])}: {cursor:.6g}"
        _mark(picture, plot, x, cursor, cursor_name or words)
        picture.alt += f" Marked at {words}{f', {cursor_name}' if cursor_name else ''}."
        if not cursor_name:
            _values(picture, plot, x, lines, cursor, found, taken)
            picture.alt += _read_at(x, lines, cursor)
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
    top = under(title) if title else 0
    whole = Picture(width, top + sum(heights), title=title)
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


def together(lines, log="", limits=None):
    """Lines that are seen as one, as groups: [name -> what is written], with "= " or "≈ " before
    all but the first of a group.
    """
    with np.errstate(divide="ignore"):
        how = np.log10 if "y" in log else np.asarray
        middles = {name: how(_middle(np.atleast_2d(y))) for name, y in lines.items()}
        ends = how(limits if limits is not None else [*middles.values()])
    ends = ends[np.isfinite(ends)]
    near, groups = SEEN * np.ptp(ends) if len(ends) else 0, []
    for name, y in middles.items():
        there = np.isfinite(y)
        for group in groups:
            first = middles[next(iter(group))]
            if there.any() and np.array_equal(there, np.isfinite(first)):
                far = np.abs(y - first)[there].max()
                if far <= near:
                    group[name] = f"{'=' if far <= near / 1e6 else '≈'} {name}"
                    break
        else:
            groups.append({name: name})
    return groups


# ---- the plot ------------------------------------------------------------------------------------


def _room(name):
    """Inches that the name of an axis needs."""
    return text_width(f"{name}, log scale →", SMALL, "normal") + 2 * MARGIN


def _plain(name):
    """The name of an axis without its unit."""
    return str(name).split(",")[0]


def frame(picture, names, log, top, right, above):
    """Axes in the colours of the theme, `top` and `right` inches from the edges of the sheet, with
    their names at their ends: one at the right end below, one level above, `above` inches down.
    """
    width, height = picture.get_figwidth(), picture.get_figheight()
    plot = picture.add_axes(
        (
            LEFT / width,
            BELOW / height,
            (width - LEFT - right) / width,
            (height - BELOW - top) / height,
        )
    )
    plot.set(xscale="log" if "x" in log else "linear", yscale="log" if "y" in log else "linear")
    plot.set_facecolor(colour("paper"))
    plot.set_zorder(-1)  # under the names, which stand on the sheet
    plot.grid(True, axis="y", color=colour("line"), linewidth=0.7)
    plot.set_axisbelow(True)
    for side in ("left", "top", "right"):
        plot.spines[side].set_visible(False)
    plot.spines["bottom"].set_color(colour("hatch"))
    plot.tick_params(which="both", colors=colour("faint"), labelsize=SMALL, length=0)
    plot.tick_params(axis="x", length=3, color=colour("hatch"))
    across, along = (f"{name}{', log scale' * (axis in log)}" for axis, name in zip("xy", names))
    how = {"color": colour("ink")}
    x = max(width - right, MARGIN + text_width(f"{across} →", SMALL, "normal"))
    picture.write(x, height - 0.08, f"{across} →", ha="right", va="bottom", **how)
    picture.write(MARGIN, above, f"↑ {along}", va="top", **how)
    return plot


def written(value, digits=6):
    """A number with so many digits, as it is read: 1,000, 0.25 and 10⁻⁸."""
    rounded = float(f"{value:.{digits}g}")
    if rounded and not 1e-4 <= abs(rounded) < 1e7:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        mantissa = {"1": "", "-1": "−"}.get(mantissa, f"{mantissa}×".replace("-", "−"))
        return f"{mantissa}10{str(int(power)).translate(POWERS)}"
    return f"{rounded + 0:,.12f}".rstrip("0").rstrip(".").replace("-", "−")


class Plain(Formatter):
    """The marks of an axis with as many digits as tell them apart; powers of 10 all in one way."""

    digits, powers = 6, False

    def __call__(self, value, pos=None):
        power = round(np.log10(value)) if self.powers else 0
        return (
            f"10{str(power).translate(POWERS)}"
            if power not in (0, 1)
            else written(value, self.digits)
        )

    def format_ticks(self, values):
        steps = np.diff(np.unique(values))
        self.digits, log = 6, self.axis.get_scale() == "log"
        above = log and len(values) and np.min(values) > 0
        tens = np.log10(values) if above else np.zeros(1)
        self.powers = bool(
            np.allclose(tens, np.round(tens)) and not -4 < tens.min() <= tens.max() < 6
        )
        if not log and len(steps):
            most, step = np.floor(np.log10([np.abs(values).max(), steps.min()]) + 1e-9)
            self.digits = int(np.clip(most - step + 1, 1, 15))
        return super().format_ticks(values)


def ticks(plot, x):
    """Few marks, at round numbers. Whole numbers are counted in whole numbers; a logarithmic axis
    has its marks at the places that were measured, or at powers of 10.
    """
    for axis, most in ((plot.xaxis, 8), (plot.yaxis, 6)):
        axis.set_major_formatter(Plain())
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(numticks=6))
            axis.set_minor_locator(NullLocator())
        else:
            whole = axis is plot.xaxis and np.array_equal(x, np.round(x))
            axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10], integer=whole))
    if plot.get_xscale() == "log" and len(x) <= 16:
        places = [x[0]]
        for place in x[:: -(-len(x) // 6)]:  # none so near the one before that their numbers touch
            if abs(np.log(place / places[-1])) > 0.08 * np.log(x.max() / x.min()):
                places.append(place)
        plot.xaxis.set_major_locator(FixedLocator(places))


def settle(picture, plot):
    """When all is drawn and the limits stand: round numbers where a logarithmic axis shows less
    than two powers of 10, and more room at the left for long ones.
    """
    for axis, (low, high) in ((plot.xaxis, plot.get_xlim()), (plot.yaxis, plot.get_ylim())):
        powers = np.floor(np.log10(high)) - np.ceil(np.log10(low)) if low > 0 else 1
        few = axis.get_scale() == "log" and powers < 1
        if few and not isinstance(axis.get_major_locator(), FixedLocator):
            axis.set_major_locator(MaxNLocator(5) if high < 5 * low else LogLocator(subs=(1, 2, 5)))
    low, high = plot.get_ylim()
    shown = [place for place in plot.get_yticks() if low <= place <= high]
    marks = plot.yaxis.get_major_formatter().format_ticks(shown)
    room = max((text_width(mark, SMALL, "normal") for mark in marks), default=0)
    box, left = plot.get_position(), (room + MARGIN + 0.06) / picture.get_figwidth()
    if left > box.x0:
        plot.set_position((left, box.y0, box.x1 - left, box.height))


def on_sheet(picture, plot, points):
    """Where points (m, 2) of a plot stand on the sheet, in inches from its top left. (m, 2)"""
    points = np.asarray(points, float).reshape(-1, 2)
    found = plot.transData.transform(points) / picture.dpi if len(points) else points
    return np.column_stack([found[:, 0], picture.get_figheight() - found[:, 1]])


def edges(picture, plot):
    """Left, top, right and bottom of a plot on the sheet, in inches."""
    box, (width, height) = plot.get_position(), picture.get_size_inches()
    return np.array([box.x0 * width, (1 - box.y1) * height, box.x1 * width, (1 - box.y0) * height])


# ---- the lines and their words -------------------------------------------------------------------


def _looks(lines):
    """As `looks`; a line that is alone and no thing of the course is ink."""
    found = looks(lines)
    if len(found) == 1 and not known(*found):
        return {name: (colour("ink"), *look[1:]) for name, look in found.items()}
    return found


def _line(plot, x, y, look, wide, order):
    """One line: its median, dots where a number stands alone, and a band over its runs where there
    are several.
    """
    color, dashes, _ = look
    middle = _middle(y)
    plot.plot(x, middle, color=color, linewidth=wide, linestyle=dashes, zorder=order)
    alone = _alone(middle)
    if alone.any():
        plot.plot(x[alone], middle[alone], "o", markersize=4, color=color, clip_on=False)
    if len(y) > 1:
        plot.fill_between(
            x, _of_runs(np.nanmin, y), _of_runs(np.nanmax, y), color=color, alpha=0.15, linewidth=0
        )


def _rims(picture, plot, x, y):
    """The median of a line, and the upper and the lower rim of its band, on the sheet. (3, m, 2)"""
    rows = (_of_runs(function, y) for function in (np.nanmedian, np.nanmax, np.nanmin))
    return np.stack([on_sheet(picture, plot, _points(x, row[None])) for row in rows])


def _filled(rims):
    """Boxes (m, 4) over a line and its band."""
    middle, top, low = rims
    path = along(middle)
    if not len(path):
        return np.empty((0, 4))
    boxes = around(path)
    for side, rim in ((1, top), (3, low)):
        boxes[:, side] += np.interp(path[:, 0], middle[:, 0], rim[:, 1] - middle[:, 1])
    return boxes


def _upright(picture, plot, x, cursor):
    """The box (1, 4) of the vertical line at the cursor; (0, 4) without one."""
    if cursor is None:
        return np.empty((0, 4))
    box, at = edges(picture, plot), np.clip(cursor, x.min(), x.max())
    across = on_sheet(picture, plot, [(at, plot.get_ylim()[0])])[0, 0]
    return np.array([[across, box[1], across, box[3]]])


def _mark(picture, plot, x, cursor, words):
    """A vertical line at the cursor, or at the edge next to it, with words above."""
    plot.axvline(np.clip(cursor, x.min(), x.max()), color=colour("ink"), linewidth=1, clip_on=False)
    ((across, top, *_),) = _upright(picture, plot, x, cursor)
    half = text_width(words, SMALL) / 2
    middle = np.clip(across, MARGIN + half, picture.get_figwidth() - MARGIN - half)
    picture.write(middle, top - 0.05, words, weight="bold", ha="center", va="bottom")


def _values(picture, plot, x, lines, cursor, found, taken):
    """On every line a dot at the place nearest to the cursor that was measured. Where the cursor
    stands at one, and the lines are few, each says its number.
    """
    place, box, (low, high) = _nearest(x, cursor), edges(picture, plot), plot.get_ylim()
    for name, (color, *_) in found.items():
        value = _middle(lines[name])[place]
        if not low <= value <= high:  # the limits cut it off, or it is NaN
            continue
        look = {"markersize": 6, "color": color, "markeredgecolor": colour("paper")}
        plot.plot([x[place]], [value], "o", clip_on=False, zorder=3, **look)
        if len(lines) <= NUMBERED and x[place] == cursor:
            dot = on_sheet(picture, plot, [(x[place], value)])[0]
            span = 0 if plot.get_yscale() == "log" else high - low
            box_of = _beside(picture, dot, _told(value, span), color, taken, box)
            taken = np.concatenate([taken, box_of])


def _nearest(x, cursor):
    return int(np.abs(x - cursor).argmin())


def _told(value, span):
    """A number in three digits, and none finer than can be seen on an axis so long (0: any)."""
    fine = int(np.clip(2 - np.floor(np.log10(span)), -300, 300)) if span else 300
    return written(np.round(float(value), fine), 3)


def _beside(picture, dot, words, color, taken, box):
    """Words near a dot on the sheet, on the first side where they touch nothing, if there is one.
    -> the box (1, 4) that they take, or (0, 4)
    """
    found = spot(text_width(words, SMALL), near([dot]), taken, box)
    if found is None:
        return np.empty((0, 4))
    (x, y, ha), taken = found
    picture.write(x, y, words, weight="bold", color=color, ha=ha, va="center_baseline")
    return taken[None]


def _name(picture, plot, rims, groups, found, taken):
    """The name of each line where it ends: at the right edge, or within the plot if the line ends
    early and nothing is in the way. Where ends are so near that names would touch, each stands
    where its line is farthest from the others, if it is clear there whose it is.

    rims     name -> the line and its band on the sheet (3, m, 2)
    groups   [name -> what is written]
    returns the boxes (m, 4) of the names within the plot
    """
    box, ends, inner = edges(picture, plot), [], np.empty((0, 4))
    low, high, right = box[1], box[3], box[2]
    first = {name: next(iter(group)) for group in groups for name in group if rims[name].size}
    last = {name: rims[name][0, -1] for name in first}
    for group in sorted(groups, key=lambda group: (*last.get(next(iter(group)), (0, 0)),)[1]):
        for name, text in group.items():
            if name not in first:
                continue
            (across, up), wide, places = last[name], text_width(text, TEXT), []
            others = [one for one in {*first.values()} - {first[name]}]
            if across < right - 0.1:
                places = [(across + BEHIND, up + y, "left") for y in (0, 0.19)]
            elif len(group) == 1 and _crowded(up, [last[one] for one in others], box):
                band = rims[name][1 if np.ptp(rims[name], axis=0).any() else 2 :]
                free = near(np.concatenate([along(rim, 0.3) for rim in band]))
                lines = np.concatenate([along(rims[one][0], 0.1) for one in others])
                places = clear(wide, free, lines, TEXT)
            place = spot(wide, places, np.concatenate([taken, inner]), box, TEXT)
            if place is None:
                end = last[first[name]][1]
                ends.append([end, text, end, found[name][0]])
            else:
                (x, y, ha), inside = place
                inner = np.concatenate([inner, inside[None]])
                _written(picture, x, y, text, found[name][0], ha)
    for y, text, end, color in _apart(ends, low, high):
        there = np.clip(end, low, high)
        if abs(y - there) > 0.04 and text in rims:  # moved: a thread leads to it
            thread = [right, right + BEHIND - 0.03], [there, y]
            picture.sheet.plot(*thread, color=color, linewidth=0.8)
        _written(picture, right + BEHIND, y, text, color)
    for name in first:
        for x, y, head in _leaving(rims[name][0], low, high):  # it goes on above or below
            picture.sheet.plot([x], [y], head, markersize=5, color=found[name][0])
    return inner


def _crowded(up, ends, box):
    """Would a name at the right edge, `up` inches down, touch that of another line that ends there?

    ends   (x, y) of the others
    """
    _, low, right, high = box
    there = [np.clip(y, low, high) for x, y in ends if x > right - 0.1]
    return any(abs(y - np.clip(up, low, high)) < 0.7 * line(TEXT) for y in there)


def _leaving(path, low, high):
    """Where a line on the sheet leaves the plot or comes back, and where it ends outside. -> (x, y,
    mark)
    """
    kept = np.clip(path[:, 1], low, high)
    out = np.sign(path[:, 1] - kept) * (abs(path[:, 1] - kept) > 0.02)  # -1 above, 1 below
    found = [(path[-1, 0], kept[-1], out[-1])] if len(path) and out[-1] else []
    for i in np.flatnonzero(np.diff(out)):
        for side, rim in ((out[i], kept[i]), (out[i + 1], kept[i + 1])):
            if side:
                x = np.interp(rim, *zip(*sorted(path[i : i + 2, ::-1].tolist())))
                found.append((x, rim, side))
    return [(x, y, "^" if side < 0 else "v") for x, y, side in found]


def _written(picture, x, y, name, color, ha="left"):
    picture.write(x, y, name, size=TEXT, weight="bold", color=color, ha=ha, va="center_baseline")


def _apart(ends, low, high):
    """Names [y, …] from top to bottom, moved apart where they would touch."""
    ends.sort(key=lambda one: one[0])
    step = line(TEXT)
    for before, end in zip([[low - step / 2]] + ends, ends):
        end[0] = max(end[0], before[0] + step)
    for end, after in zip(ends[::-1], [[high + step], *ends[::-1]]):
        end[0] = min(end[0], after[0] - step)
    return ends


def _points(x, y):
    """The middle of a line where it has numbers, from left to right. (m, 2)"""
    middle, order = _middle(y), np.argsort(x, kind="stable")
    return np.array([(x[i], middle[i]) for i in order if np.isfinite(middle[i])]).reshape(-1, 2)


def _words(x, name, y):
    there = np.flatnonzero(np.isfinite(_middle(y)))
    if not len(there):
        return f"{name}: no values."
    first, last = there[0], there[-1]
    return (
        f"{name}: {_middle(y)[first]:.3g} at {x[first]:.6g}, {_middle(y)[last]:.3g} at"
        f" {x[last]:.6g}."
    )


def _read_at(x, lines, cursor):
    """What the lines say at the cursor, or at the nearest place that was measured."""
    place = _nearest(x, cursor)
    there = "" if x[place] == cursor else f" at {x[place]:.6g}"
    values = {name: _middle(y)[place] for name, y in lines.items()}
    told = [f"{name} {value:.3g}" for name, value in values.items() if np.isfinite(value)]
    return f" Measured{there or ' there'}: {', '.join(told)}." if told else ""
