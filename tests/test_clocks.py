"""show/clocks.py: the hands point where the numbers say, and the picture says so in words, too."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import in_both_themes
from drawn import pixels, refused, text_of, texts
from matplotlib.colors import to_rgb
from matplotlib.patches import Wedge

from attnlib.encodings import sinusoidal
from attnlib.show import beside, clocks, sheet
from attnlib.show.clocks import LINE, PER_ROW, RADIUS, STEP

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

ROWS = sinusoidal(64, 16)
ODD = ["$a_1$", "<b>x</b>", "&lt;", "√d · k", "$\\frac{", "%s {0}"]


def rings(picture):
    """The centres of the clocks."""
    found = [
        np.array(line.get_xydata()) for line in picture.sheet.lines if len(line.get_xdata()) > 2
    ]
    return np.array([ring[0] - [RADIUS, 0] for ring in found])  # a ring begins at its right


def drawn(picture):
    """For every clock its hands, as (to the right, up) in radii of the clock, and their colours and
    widths.
    """
    lines = [line for line in picture.sheet.lines if len(line.get_xdata()) == 2]
    found = []
    for centre in rings(picture):
        mine = [line for line in lines if np.allclose(line.get_xydata()[0], centre)]
        # the sheet counts downwards
        ends = [(line.get_xydata()[1] - centre) / RADIUS * [1, -1] for line in mine]
        found.append(
            [(end, line.get_color(), line.get_linewidth()) for end, line in zip(ends, mine)]
        )
    return found


def directions(picture):
    """(clocks, rows, 2): to the right and up, for hands that are as long as a clock allows 1."""
    ends = np.array([[end for end, _, _ in hands] for hands in drawn(picture)])
    return ends / 0.92


def boxes(picture):
    picture.draw_without_rendering()
    return {
        text.get_text(): text.get_window_extent() for text in picture.sheet.texts if text.get_text()
    }


def inside(picture):
    width, height = picture.canvas.get_width_height()
    return all(
        box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        for box in boxes(picture).values()
    )


# ---- hands ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "degrees, sine, cosine",
    [(0, 0, 1), (90, 1, 0), (180, 0, -1), (270, -1, 0), (45, 0.5**0.5, 0.5**0.5)],
)
def test_a_hand_starts_at_12_and_turns_to_the_right(degrees, sine, cosine):
    picture = clocks({"q": [sine, cosine]})
    np.testing.assert_allclose(directions(picture), [[[sine, cosine]]], atol=1e-12)
    assert f"q: first hand at {degrees}°" in picture.alt


def test_the_sine_goes_to_the_right_and_the_cosine_up_in_pixels(style):
    picture = clocks({"q": [1, 0]})
    blue = np.argwhere(
        np.abs(pixels(picture) - np.rint(np.array(to_rgb(style["lines"][0])) * 255)).sum(axis=-1)
        < 10
    )
    x, y = rings(picture)[0] * picture.dpi
    hand = blue[np.abs(blue[:, 0] - y) <= 2]
    assert hand[:, 1].min() >= x - 4 and hand[:, 1].max() > x + 0.85 * RADIUS * picture.dpi
    np.testing.assert_array_less(
        np.abs(blue[blue[:, 1] > x + 10][:, 0] - y), RADIUS * picture.dpi / 4
    )


@pytest.mark.parametrize("p", [0, 1, 7, 63])
def test_all_hands_of_an_encoding(p):
    np.testing.assert_allclose(
        directions(clocks({"p": ROWS[p]}))[:, 0], ROWS[p].reshape(-1, 2), atol=1e-12
    )


def test_one_step_further_turns_every_hand_to_the_right_by_its_speed():
    now, then = (directions(clocks({"p": ROWS[p]}))[:, 0] for p in (3, 4))
    angles = [np.arctan2(ends[:, 0], ends[:, 1]) for ends in (now, then)]
    np.testing.assert_allclose((angles[1] - angles[0]) % (2 * np.pi), 10_000 ** (-np.arange(8) / 8))


def test_short_pairs_are_short_hands_and_none_leaves_its_clock():
    picture = clocks({"a": [0.3, 0.4, 0, 0, 1, 0]})
    np.testing.assert_allclose(
        np.linalg.norm(directions(picture)[:, 0], axis=-1), [0.5, 0, 1], atol=1e-12
    )
    assert all(np.linalg.norm(end) < 1 for hands in drawn(picture) for end, _, _ in hands)


@in_both_themes
def test_rows_have_colours_of_their_own_in_every_clock_and_in_the_legend(style):
    given = {f"place {p}": ROWS[p] for p in range(6)}
    picture = clocks(given)
    for hands in drawn(picture):
        assert [color for _, color, _ in hands] == style["lines"][:6] and len(
            set(style["lines"][:6])
        ) == 6
    assert [text_of(picture, name).get_color() for name in given] == style["lines"][:6]
    np.testing.assert_allclose(
        directions(picture),
        np.stack([ROWS[p].reshape(-1, 2) for p in range(6)], axis=1),
        atol=1e-12,
    )


@in_both_themes
def test_queries_and_keys_have_their_colours_in_every_clock(style):
    picture = clocks({"query at place 5": ROWS[5], "Key at place 3": ROWS[3], "place 4": ROWS[4]})
    wanted = [sheet.QUERY, sheet.KEY, style["lines"][2]]
    for hands in drawn(picture):
        assert [color for _, color, _ in hands] == wanted
    assert text_of(picture, "query at place 5").get_color() == style["query_text"]
    assert text_of(picture, "Key at place 3").get_color() == style["key_text"]


@pytest.mark.parametrize("p, q", [(0, 5), (5, 0), (3, 40)])
def test_between_two_hands_stands_their_angle_the_shorter_way(p, q):
    picture = clocks({"one": ROWS[p], "other": ROWS[q]})
    wedges = [patch for patch in picture.sheet.patches if isinstance(patch, Wedge)]
    for wedge, one, other in zip(wedges, ROWS[p].reshape(-1, 2), ROWS[q].reshape(-1, 2)):
        assert np.isclose(np.cos(np.deg2rad(wedge.theta2 - wedge.theta1)), one @ other)
        assert 0 <= wedge.theta2 - wedge.theta1 <= 180
        ends = {tuple(np.round([sine, -cosine], 6)) for sine, cosine in (one, other)}
        found = np.deg2rad([wedge.theta1, wedge.theta2])
        assert {tuple(np.round([np.cos(a), np.sin(a)], 6)) for a in found} == ends
    assert len(wedges) == 8
    alone = clocks({"one": ROWS[p]})
    assert not [patch for patch in alone.sheet.patches if isinstance(patch, Wedge)]


def test_two_hands_on_top_of_each_other_are_both_seen():
    """The first is drawn first, and thicker."""
    for hands in drawn(clocks({"one": ROWS[5], "other": ROWS[5]})):
        (_, _, first), (_, _, second) = hands
        assert first > 1.5 * second


@pytest.mark.parametrize(
    "row",
    [ROWS[7].tolist(), tuple(ROWS[7]), ROWS[7].astype(np.float32), ROWS[7].astype(np.float16)],
)
def test_rows_may_be_lists_or_have_fewer_digits(row):
    np.testing.assert_allclose(
        directions(clocks({"p": row}))[:, 0], ROWS[7].reshape(-1, 2), atol=1e-3
    )


def test_the_rows_are_not_changed():
    row = ROWS[7].copy()
    clocks({"p": row})
    np.testing.assert_array_equal(row, ROWS[7])


# ---- the sheet -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 16, 20])
def test_clocks_stand_in_reading_order_eight_to_a_row(n):
    picture = clocks({"p": sinusoidal(10, 2 * n)[3]})
    places = rings(picture)
    assert len(places) == n
    for i, (x, y) in enumerate(places - places[0]):
        assert x == pytest.approx(i % PER_ROW * STEP) and y == pytest.approx(i // PER_ROW * LINE)
    high, wide = picture.get_figheight(), picture.get_figwidth()
    assert (places - RADIUS > 0).all() and (places + RADIUS < [wide, high]).all()
    np.testing.assert_allclose(
        directions(picture)[:, 0], sinusoidal(10, 2 * n)[3].reshape(-1, 2), atol=1e-12
    )


@pytest.mark.parametrize("n", [1, 8, 11])
def test_each_caption_stands_below_its_clock(n):
    captions = [f"turn: {10**i:,}" for i in range(n)]
    picture = clocks({"p": sinusoidal(10, 2 * n)[3]}, captions=captions, title="t")
    for (x, y), caption in zip(rings(picture), captions):
        text = text_of(picture, caption)
        assert (
            text.get_position()[0] == pytest.approx(x)
            and y + RADIUS < text.get_position()[1] < y + RADIUS + 0.2
        )
    assert inside(picture)


def test_long_captions_move_the_clocks_apart():
    captions = [f"a caption of many words, {i}" for i in range(9)]
    picture = clocks({"p": sinusoidal(10, 18)[3]}, captions=captions)
    row = [boxes(picture)[caption] for caption in captions[:8]]
    assert all(a.x1 < b.x0 for a, b in pairwise(row)) and inside(picture)


@pytest.mark.parametrize(
    "wide",
    ["a name that goes on and on and does not end", "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWW", "i" * 60],
)
def test_long_names_and_titles_fit(wide):
    picture = clocks({wide: ROWS[3][:2], "other": ROWS[4][:2]}, title=wide * 2)
    assert inside(picture)
    assert boxes(picture)[wide].x1 < boxes(picture)["other"].x0


def test_title_names_and_clocks_do_not_overlap():
    for title in ("", "Two places"):
        picture = clocks({"one": ROWS[3], "other": ROWS[4]}, title=title)
        found, (_, y) = boxes(picture), rings(picture)[0]
        height = picture.canvas.get_width_height()[1]
        assert found["one"].y0 > height - (y - RADIUS) * picture.dpi
        assert not title or found[title].y0 > found["one"].y1


def test_the_size_is_the_same_wherever_a_slider_stands():
    def size(p, q):
        hands = {f"place {p}": ROWS[p], f"place {q} ": ROWS[q]}
        return pixels(
            clocks(
                hands, captions=["turn"] * 8, title=f"Places {p} and {q}: {ROWS[p] @ ROWS[q]:.3f}"
            )
        ).shape

    assert len({size(p, q) for p in (0, 7, 60) for q in (0, 7, 63)}) == 1


@in_both_themes
def test_the_paper_is_the_theme_s(style):
    image = pixels(clocks({"p": ROWS[3]}, captions=["c"] * 8, title="t"))
    np.testing.assert_array_equal(image[0, 0], np.rint(np.array(to_rgb(style["paper"])) * 255))


@pytest.mark.parametrize("odd", ODD)
def test_odd_texts_are_just_texts(odd):
    picture = clocks({odd: ROWS[3][:4]}, captions=[odd, 7], title=odd)
    assert texts(picture).count(odd) == 3 and "7" in texts(picture)
    assert picture.png()[:4] == b"\x89PNG" and inside(picture)


def test_names_may_be_numbers():
    assert {"3", "4"} <= set(texts(clocks({3: ROWS[3], 4: ROWS[4]})))


def test_it_stands_beside_other_pictures():
    one, other = clocks({"p": ROWS[3]}), clocks({"p": ROWS[4]})
    assert (
        beside(one, other, columns=1).get_figheight() >= one.get_figheight() + other.get_figheight()
    )


# ---- words ---------------------------------------------------------------------------------------


def test_the_description_tells_what_is_there():
    assert (
        clocks({"q": [1, 0], "k": [0, -1]}, title="One query").alt
        == "One query: 1 clock; q: first hand at 90°; k: first hand at 180°."
    )
    assert clocks({"p": ROWS[0]}).alt == "Clocks: 8 clocks; p: first hand at 0°."
    assert clocks({"p": [-1e-6, 1]}).alt == "Clocks: 1 clock; p: first hand at 0°.", "not 360"
    data, about = clocks({"p": ROWS[0]})._repr_mimebundle_()
    assert (
        about["image/png"]["alt"] == data["text/plain"] == "Clocks: 8 clocks; p: first hand at 0°."
    )


@pytest.mark.parametrize(
    "hands", [{}, None, ROWS[3], [ROWS[3]], "p"], ids=["empty", "None", "array", "list", "text"]
)
def test_hands_must_be_a_dict(hands):
    refused(lambda: clocks(hands), ValueError, "hands must be a dict")


@pytest.mark.parametrize(
    "row, said",
    [
        (ROWS[:2], "(2, 16)"),
        ([1.0, 0.0, 1.0], "(3,)"),
        ([], "(0,)"),
        (0.5, "()"),
        ([[1, 0]], "(1, 2)"),
        ([np.nan, 1], "is nan"),
        ([1, np.inf], "is inf"),
        (["a", "b"], "real numbers"),
        ([1j, 0], "real numbers"),
        ([0, 1, 3, 4], "pair 1 is 5 long"),
        ([2, 0, 0, 1], "pair 0 is 2 long"),
    ],
)
def test_a_row_that_is_no_row_of_hands_is_named(row, said):
    refused(lambda: clocks({"query": row}), (ValueError, TypeError), "hands['query']", said)


def test_rows_of_different_lengths_are_refused():
    refused(
        lambda: clocks({"one": ROWS[3], "other": ROWS[3][:4]}),
        ValueError,
        "hands['other']",
        "(4,)",
        "the same for all",
    )


def test_more_rows_than_colours_are_refused():
    refused(
        lambda: clocks({f"place {p}": ROWS[p] for p in range(7)}),
        ValueError,
        "hands must have at most 6 rows",
        "got 7",
    )


def test_captions_that_do_not_fit_are_refused():
    refused(
        lambda: clocks({"p": ROWS[3]}, captions=["a"]),
        ValueError,
        "captions must be 8 texts, one per clock, got 1",
    )
    refused(lambda: clocks({"p": ROWS[3]}, captions=["a"] * 9), ValueError, "captions", "got 9")
    refused(
        lambda: clocks({"p": ROWS[3]}, captions="8 letter"),
        TypeError,
        "captions must be a list of strings",
    )
