"""One query among keys in the plane, a still picture: the arrows and where they land, scores,
shares, and the values in balance.
"""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Circle, FancyArrow, Polygon, Rectangle, Wedge

from attnlib.attention import softmax
from attnlib.show.arrows import name_at
from attnlib.show.labels import printable
from attnlib.show.sheet import (
    KEY,
    MARGIN,
    PAGE,
    PART,
    QUERY,
    SMALL,
    TITLE,
    VALUE,
    Picture,
    colour,
    line,
    on_paper,
    text_width,
    under,
)
from attnlib.show.things import along, around

SIDE, RIGHT = 3.9, 4.6  # inches: the plane, and where the rows begin
ROW, BEAM, HEAVY = 0.27, 1.75, 0.33  # a row; the balance, and the radius of a share of 1
RIM, SHADES = 60, 8  # pieces of the rim, and its shades
LEVEL = {"va": "center_baseline", "size": SMALL}


def judged(query, keys, values, temperature, shares, compare):
    """scores (n,), weights (n,), and the mixture of the values, None without values."""
    scores = keys @ query
    if compare == "cosine":
        lengths = np.linalg.norm(keys, axis=1) * np.linalg.norm(query)
        scores = np.divide(scores, lengths, out=np.zeros(len(keys)), where=lengths > 0)
    if shares == "softmax":
        weights = softmax(scores / temperature)
    elif scores.any():
        weights = scores**2 / (scores @ scores)
    else:
        weights = np.full(len(keys), 1 / len(keys))
    return scores, weights, weights @ values if len(values) else None


def scale_of(values):
    """The scale under the beam, between round numbers: low, high, step."""
    low, high = values.min(), values.max()
    step = _round_up((high - low) / 6 or 1, (1, 2, 5, 10))
    if low == high:
        return (np.floor(low / step) - 1) * step, (np.ceil(low / step) + 1) * step, step
    return np.floor(low / step) * step, np.ceil(high / step) * step, step


def _round_up(x, steps=(1, 1.5, 2, 3, 4, 5, 7.5, 10)):
    ten = 10.0 ** np.floor(np.log10(x))
    return float(f"{next(ten * step for step in steps if ten * step >= x * (1 - 1e-9)):.3g}")


def number(x):
    """−1.85, 103, 1.2e+4"""
    text = f"{abs(x):.1e}" if abs(x) >= 1000 else f"{abs(x):.{0 if abs(x) >= 100 else 2}f}"
    return f"−{text}" if x < 0 and text.strip("0.") else text


@on_paper
def arrows(
    query, keys, values, names, *, who, axes=None, value_name, temperature, shares, compare, title
) -> Picture:
    """The state of an `Arrows`: query (2,), keys (n, 2), values (n,) or none."""
    how = temperature, shares, compare
    scores, weights, mixture = judged(query, keys, values, *how)
    names, top = printable(names), under(title)
    high = max(SIDE, 0.5 + ROW * len(keys) + (BEAM if len(values) else 0.2))
    picture = Picture(PAGE, top + high + MARGIN, title=title)
    at = MARGIN + SIDE / 2, top + high / 2
    rim = [judged(turned, keys, values, *how) for turned in _around(np.linalg.norm(query))]
    deep = [max(weights) if mixed is None else mixed for _, weights, mixed in rim]
    ends = (values.min(), values.max()) if len(values) else (1 / len(keys), 1)
    deep = np.clip((np.array(deep) - ends[0]) / (np.ptp(ends) or 1), 0, 1)
    _rim(picture, at, deep, VALUE if len(values) else colour("weights")[3])
    _plane(picture, at, query, keys, names, who, axes, weights, compare)
    used = scores if shares == "squares" else scores / temperature
    reach = 1 if compare == "cosine" else np.linalg.norm(keys, axis=1).max() * _reach(query, keys)
    heads = "cosine" if compare == "cosine" else "score q·k", f"share: {shares}"
    if temperature != 1 and shares == "softmax":
        heads = f"{heads[0]} ÷ {temperature:.3g}", heads[1]
    _rows(picture, top, used, weights, names, max(reach, 1e-9), heads)
    if len(values):
        _balance(picture, top + high - BEAM, values, weights, mixture, names, value_name)
    best = ", ".join(f"{names[j]} {weights[j]:.2f}" for j in np.argsort(-weights, kind="stable"))
    turn = round(np.degrees(np.arctan2(query[1], query[0])))
    mixed = (
        ""
        if mixture is None
        else f" The mixture of the values: {number(mixture)}{_of(value_name)}."
    )
    picture.alt = (
        f"{title or 'One query among keys'}: {who} points at {number(turn).partition('.')[0]}°,"
        f" length {number(np.linalg.norm(query))}. Shares: {best}.{mixed}"
    )
    return picture


