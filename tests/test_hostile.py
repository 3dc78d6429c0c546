"""A picture is the same whatever matplotlib was told before, and a title of any length fits."""

import threading

import calls
import matplotlib
import numpy as np
import pytest

from attnlib import masks, show
from attnlib.show import sheet

HOSTILE = {
    "font.size": 30,
    "font.family": ["No Such Font"],
    "axes.grid": True,
    "axes.facecolor": "red",
    "axes.labelsize": 40,
    "figure.dpi": 20,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "black",
    "savefig.bbox": "tight",
    "savefig.facecolor": "black",
    "text.color": "white",
    "text.usetex": True,
    "lines.linewidth": 10,
    "lines.marker": "o",
    "patch.linewidth": 9,
    "hatch.linewidth": 9,
    "xtick.labelsize": 33,
    "ytick.color": "white",
    "image.cmap": "jet",
    "image.origin": "lower",
    "path.sketch": (3, 50, 5),
    "axes.unicode_minus": False,
    "axes.formatter.use_locale": True,
    "axes.xmargin": 0.4,
    "svg.fonttype": "none",
}
DRAWN = [
    name
    for name in calls.CALLS
    if name.startswith("show.") and isinstance(calls.CALLS[name]()[0], type(show.heatmap))
    if name not in ("show.most_attended", "show.show_source", "show.theme", "show.explore")
    if name not in ("show.beside", "show.words")
]
LONG = (
    "Who looks at whom when the cat sat on the mat because it was tired and the mat was soft " * 9
)


def drawn(name):
    function, given = calls.given(name)
    picture = function(**given)
    return picture.png(), picture.svg()


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_does_not_know_what_was_set_for_others(name):
    wanted = drawn(name)
    with matplotlib.rc_context(HOSTILE):
        sheet.text_width.cache_clear()
        sheet._ruler.cache_clear()
        sheet._stamps.clear()
        found = drawn(name)
        assert matplotlib.rcParams["lines.linewidth"] == 10, "and what was set is set again"
    assert found[0] == wanted[0] and found[1] == wanted[1]


def test_a_dark_style_sheet_changes_nothing_either():
    wanted = drawn("show.curves")
    with matplotlib.style.context(["dark_background", "ggplot"]):
        assert drawn("show.curves") == wanted


def test_what_was_set_comes_back_when_pictures_are_drawn_side_by_side():
    with matplotlib.rc_context({"lines.linewidth": 10}):
        work = [threading.Thread(target=drawn, args=["show.heatmap"]) for _ in range(4)]
        for one in work:
            one.start()
        for one in work:
            one.join()
        assert matplotlib.rcParams["lines.linewidth"] == 10


@pytest.mark.parametrize(
    "name", [name for name in DRAWN if "title" in calls.given(name)[1] and name != "show.explore"]
)
@pytest.mark.parametrize("title", [LONG, "A" * 5000, "one\ntwo", "猫" * 300])
def test_a_title_of_any_length_stands_on_the_sheet(name, title):
    function, given = calls.given(name)
    usual = function(**given)
    picture = function(**given | {"title": title})
    picture.draw_without_rendering()
    width, height = picture.canvas.get_width_height()
    assert width <= max(usual.get_figwidth() * usual.dpi, 1500)
    for text in picture.sheet.texts:
        box = text.get_window_extent()
        assert box.x1 <= width + 1 and box.y1 <= height + 1 and box.y0 >= -1, text.get_text()
    assert picture.alt.startswith(title[:40])


def test_the_lines_of_a_title_do_not_touch_the_picture():
    """What stands below the title is moved, all of it, and nothing else happens to it."""
    weights, tokens = np.eye(3), list("abc")
    short, long = (show.heatmap(weights, tokens, title=one) for one in ("Short", LONG[:180]))
    places = [{(t.get_text(), *t.get_position()) for t in one.sheet.texts} for one in (short, long)]
    assert {place for place in places[0] if place[0] != "Short"} < places[1]
    pixels = [np.asarray(one.canvas.buffer_rgba()) for one in (short, long) if one.png()]
    high = pixels[0].shape[0] - 40
    wide = min(one.shape[1] for one in pixels)
    same = pixels[0][-high:, :wide] == pixels[1][-high:, :wide]
    assert same.all(axis=-1).mean() > 0.99


def test_a_picture_on_its_own_sheet_keeps_its_settings_when_it_is_saved(tmp_path):
    picture = show.mask_figure(masks.causal(4))
    picture.savefig(tmp_path / "plain.png")
    with matplotlib.rc_context({"savefig.bbox": "tight", "savefig.pad_inches": 5}):
        picture.savefig(tmp_path / "hostile.png")
    sizes = [(tmp_path / f"{name}.png").read_bytes()[16:24] for name in ("plain", "hostile")]
    assert sizes[0] == sizes[1]
