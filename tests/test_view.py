"""AttentionView and CompareView, without a browser: what is taken and refused, what crosses."""

import base64
import io
import json
import re
import zlib
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pytest
from PIL import Image

from attnlib.show import AttentionView, CompareView, figures, most_attended
from attnlib.show.live import view as module
from attnlib.show.threads import threads as figures_threads

WORDS = "The cat sat on a mat because it was so tired today".split()
WIDGET = "application/vnd.jupyter.widget-view+json"


def softmax(*shape, seed=0, mask=None):
    """Random weights as a softmax makes them: logits with a standard deviation of 2."""
    logits = np.random.default_rng(seed).normal(0, 2, shape)
    logits = logits if mask is None else np.where(mask, logits, -np.inf)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def unpacked(blob, span):
    """Numbers as the browser reads them."""
    levels = np.frombuffer(blob, "<u2")
    return np.where(levels == 65535, np.nan, span[0] + levels / 65534 * (span[1] - span[0]))


def crossed(view):
    """The weights that the browser has."""
    n_heads = 1 if view._names else view._shape[2]
    return unpacked(view._weights, view._range).reshape(-1, n_heads, *view._shape[3:])


def mask_crossed(view):
    """The mask that the browser has, one plane for all heads or one for each."""
    planes = np.unpackbits(
        np.frombuffer(view._mask, np.uint8).reshape(-1, -(-view._shape[3] * view._shape[4] // 8)),
        axis=1,
    )
    return planes[:, : view._shape[3] * view._shape[4]].reshape(-1, *view._shape[3:]).astype(bool)


def listen(view):
    """The messages that the view sends to the browser from now on, as they leave."""
    sent = []
    view.send_state = lambda key=None: sent.append(
        set([key] if isinstance(key, str) else key or view.keys)
    )
    return sent


# ---- what is taken -------------------------------------------------------------------------------


class Tensor:
    def __array__(self, dtype=None, copy=None):
        return softmax(2, 3, 3)


@pytest.mark.parametrize(
    "weights, shape",
    [
        (softmax(3, 4), (1, 1, 3, 4)),
        (softmax(2, 3, 3), (1, 2, 3, 3)),
        (softmax(5, 2, 3, 3), (5, 2, 3, 3)),
        (softmax(3, 3).tolist(), (1, 1, 3, 3)),
        (Tensor(), (1, 2, 3, 3)),
        (np.eye(3, dtype=int), (1, 1, 3, 3)),
        (np.eye(3, dtype=bool), (1, 1, 3, 3)),
        (softmax(2, 3, 3).astype(np.float16), (1, 2, 3, 3)),
        (softmax(4, 4, 2)[:, :, 0], (1, 1, 4, 4)),
        (softmax(3, 3)[::-1], (1, 1, 3, 3)),
        ([[1.0]], (1, 1, 1, 1)),
    ],
)
def test_every_shape_and_kind(weights, shape):
    view = AttentionView(weights)
    assert view.array.shape == shape and view._shape == [1, *shape]
    assert np.abs(view.array - np.asarray(weights)).max() < 1e-6
    assert np.abs(crossed(view) - np.asarray(weights)).max() <= 1e-5
    assert view.tokens == [str(i) for i in range(shape[2])] and len(view.key_tokens) == shape[3]


def test_the_array_of_the_caller_stays():
    weights = softmax(2, 3, 3)
    view, before = AttentionView(weights), weights.copy()
    weights[:] = 0
    assert np.abs(view.array - before).max() < 1e-6


@pytest.mark.parametrize(
    "shape", [(), (3,), (2, 1, 1, 1, 3, 3), (0, 3), (3, 0), (0, 3, 3), (0, 1, 3, 3)]
)
def test_a_wrong_shape_names_the_axes(shape):
    with pytest.raises(ValueError, match="n_q, n_k") as error:
        AttentionView(np.ones(shape))
    assert "weights" in str(error.value) and str(shape) in str(error.value)


@pytest.mark.parametrize("weights", [[[1, 2], [3]], "text", [["a"]], None, [[1j]], [[None]]])
def test_what_is_no_array_of_numbers(weights):
    with pytest.raises((TypeError, ValueError), match="weights must"):
        AttentionView(weights)


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_infinite_weights_are_scores(infinity):
    weights = softmax(3, 3)
    weights[0, 2] = infinity
    with pytest.raises(ValueError, match=r"infinite.*before the softmax"):
        AttentionView(weights)


@pytest.mark.parametrize(
    "how, words",
    [
        ({"tokens": WORDS[:4]}, ["tokens has 4 names", "n_q", "3 entries"]),
        (
            {"tokens": WORDS[:3], "key_tokens": WORDS[:4]},
            ["key_tokens has 4 names", "n_k", "5 entries"],
        ),
        ({"tokens": "The"}, ["tokens must be a list"]),
        ({"titles": ["only one"]}, ["titles has 1 names", "2 heads"]),
        ({"head": 2}, ["head", "at most 1", "2"]),
        ({"head": -1}, ["head", "at least 0"]),
        ({"layer": 1}, ["layer", "at most 0"]),
        ({"head": 0.5}, ["head must be a whole number"]),
        ({"scale": "log"}, ["scale must be one of 'absolute', 'row', 'sqrt'", "'log'"]),
    ],
)
def test_what_does_not_fit_is_refused_by_name(how, words):
    with pytest.raises((ValueError, TypeError)) as error:
        AttentionView(softmax(2, 3, 5), **how)
    for word in words:
        assert word in str(error.value)


def test_names_of_queries_and_keys():
    view = AttentionView(softmax(3, 5), WORDS[:3], key_tokens=["un", "chat", " là", "chat", "\n"])
    assert view.tokens == WORDS[:3] and view.key_tokens == ["un", "chat₁", "␣là", "chat₂", "↵"]
    assert AttentionView(softmax(3, 5), WORDS[:3]).key_tokens == list("01234")
    square = AttentionView(softmax(3, 3), ["a", "b", "a"])
    assert square.tokens == square.key_tokens == ["a₁", "b", "a₂"]
    assert AttentionView(softmax(2, 2), [7, None]).tokens == ["7", "None"]


# ---- masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [
        (5,),
        (3, 5),
        (1, 5),
        (3, 1),
        (2, 3, 5),
        (1, 3, 5),
        (2, 1, 5),
        (4, 2, 3, 5),
        (4, 1, 1, 5),
        (1, 1, 1, 1),
    ],
)
def test_masks_of_every_shape(shape):
    mask = np.random.default_rng(0).random(shape) < 0.7
    view = AttentionView(softmax(4, 2, 3, 5), mask=mask)
    whole = np.broadcast_to(mask, (4, 2, 3, 5))
    planes = mask_crossed(view)
    assert (
        (np.broadcast_to(planes[0], whole.shape) == whole).all()
        if len(planes) == 1
        else (planes.reshape(whole.shape) == whole).all()
    )
    assert len(planes) == (1 if len(shape) < 3 else 8)


