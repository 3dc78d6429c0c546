"""show/pareto.py: who is on the front, score against cost, and a design as small maps."""

import re
from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from conftest import in_both_themes
from matplotlib.colors import to_hex

from attnlib import masks
from attnlib.show import panels, pareto
from attnlib.show.pareto import front
from attnlib.show.sheet import colour

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

GROUPS = {
    "full": [[0.5, 1.0]],
    "local": [[0.1, 0.2], [0.2, 0.4], [0.4, 0.9]],
    "mine": [[0.1, 0.95]],
}


def words(picture):
    return " ".join(text.get_text() for text in picture.findobj(lambda a: hasattr(a, "get_text")))


def lines(picture):
    """The lines of the plot, not those of the legend: [(m, 2)]"""
    (plot,) = (axes for axes in picture.axes if axes is not picture.sheet)
    return plot, [line.get_xydata() for line in plot.get_lines()]


# ---- front -------------------------------------------------------------------------------


def by_sorting(costs, scores):
    """The cheapest first, and of equal ones the best: on the front is what is better than all
    before it.
    """
    best, on_front = -np.inf, np.zeros(len(costs), bool)
    for cost in sorted(set(costs)):
        top = max(s for c, s in zip(costs, scores) if c == cost)
        if top > best:
            on_front |= (costs == cost) & (scores == top)
            best = top
    return on_front


@pytest.mark.parametrize("seed", range(30))
def test_the_front_is_what_sorting_finds(seed):
    costs, scores = np.random.default_rng(seed).integers(0, 5, size=(2, 9)) / 4  # many are equal
    assert (front(costs, scores) == by_sorting(costs, scores)).all()


def test_the_front_does_not_depend_on_the_order():
    costs, scores = np.array([1, 2, 2, 3.0]), np.array([1, 1, 2, 2.0])
    for order in permutations(range(4)):
        order = list(order)
        assert front(costs[order], scores[order]).tolist() == [
            [True, False, True, False][i] for i in order
        ]


def test_two_that_are_the_same_stand_or_fall_together():
    assert front([1, 1, 2], [5, 5, 4]).tolist() == [True, True, False]


@pytest.mark.parametrize(
    "costs, scores, words",
    [
        ([1, 2], [1], "the same shape"),
        ([[1.0]], [[1.0]], "the same shape"),
        ([np.nan], [1], "costs must be finite"),
    ],
)
def test_a_front_of_nothing_is_refused(costs, scores, words):
    with pytest.raises(ValueError, match=words):
        front(costs, scores)


# ---- pareto ------------------------------------------------------------------------------


@in_both_themes
@pytest.mark.parametrize(
    "groups",
    [GROUPS, {"one": [0.2, 0.3]}, {f"family {i}": np.full((3, 2), i / 20) for i in range(10)}],
)
def test_a_picture_with_words_that_fits_a_page(groups):
    picture = pareto(groups, title="Designs", marked=next(iter(groups)))
    assert picture.get_figwidth() * picture.dpi <= 1000 and len(picture.png()) > 1000
    assert picture.alt.startswith("Designs: score against share of n² used. On the front: ")
    assert all(name in words(picture) for name in groups) and "front" in words(picture)


def test_every_design_is_drawn_where_it_is():
    _, drawn = lines(pareto(GROUPS))
    for points in GROUPS.values():
        assert any(np.array_equal(line, points) for line in drawn)


def test_the_stairs_run_along_the_front_and_over_everything():
    plot, drawn = lines(pareto(GROUPS))
    stairs = drawn[0]  # drawn first, behind the marks
    assert (
        [0.1, 0.95] in stairs.tolist()
        and [0.5, 1.0] in stairs.tolist()
        and [0.4, 0.9] not in stairs.tolist()
    )
    assert (
        stairs[-1, 0] == plot.get_xlim()[1] and plot.get_lines()[0].get_drawstyle() == "steps-post"
    )
    for cost, score in np.concatenate(list(GROUPS.values())):
        assert score <= stairs[stairs[:, 0] <= cost][:, 1].max()


def test_its_words_name_the_front_and_the_numbers():
    alt = pareto(GROUPS, axes=("price", "recall")).alt
    assert re.search(r"recall against price\. On the front: full, mine\.", alt)
    assert "local: 0.20 for 0.100; 0.40 for 0.200; 0.90 for 0.400." in alt


def test_a_design_outside_the_picture_does_not_count():
    alt = pareto({"a": [[0.9, 1.0]], "b": [[0.1, 0.5]]}).alt
    assert "On the front: b." in alt and "a: outside." in alt
    assert "On the front: none." in pareto({"a": [[0.9, 1.0]]}).alt
    assert (
        "On the front: a, b."
        in pareto({"a": [[0.9, 1.0]], "b": [[0.1, 0.5]]}, limits=((0, 1), (0, 1.1))).alt
    )


