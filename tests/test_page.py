"""A page of its own is never blank: where scripts are off its still picture, its words and its
table are there.
"""

import functools
import http.server
import re
import threading

import lab
import node
import numpy as np
import pytest

from attnlib.show import AttentionView, Player
from attnlib.show.live.page import Page

TOKENS = ["The", "cat", "<sat>", "on", "the", 'm"at']


@pytest.fixture(scope="module")
def browser():
    with lab.chromium() as browser:
        yield browser


@pytest.fixture
def served(tmp_path):
    """served(page, policy): the address of a page, on loopback, with a policy of what it may do."""
    servers = []

    def start(page, policy=None):
        (tmp_path / "page.html").write_bytes(page)

        class Handler(http.server.SimpleHTTPRequestHandler):
            def end_headers(self):
                if policy:
                    self.send_header("Content-Security-Policy", policy)
                super().end_headers()

            def log_message(self, *given):
                pass

        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path))
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/page.html"

    yield start
    for server in servers:
        server.shutdown()


def view():
    weights = np.tril(np.ones((2, 6, 6)))
    weights /= weights.sum(-1, keepdims=True)
    weights[1, 3] *= 2
    return AttentionView(weights, TOKENS, titles=["even", "odd"], title="A title")


def is_live(page):
    return page.evaluate(
        "() => document.querySelector('.attnlib-readout') !== null && document.querySelector('main"
        " pre') === null"
    )


def picture(page):
    """How wide the still picture is drawn: 0 where it may not be."""
    return page.evaluate("() => document.querySelector('main img').naturalWidth")


def the_words_are_there(page):
    said = page.inner_text("body")
    for words in ("cat", "<sat>", "The 1.00", "note: 1 of 12 rows does not sum to 1"):
        assert words in said, said
    alt = page.get_attribute("main img", "alt")
    assert alt == view().figure().alt and "A title" in alt


@pytest.mark.parametrize(
    "policy, live, drawn",
    [
        (None, True, None),
        ("script-src 'unsafe-inline'", True, None),  # no blob: and no eval
        ("default-src 'self' data: 'unsafe-inline'", True, None),
        ("default-src 'self'", False, False),  # not even a picture that is in the page
        ("script-src 'none'; style-src 'unsafe-inline'", False, True),
        ("sandbox", False, True),
        ("default-src 'none'; img-src data:", False, True),
    ],
)
def test_a_page_under_a_policy(browser, served, policy, live, drawn):
    context = browser.new_context()
    page = context.new_page()
    page.goto(served(view().to_html(), policy))
    if live:
        page.wait_for_function("() => document.querySelector('.attnlib-readout')?.textContent")
        assert is_live(page)
    else:
        assert not is_live(page) and (picture(page) > 300) == drawn
        the_words_are_there(page)
    context.close()


def test_a_page_without_javascript(browser, served):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(served(view().to_html()))
    the_words_are_there(page)
    assert page.locator("main img").bounding_box()["width"] > 300
    context.close()


@pytest.mark.parametrize("sandbox, live", [("", False), ("allow-scripts", True)])
def test_a_page_in_a_frame(browser, served, sandbox, live):
    context = browser.new_context()
    page = context.new_page()
    address = served(view().to_html())
    page.set_content(
        f'<iframe sandbox="{sandbox}" src="{address}" width="900" height="700"></iframe>'
    )
    frame = page.frame_locator("iframe")
    if live:
        frame.locator(".attnlib-readout").wait_for()
        assert frame.locator("main pre").count() == 0
    else:
        frame.locator("main pre").wait_for()
        assert (
            "The 1.00" in frame.locator("main pre").inner_text()
            and frame.locator("main img").bounding_box()["width"] > 300
        )
    context.close()


def test_an_old_browser_keeps_the_still_picture(browser, served):
    """What cannot be drawn is not taken away."""
    context = browser.new_context()
    context.add_init_script("delete window.DecompressionStream")
    page = context.new_page()
    page.goto(served(view().to_html()))
    page.wait_for_timeout(300)
    the_words_are_there(page)
    assert picture(page) > 300
    context.close()


def test_the_page_has_a_heading_and_no_rule_against_it(browser):
    for dark in (False, True):
        tab = lab.Tab(browser, dark=dark)
        tab.page.set_content(view().to_html().decode())
        tab.page.wait_for_function("() => document.querySelector('.attnlib-readout')")
        assert tab.page.locator("main h1").inner_text() == "A title"
        tab.page.evaluate(node.axe_source())
        found = tab.page.evaluate("async () => (await axe.run()).violations.map((one) => one.id)")
        assert found == []
        tab.context.close()


def test_a_page_that_reads_from_the_right_turns_no_picture_round(browser, tmp_path):
    pages = {"view": view(), "film": Player([np.eye(6)] * 2, tokens=TOKENS)}
    for name, picture in pages.items():
        page = browser.new_page()
        page.set_content(picture.to_html().decode().replace("<html", '<html dir="rtl"'))
        page.wait_for_selector(".attnlib-live")
        look = "(node) => getComputedStyle(node).direction"
        assert page.locator("main").evaluate(look) == "rtl"
        assert page.locator(".attnlib-live").evaluate(look) == "ltr", name
        page.close()


