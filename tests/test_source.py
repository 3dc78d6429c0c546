"""show/source.py: the source that is shown is the source that runs, its docstring or not."""

import ast
import functools
import inspect
import re
import sys
import textwrap
from html import unescape

import numpy as np
import pytest

from attnlib import SelfAttention, attention, encodings, masks, show, softmax, toy
from attnlib.show import show_source

MODULES = [attention, masks, encodings, toy]
PUBLIC = [
    thing
    for module in MODULES
    for name, thing in vars(module).items()
    if not name.startswith("_")
    and (inspect.isfunction(thing) or inspect.isclass(thing))
    and thing.__module__ == module.__name__
]


def run(code, like):
    """The thing that a piece of source defines, in the module where `like` lives."""
    names = dict(vars(sys.modules[like.__module__]))
    exec(compile(code, "shown", "exec"), names)
    return names[like.__name__]


def bare(code):
    """A piece of code as a tree, without the docstring of its first definition."""
    tree = ast.parse(code)
    body = tree.body[0].body
    if isinstance(body[0], ast.Expr) and isinstance(getattr(body[0].value, "value", None), str):
        del body[0]
    return ast.dump(tree)


# ---- the package's own functions -----------------------------------------------------------------


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda thing: thing.__qualname__)
def test_the_source_is_what_runs(thing):
    shown = show_source(thing)
    assert shown.code == textwrap.dedent(inspect.getsource(thing))
    assert shown.place == f"{thing.__module__}.{thing.__qualname__}"


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda thing: thing.__qualname__)
def test_without_docstring_nothing_else_is_missing(thing):
    with_it, without = show_source(thing).code, show_source(thing, docstring=False).code
    assert ast.dump(ast.parse(with_it)) != ast.dump(ast.parse(without)), (
        "the docstring is still there"
    )
    assert bare(with_it) == ast.dump(ast.parse(without))
    comments = [line.split("#", 1)[1] for line in with_it.splitlines() if "  # " in line]
    assert all(comment in without for comment in comments), "a comment got lost"
    assert thing.__doc__.strip().splitlines()[0] not in without


def test_methods_are_shown_from_the_margin():
    for docstring in (True, False):
        code = show_source(SelfAttention.__call__, docstring=docstring).code
        assert code.startswith("def __call__(self, x,") and "\n    x = " in code
        ast.parse(code)
    bound = show_source(SelfAttention(4, 2).__call__)
    assert (
        bound.code == show_source(SelfAttention.__call__).code
        and bound.place == "attnlib.heads.SelfAttention.__call__"
    )


def test_a_shown_function_gives_the_same_numbers():
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 2, 5, 4))
    mask = masks.causal(5)
    again = run(
        show_source(attention.scaled_dot_product_attention, docstring=False).code,
        attention.scaled_dot_product_attention,
    )
    assert again is not attention.scaled_dot_product_attention and again.__doc__ is None
    for mine, right in zip(
        again(q, k, v, mask=mask), attention.scaled_dot_product_attention(q, k, v, mask=mask)
    ):
        np.testing.assert_array_equal(mine, right)
    np.testing.assert_array_equal(
        run(show_source(softmax, docstring=False).code, softmax)(q), softmax(q)
    )
    with pytest.raises(ValueError, match="at least one axis"):
        run(show_source(softmax, docstring=False).code, softmax)(3.0)


def test_a_shown_class_gives_the_same_numbers():
    x = np.random.default_rng(0).normal(size=(5, 8))
    for docstring in (True, False):
        again = run(show_source(SelfAttention, docstring=docstring).code, SelfAttention)
        for mine, right in zip(again(8, 2)(x), SelfAttention(8, 2)(x)):
            np.testing.assert_array_equal(mine, right)
    assert again.__doc__ is None and again.__call__.__doc__, "only the docstring of the class goes"


# ---- other people's functions --------------------------------------------------------------------


def plain(x):
    return x + 1


def short(x):
    "One line in simple quotes."
    return x * 2


def tricky(x):
    'Not """this one""".'
    return f"""{x}"""


def raw(x):
    r"""A raw \docstring with a backslash."""
    return x


def after_default(x, mark='"""'):
    """Three single quotes."""
    return mark * x


def several(x):
    """First.

    A second paragraph, "quoted", with # a hash.
    """
    # a comment that stays
    text = """not a docstring"""
    return text, x


def nothing_but():
    """Only words."""


def decorated(f):
    @functools.wraps(f)
    def inner(*arguments):
        return f(*arguments)

    return inner


@decorated
def wrapped(x):
    """Wrapped."""
    return x**2


class Bare:
    def method(self):
        """Of the method, not of the class."""
        return 1


class Child(SelfAttention):
    width = 3


@pytest.mark.parametrize(
    "function",
    [plain, short, tricky, raw, after_default, several, nothing_but],
    ids=lambda f: f.__name__,
)
def test_any_docstring_can_be_left_out(function):
    code = show_source(function, docstring=False).code
    again = run(code, function)
    assert again.__doc__ is None
    arguments = [3] * bool(inspect.signature(function).parameters)
    assert again(*arguments) == function(*arguments)
    assert function is not several or "# a comment that stays" in code


