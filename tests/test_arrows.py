"""show/arrows.py: arrows, bars and landings are those of the numbers, written once more in plain
Python; names never touch.
"""

from itertools import combinations

import numpy as np
import pytest
from conftest import in_both_themes
from drawn import overhang, pixels, refused, rgb, text_of, texts, touching
from matplotlib.colors import same_color, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.quiver import Quiver

from attnlib.show import sheet
from attnlib.show.arrows import PLANE, ROUND, aim, around, bars, choice, name_at

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

ODD = ["$a_1$", "<b>x</b>", "&lt;", "√d · k", "$\\frac{", "%s {0}"]


def said(number):
    """A number with two digits and a minus that is one."""
    return f"{number:.2f}".replace("-0.00", "0.00").replace("-", "−")


# ---- choice --------------------------------------------------------------------------------------

QUERY, KEYS, VALUES = (
    np.array([1.0, 0.5]),
    np.array([[1.0, 0], [0, 2.0], [-1.5, -0.5], [0.3, -1.2]]),
    np.array([9.0, -4, 0.5, 2]),
)
NAMES = ["Ada", "Bo", "Cem", "Dora"]


def twin(query, keys, values, temperature):
    """Scores, weights and mixture in plain Python."""
    scores = [sum(float(a) * float(b) for a, b in zip(query, key)) for key in keys]
    powers = [2.718281828459045 ** ((score - max(scores)) / temperature) for score in scores]
    weights = [power / sum(powers) for power in powers]
    return scores, weights, sum(w * float(v) for w, v in zip(weights, values))


def bars_of(picture):
    """The bars of a picture by their fill and edge: {(fill, edge): inches wide, top to bottom}."""
    columns = {}
    for box in sorted(picture.sheet.patches, key=lambda box: box.get_y()):
        assert isinstance(box, Rectangle)
        look = to_rgb(box.get_facecolor()), box.get_facecolor()[3], to_rgb(box.get_edgecolor())
        columns.setdefault(look, []).append(box.get_width())
    return columns


def lengths_of(picture, color, hollow=False):
    """Inches of the bars that are filled with a colour, or outlined."""
    return [
        width
        for (fill, alpha, edge), widths in bars_of(picture).items()
        for width in widths
        if (same_color(edge, color) if hollow else alpha and same_color(fill, color))
    ]


def arrows(picture):
    """Every arrow as (color, start, end) on the sheet, in inches; y goes down."""
    found = []
    for quiver in picture.sheet.collections:
        if isinstance(quiver, Quiver):
            assert (quiver.angles, quiver.scale, quiver.scale_units) == ("xy", 1, "xy")
            color = to_rgb(quiver.get_facecolor()[0])
            found += [
                (color, np.array(start), np.array(start) + (u, v))
                for start, u, v in zip(quiver.XY, quiver.U, quiver.V)
            ]
    return found


def scale_of(query, keys):
    return PLANE / max([1.0, *(np.hypot(*row) for row in [query, *keys])])


@pytest.mark.parametrize("temperature", [0.05, 0.5, 1, 5.0, 50])
@pytest.mark.parametrize("seed", range(3))
def test_choice_says_scores_weights_and_mixture(temperature, seed):
    rng = np.random.default_rng(seed)
    n = [2, 5, 12][seed]
    query, keys, values = rng.normal(size=2), rng.normal(size=(n, 2)) * 2, rng.normal(size=n) * 9
    picture = choice(query, keys, values, [f"k{i}" for i in range(n)], temperature=temperature)
    scores, weights, mixture = twin(query, keys, values, temperature)
    found = [(*text.get_position(), text.get_text()) for text in picture.sheet.texts]
    for j in range(n):
        (row,) = [y for x, y, words in found if words == f"k{j}" and x > 3.9]
        seen = [words for x, y, words in sorted(found) if y == row and x > 3.9 and words != f"k{j}"]
        apart = weights[j] - 1 / n
        assert seen == [
            *([said(scores[j])] if abs(scores[j]) > 0.005 else []),
            *(
                [f"{weights[j]:.2f}".removeprefix("0")]
                if (n < 7 and abs(apart) > 0.005) or apart > 0.02
                else []
            ),
            said(values[j]),
        ]
    assert "mixture" in texts(picture) and said(mixture) in texts(picture)
    assert f"mixture: {said(mixture)}." in picture.alt
    best = sorted(range(n), key=lambda j: -weights[j])[:3]
    assert (
        "the largest weights are " + ", ".join(f"k{j} {weights[j]:.2f}" for j in best) + ";"
        in picture.alt
    )
    assert f"even {1 / n:.2f}".replace("0.", ".") in texts(picture)


