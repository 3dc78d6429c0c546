"""Walks: the random numbers against their definition and their law, what the page computes against
NumPy, and the picture in a browser, by mouse, keyboard and finger.
"""

import io
import math

import node
import numpy as np
import pytest
from conftest import in_both_themes
from drawn import overhang, touching, written
from PIL import Image
from shown import MARGIN, frame, opened
from test_live_arrows import FITS, Page

from attnlib.show import Walks
from attnlib.show.live.walks import random_pairs

# ---- the random numbers --------------------------------------------------------------------------


def pair_by_hand(seed, i, t):
    """One query's number and one key's, in whole numbers of Python."""

    def mixed(x):
        x = (x ^ x >> 16) * 0x85EBCA6B % 2**32
        x = (x ^ x >> 13) * 0xC2B2AE35 % 2**32
        return x ^ x >> 16

    start, at = mixed((seed + 0x9E3779B9) % 2**32), 2 * (1024 * i + t)
    u, v = ((mixed((start + one * 0x9E3779B9) % 2**32) + 0.5) / 2**32 for one in (at, at + 1))
    r = math.sqrt(-2 * math.log(u))
    return r * math.cos(2 * math.pi * v), r * math.sin(2 * math.pi * v)


@pytest.mark.parametrize("seed", [0, 1, 77, 2**31 - 1])
def test_the_numbers_are_those_of_their_definition(seed):
    q, k = random_pairs(seed, 12, 40)
    for i, t in [(0, 0), (0, 39), (3, 7), (11, 39)]:
        np.testing.assert_allclose((q[i, t], k[i, t]), pair_by_hand(seed, i, t), rtol=1e-12)
    wider = random_pairs(seed, 20, 1024)
    assert (wider[0][:12, :40] == q).all() and (wider[1][:12, :40] == k).all()


def test_they_are_standard_normal_and_independent():
    for seed in range(4):
        q, k = random_pairs(seed, 200, 1024)
        both = np.stack([q, k])
        assert abs(both.mean()) < 0.006 and abs(both.std() - 1) < 0.006
        assert abs((both**4).mean() - 3) < 0.06 and abs((both**3).mean()) < 0.03
        for law in (-2, -1, 0, 1, 2):
            share = 0.5 * (1 + math.erf(law / math.sqrt(2)))
            assert abs((both < law).mean() - share) < 0.003
        near = [(q * k), (q[:, 1:] * q[:, :-1]), (q[1:] * q[:-1]), (k[:, 1:] * q[:, :-1])]
        near += [k[:, 2:] * k[:, :-2], abs(q) * abs(k) - 2 / np.pi]
        assert max(abs(one.mean()) for one in near) < 0.012
    one, other = random_pairs(0, 100, 1024)[0], random_pairs(1, 100, 1024)[0]
    assert abs((one * other).mean()) < 0.012


def test_the_ends_stray_by_the_root_of_d():
    """Over many seeds: not by d, and at every width alike."""
    for d in (1, 4, 16, 64, 256, 1024):
        ends = np.concatenate([Walks(d, 200, seed=seed).scores for seed in range(20)])
        assert abs(ends.std() / math.sqrt(d) - 1) < 0.06, d
        assert 0.63 < (abs(ends) <= math.sqrt(d)).mean() < 0.83