def test_a_padding_mask_says_which_keys_are_real():
    mask = np.array([True, True, True, False])
    view = AttentionView(softmax(2, 4, 4, mask=mask), WORDS[:4], mask=mask)
    assert (mask_crossed(view)[0] == [[True, True, True, False]] * 4).all() and view._notes == []


@pytest.mark.parametrize(
    "mask", [np.full((3, 5), 0.5), np.zeros((3, 5), int), [[1.0, -np.inf] * 2 + [0.0]] * 3]
)
def test_a_mask_of_other_numbers_is_refused(mask):
    with pytest.raises(TypeError, match="mask must be boolean"):
        AttentionView(softmax(3, 5), mask=mask)


@pytest.mark.parametrize(
    "shape", [(3,), (5, 3), (3, 4), (3, 3, 5), (2, 2, 3, 5), (1, 1, 1, 3, 5), (2, 2, 5)]
)
def test_a_mask_that_does_not_fit(shape):
    with pytest.raises(ValueError, match="mask has the shape") as error:
        AttentionView(softmax(2, 3, 5), mask=np.ones(shape, bool))
    assert str(shape) in str(error.value)


# ---- what crosses to the browser -----------------------------------------------------------------


def test_weights_cross_with_an_error_of_a_hundred_thousandth():
    weights = softmax(6, 12, 40, 40)
    view = AttentionView(weights)
    assert view._range == [0, 1] and len(view._weights) == 2 * weights.size
    assert np.abs(crossed(view) - weights).max() <= 1e-5
    assert np.abs(unpacked(view._sums, view._sum_range) - 1).max() <= 1e-5