@in_both_themes
def test_the_bars_are_as_long_as_their_numbers(style):
    picture = choice(QUERY, KEYS, VALUES, NAMES)
    scores, weights, mixture = twin(QUERY, KEYS, VALUES, 1)
    below, above = (lengths_of(picture, style["signed"][place]) for place in (1, -2))
    np.testing.assert_allclose(below, np.array([s for s in scores if s < 0]) * above[0] / scores[0])
    np.testing.assert_allclose(
        above, np.array([s for s in scores if s >= 0]) * above[0] / scores[0]
    )
    blue = lengths_of(picture, style["weights"][3])
    np.testing.assert_allclose(blue, np.array(weights) * blue[0] / weights[0])
    hollow, parts = lengths_of(picture, sheet.VALUE, True), lengths_of(picture, sheet.VALUE)
    unit = hollow[0] / VALUES[0]
    np.testing.assert_allclose(hollow, VALUES * unit)
    np.testing.assert_allclose(parts, [*(VALUES * weights * unit), mixture * unit])
    np.testing.assert_allclose(sum(parts[:-1]), parts[-1], err_msg="the parts make the mixture")


def test_the_bars_of_scores_grow_with_the_query_and_those_of_weights_never_stretch():
    """A slider of length: a query half as long has bars half as long."""
    tone = sheet.THEMES["light"]["signed"]
    whole, half = (choice(QUERY * times, KEYS, VALUES, NAMES) for times in (0.8, 0.4))
    for color in (tone[1], tone[-2]):
        np.testing.assert_allclose(lengths_of(half, color), np.array(lengths_of(whole, color)) / 2)
    blue = sheet.THEMES["light"]["weights"][3]
    even = choice([0, 0], KEYS, VALUES, NAMES)
    sharp = choice([90, 9], KEYS, VALUES, NAMES)
    np.testing.assert_allclose(max(lengths_of(sharp, blue)), 4 * lengths_of(even, blue)[0])


def test_bars_hang_on_one_zero():
    picture = sheet.Picture(3, 3)
    look = {"tones": ["#123456"] * 3, "told": [True, False, True]}
    zero, unit = bars(picture, 0.5, 0.5, 0.2, 1.3, np.array([0.25, 0.5, 0]), **look, span=(0, 1))
    assert (zero, round(unit, 2)) == (0.5, 0.88) and texts(picture) == ["0.25", "0.00"]
    zero, unit = bars(picture, 0.5, 1.5, 0.2, 1.3, np.array([2.0, -3, 0]), **look)
    assert zero > 0.9 and zero + 2 * unit < 1.8 and zero - 3 * unit > 0.9
    drawn = [box for box in picture.sheet.patches if box.get_zorder() >= 1]
    assert {box.get_x() for box in drawn} == {0.5, zero}
    assert len(picture.sheet.patches) - len(drawn) == 4, "paper behind each number"


@pytest.mark.parametrize(
    "value,words",
    [(1e8, "1e+08"), (-1e8, "−1e+08"), (-12345.6, "−12346"), (999.99, "999.99"), (-100, "−100.00")],
)
def test_numbers_beside_bars_are_short(value, words):
    picture = choice([1, 0], [[1, 0], [0, 1]], [value, value], ["a", "b"])
    assert texts(picture).count(words) == 3 and f"mixture: {words}" in picture.alt
    assert overhang(picture)[0] <= 1, overhang(picture)


