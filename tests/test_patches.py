"""show/patches.py and AttentionView(grid=): names, images and the still against NumPy; what is
refused, and in which words.
"""

import io

import numpy as np
import pytest
from PIL import Image

from attnlib.show import AttentionView, patches, theme
from attnlib.show.patches import SIDE, patch_names, pixels


def shares(*shape, seed=0):
    e = np.exp(np.random.default_rng(seed).normal(0, 2, shape))
    return e / e.sum(axis=-1, keepdims=True)


def dots(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png(fast=True))).convert("RGB")).astype(int)


# ---- images --------------------------------------------------------------------------------------


def test_an_image_becomes_bytes():
    rng = np.random.default_rng(0)
    grey, colours = rng.random((20, 30)), rng.random((20, 30, 3))
    np.testing.assert_array_equal(pixels("image", grey), np.rint(grey * 255)[..., None] * [1, 1, 1])
    np.testing.assert_array_equal(pixels("image", grey[..., None]), pixels("image", grey))
    whole = np.rint(colours * 255).astype(np.uint8)
    for image in (colours, colours.tolist(), whole, whole.astype(int), Image.fromarray(whole)):
        found = pixels("image", image)
        assert found.dtype == np.uint8 and np.array_equal(found, whole)
    assert np.array_equal(pixels("image", grey > 0.5), pixels("image", (grey > 0.5) * 1.0))