def test_a_row_of_256_tokens_still_sums_to_1():
    weights = softmax(4, 256, 256)
    view = AttentionView(weights)
    assert np.abs(crossed(view).sum(axis=-1) - 1).max() < 5e-4
    assert {f"{s:.3f}" for s in unpacked(view._sums, view._sum_range)} == {"1.000"}
    even = AttentionView(np.full((256, 256), 1 / 256))
    assert np.abs(crossed(even).sum(axis=-1) - 1).max() < 1.1e-3
    assert {f"{s:.3f}" for s in unpacked(even._sums, even._sum_range)} == {"1.000"}


@pytest.mark.parametrize(
    "weights",
    [
        [[3.0, -2.0], [0.5, 0.25]],
        [[1e-3, 0.0], [0.0, 0.0]],
        [[1e6, 0.0], [1.0, 2.0]],
        [[-3.0, -4.0], [-1.0, 0.0]],
    ],
)
def test_numbers_beyond_0_and_1_are_not_cut(weights):
    view = AttentionView(weights)
    size = view._range[1] - view._range[0]
    assert np.abs(crossed(view)[0, 0] - weights).max() <= 1e-5 * size
    sums = unpacked(view._sums, view._sum_range)
    assert np.abs(sums - np.sum(weights, axis=-1)).max() <= 1e-5 * (
        view._sum_range[1] - view._sum_range[0]
    )


def test_nan_crosses_as_nan_in_the_weight_and_in_the_sum():
    weights = softmax(3, 3)
    weights[1, 2] = np.nan
    view = AttentionView(weights)
    assert np.isnan(crossed(view)[0, 0]).tolist() == np.isnan(weights).tolist()
    assert np.isnan(unpacked(view._sums, view._sum_range)).tolist() == [False, True, False]
    nothing = AttentionView(np.full((2, 2), np.nan))
    assert np.isnan(crossed(nothing)).all() and nothing._range == [0, 1]


@pytest.mark.parametrize("most", [1e-3, 0.2, 1.0, 30.0])
def test_differences_cross_with_0_in_the_middle(most):
    view = AttentionView([[most, -most / 2], [0.0, most / 4]], signed=True)
    low, high = view._range
    assert low == -high and high == pytest.approx(most) and crossed(view)[0, 0, 1, 0] == 0
    assert (
        np.abs(crossed(view)[0, 0] - view.array[0, 0]).max() <= 2e-5 * most
        and view._sums == b""
        and view._notes == []
    )
    assert AttentionView([[0.0, 0.0]], signed=True)._range == [-1, 1]


def test_of_many_weights_what_is_looked_at_crosses(monkeypatch):
    monkeypatch.setattr(module, "SENT_AT_ONCE", 100)
    weights = softmax(3, 2, 5, 5)
    view = AttentionView(weights, layer=1)
    assert view._names == ["0.1.0"] and len(view._weights) == 2 * 25
    assert np.abs(crossed(view) - weights[1, 0]).max() <= 1e-5
    assert len(view._sums) == 2 * 3 * 2 * 5
    sent = listen(view)
    view.layer = 2
    assert view._names == ["0.2.0"] and np.abs(crossed(view) - weights[2, 0]).max() <= 1e-5
    # in one message, never half of it
    assert any({"_names", "_weights"} <= keys for keys in sent), sent
    view.head = 1
    assert view._names == ["0.2.1"] and np.abs(crossed(view) - weights[2, 1]).max() <= 1e-5
    for how, name, wanted in [
        ("mean layer", "0.2.mean", weights[2].mean(0)),
        ("max layer", "0.2.max", weights[2].max(0)),
        ("mean all", "0.all.mean", weights.mean((0, 1))),
        ("max all", "0.all.max", weights.max((0, 1))),
    ]:
        view.how = how
        assert view._names == [name] and np.abs(crossed(view) - wanted).max() <= 1e-5


