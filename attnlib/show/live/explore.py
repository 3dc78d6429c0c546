"""Sliders around a picture: `explore`, for any function that draws."""

import base64
import html
import inspect
import io

import ipywidgets as widgets
import numpy as np
from PIL import Image

from attnlib import _check
from attnlib.show.live import rerun
from attnlib.show.live.page import Page
from attnlib.show.sheet import DPI, Picture

# for screen readers only
HIDDEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)"
# the last good picture, while there is none for the new values
NARROW = 460  # dots: frames that are not wider stand two to a row
LARGEST = 25_000  # bytes of a strip, where leaving out the frames between its ends can reach it
STALE = "<style>.attnlib-stale { opacity: 0.35 }</style>"


def explore(draw, /, **controls):
    """Show what `draw` draws, with a control for each of its arguments; moving one redraws the
    picture.

    draw       draw(**values) -> a matplotlib Figure, or (Figure, text to show below it)
    controls   one per argument of draw:
               (low, high) or (low, high, step)   a slider, for whole numbers if all of them are
               [choice, choice, ...]              one of several
               True or False, or a string         a check box, a text box
               or any ipywidgets control
    A control starts at draw's default value where there is one. In a front end without a kernel the
    result is a strip of pictures, at several values of the first control that has several.

    An error while a control moves is shown as text, and the last picture stays; an error at the
    start is raised.
    """
    return Explore(draw, controls)