def _of(value_name):
    return f" {value_name}" if value_name else ""


def _reach(query, keys):
    return _round_up(max(np.linalg.norm(keys, axis=1).max(), np.linalg.norm(query)) or 1)


def _around(length):
    """Queries of this length in all directions, (RIM, 2)."""
    turns = (np.arange(RIM) + 0.5) / RIM * 2 * np.pi
    return length * np.stack([np.cos(turns), np.sin(turns)], axis=1)


def _rim(picture, at, deep, tone):
    """What would come of it if the query pointed there, 0 to 1: darker is more."""
    fade = LinearSegmentedColormap.from_list("rim", [colour("paper"), tone])
    for piece, part in enumerate(np.round(deep * (SHADES - 1)) / (SHADES - 1)):
        turn = piece * 360 / RIM
        wedge = Wedge(at, SIDE / 2 - 0.06, turn, turn + 400 / RIM, width=0.14)
        wedge.set(facecolor=fade(0.08 + 0.92 * part**1.4), edgecolor="none")
        picture.sheet.add_patch(wedge)


def _plane(picture, at, query, keys, names, who, axes, weights, compare):
    """The arrows, the line of the query, where the keys land on it, and shares as discs."""
    (x, y), sheet, r = at, picture.sheet, SIDE / 2 - 0.28
    reach, turned = _reach(query, keys), np.array([1, -1])
    for part in (0.5, 1):
        sheet.add_patch(Circle(at, r * part, facecolor="none", edgecolor=colour("line")))
    sheet.plot([x - r, x + r], [y, y], color=colour("line"), linewidth=0.8)
    sheet.plot([x, x], [y - r, y + r], color=colour("line"), linewidth=0.8)
    long = np.linalg.norm([*keys, query], axis=1, keepdims=True)
    scale = np.where(long > 0, reach / 2 / np.maximum(long, 1e-300), 1)
    drawn = np.array([*keys, query]) * (scale if compare == "cosine" else 1)
    way = query / long[-1] if long[-1] > 0 else np.array([1.0, 0])
    dotted = np.array([-way, way]) * r * turned + at
    sheet.plot(*dotted.T, color=QUERY, linewidth=1.4, linestyle=":")
    turns = np.linspace(0, 2 * np.pi, 5 * RIM)[:, None]
    rim = at + (r + 0.15) * np.hstack([np.cos(turns), np.sin(turns)])
    avoid, taken, named = [around(rim, 0.1), around(along(dotted))], [(RIGHT - 0.5, -9, 99, 99)], []
    for j, arrow in enumerate(drawn):
        tip, own = arrow * r / reach * turned, j == len(keys)
        if not own:
            foot = (arrow @ way) * way * r / reach * turned
            sheet.plot(*(np.array([tip, foot]) + at).T, color=KEY, linewidth=0.9, linestyle=":")
            sheet.add_patch(Circle(foot + at, 0.045, facecolor=KEY, edgecolor=colour("paper")))
        if long[j] > 0:
            look = {"head_width": 0.13, "head_length": min(0.15, np.hypot(*tip))}
            wide = 0.05 if own else 0.035
            face = {"facecolor": QUERY if own else KEY, "edgecolor": "none"}
            sheet.add_patch(
                FancyArrow(
                    *at, *tip, width=wide, length_includes_head=True, zorder=3, **look, **face
                )
            )
            avoid.append(around(along([at, tip + at]), 0.06))
        named.append((tip, who if own else names[j], "query_text" if own else "key_text"))
        if not own and long[j] > 0:
            disc = at + tip / np.hypot(*tip) * (r + 0.15)
            face = {"facecolor": colour("weights")[3], "edgecolor": colour("paper")}
            sheet.add_patch(Circle(disc, max(0.01, 0.15 * weights[j] ** 0.5), **face))
            taken.append(*around(disc, 0.15 * weights[j] ** 0.5))
    places = (x + r - 0.05, y + 0.08, "→"), (x - 0.06, y - r + 0.06, "↑")
    for axis, (right, high, sign) in zip(axes or (), places):
        text, faint = f"{axis} {sign}", {"size": SMALL, "color": colour("faint")}
        picture.write(right, high, text, ha="right", va="top", **faint)
        taken.append((right - text_width(text, weight="normal"), high, right, high + line()))
    avoid = np.concatenate(avoid)
    for tip, name, ink in sorted(named, key=lambda one: -np.hypot(*one[0])):
        away = tip if tip.any() else (0, 1)
        name_at(picture, tip + at, away, name, taken, avoid, color=colour(ink), weight="bold")
    picture.write(
        MARGIN, y + SIDE / 2, "discs: the shares", size=SMALL, color=colour("faint"), va="bottom"
    )