@pytest.mark.parametrize(
    "query,keys",
    [
        (QUERY, KEYS),
        (QUERY / 9, KEYS / 9),
        (QUERY * 7, KEYS),
        (-QUERY, KEYS * 20),
        ([0, -1], [[3, 4]]),
    ],
)
@in_both_themes
def test_arrows_are_drawn_to_scale_in_their_direction(query, keys, style):
    query, keys = np.asarray(query, float), np.asarray(keys, float)
    picture = choice(
        query, keys, np.ones(len(keys)), NAMES[: len(keys)], who="me", axes=("east", "north")
    )
    unit = scale_of(query, keys)
    found = arrows(picture)
    (middle,) = {tuple(start) for _, start, _ in found}
    for rows, ink in [(keys, sheet.KEY), (query[None], sheet.QUERY)]:
        seen = [end - middle for color, _, end in found if same_color(color, ink)]
        np.testing.assert_allclose(seen, rows * unit * (1, -1), atol=0.0051)
    assert text_of(picture, "me").get_color() == style["query_text"]
    rings = [line for line in picture.sheet.lines if len(line.get_xdata()) == 100]
    radii = [np.hypot(ring.get_xdata() - middle[0], ring.get_ydata() - middle[1]) for ring in rings]
    assert {ROUND, round(unit, 4)} == {round(radius[0], 4) for radius in radii}
    assert np.ptp(radii, axis=1).max() < 1e-9, "one circle has radius 1, one goes around"
    east, north = (
        text_of(picture, "east →").get_position(),
        text_of(picture, "north ↑").get_position(),
    )
    assert east[0] > middle[0] + PLANE and north[1] < middle[1] - PLANE
    assert touching(picture) == []


def test_arrows_show_in_the_pixels():
    picture = choice([0.0, 1.0], [[1.0, 0], [-0.6, -0.8]], [1, 2], ["a", "b"])
    seen, middle = pixels(picture), arrows(picture)[0][1]
    for row, color in [([0.0, 1], sheet.QUERY), ([1.0, 0], sheet.KEY), ([-0.6, -0.8], sheet.KEY)]:
        x, y = np.rint((middle + 0.6 * PLANE * np.array(row) * (1, -1)) * picture.dpi).astype(int)
        assert np.abs(seen[y - 1 : y + 2, x - 1 : x + 2] - rgb(color)).max(axis=2).min() < 60


def test_a_name_stands_at_the_tip_of_its_arrow():
    picture = choice(QUERY, KEYS, VALUES, NAMES, who="me")
    unit, middle = scale_of(QUERY, KEYS), arrows(picture)[0][1]
    for name, row in [*zip(NAMES, KEYS), ("me", QUERY)]:
        places = [text.get_position() for text in picture.sheet.texts if text.get_text() == name]
        assert (
            min(np.hypot(*(np.array(place) - middle - row * unit * (1, -1))) for place in places)
            < 0.3
        )


def dropped(picture):
    """The dotted lines from the keys to where they land."""
    return [
        line
        for line in picture.sheet.lines
        if line.get_linestyle() == ":" and line.get_color() == sheet.KEY
    ]


