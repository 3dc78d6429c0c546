// Shows nothing. Tells the kernel whether the page behind it is dark, and gives the controls around it the style of live
// pictures, and the names and states that a screen reader needs and that the front end leaves out.
import { isDark } from "./core.js";

function told(node, name, value) {                        // writing what is there already would call the watcher for ever
  if (value && node.getAttribute(name) !== value) node.setAttribute(name, value);
}

function describe(box) {
  const words = (node) => node?.textContent.trim();
  for (const handle of box.querySelectorAll("[role=slider]")) {
    const control = handle.closest(".widget-slider, .jupyter-widget-slider, .widget-inline-hbox");
    told(handle, "aria-label", words(control?.querySelector(".widget-label")));
    told(handle, "aria-valuetext", words(control?.querySelector(".widget-readout")));
  }
  for (const group of box.querySelectorAll(".widget-toggle-buttons")) {
    told(group, "role", "group");
    told(group, "aria-label", words(group.querySelector(".widget-label")));
    for (const button of group.querySelectorAll("button")) {
      told(button, "aria-pressed", String(button.classList.contains("mod-active")));
    }
  }
  for (const picture of box.querySelectorAll("img")) told(picture, "alt", words(box.querySelector("[role=status]")));
}

function render({ model, el }) {
  el.style.display = "none";
  const tell = () => {
    if (!el.isConnected) return;
    const box = el.closest(".widget-vbox, .jupyter-widget-vbox");
    if (box) {
      describe(box);
      const tone = isDark(el) ? "dark" : "light", row = box.querySelector(`.attnlib-controls:not(.${tone})`)?.classList;
      row?.remove("light", "dark");
      row?.add("attnlib-live", tone);
      changes.observe(box, { subtree: true, childList: true, characterData: true, attributeFilter: ["class", "aria-valuetext"] });
    }
    if (isDark(el) === model.get("dark")) return;
    model.set("dark", isDark(el));
    model.save_changes();
  };
  let asked = 0;
  const later = () => { asked ||= requestAnimationFrame(() => { asked = 0; tell(); }); };
  const watcher = new MutationObserver(later), changes = new MutationObserver(later);
  const system = matchMedia("(prefers-color-scheme: dark)");
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  system.addEventListener("change", later);
  later();
  return () => {
    cancelAnimationFrame(asked);                         // it would begin to watch again
    watcher.disconnect();
    changes.disconnect();
    system.removeEventListener("change", later);
  };
}

export default { render };