def _rows(picture, top, used, weights, names, reach, heads):
    """Scores and shares as bars, a row for each key."""
    sheet, zero, half, share, room = picture.sheet, RIGHT + 1.75, 0.95, RIGHT + 3.0, 1.15
    y, signed = top + 0.42, colour("signed")
    picture.write(zero, top + 0.1, heads[0], size=PART, weight="bold", ha="center", va="top")
    picture.write(share, top + 0.1, heads[1], size=PART, weight="bold", va="top")
    low = y + ROW * len(names)
    for x in (zero, share):
        sheet.plot([x, x], [y, low], color=colour("line"), linewidth=0.8)
    even = share + room / len(names)
    sheet.plot([even, even], [y, low], color=colour("hatch"), linewidth=0.8, linestyle=":")
    for j, name in enumerate(names):
        mid, s = y + (j + 0.5) * ROW, np.clip(used[j] / reach, -1, 1) * half
        name_at = {"ha": "right", "weight": "bold", "color": colour("key_text")}
        picture.write(RIGHT + 0.62, mid, name, **LEVEL | name_at)
        box = zero + min(0, s), mid - 0.08
        sheet.add_patch(Rectangle(box, abs(s), 0.16, facecolor=signed[1 if s < 0 else 5]))
        side = {"ha": "left" if s < 0 else "right"}
        picture.write(zero + (0.06 if s < 0 else -0.06), mid, number(used[j]), **LEVEL | side)
        wide = weights[j] * room
        sheet.add_patch(Rectangle((share, mid - 0.08), wide, 0.16, facecolor=colour("weights")[3]))
        picture.write(share + wide + 0.06, mid, f"{weights[j]:.2f}".removeprefix("0"), **LEVEL)


def _balance(picture, top, values, weights, mixture, names, value_name):
    """The values on a beam, as heavy as their shares: it balances at the mixture."""
    low, high, step = scale_of(values)
    sheet, left, y = picture.sheet, RIGHT + HEAVY, top + 1.1
    wide = PAGE - MARGIN - HEAVY - left
    on = lambda v: left + wide * (v - low) / (high - low)  # noqa: E731
    picture.write(RIGHT, top + 0.05, "the balance", size=PART, weight="bold", va="top")
    sheet.add_patch(Rectangle((left - 0.08, y), wide + 0.16, 0.04, facecolor=colour("ink")))
    ticks = np.arange(low, high + step / 2, step)
    for n, tick in enumerate(ticks):
        unit = _of(value_name) if n == len(ticks) - 1 else ""
        picture.write(
            on(tick) if not unit else PAGE - MARGIN,
            y + 0.3,
            number(tick).removesuffix(".00") + unit,
            size=SMALL,
            color=colour("faint"),
            ha="right" if unit else "center",
            va="center_baseline",
        )
    best = np.argsort(-weights, kind="stable")
    radii, places = np.maximum(0.01, HEAVY * weights**0.5), on(values)
    discs = np.column_stack([places - radii, y - 2 * radii, places + radii, np.full(len(radii), y)])
    heading = (RIGHT, top, RIGHT + text_width("the balance", PART), top + line(PART))
    taken = [*discs, heading, (-9, y - 0.06, 99, 99), (-9, -9, 99, top), (-9, -9, RIGHT - 0.1, 99)]
    for j in best:
        middle = places[j], y - radii[j]
        sheet.add_patch(Circle(middle, radii[j], facecolor=VALUE, edgecolor=colour("paper")))
        tip = places[j], y - 2 * radii[j]
        name_at(picture, tip, (0, -1), names[j], taken, color=colour("value_text"))
        taken.append(taken[-1] + np.array([-0.08, 0, 0.08, 0]))
    x = on(mixture)
    sheet.add_patch(
        Polygon([(x, y + 0.04), (x - 0.1, y + 0.22), (x + 0.1, y + 0.22)], facecolor=VALUE)
    )
    said = f"mixture {number(mixture)}"
    half = text_width(said, TITLE) / 2
    where = np.clip(x, RIGHT + half, PAGE - MARGIN - half)
    tone = {"size": TITLE, "weight": "bold", "color": colour("value_text")}
    picture.write(where, y + 0.52, said, ha="center", va="center_baseline", **tone)