def test_the_marked_one_is_larger():
    def sizes(picture):
        return [
            line.get_markersize()
            for line in lines(picture)[0].get_lines()
            if line.get_marker() != "None"
        ]

    assert (
        len(set(sizes(pareto(GROUPS)))) == 1
        and sizes(pareto(GROUPS, marked="mine"))[-1] > sizes(pareto(GROUPS))[-1]
    )


@pytest.mark.parametrize(
    "given, error, named",
    [
        ({"groups": {}}, ValueError, "groups must be a dict"),
        ({"groups": [[1, 2]]}, ValueError, "groups must be a dict"),
        ({"groups": {"a": [[1, 2, 3]]}}, ValueError, r"groups\['a'\] must have the shape"),
        ({"groups": {"a": [[1, np.inf]]}}, ValueError, r"groups\['a'\] must be finite"),
        ({"groups": {str(i): [[0, 0]] for i in range(13)}}, ValueError, "at most 12"),
        ({"groups": GROUPS, "marked": "yours"}, ValueError, "marked must be one of the names"),
        ({"groups": GROUPS, "axes": "cost"}, ValueError, "axes must be two names"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(given, error, named):
    with pytest.raises(error, match=named):
        pareto(**given)


# ---- panels ------------------------------------------------------------------------------


def design(layers, heads, n):
    mask = np.broadcast_to(masks.causal(n), (layers, heads, n, n)).copy()
    mask[0, 0] = np.eye(n, dtype=bool)
    return mask


@in_both_themes
@pytest.mark.parametrize("layers, heads, n", [(1, 1, 1), (2, 4, 48), (2, 4, 96), (4, 4, 16)])
def test_maps_with_words_that_fit_a_page(layers, heads, n):
    mask = design(layers, heads, n)
    picture = panels(mask, title="A design")
    assert picture.get_figwidth() * picture.dpi <= 1000 and len(picture.png()) > 1000
    assert picture.alt.startswith(
        f"A design: {mask.mean():.1%} of all pairs may attend. layer 0, head 0: {1 / n:.1%}"
    )
    assert all(f"layer {layer}" in words(picture) for layer in range(layers))
    assert f"may attend, {mask.mean():.1%} of all pairs" in words(picture)
    picture.draw_without_rendering()
    assert all(
        text.get_window_extent().x1 <= picture.get_figwidth() * picture.dpi
        for text in picture.sheet.texts
    )


def test_each_map_has_its_own_place_and_its_own_pixels():
    mask = design(2, 3, 12)
    mask[1, 2, 5] = False
    images = [image.get_array() for image in panels(mask).sheet.get_images()]
    assert len(images) == 6
    filled = images[1][-1, 0]  # causal: the last token sees the first
    for image, one in zip(images, mask.reshape(6, 12, 12)):
        assert ((image == filled).all(axis=-1) == one).all()


@pytest.mark.parametrize(
    "mask, error",
    [
        (masks.causal(4), ValueError),
        (np.ones((2, 4, 3, 4), bool), ValueError),
        (np.full((1, 1, 3, 3), 0.5), TypeError),
    ],
)
def test_what_is_no_design_is_refused(mask, error):
    with pytest.raises(error, match="mask"):
        panels(mask)


def test_each_name_has_the_colour_of_its_designs_and_stands_beside_one_of_them():
    picture = pareto(GROUPS)
    plot, _ = lines(picture)
    drawn = [line for line in plot.get_lines() if line.get_marker() != "None"]
    looks = [(line.get_color(), line.get_marker()) for line in drawn]
    assert len(set(looks)) == len(GROUPS)
    said = {text.get_text(): text for text in picture.sheet.texts}
    assert [said[name].get_color() for name in GROUPS] == [line.get_color() for line in drawn]
    for name, points in GROUPS.items():
        box = said[name].get_window_extent()
        pixels = plot.transData.transform(np.atleast_2d(points))
        far = np.hypot(*(np.clip(pixels, box.min, box.max) - pixels).T)
        assert far.min() < 0.2 * picture.dpi, name


def test_a_family_without_room_has_its_name_at_the_end_of_a_thread_and_no_mark_there():
    crowd = {f"family {i} of a very long name": np.full((1, 2), 0.5) + i / 1e4 for i in range(12)}
    picture = pareto(crowd, height=2)
    plot, _ = lines(picture)
    edge = plot.get_window_extent().x1
    said = {text.get_text(): text for text in picture.sheet.texts}
    assert set(crowd) <= set(said)
    aside = {name for name in crowd if said[name].get_window_extent().x0 > edge}
    assert len(aside) >= 2 and {one.get_marker() for one in picture.sheet.get_lines()} == {"None"}
    for name in crowd:
        box = said[name].get_window_extent().padded(0.06 * picture.dpi)
        threads = [
            picture.sheet.transData.transform(one.get_xydata())
            for one in picture.sheet.get_lines()
            if one.get_color() == said[name].get_color()
        ]
        design = plot.transData.transform(crowd[name])[0]
        near = np.hypot(*(np.clip(design, box.min, box.max) - design)) < 0.25 * picture.dpi
        led = any(box.contains(*end) and np.allclose(begin, design) for begin, end in threads)
        assert near or led, name
    for thread in picture.sheet.get_lines():
        assert thread.get_linewidth() < 1


def test_a_design_in_a_corner_is_named_within_the_picture_if_anywhere():
    groups = {"local": [[0.06, 0], [0.11, 0], [0.2, 0.12], [0.5, 0.97]], "full": [[0.5, 0.97]]}
    for place in ([0.014, 0.0], [0.5, 0.98]):
        picture = pareto(groups | {"this design": [place]}, marked="this design", width=4.75)
        (name,) = [one for one in picture.sheet.texts if one.get_text() == "this design"]
        plot, _ = lines(picture)
        assert name.get_window_extent().x1 < plot.get_window_extent().x1 + 1


def test_a_family_outside_says_so_and_has_no_mark():
    picture = pareto({"a": [[0.05, 1.2]], "b": [[0.1, 0.5]]})
    assert "a: outside" in {text.get_text() for text in picture.sheet.texts}
    assert not picture.sheet.get_lines()


def test_the_marked_design_is_described_first():
    alt = pareto(GROUPS, marked="mine").alt
    assert alt.index("mine: 0.95 for 0.100.") < alt.index("full: 1.00") < alt.index("local: 0.20")


@pytest.mark.parametrize("seed", range(12))
def test_no_name_lies_on_a_design_a_line_or_another_name(seed):
    rng = np.random.default_rng(seed)
    groups = {
        name: np.sort(rng.uniform(0.02, [0.58, 1.0], (rng.integers(1, 6), 2)), axis=0)
        for name in ["full", "local", "a family of its own", "bigbird", "streaming"][: 1 + seed % 5]
    }
    picture = pareto(groups, title="T", marked="full", width=[4.75, 9.5][seed % 2])
    plot, _ = lines(picture)
    picture.draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in picture.sheet.texts}
    width, height = picture.canvas.get_width_height()
    for one, two in combinations(boxes, 2):
        assert not boxes[one].overlaps(boxes[two]), (one, two)
    for name, box in boxes.items():
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, name
    for name in groups:
        for points in groups.values():
            pixels = plot.transData.transform(points)
            along = [a + t * (b - a) for a, b in pairwise(pixels) for t in np.linspace(0, 1, 50)]
            assert not any(boxes[name].contains(*pixel) for pixel in [*pixels, *along]), name


def test_a_design_above_or_below_the_picture_does_not_count_either():
    for outside in (1.2, -0.2):
        assert "On the front: b." in pareto({"a": [[0.05, outside]], "b": [[0.1, 0.5]]}).alt
        assert "a: outside." in pareto({"a": [[0.05, outside]], "b": [[0.1, 0.5]]}).alt


def test_what_is_filled_may_be_looked_at_and_each_map_says_its_own_share():
    mask = design(2, 3, 12)
    mask[1, 2, 5] = False
    picture = panels(mask)
    allowed = {
        to_hex(image.get_array()[i, i])
        for image in picture.sheet.get_images()[:3]
        for i in range(12)
    }
    assert allowed == {to_hex(colour("allowed"))}  # everybody sees itself there
    shares = [
        text.get_text()
        for text in picture.sheet.texts
        if re.fullmatch(r"\d+\.\d%", text.get_text())
    ]
    assert (
        shares == [f"{share:.1%}" for share in mask.mean(axis=(2, 3)).ravel()]
        and len(set(shares)) == 3
    )


def test_the_stairs_go_up_whatever_comes_first():
    _, drawn = lines(pareto({"dear": [[0.5, 1.0], [0.3, 0.8]], "cheap": [[0.1, 0.2]]}))
    assert drawn[0].tolist() == [[0.1, 0], [0.1, 0.2], [0.3, 0.8], [0.5, 1.0], [0.6, 1.0]]