def test_what_python_says_is_what_the_numbers_say():
    one = Walks(48, seed=5)
    assert one.q.shape == one.k.shape == one.walks.shape == (100, 48)
    scores = np.array([sum(a * b for a, b in zip(q, k)) for q, k in zip(one.q, one.k)])
    np.testing.assert_allclose(one.scores, scores)
    for row, by in zip(one.weights, (1, math.sqrt(48), 48)):
        e = np.exp(scores[:10] / by)
        np.testing.assert_allclose(row, e / e.sum())
    one.d = 7
    np.testing.assert_allclose(one.walks, np.cumsum(Walks(48, seed=5).q[:, :7] * one.k, axis=1))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"d": 0}, "d must be at least 1, got 0"),
        ({"d": 1025}, "d must be at most 1024"),
        ({"d": 2.5}, "d must be a whole number"),
        ({"n": 9}, "n must be at least 10"),
        ({"n": 1000}, "n must be at most 200"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_what_does_not_fit_is_named(given, wanted):
    with pytest.raises((TypeError, ValueError), match=wanted):
        Walks(**given)
    if "d" in given and isinstance(given["d"], int):
        one = Walks()
        with pytest.raises(ValueError, match=wanted):
            one.d = given["d"]
        assert one.d == 64


@pytest.mark.parametrize("d", [1, 3, 64, 1024])
def test_the_still_is_small_and_says_what_it_shows(d):
    one = Walks(d, title="Why √d?")
    blob, alt = one.to_png(), one.figure().alt
    assert len(blob) <= 25_000 and Image.open(io.BytesIO(blob)).width <= 1000
    within = int((abs(one.scores) <= math.sqrt(d)).sum())
    assert alt.startswith(f"Why √d?: of 100 sums of {d} random products, {within} end within ±√{d}")
    assert ", ".join(f"{row.max():.2f}" for row in one.weights) in alt


@in_both_themes
@pytest.mark.parametrize(("d", "n"), [(1, 10), (2, 100), (64, 100), (1000, 200), (1024, 10)])
def test_walks_of_the_still_end_where_they_do(style, d, n):
    picture = Walks(d, n, title="Why √d?").figure()
    assert touching(picture) == [] and overhang(picture)[0] <= 0
    lines = [one for each in picture.sheet.collections for one in each.get_segments()]
    curves = [one.get_xydata() for one in picture.sheet.lines if len(one.get_xdata()) > 9]
    assert len(lines) == n and len(curves) == 2
    (right, up), (_, low) = (curve[-1] for curve in curves)  # where √d and −√d end
    far = 3.4 * math.sqrt(d)
    ends = np.array([one[-1] for one in lines])
    np.testing.assert_allclose(ends[:, 0], right)
    found = (ends[:, 1] - (low + up) / 2) / (up - low) * 2 * math.sqrt(d)
    wanted = np.clip(Walks(d, n).scores, -far, far)
    np.testing.assert_allclose(np.sort(found), np.sort(wanted), atol=1e-9)
    tick = f"−{math.sqrt(d):.3g}"
    assert len(written(picture, tick)) == 1


# ---- in node -------------------------------------------------------------------------------------


def run(tmp_path, script, data=None):
    return node.run(
        node.modules(tmp_path), f'import * as w from "./walks.js";\n{script}', data, timeout=120
    )


def test_the_page_draws_the_same_numbers(tmp_path):
    cases = [[0, 100], [1, 10], [12345, 200], [2**31 - 1, 30]]
    ds = [1, 2, 17, 64, 1000, 1024]
    script = """console.log(JSON.stringify(data[0].map(([seed, n]) => {
      const walks = w.walksOf(seed, n);
      return data[1].map((d) => w.after(walks, d)); })));"""
    for (seed, n), told in zip(cases, run(tmp_path, script, [cases, ds]), strict=True):
        for d, got in zip(ds, told, strict=True):
            one = Walks(d, n, seed=seed)
            np.testing.assert_allclose(got["ends"], one.scores, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(got["weights"], one.weights, rtol=1e-7, atol=1e-12)
            np.testing.assert_allclose(got["spread"], one.scores.std())
            assert got["within"] == int((abs(one.scores) <= math.sqrt(d)).sum())


def test_most_of_a_walk_cancels(tmp_path):
    one = Walks(300, 12, seed=8)
    script = """const walks = w.walksOf(8, 12);
      console.log(JSON.stringify(walks.map((walk) => w.ways(walk, 300))));"""
    steps = one.q * one.k
    wanted = np.stack([np.where(steps > 0, steps, 0), np.where(steps < 0, -steps, 0)]).sum(axis=2)
    got = np.array(run(tmp_path, script))
    np.testing.assert_allclose(got, wanted.T)
    np.testing.assert_allclose(got[:, 0] - got[:, 1], one.scores)


def test_frames_and_bins(tmp_path):
    ds = [1, 2, 15, 16, 17, 64, 65, 256, 257, 1000, 1024]
    assert run(tmp_path, "console.log(JSON.stringify(data.map(w.frameOf)));", ds) == [
        *(16, 16, 16, 16, 64, 64, 256, 256, 1024, 1024, 1024)
    ]
    ends = Walks(64).scores
    script = "console.log(JSON.stringify(w.counted(data, 27.2, 34)));"
    edges = np.linspace(-27.2, 27.2, 35)
    wanted = np.histogram(np.clip(ends, -27.2, 27.2), edges)[0]
    assert run(tmp_path, script, [*ends.tolist(), 1e3, -1e3]) == [
        wanted[0] + 1,
        *wanted[1:-1],
        wanted[-1] + 1,
    ]


def test_a_frame_four_times_as_wide_is_twice_as_high(tmp_path):
    script = """const at = w.geometry(data);
      console.log(JSON.stringify([16, 64, 256, 1024].map((span) => {
        const { far, x, y } = w.scales(at, span);
        return [far, x(span), x(span / 4), y(far), y(far / 2), y(0), y(Math.sqrt(span))]; })));"""
    told = np.array(run(tmp_path, script, 788))
    np.testing.assert_allclose(told[1:, 0] / told[:-1, 0], 2)
    assert np.ptp(told[:, 1:], axis=0).max() < 1e-9, "the curve of √d looks alike in each"


def test_everything_has_its_place(tmp_path):
    script = "console.log(JSON.stringify(data.map((width) => w.geometry(width))));"
    widths = [320, 348, 460, 588, 689, 690, 788, 968]
    for width, at in zip(widths, run(tmp_path, script, widths)):
        fan, ends = at["fan"], at["ends"]
        assert fan["w"] >= 200 and fan["x"] + fan["w"] < ends["x"]
        assert ends["x"] + ends["w"] <= width + 0.5
        for row in at["rows"]:
            assert row["x"] + row["w"] <= width + 0.5 and row["y"] + row["h"] + 30 <= at["height"]
            assert not at["wide"] or row["x"] >= ends["x"] + ends["w"] + 10
        assert width < 788 or at["height"] <= 440


# ---- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def show(stage):
    return lambda view, width=800, **how: Page(stage(view, width=width + MARGIN, **how))


def slide(page, value):
    page.root.get_by_role("slider", name="width d").evaluate(
        "(node, value) => { node.value = value; for (const name of ['input', 'change'])"
        " node.dispatchEvent(new Event(name, { bubbles: true })); }",
        value,
    )
    page.rest()


def share(weight):
    return f"{weight:.2f}" if weight >= 0.995 else f"{weight:.2f}"[1:]


def test_the_slider_widens_the_head(show):
    page = show(Walks())
    for power in (0, 3, 9, 10, 6):
        slide(page, power)
        one = Walks(2**power)
        assert page.get("d") == one.d
        within = int((abs(one.scores) <= math.sqrt(one.d)).sum())
        assert {f"{within} of 100", "softmax of q·k"} <= set(page.texts())
        best = int(one.scores[:10].argmax())
        said = [share(row[best]) for row in one.weights]
        words = f"{said[0]} as they are, {said[1]} divided by √d, {said[2]} divided by d"
        assert words in page.said(), page.said()
        assert {*said} <= {*page.texts()}


def test_another_hundred_is_the_next_seed(show):
    page = show(Walks(16, seed=4))
    page.press("another hundred")
    assert page.get("seed") == 5
    within = int((abs(Walks(16, seed=5).scores) <= 4).sum())
    assert f"{within} of 100" in page.texts()
    page.page.evaluate("() => python({ seed: 9, d: 100 })")
    page.rest()
    within = int((abs(Walks(100, seed=9).scores) <= 10).sum())
    assert f"{within} of 100" in page.texts() and "√d = 10" in page.texts()
    assert page.root.locator("output").inner_text() == "100"


def test_keys(show):
    page = show(Walks())
    page.keys("xpath=self::*", "ArrowRight")
    assert page.get("d") == 128
    page.keys("xpath=self::*", "ArrowLeft", "ArrowLeft")
    assert page.get("d") == 32
    page.keys("xpath=self::*", "Home")
    assert page.get("d") == 1
    page.keys("xpath=self::*", "End", "n")
    assert (page.get("d"), page.get("seed")) == (1024, 1)
    row = Walks(1024, seed=1).scores[:10]
    other = (int(row.argmax()) + 1) % 10
    page.keys("xpath=self::*", "ArrowDown")
    weights = Walks(1024, seed=1).weights[:, other]
    assert f"{share(weights[1])} divided by √d" in page.said()
    assert "the best of ten" not in page.said()


def test_it_walks(show):
    page = show(Walks(256))
    page.root.get_by_role("button", name="▶ walk").click()
    page.page.wait_for_timeout(500)
    said = page.said()
    now = int(said.split(" ")[2].rstrip(":"))
    told = page.root.get_by_text("only twice as far")
    assert not told.count(), "the finding comes after the walk"
    assert 1 <= now < 256 and page.root.locator(".say").get_attribute("aria-live") == "off"
    page.page.wait_for_timeout(2600)
    page.rest()
    assert page.said().startswith("d = 256:") and told.count() == 1
    page = show(Walks(256), reduced_motion="reduce")
    assert not page.root.get_by_text("only twice as far").count()
    page.press("▶ walk")
    assert page.said().startswith("d = 256:")
    assert page.root.get_by_text("only twice as far").count() == 1


def test_walks_are_to_be_seen_and_follow_the_theme(show):
    """The pixels of the canvas: ink where the walks are, none above them."""
    for dark in (False, True):
        page = show(Walks(), dark=dark)
        many = page.root.locator("canvas").evaluate(
            """(node) => { const pen = node.getContext("2d"), { width, height } = node;
            const data = pen.getImageData(0, 0, width, height).data;
            let inked = 0, top = 0, light = 0;
            for (let k = 3; k < data.length; k += 4) if (data[k] > 20) {
              inked++; light += data[k - 1];
              if (Math.floor(k / 4 / width) < 30) top++; }
            return [inked / (width * height), top, light / inked]; }"""
        )
        assert 0.05 < many[0] < 0.6 and many[1] < 40
        light = page.root.locator("canvas").evaluate(
            "(node) => getComputedStyle(node.closest('.attnlib-live')).backgroundColor"
        )
        assert light == ("rgb(24, 26, 31)" if dark else "rgb(255, 255, 255)")


def test_a_bar_chooses_its_walk(show):
    page = show(Walks())
    page.svg.locator("[data-walk='0']").first.click()
    page.rest()
    assert f"the score {Walks().scores[0]:.1f}".replace("-", "−") in page.said()
    page = show(Walks(), 360, fingers=True)
    page.svg.locator("[data-walk='1']").nth(1).tap()
    page.rest()
    assert f"the score {Walks().scores[1]:.1f}".replace("-", "−") in page.said()


@pytest.mark.parametrize("width", [360, 460, 600, 700, 800, 980])
def test_it_fits_and_keeps_its_size(show, width):
    page, heights = show(Walks(n=200, title="Why √d?"), width), set()
    for news in ({}, {"d": 1}, {"d": 1024}, {"d": 100, "seed": 7}):
        page.page.evaluate("(news) => python(news)", news)
        page.rest()
        height, over, size = page.root.evaluate(FITS)
        heights.add(round(height))
        assert over <= 0.5 and size >= 12
    assert len(heights) == 1
    assert width < 800 or max(heights) <= 560


def test_two_views_and_their_end(show):
    page = show(Walks(), views=2)
    page.press("another hundred")
    lines = page.page.locator(".say").all_inner_texts()
    assert lines[0] == lines[1]
    page.page.evaluate("() => ends.forEach((end) => end())")
    assert page.page.evaluate("() => Object.values(heard).flat().length") == 0
    page.page.evaluate("() => { window.ends = []; }")


def test_a_change_takes_less_than_a_frame(stages, tmp_path, capsys):
    """Printed, and asserted with room for a busy machine."""
    page = opened(stages.browser, Walks(1024), tmp_path)
    keys = {"a width": "k % 2 ? 'ArrowLeft' : 'ArrowRight'", "another hundred": "'n'"}
    for name, key in keys.items():
        took = frame(
            stages.browser,
            page,
            f"document.querySelector('svg[tabindex]').dispatchEvent(new KeyboardEvent('keydown',"
            f" {{ key: {key}, bubbles: true }}));",
        )
        with capsys.disabled():
            print(f"\nwalks: {took:.1f} ms for {name}", end="")
        assert took < 60
    page.close()