@pytest.mark.parametrize(
    "query,keys", [(QUERY, KEYS), (QUERY * 3, KEYS), ([-2, 1.0], KEYS * 5), ([0.3, 0], KEYS)]
)
def test_dotted_lines_land_where_the_key_projects(query, keys):
    query = np.array(query, float)
    picture = choice(query, keys, VALUES, NAMES)
    unit, middle = scale_of(query, keys), arrows(picture)[0][1]
    dotted = dropped(picture)
    feet = [line for line in picture.sheet.lines if line.get_marker() == "o"]
    assert len(dotted) == len(feet) == len(keys)
    angle = np.arctan2(query[1], query[0])
    for key, line, foot in zip(keys, dotted, feet):
        along = np.hypot(*key) * np.cos(np.arctan2(key[1], key[0]) - angle)
        wanted = along * np.array([np.cos(angle), np.sin(angle)])
        ends = (np.stack([line.get_xdata(), line.get_ydata()], axis=1) - middle) * (1, -1) / unit
        np.testing.assert_allclose(ends, [key, wanted], atol=1e-9)
        np.testing.assert_allclose(
            [foot.get_xdata()[0], foot.get_ydata()[0]], [line.get_xdata()[1], line.get_ydata()[1]]
        )
        assert np.isclose(np.hypot(*query) * along, key @ query), (
            "score = length of the query × place where it lands"
        )


def test_a_query_of_length_zero_believes_everyone_alike():
    picture = choice([0, 0], KEYS, VALUES, NAMES, who="me", temperature=0.01)
    assert "even .25" in texts(picture), "said once"
    assert not {"0.25", ".25", "0.00"} & set(texts(picture))
    assert f"mixture: {VALUES.mean():.2f}" in picture.alt
    assert "me" not in texts(picture) and not dropped(picture)
    assert len(arrows(picture)) == 4


@pytest.mark.parametrize("scale", [0, 1e-8, 1e8])
def test_choice_stands_zeros_dwarfs_and_giants(scale):
    for query, keys in [
        (QUERY * scale, KEYS * scale),
        (QUERY, KEYS * np.array([[scale], [1], [1], [1]])),
        (QUERY * scale, KEYS),
    ]:
        picture = choice(query, keys, VALUES * scale, NAMES)
        assert overhang(picture)[0] <= 1, overhang(picture)
        assert "nan" not in picture.alt


def test_keys_that_point_the_same_way_share_one_arrow():
    picture = choice([1, 0], [[1, 1], [1, 1], [0, 1]], [1, 2, 3], ["a", "b", "c"])
    assert "a, b" in texts(picture) and len(arrows(picture)) == 3
    many = choice([1, 0], [[1, 1]] * 9, np.ones(9), list("abcdefghi"))
    assert "a, b, c, d, e, f, g, h, i" in texts(many)
    many = choice([1, 0], [[1, 1]] * 9, np.ones(9), [f"{name}_long" for name in "abcdefghi"])
    assert "a_long, b_long, c_long, and 6 more" in texts(many)


@pytest.mark.parametrize(
    "names",
    [ODD[:4], ["a very long name of a key", "w" * 30, "W" * 16, "日本の猫"], ["x", "x", "", "\n"]],
)
def test_names_in_a_choice_are_plain_characters(names):
    turned = [[np.cos(a), np.sin(a)] for a in (3.1, 2.0, -0.05, 4.0)]
    for query in ([-1, 0.2], [1, 0.3], [0, 1]):
        how = {
            "who": "somebody <b>$x$</b>",
            "axes": ("$x$ of it", "<i>"),
            "value_name": "a longer name $",
            "title": "$5 & <b>",
        }
        picture = choice(query, turned, VALUES, names, **how)
        assert overhang(picture)[0] <= 1, overhang(picture)
        assert not any(text.get_parse_math() or text.get_usetex() for text in picture.sheet.texts)
        assert {
            "somebody <b>$x$</b>",
            "$x$ of it →",
            "<i> ↑",
            "a longer name $",
            "$5 & <b>",
        } <= set(texts(picture))
        assert "$5 & <b>" in picture.alt
        if names[0] == ODD[0]:
            assert set(names) <= set(texts(picture)) and "<b>x</b>" in picture.alt


def test_names_of_axes_stay_clear_of_names_of_keys():
    picture = choice([1, 1], [[1, 0], [0, 1]], [1, 2], ["Alexandra", "Bo"], axes=("fun", "brains"))
    picture.draw_without_rendering()
    boxes = {
        (t.get_text(), i): t.get_window_extent()
        for i, t in enumerate(picture.sheet.texts)
        if t.get_text()
    }
    for (word, _), box in boxes.items():
        if word in ("fun →", "brains ↑"):
            assert [
                other
                for (other, _), there in boxes.items()
                if other != word and box.overlaps(there)
            ] == []