def test_few_weights_cross_at_once():
    view = AttentionView(softmax(3, 2, 5, 5), layer=1)
    before = view._weights
    sent = listen(view)
    view.layer = 2
    view.how = "max all"
    assert view._names == [] and view._weights is before and sent == [{"layer"}, {"how"}]


def test_the_limit_of_what_crosses_at_once():
    n = int((module.SENT_AT_ONCE / 2) ** 0.5)
    small = np.ones((2, 1, n, n), np.float32) / n
    assert AttentionView(small)._names == []
    assert AttentionView(np.concatenate([small, small[:1]]))._names == ["0.0.0"]


# ---- what is odd is said -------------------------------------------------------------------------


def notes(weights, **how):
    return AttentionView(weights, **how)._notes


def test_nothing_to_say_of_good_weights():
    mask = np.tril(np.ones((4, 4), bool))
    assert notes(softmax(2, 4, 4)) == [] and notes(softmax(2, 4, 4, mask=mask), mask=mask) == []
    assert notes(softmax(2, 4, 4).astype(np.float16)) == []
    mask[0] = False
    weights = softmax(4, 4) * mask
    weights[1:] /= weights[1:].sum(axis=-1, keepdims=True)
    assert notes(weights, mask=mask) == []  # a row with no key at all sums to 0


def test_nan_is_counted():
    weights = softmax(2, 4, 4)
    weights[0, 1, 2] = weights[1, 3] = np.nan
    assert len(notes(weights)) == 1 and "5 " in notes(weights)[0] and "NaN" in notes(weights)[0]


def test_weights_where_none_is_allowed_are_counted():
    mask = np.tril(np.ones((4, 4), bool))
    weights = softmax(2, 4, 4, mask=mask)
    assert notes(weights, mask=~np.eye(4, dtype=bool))[0].startswith("8 ")
    weights[1, 0, 3], weights[1, 0, 0] = 0.25, 0.75
    said = notes(weights, mask=mask)
    assert len(said) == 1 and said[0].startswith("1 ") and "allowed" in said[0]
    # the corner (3, 3) twice, and (0, 3)
    assert notes(weights, mask=np.array([True, True, True, False]))[0].startswith("3 ")


def test_rows_that_do_not_sum_to_1_are_counted():
    weights = softmax(3, 4, 4)
    weights[0, 1] *= 1.002
    weights[2, 2:] *= 0.9
    weights[1, 0] *= 1.0005  # rounding is no fault
    assert notes(weights) == ["3 of 12 rows do not sum to 1"]
    assert notes(np.zeros((2, 2))) == ["2 of 2 rows do not sum to 1"]


def test_one_is_said_as_one():
    mask = np.tri(2, dtype=bool)
    assert notes([[0.9, 0.1], [0.5, 0.5]], mask=mask)[0].startswith("1 weight stands where")
    assert notes([[0.5, 0.5], [0.5, np.nan]])[0].startswith("1 weight is NaN")
    assert "1 of 2 rows does not sum to 1" in notes([[0.5, 0.5], [0.5, 0.4]])
    assert "1 weight is negative" in notes([[-0.5, 1.5], [0.5, 0.5]])


def test_negative_weights_are_counted():
    weights = np.array([[1.5, -0.5], [0.5, 0.5], [2.0, -1.0]])
    assert notes(weights) == ["2 weights are negative"] and notes(weights, signed=True) == []


# ---- update --------------------------------------------------------------------------------------


def test_update_is_one_message():
    view = AttentionView(softmax(2, 4, 4), WORDS[:4], titles=["a", "b"], title="before")
    sent = listen(view)
    new = softmax(3, 5, 5, seed=1)
    view.update(new, WORDS[:5], titles=["c", "d", "e"], mask=np.ones((5, 5), bool), title="after")
    assert (
        len(sent) == 1 and {"_weights", "_shape", "tokens", "titles", "title", "_mask"} <= sent[0]
    )
    assert (
        np.abs(crossed(view)[0] - new).max() <= 1e-5
        and view.tokens == WORDS[:5]
        and view._shape == [1, 1, 3, 5, 5]
    )
    assert view.titles == ["c", "d", "e"] and view.title == "after"
    view.update(new, WORDS[:5])
    assert view.title == "after"


