"""show/running.py: the bars are as long as the running numbers, the line stands at m, and the words
say the same.
"""

import numpy as np
import pytest
from conftest import in_both_themes
from drawn import text_of, texts
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from attnlib import softmax
from attnlib.efficient import flash_steps
from attnlib.show import running
from attnlib.show.running import HIGH, LEFT, SCORES
from attnlib.show.sheet import VALUE, colour

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

SCORE = np.array([1.0, -2.0, 3.0, 0.5, 5.0, 4.0, -1.0])
V = np.random.default_rng(0).normal(size=(7, 3))


def steps_of(scores=SCORE, v=V, block=3):
    return list(flash_steps(np.ones((1, 1)), scores[:, None], v, block))


def rectangles(picture, color):
    """(n, 4): x, y, width, height of all rectangles of one colour; a bar downwards has a height
    below 0.
    """
    found = [
        p
        for p in picture.sheet.patches
        if isinstance(p, Rectangle) and to_hex(p.get_facecolor()) == color.lower()
    ]
    return np.array([(*p.get_xy(), p.get_width(), p.get_height()) for p in found])


def m_lines(picture):
    """(length, height) of the lines of m, the solid one last."""
    lines = [line for line in picture.sheet.lines if line.get_linewidth() == 1.4]
    return [(np.ptp(line.get_xdata()), line.get_ydata()[0], line.get_linestyle()) for line in lines]


@in_both_themes
def test_the_scores_are_bars_and_hollow_where_they_are_still_to_come(style):
    picture = running(steps_of(), 1)
    boxes = [p for p in picture.sheet.patches if isinstance(p, Rectangle)]
    tones = {to_hex(p.get_edgecolor()) for p in boxes}
    bars = [
        p for p in boxes if to_hex(p.get_edgecolor()) in (style["signed"][1], style["signed"][5])
    ]
    bars = sorted(bars, key=lambda bar: bar.get_x())[:7]
    np.testing.assert_allclose([bar.get_height() for bar in bars], SCORE * HIGH / 7, atol=1e-9)
    np.testing.assert_allclose(np.diff([bar.get_x() for bar in bars]), SCORES / 7)
    for j, bar in enumerate(bars):
        assert to_hex(bar.get_edgecolor()) == style["signed"][1 if SCORE[j] < 0 else 5], tones
        assert bar.get_facecolor()[3] == (j < 6), "the last is of the next tile"
    (band,) = rectangles(picture, style["blocked"])
    assert band[0] < bars[3].get_x() and band[0] + band[2] > bars[5].get_x() + bars[5].get_width()
    assert bars[2].get_x() + bars[2].get_width() < band[0] and "tile 2 of 3" in texts(picture)


@pytest.mark.parametrize("at", range(3))
def test_m_is_a_line_at_the_largest_score_so_far(at):
    picture = running(steps_of(), at)
    zero = next(
        line.get_ydata()[0]
        for line in picture.sheet.lines
        if line.get_linewidth() == 0.8 and np.isclose(np.ptp(line.get_xdata()), SCORES)
    )
    *before, now = m_lines(picture)
    stop = min(3 * at + 3, 7)
    np.testing.assert_allclose(now[:2], (SCORES * stop / 7, zero - SCORE[:stop].max() * HIGH / 7))
    assert len(before) == (at > 0)
    for length, height, _ in before:
        np.testing.assert_allclose(
            (length, height), (SCORES * 3 * at / 7, zero - SCORE[: 3 * at].max() * HIGH / 7)
        )
    place = text_of(picture, f"m {SCORE[:stop].max():.2f}").get_position()
    assert place[0] > LEFT + SCORES and np.isclose(place[1], now[1]), "said at the end of its line"
    assert ("was 3.00" in texts(picture)) == (at == 1)


def test_the_running_sums_before_corrected_and_after():
    """Against sums over the keys, without flash_steps."""
    picture = running(steps_of(), 1)

    def sums(stop, m):
        p = np.exp(SCORE[:stop] - m)
        return np.array([p.sum(), *(p @ V[:stop])])

    stages = np.concatenate([sums(3, 3.0), sums(3, 5.0), sums(6, 5.0)]).reshape(3, 4)
    drawn = rectangles(picture, VALUE).reshape(3, 3, 4)  # stage, column of v, place and size
    l_bars = rectangles(picture, colour("weights")[3])
    unit = l_bars[0, 2] / stages[0, 0]
    np.testing.assert_allclose(l_bars[:, 2] / unit, stages[:, 0])
    np.testing.assert_allclose(drawn[:, :, 2] / unit, stages[:, 1:])
    assert f"× {np.exp(-2):.3g}" in texts(picture)
    output = softmax(SCORE[:6]) @ V[:6]
    numbers = [f"{number:.2f}".replace("-", "−") for number in output]
    assert set(numbers) <= set(texts(picture))
    found = rectangles(picture, colour("ink"))
    np.testing.assert_allclose(found[:, 2] / output, found[0, 2] / output[0])
    assert found[:, 0].min() > drawn[2, :, 0].max(), "apart, and in ink"


