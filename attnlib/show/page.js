// Shows nothing. Tells the kernel whether the page behind it is dark, at the start and whenever that changes.

function isDark(node) {                                  // as in view.js: a front end loads each file by itself
  for (; node; node = node.parentElement) {
    const c = getComputedStyle(node).backgroundColor.match(/[\d.]+/g);
    if (c && (c.length < 4 || +c[3] > 0)) return c[0] * 0.3 + c[1] * 0.59 + c[2] * 0.11 < 128;
  }
  return false;
}

function render({ model, el }) {
  el.style.display = "none";
  const tell = () => {
    if (!el.isConnected || isDark(el) === model.get("dark")) return;
    model.set("dark", isDark(el));
    model.save_changes();
  };
  const later = () => requestAnimationFrame(tell);
  const watcher = new MutationObserver(later), system = matchMedia("(prefers-color-scheme: dark)");
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  system.addEventListener("change", later);
  later();
  return () => {
    watcher.disconnect();
    system.removeEventListener("change", later);
  };
}

export default { render };