def test_update_keeps_the_pin_where_it_fits():
    view = AttentionView(softmax(4, 6), WORDS[:4])
    view.pinned = [3, 4]
    view.update(softmax(4, 5, seed=1), WORDS[:4])
    assert view.pinned == [3, 4]
    view.update(softmax(4, 4, seed=1), WORDS[:4])
    assert view.pinned is None
    view.pinned = [3, 0]
    view.update(softmax(3, 4, seed=1), WORDS[:3])
    assert view.pinned is None


def test_update_keeps_head_and_layer_where_they_fit():
    view = AttentionView(softmax(3, 4, 2, 2), layer=2, head=3)
    view.update(softmax(3, 4, 2, 2, seed=1))
    assert (view.layer, view.head) == (2, 3)
    view.update(softmax(2, 3, 2, 2))
    assert (view.layer, view.head) == (1, 2)
    view.update(softmax(2, 2))
    assert (view.layer, view.head) == (0, 0) and np.abs(
        crossed(view)[0, 0] - softmax(2, 2)
    ).max() <= 1e-5


def test_an_update_that_is_refused_changes_nothing():
    view = AttentionView(softmax(2, 2), ["a", "b"])
    before = view.get_state()
    for wrong in (softmax(3, 3), np.ones(3), [[np.inf, 0.0], [0.0, 0.0]]):
        with pytest.raises(ValueError):
            view.update(wrong, ["a", "b"])
        assert view.get_state() == before and view.array.shape == (1, 1, 2, 2)


# ---- pictures and pages --------------------------------------------------------------------------


def page_state(page):
    """What a page carries: its state, with the weights as an array."""
    text = page.decode()
    state, blobs = (
        json.loads(found)
        for found in re.search(
            r"^\{ const state = (\{.*\}), blobs = (\{.*\}), heard", text, re.M
        ).groups()
    )
    parts = {name: zlib.decompress(base64.b64decode(blob)) for name, blob in blobs.items()}
    source = re.search(r'<script type="module">\n(.*)\n\{ const state = ', text, re.S)[1]
    return state | {
        "array": unpacked(parts["_weights"], state["_range"]).reshape(state["_shape"][1:]),
        "mask": parts["_mask"],
        "source": source.replace("const view = {", "export default {"),
    }


def test_still_pictures(tmp_path):
    for view in (
        AttentionView(softmax(3, 3), WORDS[:3]),
        AttentionView(softmax(2, 4, 3, 3)),
        AttentionView(softmax(20, 3, 3), head=19),
        AttentionView(softmax(3, 3) - softmax(3, 3, seed=1), signed=True),
    ):
        picture = Image.open(io.BytesIO(view.to_png()))
        picture.load()
        assert picture.format == "PNG" and min(picture.size) > 60
        svg = view.to_svg()
        assert svg.startswith(b"<?xml") and b"</svg>" in svg and svg == view.to_svg()
    for write, name in ((view.to_png, "a.png"), (view.to_svg, "a.svg"), (view.to_html, "a.html")):
        assert write(tmp_path / name) is None and write(str(tmp_path / f"again-{name}")) is None
        assert (
            (tmp_path / name).read_bytes() == (tmp_path / f"again-{name}").read_bytes() == write()
        )


def test_the_still_picture_is_of_the_chosen_layer_and_head():
    weights, mask = softmax(2, 3, 4, 4), np.random.default_rng(0).random((3, 4, 4)) < 0.8
    view = AttentionView(weights, WORDS[:4], titles=["x", "y", "z"])
    view.layer = 1
    assert view.to_png() == figures.heads(view.array[1], WORDS[:4], titles=["x", "y", "z"]).png()
    many = AttentionView(softmax(17, 4, 4), WORDS[:4], mask=np.ones((17, 4, 4), bool))
    many.head = 16
    assert (
        many.to_png()
        == figures.heatmap(many.array[0, 16], WORDS[:4], mask=np.ones((4, 4), bool)).png()
    )
    AttentionView(weights, WORDS[:4], mask=mask).to_png()


