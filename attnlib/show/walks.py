"""Random walks under ±√d, a still picture: the sums of random products, where they end, and the
softmax of ten of them.
"""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from attnlib.attention import softmax
from attnlib.show.sheet import MARGIN, PAGE, QUERY, Picture, colour, line, on_paper, under

ROW = 10  # keys of a row
TALL = 3.4  # how far the frame reaches, in spreads
FAN, ENDS, HIGH = 5.1, 0.55, 3.0  # inches: the walks, their ends, both as high
PITCH = 0.175  # inches from one share to the next


@on_paper
def walks(paths, *, title) -> Picture:
    """paths (n, d): the sums of d random products, step by step."""
    (n, d), top = paths.shape, under(title) + line()
    picture = Picture(PAGE, top + HIGH + 0.08 + line() + MARGIN, title=title)
    root, ends, faint = np.sqrt(d), paths[:, -1], {"color": colour("faint")}
    left, middle, far = 0.55, top + HIGH / 2, TALL * root
    across = left + FAN * np.arange(d + 1) / d
    level = lambda s: middle - np.clip(s / far, -1, 1) * HIGH / 2  # noqa: E731
    for y in (top, top + HIGH):
        picture.sheet.plot([left, left + FAN], [y, y], color=colour("line"), linewidth=0.8)
    steps = np.append(np.arange(0, d, max(1, d // 64)), d)
    lines = [np.stack([across, level(np.append(0, walk))], axis=1)[steps] for walk in paths[::-1]]
    best = int(ends[:ROW].argmax())
    look = {"colors": colour("hatch"), "linewidths": 0.4, "antialiaseds": False}
    picture.sheet.add_collection(LineCollection(lines[:-ROW], **look))
    row, tones = lines[-ROW:], [colour("weights")[3]] * ROW
    tones[-1 - best] = colour("ink")
    picture.sheet.add_collection(LineCollection(row, colors=tones, linewidths=1))
    steps = np.linspace(0, d, 80)
    for way in (1, -1):
        curve = level(way * np.sqrt(steps))
        picture.sheet.plot(left + FAN * steps / d, curve, color=QUERY, linewidth=1.8)
        y, sign = level(way * root), "" if way > 0 else "−"
        tone = {"color": colour("query_text"), "weight": "bold"}
        at = left + FAN + 0.12 + ENDS
        picture.write(at, y, f"{sign}√{d} = {sign}{root:.3g}", va="center_baseline", **tone)
    for k in (-2, -1, 0, 1, 2):
        picture.write(
            left - 0.06,
            level(k * root),
            f"{k * root:.3g}".replace("-", "−"),
            ha="right",
            va="center_baseline",
            **faint,
        )
    picture.write(left, top - 0.06, "sum so far", va="bottom", **faint)
    low = top + HIGH + 0.08
    picture.write(left, low, "0", ha="center", va="top", **faint)
    picture.write(left + FAN, low, str(d), ha="center", va="top", **faint)
    picture.write(left + FAN / 2, low, "products added up: d", ha="center", va="top", **faint)
    _ends(picture, left + FAN + 0.08, top, ends, root, level, far)
    within = int((np.abs(ends) <= root).sum())
    picture.write(left + FAN + 0.08, top - 0.06, f"{within} of {n} within", va="bottom", **faint)
    weights = [softmax(ends[:ROW] / by) for by in (1, root, d)]
    names = "softmax of q·k", f"÷ √{d}", f"÷ {d}"
    for k, (row, name) in enumerate(zip(weights, names)):
        _bars(picture, PAGE - MARGIN - ROW * PITCH, top + k * HIGH / 3, HIGH / 3, row, name)
    top_shares = ", ".join(f"{row.max():.2f}" for row in weights)
    picture.alt = (
        f"{title or 'Random walks'}: of {n} sums of {d} random products, {within} end within"
        f" ±√{d} = ±{root:.3g}; their spread is {ends.std():.3g}. The softmax of ten of them gives"
        f" the best {top_shares}: as they are, divided by √{d}, divided by {d}."
    )
    return picture


def _ends(picture, x, top, ends, root, level, far):
    """Where the walks end, as bars from x to the right."""
    edges = np.linspace(-far, far, 35)
    counts = np.histogram(np.clip(ends, -far, far), edges)[0]
    unit = ENDS / max(8, 0.34 * len(ends))
    ramp = colour("weights")
    for many, low, high in zip(counts, edges, edges[1:]):
        tone = ramp[3] if abs(low + high) / 2 <= root else ramp[2]
        box = (x, level(high)), min(ENDS, many * unit), level(low) - level(high) - 0.01
        picture.sheet.add_patch(Rectangle(*box, facecolor=tone, edgecolor="none"))


def _bars(picture, x, top, high, row, name):
    """Ten shares."""
    foot, room = top + high - 0.2, high - 0.2 - 2 * line() - 0.03
    picture.write(x, top, name, weight="bold", va="top")
    wide = PITCH * len(row)
    picture.sheet.plot([x, x + wide], [foot, foot], color=colour("line"), linewidth=0.8)
    even = foot - room / len(row)
    picture.sheet.plot([x, x + wide], [even, even], color=colour("faint"), lw=0.8, ls=":")
    for j, share in enumerate(row):
        box = (x + j * PITCH, foot - share * room), PITCH - 0.05, share * room
        tone = colour("ink") if share == row.max() else colour("weights")[3]
        picture.sheet.add_patch(Rectangle(*box, facecolor=tone, edgecolor="none"))
    best = int(row.argmax())
    where = x + best * PITCH + 0.06, foot - row[best] * room - 0.03
    number = f"{row[best]:.2f}".removeprefix("0")
    picture.write(*where, number, ha="center", va="bottom")