@in_both_themes
def test_choice_in_its_colours(style):
    picture = choice(QUERY, KEYS, VALUES, NAMES, title="T", value_name="stars")
    seen = pixels(picture)
    assert (seen[2, -2] == rgb(style["paper"])).all()
    for color in (sheet.KEY, sheet.QUERY, sheet.VALUE, style["weights"][3]):
        area = (seen == rgb(color)).all(axis=2)
        assert area.sum() > 50
        assert np.abs(pixels(picture, fast=False)[area] - rgb(color)).max() <= 8
    for words in ("stars", "mixture"):
        assert text_of(picture, words).get_color() == style["value_text"]
    assert picture.alt.startswith("T: ") and choice(QUERY, KEYS, VALUES, NAMES).alt.startswith(
        "One query among keys: "
    )


# ---- names that do not touch ---------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_names_never_touch_and_stay_on_the_sheet(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 13))
    names = ["".join(rng.choice(list("abdglmW"), rng.integers(1, 12))) for _ in range(n)]
    keys = rng.normal(size=(n, 2)) * rng.choice([0.2, 1, 5], size=(n, 1))
    if seed % 4 == 0:  # all in one bundle
        keys = np.array([1.0, 0.4]) + keys / 50
    query = keys[0] + rng.normal(size=2) * (seed % 3)
    picture = choice(query, keys, rng.normal(size=n), names, axes=("noun", "alive"))
    assert overhang(picture)[0] <= 0, overhang(picture)
    assert touching(picture) == []
    turned = aim(keys[:7], rng.normal(size=(n, 2))[:7], keys[:7], names[:7])
    of_arrows = [
        text
        for text in turned.sheet.texts
        if text.get_color() in [sheet.THEMES["light"][ink] for ink in ("key_text", "query_text")]
        and text.get_position()[0] < 3.9
        and not text.get_rotation()
    ]
    turned.draw_without_rendering()
    boxes = [text.get_window_extent() for text in of_arrows]
    assert len(boxes) > 1
    for one, two in combinations(boxes, 2):
        assert min(one.x1, two.x1) - max(one.x0, two.x0) < 1 or (
            min(one.y1, two.y1) - max(one.y0, two.y0) < 1
        )


def test_a_name_stands_away_from_the_middle_if_it_can():
    for away in ([1, 0], [-1, 0], [0, 1], [0, -1], [0.6, 0.8]):
        picture = sheet.Picture(4, 4)
        name_at(picture, np.array([2.0, 2]), away, "name", taken := [])
        (box,) = taken
        middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2 - 2
        assert middle @ away > 0.05
        assert not (box[0] < 2 < box[2] and box[1] < 2 < box[3]), "not on the point"


def test_a_name_far_from_its_arrow_has_a_line_that_leads_there():
    picture = sheet.Picture(4, 4)
    name_at(picture, np.array([2.0, 2]), [1, 0], "near", [])
    assert not picture.sheet.lines
    name_at(picture, np.array([2.0, 2]), [1, 0], "far", [(1, 1, 3, 3)])
    (lead,) = picture.sheet.lines
    assert (lead.get_xdata()[0], lead.get_ydata()[0]) == (2, 2)


# ---- the rim -------------------------------------------------------------------------------------


@pytest.mark.parametrize("length, temperature", [(1, 1.0), (0.3, 0.2), (0, 1.0)])
def test_around_is_the_mixture_in_every_direction(length, temperature):
    query = length * QUERY / np.hypot(*QUERY)
    found = around(query, KEYS, VALUES, temperature, n=12)
    for step, mixture in enumerate(found):
        angle = step * np.pi / 6
        there = [length * np.cos(angle), length * np.sin(angle)]
        np.testing.assert_allclose(mixture, twin(there, KEYS, VALUES, temperature)[2])