def test_a_page_holds_the_view():
    mask = np.tril(np.ones((4, 4), bool))
    view = AttentionView(
        softmax(2, 3, 4, 4, mask=mask),
        WORDS[:4],
        mask=mask,
        layer=1,
        head=2,
        scale="row",
        title="of <b> & c",
    )
    view.pinned, view.top_k, view.threshold = [2, 1], 3, 0.125
    page = view.to_html()
    state = page_state(page)
    assert np.abs(state["array"] - view.array).max() <= 1e-5 and state["mask"] == view._mask
    for name in (
        "layer",
        "head",
        "scale",
        "pinned",
        "top_k",
        "threshold",
        "tokens",
        "key_tokens",
        "side",
        "title",
        "_shape",
        "_sum_range",
    ):
        assert state[name] == getattr(view, name), name
    assert state["_names"] == [] and state["source"] == AttentionView._esm
    assert "<title>of &lt;b&gt; &amp; c</title>" in page.decode()


def test_a_page_asks_for_nothing():
    page = AttentionView(softmax(2, 4, 4), WORDS[:4]).to_html().decode()
    for text in (page, page_state(page.encode())["source"]):
        asks = (
            r"https?://[^\"'`"
            r" ]*|url\((?!#)[^)]*|@import|\bfetch\(|XMLHttpRequest|WebSocket|<link"
            r"|src=(?!\"data:image/png;base64,)"
        )
        assert set(re.findall(asks, text)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize(
    "token",
    [
        "</script><script>alert(1)</script>",
        "<!--",
        "<script>",
        "STATE",
        "BLOBS",
        "SOURCE",
        "TITLE",
        r"\1\g<0>",
        '"',
    ],
)
def test_a_token_stays_in_its_string(token):
    plain = AttentionView(softmax(2, 2), ["x", "y"], title="t").to_html().decode()
    page = AttentionView(softmax(2, 2), [token, "y"], title=token).to_html().decode()
    assert (
        page.lower().count("<script") == plain.count("<script") == 1
        and page.count("</script") == 1
        and "<!--" not in page
    )
    assert (
        page_state(page.encode())["tokens"] == [token, "y"]
        and page_state(page.encode())["title"] == token
    )


def test_the_client_script_never_sets_html():
    scripts = Path(module.__file__).parent.glob("*.js")
    source = "\n".join(path.read_text(encoding="utf-8") for path in scripts)
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser",
        source,
    )


@pytest.mark.parametrize("n, most", [(12, 168_000), (64, 810_000), (256, 8_600_000)])
def test_pages_are_small(n, most):
    size = len(AttentionView(softmax(6, 12, n, n), [WORDS[i % 12] for i in range(n)]).to_html())
    print(f"\n{n} tokens × 72 heads: {size:,} bytes")
    assert size <= most


def test_the_bundle_is_never_blank():
    weights = softmax(2, 4, 4)
    weights[0, 0] *= 2
    view = AttentionView(weights, WORDS[:4], title="a title")
    data, metadata = view._repr_mimebundle_()
    assert data[WIDGET]["model_id"] == view.model_id
    assert (
        base64.b64decode(data["image/png"]) == view.to_png()
        and metadata["image/png"]["alt"] == view.figure().alt
    )
    text = data["text/plain"]
    assert (
        view.figure().alt in text
        and most_attended(view.array[0], WORDS[:4]) in text
        and "note: 1 of 8 rows does not sum to 1" in text
    )


@pytest.mark.parametrize(
    "shape", [(3, 3), (2, 3, 3), (2, 2, 3, 5), (30, 3, 3), (1, 1), (12, 70, 70)]
)
@pytest.mark.parametrize("signed", [False, True])
def test_every_bundle_has_picture_and_text(shape, signed):
    data, _ = AttentionView(softmax(*shape), signed=signed)._repr_mimebundle_()
    Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).load()
    assert len(data["text/plain"]) > 30 and WIDGET in data


