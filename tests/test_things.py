"""show/things.py: a thing has one colour in every picture, and names stand where there is room."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import in_both_themes
from matplotlib.colors import to_hex, to_rgb

from attnlib.show import curves, pareto, rows, scatter, stacked
from attnlib.show.sheet import colour, line
from attnlib.show.things import (
    CLEAR,
    THINGS,
    along,
    around,
    clear,
    fills,
    looks,
    near,
    numbers,
    spot,
)

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

X = np.arange(4.0)
HIGH = 0.75 * line()  # of a name's box, in inches


def ink(picture, name):
    """The colour that a name is written in."""
    (found,) = [text for text in picture.sheet.texts if text.get_text() == name]
    return to_hex(found.get_color())


@pytest.mark.parametrize("name", ["RoPE", "rotary", "flash", "post", "none", "tiny-gpt", "window"])
def test_a_thing_has_its_colour_whoever_stands_before_it(name):
    others = ["one", "two", "three"]
    found = {
        ink(curves(X, {one: X + i for i, one in enumerate(order)}), name)
        for order in ([name], [name, *others], [*others, name], ["one", name, "two"])
    }
    assert found == {colour("lines")[THINGS[name]]}


@in_both_themes
def test_lines_bars_and_marks_agree(style):
    wanted = style["lines"][THINGS["full"]], style["lines"][THINGS["local"]]
    names = ["full", "local"]
    lines = curves(X, {"local": X, "full": -X})
    mark = pareto({"else": [0.1, 0.2], "local": [0.2, 0.5], "full": [0.5, 1.0]})
    assert [ink(lines, name) for name in names] == [ink(mark, name) for name in names]
    bars = [to_hex(bar.get_facecolor()) for bar in rows([1, 2], names).sheet.patches]
    (plot,) = scatter([1, 2], [1, 2], names).axes[1:]
    points = [to_hex(one.get_color()) for one in plot.lines]
    assert bars == points == [ink(lines, name) for name in names] == list(wanted)
    how = {"texts": ["x"], "full": 8, "limit": 4}
    parts = stacked([[1, 2, 1]], ["a"], ["rest", "full", "local"], **how).sheet.patches
    assert [to_hex(part.get_facecolor()) for part in parts][1:3] == list(wanted)


def test_spelling_does_not_change_a_colour():
    assert numbers(["q · k"]) == {"q · k": THINGS["q·k"]}
    assert numbers(["ROPE"]) == {"ROPE": THINGS["RoPE"]}


@pytest.mark.parametrize("seed", range(20))
def test_no_two_names_of_a_picture_look_alike(seed):
    rng = np.random.default_rng(seed)
    names = [*rng.choice([*THINGS], rng.integers(0, 6), replace=False)]
    names = [*rng.permutation([*names, *(f"name {i}" for i in range(rng.integers(0, 6)))])]
    found = looks(names)
    assert list(found) == names and len({look[:2] for look in found.values()}) == len(names)
    assert len({mark for *_, mark in found.values()}) == len(names)
    if len(names) <= 6:
        assert len({ink for ink, *_ in found.values()}) == len(names), "six colours for six"


@in_both_themes
def test_every_colour_can_be_read_as_a_word(style):
    def light(color):
        rgb = np.array(to_rgb(color))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    for color in (*style["lines"], style["faint"], style["ink"]):
        dark, bright = sorted([light(color), light(style["paper"])])
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, color


def test_what_is_marked_stands_out_and_the_rest_is_quiet(style):
    blue, quiet = style["lines"][0], style["hatch"]
    assert fills(["flash", "standard"], {1}) == [quiet, blue]
    assert fills(["flash", "else"], ()) == [blue, blue], "not all are things"
    assert fills(["standard", "flash"], ()) == [style["lines"][THINGS["standard"]], blue]


# ---- room for names ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_spot_touches_nothing_and_is_the_first_that_does_not(seed):
    rng = np.random.default_rng(seed)
    taken = around(rng.uniform(0, 4, (30, 2)), 0.2)
    places = [
        (*rng.uniform(0, 4, 2), str(rng.choice(["left", "center", "right"]))) for _ in range(9)
    ]

    def free(place):
        x, y, ha = place
        left = {"left": x, "center": x - 0.4, "right": x - 0.8}[ha]
        right, top, low = left + 0.8, y - HIGH / 2, y + HIGH / 2
        if left < 0 or right > 4 or top < 0 or low > 4:
            return False
        return all(right <= a or left >= c or low <= b or top >= d for a, b, c, d in taken)

    found, can = spot(0.8, places, taken, (0, 0, 4, 4)), [*map(free, places)]
    assert (found is not None) == any(can)
    if found:
        place, box = found
        assert place == places[can.index(True)]
        x, y = {"left": 0, "center": 0.4, "right": 0.8}[place[2]], HIGH / 2
        np.testing.assert_allclose(
            box, [place[0] - x, place[1] - y, place[0] - x + 0.8, place[1] + y]
        )


def test_where_there_is_no_room_there_is_no_spot():
    places = near([(1, 1)])
    assert spot(0.5, places, np.empty((0, 4)), (0, 0, 2, 2))[0] == places[0]
    assert spot(0.5, places, [(0, 0, 2, 2)], (0, 0, 2, 2)) is None
    assert spot(3, places, np.empty((0, 4)), (0, 0, 2, 2)) is None
    assert spot(0.5, places, [(1, 0, 2, 2)], (0, 0, 2, 2))[0] == places[1], "the other side"


@pytest.mark.parametrize("seed", range(10))
def test_clear_places_are_far_from_other_lines_the_farthest_first(seed):
    rng = np.random.default_rng(seed)
    others, places = rng.uniform(0, 4, (9, 2)), near(rng.uniform(0, 4, (6, 2)))
    wide, far = 0.5, {}
    for x, y, ha in places:
        left = {"left": x, "center": x - wide / 2, "right": x - wide}[ha]
        steps = np.linspace(0, 1, 400)
        box = [(left + t * wide, y + s * HIGH / 2) for t in steps for s in (-1, 0, 1)]
        apart = np.linalg.norm(np.array(box)[:, None] - others, axis=2).min()
        far[x, y, ha] = 0 if apart < HIGH / 2 else apart
    found = clear(wide, places, others)
    assert all(far[one] >= CLEAR - 0.01 for one in found)
    assert all(far[one] <= CLEAR + 0.04 for one in set(places) - {*found})
    assert all(far[a] >= far[b] - 0.04 for a, b in pairwise(found))
    assert clear(wide, [], others) == [] and len(clear(wide, places, [])) == len(places)


def test_a_path_is_followed_in_small_steps():
    path = np.array([[0, 0], [1, 0], [np.nan, 3], [1, 2]])
    found = along(path, step=0.1)
    assert (np.hypot(*np.diff(found, axis=0).T) <= 0.1 + 1e-9).all()
    assert found[0].tolist() == [0, 0] and found[-1].tolist() == [1, 2]
    assert all(abs(y) < 1e-9 or abs(x - 1) < 1e-9 for x, y in found)
    assert along(np.empty((0, 2))).shape == (0, 2) and along([[1, 2]]).tolist() == [[1, 2]]