@in_both_themes
def test_the_rim_is_darkest_where_the_mixture_is_largest(style):
    picture = choice([1, 0], [[1, 0], [-1, 0]], [0, 9], ["a", "b"])
    seen, middle = pixels(picture), arrows(picture)[0][1]
    right, left = (
        seen[tuple(np.rint((middle + (x, 0.15)) * picture.dpi).astype(int)[::-1])]
        for x in (ROUND + 0.06, -ROUND - 0.06)
    )
    assert (left == rgb(sheet.VALUE)).all() and (right == rgb(style["paper"])).all()


def test_scores_are_said_where_keys_land_and_at_most_two():
    picture = choice([1.0, 0], [[1.5, 0.9], [-1, 0.8], [0.2, -1]], [1, 2, 3], list("abc"))
    middle = arrows(picture)[0][1]
    unit = scale_of([1, 0], np.array([[1.5, 0.9]]))
    for words, place in [("1.50", 1.5), ("−1.00", -1.0)]:
        spots = [t.get_position() for t in picture.sheet.texts if t.get_text() == words]
        assert min(np.hypot(*(spot - middle - (place * unit, 0))) for spot in spots) < 0.5
    assert texts(picture).count("0.20") == 1, "in the table alone"


def chosen(query=QUERY, keys=KEYS, values=VALUES, names=NAMES, **more):
    return lambda: choice(query, keys, values, names, **more)


NOT_CHOICES = [
    (chosen(query=[1, 2, 3]), ValueError, ["query", "(2,)", "(3,)"]),
    (chosen(query=1.0), ValueError, ["query", "shape", "()"]),
    (chosen(query=[[1, 2]]), ValueError, ["query", "(2,)", "(1, 2)"]),
    (chosen(query=[1, np.nan]), ValueError, ["query must be finite", "query[1]"]),
    (chosen(query=["a", "b"]), TypeError, ["query must hold real numbers"]),
    (chosen(keys=np.ones((4, 3))), ValueError, ["keys", "(n, 2)", "(4, 3)"]),
    (chosen(keys=np.ones(2)), ValueError, ["keys must have the shape (..., n, 2)", "(2,)"]),
    (chosen(keys=np.ones((1, 4, 2))), ValueError, ["keys", "(n, 2)", "(1, 4, 2)"]),
    (chosen(keys=np.ones((0, 2)), values=[], names=[]), ValueError, ["keys", "(n, 2)", "(0, 2)"]),
    (
        chosen(keys=np.where(KEYS == 2, np.inf, KEYS)),
        ValueError,
        ["keys must be finite", "keys[1, 1]", "inf"],
    ),
    (chosen(values=VALUES[1:]), ValueError, ["values", "(n,)", "(3,)"]),
    (chosen(values=VALUES[:, None]), ValueError, ["values", "(n,)", "(4, 1)"]),
    (chosen(values=VALUES * np.nan), ValueError, ["values must be finite", "values[0]", "nan"]),
    (chosen(names=["a"]), ValueError, ["names has 1 names", "4"]),
    (chosen(names="abcd"), TypeError, ["names must be a list of strings"]),
    (chosen(temperature=0), ValueError, ["temperature must be a finite number above 0", "0"]),
    (chosen(temperature=-1), ValueError, ["temperature must be a finite number above 0", "-1"]),
    (chosen(temperature=np.nan), ValueError, ["temperature", "nan"]),
    (chosen(temperature="1"), TypeError, ["temperature must be a number", "'1'"]),
    (chosen(axes="xy"), ValueError, ["axes must be two names", "'xy'"]),
    (chosen(axes=("a", "b", "c")), ValueError, ["axes must be two names"]),
]


@pytest.mark.parametrize("number", range(len(NOT_CHOICES)))
def test_what_is_no_choice_is_refused_by_name(number):
    make, kind, words = NOT_CHOICES[number]
    refused(make, kind, *words)