def test_both_scales_are_said_and_hold_for_every_step():
    lines = np.array([[*step.l[0], *step.o[0]] for step in steps_of()])
    outputs = [softmax(SCORE[:stop]) @ V[:stop] for stop in (3, 6, 7)]
    low, high = min(0, np.floor(np.min(outputs))), max(1, np.ceil(np.max(outputs)))
    units = []
    for at in range(3):
        picture = running(steps_of(), at)
        sums = f"running sums, {min(lines.min(), 0):.3g} to {lines.max():.3g}".replace("-", "−")
        output = f"output, {low:g} to {high:g}".replace("-", "−")
        assert {sums, output} <= set(texts(picture))
        units.append(rectangles(picture, colour("ink"))[:, 2] / outputs[at])
    np.testing.assert_allclose(units, units[0][0])


def test_the_words_say_the_same():
    alt = running(steps_of(), 1, title="T").alt
    assert alt.startswith(
        "T. Tile 2 of 3, keys 3 to 5: m rises from 3.00 to 5.00, the sums are multiplied by 0.135;"
        " l goes from 1.14"
    )
    assert "keys 6 to 6: m stays 5.00, the sums are multiplied by 1;" in running(steps_of(), 2).alt
    assert "m rises from −∞ to 3.00, the sums are multiplied by 0;" in running(steps_of(), 0).alt


def test_names_and_numbers_leave_where_they_would_touch():
    few = running(steps_of(), 0, names=[f"w{i}" for i in range(7)], value_names=["$a$", "<b>", "c"])
    assert {"w0", "w6", "o, $a$", "o, <b>", "−2.00"} <= set(texts(few))
    many = np.linspace(-1, 1, 60)
    assert "0" not in texts(running(steps_of(many, np.ones((60, 1)), 20), 0))
    numbered = [running(steps_of(np.full(n, 0.123), np.ones((n, 1)), 20), 0) for n in (12, 24)]
    assert [texts(picture).count("0.12") for picture in numbered] == [12, 0]


@pytest.mark.parametrize("scores", [[0.0], [-3.0, -5.0], [1000.0, -1000.0, 999.0], [1e300, -1e300]])
def test_odd_scores_are_drawn(scores):
    scores = np.array(scores)
    for at, _ in enumerate(steps := steps_of(scores, np.ones((len(scores), 2)), 1)):
        picture = running(steps, at)
        picture.png(fast=True)
        assert "nan" not in picture.alt and not {"−0.00", "nan"} & set(texts(picture))
    assert picture.alt.endswith("o / l is 1.00, 1.00.")


def test_every_step_is_drawn_on_one_scale():
    zeros = []
    for at in range(3):
        upright = [
            line.get_xdata()[0]
            for line in running(steps_of(), at).sheet.lines
            if not np.ptp(line.get_xdata()) and np.ptp(line.get_ydata())
        ]
        zeros.append(sorted(upright)[:3])
    np.testing.assert_allclose(zeros, zeros[:1] * 3)


@in_both_themes
def test_every_text_stands_on_the_paper_and_apart():
    names, columns = (
        ["The", "cat", "because", "it", "a", "bb", "ccc"],
        ["alive", "noun", "function"],
    )
    picture = running(steps_of(), 1, names=names, value_names=columns, title="T")
    picture.draw_without_rendering()
    boxes = {}
    for text in picture.sheet.texts:
        if text.get_text():
            boxes[len(boxes), text.get_text()] = text.get_window_extent()
            assert (
                not text.get_text().startswith("o, ")
                or boxes[len(boxes) - 1, text.get_text()].x0 > (LEFT + SCORES) * picture.dpi
            )
    for name, box in boxes.items():
        assert (
            box.x0 >= 0
            and box.y0 >= 0
            and box.x1 <= picture.bbox.width
            and box.y1 <= picture.bbox.height
        ), name
    touching = [
        (a, b)
        for a, one in boxes.items()
        for b, other in boxes.items()
        if a < b and one.overlaps(other) and not {a[1], b[1]} & set(names)  # slanted
    ]
    assert not touching


def test_what_cannot_be_drawn_is_refused():
    steps = steps_of()
    with pytest.raises(TypeError, match=r"^steps must be a list of FlashSteps, list\(flash_steps"):
        running([], 0)
    with pytest.raises(TypeError, match="steps must be a list"):
        running(flash_steps(np.ones((1, 1)), np.ones((2, 1)), np.ones((2, 1)), 1), 0)
    with pytest.raises(ValueError, match=r"one query, q \(1, d\), got 2 queries"):
        running(list(flash_steps(np.ones((2, 1)), np.ones((2, 1)), np.ones((2, 1)), 1)), 0)
    with pytest.raises(ValueError, match=r"^at must be"):
        running(steps, 3)
    with pytest.raises(ValueError, match=r"names has 2 names, .* 7 entries"):
        running(steps, 0, names=["a", "b"])
    with pytest.raises(ValueError, match="value_names has 1 names"):
        running(steps, 0, value_names=["a"])
