"""show/explore.py: any function with sliders around it."""

import base64
import io

import ipywidgets as widgets
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from attnlib.show import explore, heatmap
from attnlib.show.sheet import THEMES

COURSE = "The cat sat on the mat because it was tired"


def shade(x=0.5):
    """A picture of one cell, as dark as x says."""
    return heatmap([[float(x)]], ["only"], title=f"x is {x}")


def image(raw):
    picture = Image.open(io.BytesIO(raw))
    picture.load()
    assert picture.format == "PNG" and min(picture.size) > 20
    return picture


def everything_in(widget):
    """A widget and all widgets below it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything_in(child)


def shown(widget):
    """All text that the page of a widget carries."""
    return " ".join(
        str(w.value) for w in everything_in(widget) if isinstance(w, (widgets.HTML, widgets.Label))
    )


# ---- controls ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec, kind, value",
    [
        ((0, 5), widgets.IntSlider, 0),
        ((2, 10, 4), widgets.IntSlider, 2),
        ((np.int64(1), np.int64(3)), widgets.IntSlider, 1),
        ((0.0, 1.0), widgets.FloatSlider, 0.0),
        ((0, 1.0, 0.25), widgets.FloatSlider, 0.0),
        (["few", "many"], widgets.ToggleButtons, "few"),
        ([3, 1, 2], widgets.ToggleButtons, 3),
        (
            [f"a rather long choice {i}" for i in range(9)],
            widgets.Dropdown,
            "a rather long choice 0",
        ),
        (range(3), widgets.ToggleButtons, 0),
        (True, widgets.Checkbox, True),
        (False, widgets.Checkbox, False),
        ("some words", widgets.Text, "some words"),
    ],
)
def test_every_kind_of_control(spec, kind, value):
    got = []
    view = explore(lambda x: (got.append(x), heatmap([[1.0]]))[1], x=spec)
    control = view.controls["x"]
    assert type(control) is kind and control.value == value and control.description == "x"
    assert view.values == {"x": value} and got == [value] and type(got[0]) is not np.int64
    assert control in set(everything_in(view))


def test_sliders_have_their_ends_and_steps():
    view = explore(lambda a, b, c: heatmap([[1.0]]), a=(2, 10, 4), b=(0.0, 2.0), c=(0.5, 1))
    a, b, c = view.controls.values()
    assert (a.min, a.max, a.step) == (2, 10, 4) and (b.min, b.max) == (0, 2) and 0 < b.step <= 0.1
    assert isinstance(c, widgets.FloatSlider) and (c.min, c.max) == (0.5, 1)


def test_a_widget_is_taken_as_it_is():
    mine = widgets.BoundedIntText(4, min=1, max=9)
    view = explore(shade, x=mine)
    assert view.controls["x"] is mine and view.values == {"x": 4}
    before = view.image.value
    mine.value = 1
    assert view.image.value == before or view.values == {"x": 1}


def test_controls_start_at_the_defaults_of_draw():
    seen = {}

    def draw(n=3, t=0.25, kind="b", free="kept"):
        seen.update(n=n, t=t, kind=kind, free=free)
        return heatmap([[1.0]])

    view = explore(draw, n=(0, 5), t=(0.0, 1.0), kind=["a", "b"])
    assert view.values == {"n": 3, "t": 0.25, "kind": "b"} and seen == {
        **view.values,
        "free": "kept",
    }


def test_values_reach_draw_by_name():
    view = explore(
        lambda *, b, **more: heatmap([[b / 10]], title=str(more)), b=(1, 3), extra=[7, 8]
    )
    assert view.values == {"b": 1, "extra": 7} and view.error == ""


@pytest.mark.parametrize(
    "default, spec, words",
    [
        (9, (0, 5), ["x", "from 0 to 5", "9"]),
        (-0.1, (0.0, 1.0), ["x", "from 0.0 to 1.0", "-0.1"]),
        (np.nan, (0.0, 1.0), ["x", "nan"]),
        ("3", (0, 5), ["x", "from 0 to 5", "'3'"]),
        (None, (0, 5), ["x", "None"]),
        ("c", ["a", "b"], ["x", "one of 'a', 'b'", "'c'"]),
        (2.5, (0, 5), ["x", "2.5"]),
    ],
)
def test_a_default_that_the_control_cannot_have(default, spec, words):
    def draw(x=default):
        return heatmap([[1.0]])

    with pytest.raises((ValueError, TypeError)) as error:
        explore(draw, x=spec)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    "spec",
    [
        None,
        3,
        2.5,
        (),
        (1,),
        (1, 2, 3, 4),
        ("a", "b"),
        (1, "b"),
        [],
        {},
        {"a": 1},
        {1, 2},
        object(),
        len,
        np.arange(3),
    ],
)
def test_what_is_no_control(spec):
    with pytest.raises((TypeError, ValueError), match="x") as error:
        explore(shade, x=spec)
    assert "control" in str(error.value)


@pytest.mark.parametrize(
    "spec",
    [
        (5, 1),
        (1.0, 0.5),
        (0.0, np.nan),
        (0.0, np.inf),
        (0, 5, 0),
        (0, 5, -1),
        (0.0, 1.0, 0.0),
        (True, False),
    ],
)
def test_a_slider_without_sense(spec):
    def draw(x):
        return heatmap([[1.0]])

    with pytest.raises((TypeError, ValueError), match="x"):
        explore(draw, x=spec)


def test_arguments_must_fit_draw():
    with pytest.raises(TypeError, match=r"no argument 'y'; it takes x"):
        explore(shade, y=(0, 1))
    with pytest.raises(TypeError, match="needs a control for its argument 'b'"):
        explore(lambda a, b: shade(a), a=(0, 1))
    with pytest.raises(TypeError):
        explore(5, x=(0, 1))


def test_no_controls_at_all_still_shows_the_picture():
    view = explore(shade)
    image(base64.b64decode(png_of(view)))


# ---- moving --------------------------------------------------------------------------------------


def test_moving_a_control_draws_anew():
    view = explore(shade, x=(0.0, 1.0))
    before = view.image.value
    view.controls["x"].value = 1.0
    image(view.image.value)
    assert view.image.value != before and view.image.value == shade(1.0).png(fast=True)
    view.controls["x"].value = 0.5
    assert view.image.value == before


def test_each_control_moves_only_its_argument():
    calls = []
    view = explore(lambda a, b: (calls.append((a, b)), shade(a))[1], a=(0, 1), b=["u", "v"])
    view.controls["b"].value = "v"
    view.controls["a"].value = 1
    assert calls == [(0, "u"), (0, "v"), (1, "v")]


def test_the_picture_keeps_its_size_on_the_page():
    view = explore(shade, x=(0.0, 1.0))
    width = view.image.layout.width
    assert width.endswith("px") and abs(float(width[:-2]) - image(view.image.value).width) <= 1
    view.controls["x"].value = 0.9
    assert view.image.layout.width == width


def fragile(x=1):
    if x == 0:
        raise ZeroDivisionError("no <b>zero</b>")
    if x < 0:
        raise ValueError("x must not be negative & small")
    return shade(1 / x), f"one over {x}"


def test_an_error_is_shown_in_place_and_the_sliders_live_on():
    view = explore(fragile, x=(-1, 4))
    good = view.image.value
    view.controls["x"].value = 0
    assert view.error == "ZeroDivisionError: no <b>zero</b>"
    assert (
        "ZeroDivisionError" in view.message.value
        and view.image.value == good
        and "one over 1" in view.text.value
    )
    view.controls["x"].value = -1
    assert view.error == "x must not be negative & small" and view.image.value == good
    assert 'role="alert"' in view.message.value
    view.controls["x"].value = 2
    assert (
        view.error == ""
        and view.message.value == ""
        and view.image.value == shade(1 / 2).png(fast=True)
    )
    view.controls["x"].value = 1
    assert view.image.value == good


def test_a_stale_picture_looks_stale_until_the_next():
    view = explore(fragile, x=(-1, 4))
    assert list(view.image._dom_classes) == []
    view.controls["x"].value = 0
    (stale,) = view.image._dom_classes
    assert f".{stale}" in view.message.value, "the style of the class comes with the message"
    view.controls["x"].value = 3
    assert list(view.image._dom_classes) == []


def test_errors_and_texts_are_no_html():
    view = explore(fragile, x=(-1, 4))
    view.controls["x"].value = 0
    assert "<b>zero" not in view.message.value and "&lt;b&gt;zero&lt;/b&gt;" in view.message.value

    def draw(x="<script>alert(1)</script>"):
        return heatmap([[1.0]], [x]), f"<i>{x}</i> & more"

    view = explore(draw, x="<img src=y onerror=z>")
    assert "<img" not in shown(view) and "<script" not in shown(view) and "<i>" not in shown(view)
    assert "&lt;i&gt;&lt;img" in view.text.value and "&amp; more" in view.text.value


def test_an_error_at_the_start_is_raised():
    def draw(x=0):
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        explore(draw, x=(0, 1))


def later(result):
    """A draw function that is fine at 0 and gives `result` at 1."""
    return lambda x=0: shade(0.5) if x == 0 else result


class Broken(Figure):
    def savefig(self, *arguments, **how):
        raise RuntimeError("cannot be rendered")


@pytest.mark.parametrize(
    "result",
    [
        None,
        "a string",
        3,
        (None, "text"),
        (heatmap([[1.0]]),),
        (1, 2, 3),
        (heatmap([[1.0]]), 5),
        Broken(),
    ],
)
def test_a_draw_that_returns_something_else(result):
    with pytest.raises((TypeError, ValueError, RuntimeError)) as error:
        explore(lambda x=0: result, x=(0, 1))
    if not isinstance(result, Broken):
        assert isinstance(error.value, TypeError) and "Figure" in str(error.value)
    view = explore(later(result), x=(0, 1))
    good = view.image.value
    view.controls["x"].value = 1
    assert view.error and view.message.value and view.image.value == good
    view.controls["x"].value = 0
    assert view.error == "" and view.message.value == ""


def plain_figure(x=1):
    figure = Figure(figsize=(3, 2))
    FigureCanvasAgg(figure)
    figure.add_subplot().plot([0, x])
    return figure


def test_a_plain_matplotlib_figure():
    view = explore(plain_figure, x=(1, 3))
    assert image(view.image.value).size == (300, 200) and view.image.layout.width == "300px"
    assert "<pre" not in view.text.value
    image(base64.b64decode(png_of(view)))


def test_a_figure_with_text():
    view = explore(lambda x=1: (plain_figure(x), f"x is {x}"), x=(1, 3))
    assert "x is 1" in view.text.value and "x is 1" in bundle(view)["text/plain"]
    view.controls["x"].value = 2
    assert "x is 2" in view.text.value and "x is 1" not in view.text.value


def test_the_description_follows_the_picture():
    view = explore(shade, x=(0.0, 1.0))
    assert "only → only 0.50" in view.text.value
    view.controls["x"].value = 1.0
    assert "only → only 1.00" in view.text.value and 'role="status"' in view.text.value


# ---- what a page without a kernel gets -----------------------------------------------------------


def bundle(view):
    made = view._repr_mimebundle_()
    return made[0] if isinstance(made, tuple) else made


def png_of(view):
    return bundle(view)["image/png"]


def test_the_bundle_holds_the_view_a_picture_and_words():
    view = explore(shade, x=(0.0, 1.0))
    made = bundle(view)
    assert set(made) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert made["application/vnd.jupyter.widget-view+json"]["model_id"] == view.model_id
    assert "x=0.5" in made["text/plain"] and "only → only 0.50" in made["text/plain"]
    view.controls["x"].value = 1.0
    assert "x=1.0" in bundle(view)["text/plain"]


def test_the_picture_of_the_bundle_has_a_description():
    made = explore(shade, x=(0.0, 1.0))._repr_mimebundle_()
    assert isinstance(made, tuple), "no metadata: the picture has no alt text"
    assert made[1]["image/png"]["alt"].strip()


def drawn_values(view):
    """What draw is called with for the strip."""
    calls, draw = [], view.draw
    view.draw = lambda **values: (calls.append(values), draw(**values))[1]
    strip = view.strip()
    view.draw = draw
    return calls, strip


def test_the_strip_shows_the_first_control_that_has_several_values():
    view = explore(lambda word, x=0.5, y=0.1: shade(x), word="hello", x=(0.0, 1.0), y=(0.0, 1.0))
    calls, strip = drawn_values(view)
    assert sorted(round(call["x"], 2) for call in calls) == [0, 0.33, 0.67, 1]
    assert {(call["word"], call["y"]) for call in calls} == {("hello", 0.1)}
    assert strip.alt == "x = 0; x = 0.333; x = 0.667; x = 1"
    one = image(shade(0.5).png())
    assert image(strip.png()).width <= 2 * one.width + 2 and image(strip.png()).height > one.height


def test_wide_pictures_stand_one_below_another_at_the_first_the_middle_and_the_last_value():
    wide = explore(lambda x: heatmap(np.eye(20) * x), x=(0.0, 1.0))
    assert wide.strip().alt == "x = 0; x = 0.5; x = 1"
    chosen = explore(lambda word: heatmap(np.eye(20), title=word), word=[*"abcde"])
    assert chosen.strip().alt == "word = a; word = c; word = e"


def test_a_large_strip_shows_its_ends_alone():
    noise = np.random.default_rng(0).random((120, 120))
    view = explore(lambda x: heatmap(noise * x, vmax=1), x=(0.0, 1.0))
    assert view.strip().alt == "x = 0; x = 1"


def test_a_large_strip_of_a_full_turn_shows_its_half():
    noise = np.random.default_rng(0).random((120, 120))

    def turned(angle):
        return heatmap(noise * (1 + np.cos(np.deg2rad(angle))), vmax=2)

    assert explore(turned, angle=(0.0, 360.0)).strip().alt == "angle = 0; angle = 180"


@pytest.mark.parametrize(
    "make, allowed",
    [
        (lambda: (1, 3), {1, 2, 3}),
        (lambda: (0, 100, 50), {0, 50, 100}),
        (lambda: (0, 5, 3), {0, 3, 5}),
        (lambda: ["a", "b", "c", "d", "e"], set("abcde")),
        (lambda: True, {True, False}),
        (lambda: "text", {"text"}),
        (lambda: widgets.Dropdown(options=[("one", 1), ("two", 2)]), {1, 2}),
        (lambda: widgets.RadioButtons(options={"one": 1, "two": 2}), {1, 2}),
        (lambda: widgets.BoundedIntText(2, min=1, max=4), {1, 2, 3, 4}),
        (lambda: widgets.IntText(7), {7}),
        (lambda: widgets.SelectionSlider(options=[0.1, 1, 10]), {0.1, 1, 10}),
    ],
)
def test_the_strip_uses_only_values_that_the_control_can_have(make, allowed):
    calls, strip = drawn_values(explore(lambda x: shade(), x=make()))
    assert calls and {call["x"] for call in calls} <= allowed
    assert all(type(call["x"]) in {type(value) for value in allowed} for call in calls)
    image(strip.png())


@pytest.mark.parametrize(
    "make",
    [
        lambda: widgets.FloatLogSlider(1.0, min=-2, max=2),
        lambda: widgets.IntRangeSlider(value=(2, 3), min=0, max=9),
    ],
)
def test_the_strip_of_other_sliders(make):
    control = make()
    calls, _ = drawn_values(explore(lambda x: shade(), x=control))
    for call in calls:
        control.value = call["x"]
        assert control.value == pytest.approx(call["x"])


def test_the_strip_leaves_the_controls_alone():
    view = explore(shade, x=(0.0, 1.0))
    before = view.image.value, view.values
    view.strip()
    assert (view.image.value, view.values) == before


@pytest.mark.parametrize("error", [ValueError, TypeError, ZeroDivisionError, KeyError])
def test_an_error_in_one_frame_leaves_the_others(error):
    def draw(x=1):
        if x == 2:
            raise error("not this one")
        return shade(x / 3)

    view = explore(draw, x=(0, 3))
    made = image(base64.b64decode(png_of(view)))
    assert made.height > image(shade(1.0).png()).height
    assert view.error == ""


@pytest.mark.parametrize(
    "result",
    [None, "words", (None, ""), Broken()],
    ids=["None", "a string", "a pair", "a broken figure"],
)
def test_a_wrong_result_in_one_frame_leaves_the_others(result):
    view = explore(later(result), x=(0, 1))
    made = image(base64.b64decode(png_of(view)))
    assert made.height > image(shade(0.5).png()).height


def test_an_invalid_state_can_still_be_shown():
    view = explore(fragile, x=(-1, 4))
    view.controls["x"].value = -1
    made = bundle(view)
    image(base64.b64decode(made["image/png"]))
    assert "x=-1" in made["text/plain"] and "negative" in made["text/plain"]


def test_no_output_widgets_and_nothing_from_the_network():
    view = explore(fragile, x=(-1, 4))
    for widget in everything_in(view):
        assert not isinstance(widget, widgets.Output)
    assert "http" not in shown(view) and "<script" not in shown(view)


# ---- a dark page ---------------------------------------------------------------------------------


def paper(picture):
    return "#{:02x}{:02x}{:02x}".format(*image(picture.value).convert("RGB").getpixel((1, 1)))


def test_pictures_follow_the_page_and_nothing_else_does():
    """The page says that it is dark: the live picture is drawn anew, and what is saved or drawn
    elsewhere stays light.
    """
    view = explore(shade, x=(0.0, 1.0))
    assert paper(view.image) == THEMES["light"]["paper"] and view.page in view.children
    view.page.dark = True
    assert paper(view.image) == THEMES["dark"]["paper"]
    view.controls["x"].value = 0.7
    assert paper(view.image) == THEMES["dark"]["paper"], "and so are the next ones"
    for figure in (heatmap([[1.0]]), view.strip()):
        assert figure.get_facecolor()[:3] == (1, 1, 1)
    view.page.dark = False
    assert paper(view.image) == THEMES["light"]["paper"]


def test_a_draw_that_raises_on_a_dark_page_leaves_the_theme_as_it_was():
    view = explore(lambda x=1: heatmap([[1.0]]) if x == 1 else 1 / 0, x=(0, 1))
    view.page.dark = True
    view.controls["x"].value = 0
    assert view.error.startswith("ZeroDivisionError") and heatmap([[1.0]]).get_facecolor()[:3] == (
        1,
        1,
        1,
    )
    view.controls["x"].value = 1
    assert view.error == "" and paper(view.image) == THEMES["dark"]["paper"]