class Explore(widgets.VBox):
    """What `explore` returns: `controls` (name -> widget), `values`, and `error`, empty while all
    is well.
    """

    def __init__(self, draw, controls, start=None):
        _check.function("draw", draw, "a function that returns a picture")
        self.draw, self.error, self.tallest, self.longest = draw, "", 0, 0
        parameters = inspect.signature(draw).parameters
        open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        unknown = [
            name
            for name in [*controls, *(start or {})]
            if name not in parameters and not open_ended
        ]
        if unknown:
            raise TypeError(
                f"draw has no argument {unknown[0]!r}; it takes {', '.join(parameters)}"
            )
        defaults = {
            name: p.default for name, p in parameters.items() if p.default is not p.empty
        } | (start or {})
        missing = [
            n
            for n, p in parameters.items()
            if p.kind is p.POSITIONAL_OR_KEYWORD and n not in controls and n not in defaults
        ]
        if missing:
            raise TypeError(f"draw needs a control for its argument {missing[0]!r}")
        self.controls = {name: _control(name, spec, defaults) for name, spec in controls.items()}
        self.handed = [spec for spec in controls.values() if isinstance(spec, widgets.ValueWidget)]
        self.message, self.text, self.page = widgets.HTML(), widgets.HTML(), Page()
        self.picture = self._picture()  # raises here if the start is wrong
        for control in self.controls.values():
            control.observe(self._moved, names="value")
        self.page.observe(self._moved, names="dark")
        box = widgets.Layout(
            display="flex", flex_flow="row wrap", align_items="center", grid_gap="8px 14px"
        )
        row = widgets.Box([*self.controls.values()], layout=box)
        row.add_class("attnlib-controls")
        picture = getattr(self, "frame", self.picture)
        super().__init__([row, self.message, picture, self.text, self.page])
        rerun.replaces(self)

    @property
    def values(self):
        return {name: control.value for name, control in self.controls.items()}

    def _draw(self, **values):
        result = self.draw(**values)
        if not isinstance(result, tuple):
            return result, ""
        if len(result) != 2 or not isinstance(result[1], str):
            raise TypeError(
                "draw must return a matplotlib Figure, or (Figure, text), got a tuple of something"
                " else"
            )
        return result

    def _picture(self):
        """The widget that shows what is drawn, with the first picture in it, inside a frame that
        never gets lower.
        """
        self.image = widgets.Image(
            format="png", layout=widgets.Layout(max_width="calc(100% - 4px)", object_fit="contain")
        )
        self.frame = widgets.Box(
            [self.image], layout=widgets.Layout(display="block", overflow="visible")
        )
        self._redraw()
        return self.image

    def _redraw(self):
        figure, text = self._draw(**self.values)
        self.image.value = _png(figure, fast=True)
        self.image.layout.width = f"{round(figure.get_figwidth() * figure.dpi)}px"
        self._make_room(figure, text)
        self._write(getattr(figure, "alt", ""), text)

    def _make_room(self, figure, text):
        """Keep the height of the tallest picture and of the longest text so far: what stands below
        does not jump.
        """
        self.tallest = max(self.tallest, round(figure.get_figheight() * figure.dpi) + 4)
        self.longest = max(self.longest, len(text.splitlines()))
        self.frame.layout.min_height = f"{self.tallest}px"

    def _write(self, alt, text):
        """The words below the picture: the description for screen readers, and the text as is."""
        alt = f'<div role="status" style="{HIDDEN}">{html.escape(alt)}</div>' if alt else ""
        look = (
            f"min-height:{min(1.3 * self.longest, 24):.1f}em;max-height:24em;"
            "overflow:auto;line-height:1.3"
        )
        table = f'<pre style="{look}">{html.escape(text)}</pre>' if text or self.longest else ""
        self.text.value = alt + table

    def _moved(self, change):
        try:
            with self.page.paper():
                self._redraw()
        except Exception as error:  # the learner's own draw may raise anything
            expected = isinstance(error, (ValueError, TypeError))
            self.error = str(error) if expected else f"{type(error).__name__}: {error}"
            self.message.value = (
                f'{STALE}<div role="alert"><b>Not drawn:</b> {html.escape(self.error)}</div>'
            )
            self.picture.add_class("attnlib-stale")
        else:
            self.message.value = self.error = ""
            self.picture.remove_class("attnlib-stale")

    def strip(self):
        """The pictures at a few values of the first control that has several, in one: for pages
        without a kernel. Four where two stand in a row, else three: the first, the middle, the
        last; where that would be too large, the ends alone, or of a full turn its half.
        """
        several = [name for name, control in self.controls.items() if len(_stops(control, 2)) > 1]
        if not several:
            return self._frame(self.values)[0]
        name, control = several[0], self.controls[several[0]]
        first, last = (self._named(name, value) for value in _stops(control, 2))
        stops = _stops(control, 4 if _columns([first, last]) == 2 else 3)
        between = [self._named(name, value) for value in stops[1:-1]]
        strip = film_strip([first, *between, last])
        if len(strip.png()) <= LARGEST:
            return strip
        full_turn = between and first[1] == last[1]
        return film_strip([first, between[0] if full_turn else last])

    def _named(self, name, value):
        """A frame of the strip: one control at a value, and the picture there."""
        shown = f"{value:.3g}" if isinstance(value, float) else value
        _, png = self._frame(self.values | {name: value})
        return f"{name} = {shown}", Image.open(io.BytesIO(png))

    def _frame(self, values):
        """The picture at some values, as a figure and as PNG; what cannot be drawn is a picture of
        the reason.
        """
        try:
            figure, text = self._draw(**values)
            if hasattr(self, "frame"):
                self._make_room(figure, text)
            return figure, _png(figure, fast=True)
        except Exception as error:  # the learner's own draw may raise anything
            figure = Picture(9, 0.8)
            figure.write(0.2, 0.4, f"Not drawn: {error}", va="center")
            figure.alt = f"Not drawn: {error}"
            return figure, _png(figure, fast=True)

    def _repr_mimebundle_(self, **how):
        (figure, _), strip = self._frame(self.values), self.strip()
        text = "" if self.error else self._draw(**self.values)[1]
        settings = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        words = [f"Sliders at {settings}.", getattr(figure, "alt", ""), text]
        if not self.error and self.longest:
            self._write(*words[1:])  # the strip may have found a longer text: room for it
        still = {
            "image/png": base64.b64encode(_png(strip)).decode(),
            "text/plain": "\n".join(filter(None, words)),
        }
        alt = (
            f"The same picture at {strip.alt}." if " = " in getattr(strip, "alt", "") else words[1]
        )
        return super()._repr_mimebundle_(**how) | still, {"image/png": {"alt": alt}}