def test_wrapped_functions_show_what_they_wrap():
    assert "return x**2" in show_source(wrapped).code
    assert "Wrapped." not in show_source(wrapped, docstring=False).code


@pytest.mark.parametrize("thing", [Bare, Child], ids=lambda thing: thing.__name__)
def test_a_class_without_docstring_loses_nothing(thing):
    assert show_source(thing, docstring=False).code == show_source(thing).code


def test_a_cached_function():
    assert "lru_cache" in show_source(toy._embed_word).code


# ---- how it looks --------------------------------------------------------------------------------


def test_a_notebook_gets_python_and_a_terminal_gets_text():
    shown = show_source(masks.causal)
    data = shown._repr_mimebundle_()
    assert data["text/markdown"] == f"`attnlib.masks.causal`\n```python\n{shown.code}```"
    assert data["text/plain"] == repr(shown) == f"# attnlib.masks.causal\n{shown.code}"
    assert "0x" not in repr(shown) and shown.code.endswith("\n")


def breaks_out(x):
    """Prints, in a notebook:

    ```
    <img src=x onerror=alert(1)>
    ```python
    # A heading
    """
    return x


def breaks_out_at_length(x):
    """`````
    ~~~
    </code></pre><script>alert(2)</script>
    ~~~~~~~~~~
    ``````````
    <b>out</b> $x$
    """
    return "```", x  # ````````````


def breaks_out_with_tildes(x):
    """~~~

    <img src=x onerror=alert(3)>
    ~~~
    &lt;b&gt; &amp; <!-- no --> [a](javascript:alert(4)) ![](x)
    """
    return x


def many(n):
    names = {}
    code = f'def made(x):\n    """x\n\n{"`" * n}\n<img src=x>\n{"`" * n}\n"""\n    return x\n'
    exec(code, names)
    return show.source.Source(code, "made")


HOSTILE = [breaks_out, breaks_out_at_length, breaks_out_with_tildes]


def rendered(markdown):
    """What a browser is given for a piece of Markdown: (the code in frames, all the rest)."""
    filters = pytest.importorskip(
        "nbconvert.filters.markdown_mistune", reason="pip install nbconvert"
    )
    html = filters.markdown2html_mistune(markdown)
    frames = re.findall(r"<pre.*?</pre>", html, re.S)
    text = [unescape(re.sub(r"<[^>]+>", "", frame)) for frame in frames]
    return text, re.sub(r"<pre.*?</pre>", "", html, flags=re.S)


@pytest.mark.parametrize(
    "thing",
    [*(show_source(thing) for thing in HOSTILE), *(many(n) for n in (1, 2, 3, 4, 30, 1000))],
)
def test_a_docstring_cannot_leave_the_frame(thing):
    """Code ends where it ends, whatever stands in it; nothing of it is rendered."""
    code, rest = rendered(thing._repr_mimebundle_()["text/markdown"] + "\n\nThe *end*.")
    assert len(code) == 1 and code[0].strip("\n") == thing.code.strip("\n")
    assert "<em>end</em>" in rest and thing.place.replace("<", "&lt;") in rest
    assert not re.search("img|script|alert|heading|<b>|<h1", rest)


def test_a_name_cannot_leave_its_frame():
    code, rest = rendered(
        show.source.Source("x = 1\n", "a`<img src=x>``b")._repr_mimebundle_()["text/markdown"]
    )
    assert code == ["x = 1\n"] and "<img" not in rest and "&lt;img" in rest
    for last in ("x = 1", "x = 1  # ```", "", "`"):
        code, rest = rendered(
            show.source.Source(last, "a")._repr_mimebundle_()["text/markdown"] + "\n\nThe *end*."
        )
        assert code[0].strip("\n") == last and "<em>end</em>" in rest


def test_the_frame_is_no_longer_than_it_must_be():
    assert show_source(softmax)._repr_mimebundle_()["text/markdown"].count("```") == 2
    for n in (1, 2):
        assert many(n)._repr_mimebundle_()["text/markdown"].endswith("\n```")
    assert many(3)._repr_mimebundle_()["text/markdown"].endswith("\n````")


def test_no_source_of_the_package_ends_its_own_frame():
    for thing in PUBLIC:
        assert "```" not in show_source(thing).code


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "thing",
    [
        5,
        None,
        "softmax",
        len,
        np.add,
        np.ndarray,
        functools.partial(softmax, axis=0),
        toy.WORDS,
        SelfAttention(4, 2),
        toy,
        show,
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_has_no_source_is_refused(thing):
    with pytest.raises(TypeError, match="must be a function or class"):
        show_source(thing)


def test_a_function_without_a_file_is_refused():
    names = {}
    exec("def made(x):\n    return x", names)
    with pytest.raises(TypeError, match="function or class"):
        show_source(names["made"])
