"""Live pictures in Chromium, as a reader handles them: on a stage, where their messages to Python
are heard without a kernel, on a page of their own, or in a notebook.
"""

import base64
import json

import lab

MARGIN = 24  # of a page's body, left and right together


STAGE = """async ([source, style, state, blobs, views]) => {
  const { default: view } = await import(URL.createObjectURL(
    new Blob([source], { type: "text/javascript" })));
  const heard = {}, sent = [], set = new Set();
  for (const name in blobs) {
    const bytes = Uint8Array.from(atob(blobs[name]), (c) => c.charCodeAt());
    state[name] = new DataView(bytes.buffer);
  }
  const fire = (name) => [...(heard["change:" + name] || [])].forEach((f) => f());
  window.model = {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      set.add(name);
      fire(name); },
    save_changes() {
      sent.push(Object.fromEntries([...set].map((n) => [n, state[n]])));
      set.clear(); },
    on(name, f) { (heard[name] ||= []).push(f); },
    off(name, f) { heard[name] = (heard[name] || []).filter((one) => one !== f); } };
  Object.assign(window, { sent, heard, python: (news) => {
    for (const name in news) state[name] = news[name];
    for (const name in news) fire(name); } });
  for (const end of window.ends || []) end();
  document.body.innerHTML = "";
  document.head.innerHTML = `<title>t</title><style>body{margin:12px;background:#fff}
    @media(prefers-color-scheme:dark){body{background:#181a1f}}</style>`;
  const css = document.head.appendChild(document.createElement("style"));
  css.textContent = style;
  window.ends = [];
  for (let k = 0; k < views; k++) {
    const el = document.createElement("main");       // as JupyterLab does: drawn first, then shown
    window.ends.push(view.render({ model: window.model, el }));
    document.body.append(el);
  }
  for (let n = 0; n < 3; n++) await new Promise(requestAnimationFrame);
}"""


class Fingers:
    """A browser whose pages are touched."""

    def __init__(self, browser):
        self.browser = browser

    def new_context(self, **how):
        return self.browser.new_context(has_touch=True, **how)


class Stages:
    """with Stages() as stages: stages.open(view) -> the tab that shows it; one tab for a mouse, and
    one for fingers, for all of a file's tests. In the page: `model`; `sent`, what went to Python,
    message by message; `python({...})` sets traits as Python would; `heard`, who listens; `ends`,
    the views' clean-ups.
    """

    def __enter__(self):
        self._chromium = lab.chromium()
        self.browser = self._chromium.__enter__()
        self.tabs = [lab.Tab(self.browser), lab.Tab(Fingers(self.browser))]
        return self

    def __exit__(self, *error):
        return self._chromium.__exit__(*error)

    def forget(self):
        for tab in self.tabs:
            tab.forget()

    def clean(self):
        for tab in self.tabs:
            tab.clean()

    def open(
        self,
        view,
        *,
        dark=False,
        width=830,
        height=900,
        views=1,
        fingers=False,
        calm=False,
        **media,
    ):
        """The view on clean paper, `views` times on one model; media as in playwright's
        emulate_media: media, reduced_motion, forced_colors, contrast.
        """
        tab = self.tabs[fingers]
        tab.page.set_viewport_size({"width": width, "height": height})
        motion = "reduce" if calm else "no-preference"
        plain = {"media": "screen", "reduced_motion": motion, "forced_colors": "none"}
        plain["contrast"] = "no-preference"
        tab.page.emulate_media(color_scheme="dark" if dark else "light", **plain | media)
        state, blobs = view._for_a_page()
        blobs = {name: base64.b64encode(b"".join(blob)).decode() for name, blob in blobs.items()}
        tab.page.evaluate(STAGE, [view._esm, view._css, state, blobs, views])
        return tab


def opened(browser, view, folder, width=800, *, hands=None, dark=False, calm=False, touch=False):
    """The page of a view, with its picture as wide as this. -> Shown, or `hands` of another kind"""
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
    return (hands or Shown)(tab)


class Shown:
    """A picture in a browser, with the eyes and hands of a reader; `root` is its locator."""

    DRAWING = "svg[tabindex]"

    def __init__(self, tab, root=None):
        self.tab, self.page = tab, tab.page
        self.root = root or tab.page.locator(".attnlib-live").first
        self.svg = self.root.locator(self.DRAWING).first
        self.svg.wait_for()
        self.rest()

    def rest(self):
        """Wait until nothing moves any more."""
        self.page.wait_for_timeout(20)
        self.page.evaluate(
            """async () => { let before = "";
            for (let k = 0; k < 100; k++) {
                for (let n = 0; n < 3; n++) await new Promise(requestAnimationFrame);
                const set = [...document.querySelectorAll("input")].map((one) => one.value);
                const now = document.body.innerHTML + set;
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

    def get(self, name):
        """A trait as it came to Python, once it has."""
        self.page.wait_for_timeout(200)
        return self.page.evaluate("(name) => model.get(name)", name)

    def python(self, **traits):
        """Set them as Python would."""
        self.page.evaluate("(news) => python(news)", traits)
        self.rest()

    def ends(self):
        """Take away all views of the model. -> how many still listen to it"""
        self.page.evaluate("() => { ends.forEach((end) => end()); window.ends = []; }")
        return self.page.evaluate("() => Object.values(heard).flat().length")

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
