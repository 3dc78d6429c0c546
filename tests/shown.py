"""Live pictures in a browser, on a page of their own or in a notebook: as a reader handles them."""

import json

import lab

MARGIN = 24  # of a page's body, left and right together


def opened(browser, view, folder, width=800, *, dark=False, calm=False, touch=False):
    """The page of a view, with its picture as wide as this. -> Shown"""
    path = folder / f"page-{id(view)}.html"
    view.to_html(path)
    tab = lab.Tab(browser, dark=dark, width=width + MARGIN)
    if touch:
        size = {"width": width + MARGIN, "height": 900}
        tab.context = browser.new_context(viewport=size, has_touch=True)
        tab.page = tab.context.new_page()
    if calm:
        tab.page.emulate_media(reduced_motion="reduce")
    tab.page.goto(path.as_uri())
    return Shown(tab, tab.page.locator(".attnlib-live").first)


class Shown:
    """A picture in a browser, with the eyes and hands of a reader; `root` is its locator."""

    def __init__(self, tab, root):
        self.tab, self.page, self.root = tab, tab.page, root
        self.svg = root.locator("svg[tabindex]")
        self.svg.wait_for()
        self.rest()

    def rest(self):
        """Wait until nothing moves any more."""
        self.page.wait_for_timeout(20)
        self.page.evaluate(
            """async () => { let before = "";
            for (let k = 0; k < 100; k++) {
                for (let n = 0; n < 3; n++) await new Promise(requestAnimationFrame);
                const now = document.body.innerHTML;
                if (now === before) return;
                before = now; } }"""
        )

    def resize(self, width):
        """Make the picture as wide as this."""
        self.page.set_viewport_size({"width": width + MARGIN, "height": 900})
        self.rest()

    def said(self):
        return self.root.locator(".say").inner_text()

    def keys(self, *names):
        self.svg.focus()
        for name in names:
            self.page.keyboard.press(name)
        self.rest()
        return self.said()

    def press(self, name):
        self.root.get_by_role("button", name=name, exact=True).click()
        self.rest()

    def pressed(self, name):
        button = self.root.get_by_role("button", name=name, exact=True)
        return button.get_attribute("aria-pressed") == "true"

    def slide(self, label, value):
        """Move a slider, as a hand does at each step."""
        slider = self.root.get_by_role("slider", name=label, exact=True)
        slider.evaluate(
            "(node, value) => { node.value = value;"
            " node.dispatchEvent(new Event('input', { bubbles: true })); }",
            value,
        )
        self.rest()

    def word(self, name, *, side="looks", **how):
        """Click a word: one that "looks", or one that "is looked at"."""
        self.root.get_by_role("button", name=f"{name} {side}", exact=True).click(**how)
        self.rest()

    def chosen(self):
        """The names of all words that are chosen."""
        found = self.svg.locator("[aria-pressed=true]:visible").all()
        return [one.get_attribute("aria-label") for one in found]

    def marks(self, tag, of=""):
        """How many marks of a kind are to be seen in the picture."""
        return self.svg.evaluate(
            "(svg, [tag, of]) => [...svg.querySelectorAll(tag)]"
            ".filter((node) => node.getAttribute('visibility') !== 'hidden'"
            " && (!of || node.matches(of))).length",
            [tag, of],
        )

    def texts(self):
        """What is written in the picture."""
        return self.svg.evaluate(
            "(svg) => [...svg.querySelectorAll('text')].filter((node) =>"
            " node.getAttribute('visibility') !== 'hidden' && node.textContent"
            " && +(node.getAttribute('opacity') ?? 1) > 0.5).map((node) => node.textContent)"
        )

    def height(self):
        return self.root.bounding_box()["height"]

    def overflow(self):
        """Pixels by which the page is wider than its window, or a mark sticks out of the
        picture.
        """
        return self.page.evaluate(
            """() => { const root = document.querySelector(".attnlib-live"), wide = innerWidth;
            const right = root.getBoundingClientRect().right;
            const out = [...root.querySelectorAll("svg text, svg path, svg rect, button, input")]
                .filter((node) => node.getAttribute("visibility") !== "hidden")
                .map((node) => node.getBoundingClientRect()).filter((box) => box.width)
                .map((box) => box.right - right);
            return Math.max(document.documentElement.scrollWidth - wide, ...out); }"""
        )

    def sizes(self):
        """The sizes of all text in the picture, in px."""
        return self.root.evaluate(
            """(root) => [...new Set([...root.querySelectorAll("*")].filter((node) =>
                [...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim())
                && node.getClientRects().length)
                .map((node) => parseFloat(getComputedStyle(node).fontSize)))]"""
        )

    def close(self):
        self.tab.context.close()


def frame(browser, shown, change, n=30):
    """Milliseconds of script, layout and paint for one change: `change` is JavaScript of the
    number k.
    """
    names = {"EventDispatch", "TimerFire", "FunctionCall", "FireAnimationFrame", "Layout", "Paint"}
    names |= {"UpdateLayoutTree", "PrePaint", "Layerize", "Commit", "MinorGC", "MajorGC"}
    browser.start_tracing(
        page=shown.page, categories=["devtools.timeline", "disabled-by-default-devtools.timeline"]
    )
    shown.page.evaluate(
        "async ([change, n]) => { const act = new Function('k', change);"
        " for (let k = 0; k < n; k++) { act(k); await new Promise(requestAnimationFrame);"
        " await new Promise((done) => setTimeout(done, 25)); } }",
        [change, n],
    )
    events = json.loads(browser.stop_tracing())["traceEvents"]
    named = [one for one in events if one.get("name") == "thread_name"]
    main = {(e["pid"], e["tid"]) for e in named if e["args"]["name"] == "CrRendererMain"}
    found = [
        e for e in events if (e["pid"], e["tid"]) in main and "dur" in e and e["name"] in names
    ]
    total, end = 0, 0
    for event in sorted(found, key=lambda e: (e["ts"], -e["dur"])):
        if event["ts"] >= end:  # what runs inside another is counted there
            total, end = total + event["dur"], event["ts"] + event["dur"]
    return total / 1000 / n
