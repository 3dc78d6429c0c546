"""A live picture in Chromium on a model whose messages are heard, without a kernel."""

import base64

import lab

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

    def open(self, view, *, dark=False, width=830, height=900, views=1, fingers=False, **media):
        """The view on clean paper, `views` times on one model; media as in playwright's
        emulate_media: media, reduced_motion, forced_colors.
        """
        tab = self.tabs[fingers]
        tab.page.set_viewport_size({"width": width, "height": height})
        plain = {"media": "screen", "reduced_motion": "no-preference", "forced_colors": "none"}
        tab.page.emulate_media(color_scheme="dark" if dark else "light", **plain | media)
        state, blobs = view._for_a_page()
        blobs = {name: base64.b64encode(b"".join(blob)).decode() for name, blob in blobs.items()}
        tab.page.evaluate(STAGE, [view._esm, view._css, state, blobs, views])
        return tab