def test_the_repr_is_one_line():
    assert (
        repr(AttentionView(softmax(2, 3, 4, 5)))
        == "AttentionView(2 layers, 3 heads, 4 queries, 5 keys)"
    )


# ---- threads, and several words ------------------------------------------------------------------


@pytest.mark.parametrize(
    "weights, how, words",
    [
        (softmax(3, 3), {"compact": True}, ["compact"]),
        (softmax(3, 3), {"signed": True}, ["signed"]),
        (softmax(3, 3) * 2, {}, ["from 0 to 1"]),
        (-softmax(3, 3), {}, ["from 0 to 1", "-0."]),
    ],
)
def test_threads_are_refused_where_they_say_nothing(weights, how, words):
    with pytest.raises(ValueError, match=r'form="threads" .*form="map"') as error:
        AttentionView(weights, form="threads", **how)
    for word in words:
        assert word in str(error.value)
    assert AttentionView(weights, form="map", **how).form == "map"
    with pytest.raises(ValueError, match="form must be one of 'map', 'threads'"):
        AttentionView(weights, form="net", **how)


def test_threads_have_a_still_of_their_own():
    mask = np.tril(np.ones((6, 6), bool))
    weights = softmax(2, 3, 6, 6, mask=mask)
    view = AttentionView(weights, WORDS[:6], mask=mask, form="threads", layer=1, head=2)
    view.pinned, view.pins = [4, 1], [2, 4]

    def drawn(**how):
        return figures_threads(
            view.array[1], WORDS[:6], mask=np.broadcast_to(mask, (3, 6, 6)), head=2, **how
        ).png()

    assert view.to_png() == drawn(pins=[2, 4])
    view.side, view.pins = "key", []
    assert view.to_png() == drawn(pins=[1], side="key")
    view.pinned = None
    assert view.to_png() == drawn()
    assert "as threads" in view.figure().alt and len(view.to_png()) < 25_000
    view.form = "map"
    assert view.to_png() == figures.heads(view.array[1], WORDS[:6], mask=mask).png()
    view.form = "threads"
    view.update(
        softmax(25, 25), WORDS * 2 + ["x"]
    )  # more than threads can tell apart: running text
    view.pinned, view.pins, view.side = [4, 0], [2, 4], "query"
    assert view.form == "threads" and "on the colours of their weight from" in view.figure().alt


def test_the_bundle_and_the_page_of_threads():
    view = AttentionView(softmax(4, 4), WORDS[:4], form="threads")
    view.pins = [1, 3]
    data, metadata = view._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == view.to_png()
    assert "as threads" in metadata["image/png"]["alt"]
    state = page_state(view.to_html())
    assert (state["form"], state["pins"], state["side"]) == ("threads", [1, 3], "query")


@pytest.mark.parametrize("pins", [[3], [0, -1], [7, 0]])
def test_pins_are_words_that_are_there(pins):
    view = AttentionView(softmax(3, 5), WORDS[:3])
    with pytest.raises(ValueError, match=r"pins must be at (most 2|least 0)"):
        view.pins = pins
    view.side = "key"
    view.pins = [4, 0]
    assert view.pins == [4, 0]
    view.update(softmax(3, 4))
    assert view.pins == []
    view.pins = [3]
    view.update(softmax(2, 4))
    assert view.pins == [3]


@pytest.mark.parametrize("pin", [[1, 2], (0, 0), None])
def test_pinned_can_be_set(pin):
    view = AttentionView(softmax(3, 3))
    view.pinned = pin
    assert view.pinned == (None if pin is None else list(pin))


# ---- two arrays, linked --------------------------------------------------------------------------


def test_compare_shows_both_and_the_signed_difference():
    a, b = softmax(2, 3, 3), softmax(2, 3, 3, seed=1)
    both = CompareView(a, b, WORDS[:3], titles=("before", "after"))
    first, second, difference = both.views
    for view, wanted in ((first, a), (second, b), (difference, b - a)):
        assert (
            np.abs(view.array[0] - wanted).max() < 1e-6
            and view.tokens == WORDS[:3]
            and view.compact
        )
    assert [view.title for view in both.views] == ["before", "after", "after − before"]
    assert [view.signed for view in both.views] == [False, False, True] and list(
        both.children[:3]
    ) == list(both.views)