LISTEN = """() => { const real = window.matchMedia;
  window.told = [];
  window.matchMedia = (query) => { const list = real.call(window, query);
    if (query.includes("dppx")) list.addEventListener = (name, f) => told.push(f);
    return list; }; }"""  # the browser of a test tells nobody of other dots


def test_a_page_that_is_enlarged_while_open_stays_sharp(browser):
    pages = {"view": (view(), "canvas.cells"), "film": (Player([np.eye(6)] * 2), ".frame canvas")}
    for name, (picture, canvas) in pages.items():
        page = browser.new_page()
        page.evaluate(LISTEN)
        page.set_content(picture.to_html().decode())
        page.wait_for_selector(canvas)
        page.wait_for_timeout(200)
        dots = "(node) => node.width / node.getBoundingClientRect().width"
        assert abs(page.locator(canvas).evaluate(dots) - 1) < 0.02
        size = page.viewport_size | {"deviceScaleFactor": 2, "mobile": False}
        page.context.new_cdp_session(page).send("Emulation.setDeviceMetricsOverride", size)
        page.evaluate("() => told.at(-1)()")
        page.wait_for_timeout(200)
        assert abs(page.locator(canvas).evaluate(dots) - 2) < 0.02, name
        page.close()


def test_in_forced_colours_running_text_keeps_its_shades(browser):
    words = [f"w{i}" for i in range(40)]
    picture = AttentionView(np.eye(40)[::-1], words, form="threads")
    picture.pinned = [3, 36]
    page = browser.new_page()
    page.emulate_media(forced_colors="active")
    page.set_content(picture.to_html().decode())
    page.wait_for_selector(".prose [data-place]")
    page.wait_for_timeout(200)
    back = "(node) => getComputedStyle(node).backgroundColor"
    shades = [page.locator(f".prose [data-place$=',{n}']").first.evaluate(back) for n in (36, 20)]
    assert len({*shades}) == 2 and "rgb(8, 48, 107)" in shades
    page.close()


def test_the_page_is_one_document_with_a_landmark():
    page = view().to_html().decode()
    assert re.findall(r"</?(?:html|main|script)\b", page) == [
        "<html",
        "<main",
        "</main",
        "<script",
        "</script",
        "</html",
    ]
    assert (
        "const view = { render };" in page
        and "export" not in page.split("</main>")[1].split("const state")[0]
    )


# ---- names for a screen reader, around a live picture --------------------------------------------

WIDGETS = """<div class="widget-vbox"><div class="attnlib-controls"></div>
  <div class="widget-slider"><label class="widget-label">n heads</label>
    <div><div role="slider" aria-valuetext="2.0000000000000004"></div></div>
    <div class="widget-readout">2.00</div></div>
  <div class="widget-toggle-buttons"><label class="widget-label">pattern</label>
    <button class="mod-active">causal</button><button>local</button></div>
  <img class="widget-image"><div role="status">one two</div><div id="page"></div></div>"""
RENDER = """async (source) => {
  const { default: page } = await import(URL.createObjectURL(
    new Blob([source], { type: "text/javascript" })));
  window.model = { get: () => false, set() {}, save_changes() {} };
  window.done = page.render({ model, el: document.getElementById("page") });
  window.frames = (n) => new Promise((go) => {
    const step = () => (n-- ? requestAnimationFrame(step) : go()); step(); });
  await frames(3);
}"""


def test_controls_and_pictures_have_names_and_states(browser):
    page = browser.new_page()
    page.set_content(WIDGETS)
    page.evaluate(RENDER, Page._esm)
    said = lambda selector, name: page.get_attribute(selector, name)  # noqa: E731
    assert (
        said("[role=slider]", "aria-label") == "n heads"
        and said("[role=slider]", "aria-valuetext") == "2.00"
    )
    assert (
        said(".widget-toggle-buttons", "role") == "group"
        and said(".widget-toggle-buttons", "aria-label") == "pattern"
    )
    assert [one.get_attribute("aria-pressed") for one in page.query_selector_all("button")] == [
        "true",
        "false",
    ]
    assert said("img", "alt") == "one two"
    assert page.query_selector(".attnlib-controls.attnlib-live.light")
    page.evaluate("""async () => { document.body.style.background = "black";
        document.querySelector(".widget-readout").textContent = "3.00";
        document.querySelector("[role=slider]")
            .setAttribute("aria-valuetext", "3.0000000000000004");
        document.querySelectorAll("button")
            .forEach((button) => button.classList.toggle("mod-active"));
        document.querySelector("[role=status]").textContent = "three";
        await frames(4);
    }""")
    assert said("[role=slider]", "aria-valuetext") == "3.00" and said("img", "alt") == "three"
    assert page.query_selector(".attnlib-controls.dark:not(.light)")
    assert [one.get_attribute("aria-pressed") for one in page.query_selector_all("button")] == [
        "false",
        "true",
    ]
    written = """async () => { let count = 0;
        const seen = new MutationObserver((all) => (count += all.length));
        seen.observe(document.body, { subtree: true, attributes: true });
        await frames(20); return count; }"""
    assert page.evaluate(written) == 0, "it does not answer itself"
    page.evaluate(
        """async () => { done();
        document.querySelector("[role=status]").textContent = "four"; await frames(4); }"""
    )
    assert said("img", "alt") == "three", "and ends with its view"
    page.close()
