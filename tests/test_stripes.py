"""show/stripes.py: each table stands under its name, in colours of its own; what is no table is
refused by name.
"""

import io

import numpy as np
import pytest
from conftest import in_both_themes
from matplotlib.colors import to_rgb
from PIL import Image

from attnlib.show.stripes import stripes

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

DISTANCE = np.arange(12)[:, None] - np.arange(12.0)


@in_both_themes
def test_each_table_has_its_own_colours_where_their_sizes_differ(style):
    picture = stripes({"near": DISTANCE, "loud": 1000 * DISTANCE}, title="T")
    said = [text.get_text() for text in picture.sheet.texts]
    assert {"its own scale: ±11", "its own scale: ±1.1e+04"} <= set(said)
    images = picture.sheet.images
    assert len(images) == 4, "two tables, two legends"
    near, loud = (np.asarray(image.get_array())[..., :3] for image in images[:2])
    np.testing.assert_array_equal(
        near, loud, err_msg="its largest number has the darkest colour, however large it is"
    )
    for distance, ink in (
        (-11, style["signed"][0]),
        (0, style["signed"][len(style["signed"]) // 2]),
        (11, style["signed"][-1]),
    ):
        np.testing.assert_allclose(
            near[distance == DISTANCE],
            np.tile(to_rgb(ink), ((distance == DISTANCE).sum(), 1)),
            atol=0.03,
        )
    assert not np.array_equal(near[0, 5], near[0, 6]), "and what lies between has one between"
    words = [text.get_text() for text in picture.sheet.texts]
    assert (
        words.index("T") < words.index("near") < words.index("loud")
        and "near" in picture.alt
        and "loud" in picture.alt
    )


def test_tables_of_a_size_have_one_scale():
    picture = stripes({"a": DISTANCE, "b": DISTANCE / 1.5}, axes=("row", "other row"))
    images = picture.sheet.images
    assert len(images) == 3, "two tables, one legend"
    a, b = (np.asarray(image.get_array()) for image in images[:2])
    assert not np.array_equal(a, b), "a smaller number is paler"
    words = {text.get_text() for text in picture.sheet.texts}
    assert {"row ↓", "other row →"} <= words and not any("scale" in word for word in words)


@pytest.mark.parametrize("n", [7, 64, 300])
@pytest.mark.parametrize("many", [1, 2, 3])
def test_it_fits_the_page(n, many):
    picture = stripes(
        {f"table number {i}": np.random.default_rng(i).normal(size=(n, n)) for i in range(many)},
        title="Some tables",
    )
    assert picture.get_figwidth() <= 9.6
    image = Image.open(io.BytesIO(picture.png()))
    assert image.width > 100 and image.height > 100
    picture.draw_without_rendering()
    width, height = picture.canvas.get_width_height()
    for text in picture.sheet.texts:
        box = text.get_window_extent()
        assert box.x0 > -2 and box.y0 > -2 and box.x1 < width + 2 and box.y1 < height + 2, (
            text.get_text()
        )


@pytest.mark.parametrize(
    "tables,words",
    [
        ({}, ["tables must be a dict", "one to three"]),
        ([DISTANCE], ["tables must be a dict"]),
        ({str(i): DISTANCE for i in range(5)}, ["one to three"]),
        ({"a": DISTANCE, "b": DISTANCE[:3]}, ["tables must have one shape", "(12, 12), (3, 12)"]),
        ({"a": DISTANCE[0]}, ["tables['a']", "(12,)"]),
    ],
)
def test_what_are_no_tables_is_refused(tables, words):
    with pytest.raises(ValueError) as error:
        stripes(tables)
    assert all(word in str(error.value) for word in words), error.value