def test_compare_links_pin_head_and_layer_in_the_browser():
    both = CompareView(softmax(2, 2, 3, 3), softmax(2, 2, 3, 3, seed=1))
    first, *others = both.views
    found = {(link.source, link.target) for link in both.links}
    assert all(isinstance(link, widgets.widget_link.Link) for link in both.links)
    assert found == {
        ((first, name), (other, name))
        for other in others
        for name in ("pinned", "pins", "head", "layer")
    }
    assert both.pinned is None
    first.pinned = [1, 2]
    assert both.pinned == [1, 2]


@pytest.mark.parametrize(
    "a, b, words",
    [
        (softmax(3, 3), softmax(4, 4), ["a and b must have the same shape", "(3, 3)", "(4, 4)"]),
        (softmax(3, 3), softmax(2, 3, 3), ["same shape"]),
        (np.ones(3), np.ones(3), ["a must", "n_q, n_k"]),
        (softmax(3, 3), "text", ["b must"]),
        ([[1], [1, 2]], softmax(2, 2), ["a must"]),
    ],
)
def test_compare_refuses_by_name(a, b, words):
    with pytest.raises((ValueError, TypeError)) as error:
        CompareView(a, b)
    for word in words:
        assert word in str(error.value)
    with pytest.raises(ValueError, match="tokens has 2 names"):
        CompareView(softmax(3, 3), softmax(3, 3), ["x", "y"])


def test_compare_takes_lists_and_masks_as_arrays():
    causal = np.tril(np.ones((3, 3), bool))
    both = CompareView(causal, np.ones((3, 3), bool))
    assert (both.views[2].array[0, 0] == 1.0 - causal).all()
    assert CompareView([[1, 0]], [[0, 1]]).views[2].array.tolist() == [[[[-1, 1]]]]
    assert CompareView(np.array([[0]], np.uint8), np.array([[1]], np.uint8)).views[2].array == 1
    assert CompareView(np.array([[1]], np.uint8), np.array([[0]], np.uint8)).views[2].array == -1


def test_compare_masks():
    causal, full = np.tril(np.ones((3, 3), bool)), np.ones((3, 3), bool)
    a, b = softmax(3, 3, mask=causal), softmax(3, 3)
    pair = CompareView(a, b, mask=(causal, full))
    assert (mask_crossed(pair.views[0])[0] == causal).all() and (
        mask_crossed(pair.views[1])[0] == full
    ).all()
    assert (mask_crossed(pair.views[2])[0] == full).all()
    one = CompareView(a, a, mask=causal)
    assert all((mask_crossed(view)[0] == causal).all() for view in one.views)
    half = CompareView(a, b, mask=(causal, None))
    assert half.views[1]._mask == half.views[2]._mask == b""


def test_compare_still_picture_is_of_the_chosen_head():
    a, b = softmax(2, 3, 3), softmax(2, 3, 3, seed=1)
    both = CompareView(a, b, WORDS[:3], titles=("p", "q"))
    f32 = [x.astype(np.float32) for x in (a, b)]
    for head in (0, 1):
        both.views[0].head = head
        assert (
            both.figure().png()
            == figures.compare(f32[0][head], f32[1][head], WORDS[:3], titles=("p", "q")).png()
        )
    data, metadata = both._repr_mimebundle_()
    assert (
        data[WIDGET]["model_id"] == both.model_id
        and metadata["image/png"]["alt"] == data["text/plain"] == both.figure().alt
    )
    assert base64.b64decode(data["image/png"]) == both.figure().png()


@pytest.mark.parametrize(
    "name, value, words",
    [("head", 2, "head must be at most 1"), ("layer", -1, "layer must be at least 0")],
)
def test_a_head_or_layer_that_is_not_there_is_refused_later_too(name, value, words):
    view = AttentionView(softmax(2, 3, 5))
    with pytest.raises(ValueError, match=words):
        setattr(view, name, value)
    assert getattr(view, name) == 0 and view.to_png()