def _control(name, spec, defaults):
    """The ipywidgets control for one argument, at its default value."""
    look = {"description": name, "style": {"description_width": "initial"}}
    if isinstance(spec, widgets.ValueWidget):
        spec.description, spec.style.description_width = name, "initial"
        control = spec
    elif isinstance(spec, tuple) and len(spec) in (2, 3) and all(map(_is_number, spec)):
        control = _slider(name, spec, look)
    elif isinstance(spec, (list, range)) and len(spec):
        kind = (
            widgets.ToggleButtons if sum(len(str(x)) + 4 for x in spec) < 60 else widgets.Dropdown
        )
        if kind is widgets.ToggleButtons:  # its name before the buttons, as before a slider
            row = {
                "display": "flex",
                "flex_flow": "row wrap",
                "align_items": "baseline",
                "grid_gap": "0 0.6em",
                "width": "auto",
            }
            look |= {
                "layout": widgets.Layout(**row),
                "style": look["style"] | {"button_width": "auto"},
            }
        control = kind(options=list(spec), **look)
    elif isinstance(spec, bool):
        control = widgets.Checkbox(spec, indent=False, **look)
    elif isinstance(spec, str):
        control = widgets.Text(spec, **look)
    else:
        raise TypeError(
            f"{name}={spec!r}: a control is (low, high[, step]), a list of choices, True/False, a"
            " string, or a widget"
        )
    if name in defaults and not isinstance(spec, (bool, str, widgets.ValueWidget)):
        _start(name, control, defaults[name])
    return control


def _slider(name, spec, look):
    """A slider over (low, high) or (low, high, step), for whole numbers if all of them are."""
    whole = all(isinstance(x, (int, np.integer)) for x in spec)
    step = spec[2] if len(spec) == 3 else 1 if whole else (spec[1] - spec[0]) / 100
    if not np.isfinite(spec).all() or spec[0] >= spec[1] or step <= 0:
        raise ValueError(
            f"{name}={spec!r}: a slider goes from low to high, both finite, in steps above 0"
        )
    kind = widgets.IntSlider if whole else widgets.FloatSlider
    return kind(min=spec[0], max=spec[1], step=step, value=spec[0], **look)


def _start(name, control, value):
    """Set a control to its starting value; ValueError where the control cannot have it."""
    options = getattr(control, "options", None)
    if options is not None:
        fits = value in options
        wanted = f"one of {', '.join(map(repr, options))}"
    else:
        whole = not isinstance(control, widgets.IntSlider) or isinstance(value, (int, np.integer))
        fits = _is_number(value) and whole and control.min <= value <= control.max
        wanted = f"from {control.min} to {control.max}"
    if not fits:
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    control.value = value


def _stops(control, most):
    """Up to so many values that show what a control does, from the first to the last."""
    if hasattr(control, "options"):
        options = control.options.items() if isinstance(control.options, dict) else control.options
        values = [option[1] if isinstance(option, tuple) else option for option in options]
        places = np.linspace(0, len(values) - 1, min(most, len(values)))
        return [values[int(place)] for place in places]
    if isinstance(control, (widgets.IntSlider, widgets.BoundedIntText)):
        places = {
            round(share * (control.max - control.min) / control.step) * control.step
            for share in np.linspace(0, 1, most)
        }
        return sorted({min(control.min + place, control.max) for place in places})
    if isinstance(control, widgets.FloatSlider):
        return [float(value) for value in np.linspace(control.min, control.max, most)]
    return [False, True] if isinstance(control.value, bool) else [control.value]


def _is_number(value):
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _png(figure, fast=False):
    if isinstance(figure, Picture):
        return figure.png(fast=fast)
    if not hasattr(figure, "savefig"):
        raise TypeError(
            f"draw must return a matplotlib Figure, or (Figure, text), got {type(figure).__name__}"
        )
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def _columns(frames):
    """How many frames stand in a row."""
    return 2 if len(frames) > 1 and max(image.width for _, image in frames) < NARROW else 1


def film_strip(frames):
    """Several pictures in one, two to a row where they are narrow. frames: (caption, PIL image)
    each.
    """
    columns = _columns(frames)
    width = max(image.width for _, image in frames) / DPI
    rows = [
        max(image.height for _, image in frames[i : i + columns]) / DPI + 32 / DPI
        for i in range(0, len(frames), columns)
    ]
    picture = Picture(width * columns, sum(rows))
    for i, (caption, image) in enumerate(frames):
        x, y = i % columns * width, sum(rows[: i // columns])
        picture.write(x + 0.12, y + 0.1, caption, size=10, weight="bold", va="top")
        picture.place(
            np.asarray(image.convert("RGB")), x, y + 26 / DPI, image.width / DPI, image.height / DPI
        )
    picture.alt = "; ".join(caption for caption, _ in frames)
    return picture