def test_a_large_image_is_sent_small_as_the_means_of_its_parts():
    image = np.random.default_rng(0).random((2 * SIDE, 4 * SIDE, 3))
    found = pixels("image", image)
    assert found.shape == (SIDE // 2, SIDE, 3)
    wanted = image.reshape(SIDE // 2, 4, SIDE, 4, 3).mean((1, 3)) * 255
    assert np.abs(found - wanted).max() <= 1.5
    view = AttentionView(shares(5, 5), grid=(2, 2), image=image)
    assert len(view._image) == found.size and view._image == found.tobytes()
    assert view._image_size == [SIDE // 2, SIDE]


@pytest.mark.parametrize(
    "image, words",
    [
        (np.zeros((3, 8, 9)), ["(3, 8, 9)", "give image.transpose(1, 2, 0)"]),
        (np.zeros((8, 9, 4)), ["(8, 9, 4)", "give image[..., :3]"]),
        (np.zeros((2, 8, 9, 3)), ["(H, W) or (H, W, 3)", "(2, 8, 9, 3)"]),
        (np.zeros((0, 9)), ["(0, 9)"]),
        (np.full((8, 9), 2.5), ["from 0 to 1", "2.5", "give image * std + mean"]),
        (np.full((8, 9), np.nan), ["nan"]),
        (np.full((8, 9), -1), ["-1"]),
        (np.full((8, 9), 256), ["256"]),
        ("house.png", ["image"]),
    ],
)
def test_what_is_no_image_is_refused(image, words):
    for call in (patches, AttentionView):
        with pytest.raises((TypeError, ValueError), match="image") as error:
            call(shares(4, 4), grid=(2, 2), image=image)
        for word in words:
            assert word in str(error.value)


# ---- names ---------------------------------------------------------------------------------------


def test_a_patch_is_called_after_its_row_and_column():
    places = ["0,0", "0,1", "0,2", "1,0", "1,1", "1,2"]
    assert patch_names("tokens", None, (2, 3), 6) == places
    assert patch_names("tokens", None, (2, 3), 8) == ["0", "1", *places]
    assert patch_names("tokens", ["CLS", "r"], (2, 3), 8) == ["CLS", "r", *places]
    assert patch_names("tokens", list("abcdefgh"), (2, 3), 8) == list("abcdefgh")
    with pytest.raises(ValueError, match=r"has 3 names.* 8 tokens: give all, or those of the 2 "):
        patch_names("tokens", ["a", "b", "c"], (2, 3), 8)


def test_queries_are_patches_where_there_are_as_many():
    view = AttentionView(shares(2, 7, 7), ["CLS"], grid=(2, 3))
    assert view.tokens == view.key_tokens == ["CLS", "0,0", "0,1", "0,2", "1,0", "1,1", "1,2"]
    assert view.form == "patches" and view.grid == [2, 3]
    assert AttentionView(shares(2, 7, 7), grid=(2, 3), form="map").form == "map"
    cross = AttentionView(shares(3, 7), list("abc"), key_tokens=["CLS"], grid=(2, 3))
    assert cross.tokens == list("abc") and cross.key_tokens[:2] == ["CLS", "0,0"]
    named = AttentionView(shares(3, 7), grid=(2, 3))
    assert named.tokens == ["0", "1", "2"] and named.key_tokens[0] == "0"
    with pytest.raises(ValueError, match=r"tokens has 2 names.* 3 queries"):
        AttentionView(shares(3, 7), ["a", "b"], grid=(2, 3))
    view.update(shares(2, 7, 7, seed=1), ["start"])
    assert view.tokens[:2] == ["start", "0,0"]


@pytest.mark.parametrize(
    "how, words",
    [
        ({"grid": (14, 14)}, ["grid (14, 14) has 196 patches", "7 keys"]),
        ({"grid": (0, 3)}, ["grid[0]", "at least 1"]),
        ({"grid": 14}, ["grid must be two whole numbers"]),
        ({"grid": (2, 3.5)}, ["grid[1]", "whole number"]),
        ({"image": np.zeros((4, 4))}, ["image= needs a grid", "grid=(14, 14)"]),
        ({"form": "patches"}, ['form="patches" needs a grid']),
        ({"grid": (2, 3), "form": "threads"}, ["grid (2, 3)", 'form="threads"']),
        ({"grid": (2, 3), "signed": True}, ["grid (2, 3)", "signed=True"]),
        ({"grid": (2, 3), "compact": True}, ["grid (2, 3)", "compact=True"]),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(how, words):
    with pytest.raises((TypeError, ValueError)) as error:
        AttentionView(shares(7, 7), **how)
    for word in words:
        assert word in str(error.value)


# ---- the still -----------------------------------------------------------------------------------


def panel(picture, at, grid):
    """The colours in the middles of the patches of a panel, (rows, columns, 3), from the dots."""
    found = [one for one in picture.sheet.images if one.get_array().shape[:2] == grid][at]
    left, right, low, high = np.array(found.get_extent()) * picture.dpi
    x = left + (right - left) * (np.arange(grid[1]) + 0.5) / grid[1]
    y = high + (low - high) * (np.arange(grid[0]) + 0.5) / grid[0]
    return dots(picture)[np.ix_(y.astype(int), x.astype(int))]


@pytest.mark.parametrize("dark", [False, True])
def test_the_bluer_a_patch_the_more_it_is_looked_at(dark):
    weights, grid = shares(3, 13, 13), (3, 4)
    theme("dark" if dark else "light")
    try:
        picture = patches(weights, grid, ["CLS"], pins=[0, 5])
    finally:
        theme("light")
    got = weights[:, [0, 5]].sum(axis=1)
    seen = np.stack([panel(picture, h, grid).sum(-1).ravel() for h in range(3)])
    seen = seen if dark else -seen
    order = np.argsort(got[:, 1:], axis=None)
    apart = np.diff(got[:, 1:].ravel()[order]) > 0.01 * got.max()
    assert (np.diff(seen.ravel()[order])[apart] > 0).all(), "one scale for all heads"


def test_the_patch_that_looks_is_framed():
    weights, grid = shares(13, 13), (3, 4)
    found = patches(weights, grid, ["CLS"], pins=[6])
    orange = np.argwhere(np.abs(dots(found) - [213, 94, 0]).max(-1) < 8)
    left, right, low, high = np.array(found.sheet.images[0].get_extent()) * found.dpi
    middle = orange.mean(0)
    cell = (low - high) / 3, (right - left) / 4
    assert abs(middle[0] - (high + 1.5 * cell[0])) < 2, "the second row"
    assert abs(middle[1] - (left + 1.5 * cell[1])) < 2, "the second column"
    clear = patches(weights, grid, ["CLS"], pins=[0])
    assert not len(np.argwhere(np.abs(dots(clear) - [213, 94, 0]).max(-1) < 8)), "CLS has no place"


def test_over_an_image_the_blue_is_laid_on_grey():
    weights = np.zeros((5, 5))
    weights[0, 2] = 1
    image = np.zeros((8, 8, 3))
    image[..., 0] = 1  # all red
    picture = patches(weights, (2, 2), ["CLS"], image=image)
    red, rest = panel(picture, 0, (8, 8))[4, 4], panel(picture, 0, (2, 2))
    assert red.tolist() == [255, 0, 0], "first the image itself"
    for place in [(0, 0), (1, 0), (1, 1)]:
        assert np.ptp(rest[place]) <= 2, "grey where nothing is looked at"
    r, _, b = rest[0, 1]
    assert b - r > 80, "blue where all is"


def test_a_still_says_what_it_shows():
    weights = np.full((2, 7, 7), 0.01)
    weights[0, 1, 3], weights[1, 1, 6] = 0.9, 0.8
    picture = patches(weights, (2, 3), ["CLS"], pins=[1], titles=["one", "two"], title="A house")
    assert picture.alt.startswith("A house: 2 × 3, what 0,0 looks at. one: 0,2 0.90, ")
    assert ". two: 1,2 0.80, " in picture.alt and picture.alt.endswith(".")
    assert "every token looks at" in patches(weights[0], (2, 3), pins=[]).alt
    nan = weights[0].copy()
    nan[1, 2] = np.nan
    seen = panel(patches(nan, (2, 3), pins=[1]), 0, (2, 3))[0, 1]
    assert seen[0] > 180 > seen[1] + 100, "NaN is red"
    for given, words in [
        ({"pins": [7]}, "pins must be at most 6, got 7"),
        ({"titles": ["a"]}, "titles has 1 names, but weights has 2 heads"),
    ]:
        with pytest.raises(ValueError, match=words):
            patches(weights, (2, 3), **given)
    with pytest.raises(ValueError, match=r"at most 16 heads here, got \(17, 7, 7\)"):
        patches(shares(17, 7, 7), (2, 3))


def test_the_still_of_a_view_is_what_it_shows():
    weights, image = shares(2, 3, 7, 7), np.linspace(0, 1, 24).reshape(4, 6)
    view = AttentionView(weights, ["CLS"], grid=(2, 3), image=image, layer=1, title="T")
    view.pinned, view.pins = [4, 1], [0, 4]
    tokens = view.tokens
    same = {"image": pixels("image", image), "title": "T"}
    drawn = patches(view.array[1], (2, 3), tokens, pins=[0, 4], **same)
    assert view.to_png() == drawn.png() and view.figure().alt == drawn.alt
    view.side, view.pins = "key", []
    turned = view.array[1].swapaxes(1, 2)
    drawn = patches(turned, (2, 3), tokens, pins=[1], who="gets from", **same)
    assert view.to_png() == drawn.png() and "0,0 gets from" in view.figure().alt
    view.form = "map"
    assert view.to_png() != drawn.png()
    view = AttentionView(weights[0, 0, :3], list("abc"), grid=(2, 3))
    view.pinned = [1, 5]
    assert "what b looks at" in view.figure().alt
    assert b'"grid": [2, 3]' in view.to_html()


def test_a_page_and_a_bundle_of_patches_stay_small():
    image = np.random.default_rng(0).random((224, 224, 3))
    view = AttentionView(shares(3, 197, 197), ["CLS"], grid=(14, 14), image=image)
    assert len(view.to_png()) < 120_000
    assert len(view._image) <= SIDE * SIDE * 3


def test_a_long_text_has_a_still_of_its_words():
    words = [f" w{i}" for i in range(40)]
    weights = shares(1, 40, 40)
    view = AttentionView(weights, words, form="threads")
    view.pinned, view.pins = [3, 1], []
    best = int(weights[0, 3].argmax())
    alt = view.figure().alt
    assert "40 tokens on the colours of their weight from w3, strongest" in alt
    assert f", strongest w{best} {weights[0, 3, best]:.2f}" in alt
