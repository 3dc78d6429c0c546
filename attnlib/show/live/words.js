// Words with marks: **bold**, *slanted* and `code`.

import { make } from "./core.js";

/** **bold**, *slanted* and `code` -> [[tag, text], …] */
export function marked(text) {
  const parts = [], mark = /\*\*(.+?)\*\*|\*(?=\S)(.+?)\*|`(.+?)`/g;
  let end = 0;
  for (const found of text.matchAll(mark)) {
    parts.push(["", text.slice(end, found.index)], found[1] ? ["b", found[1]] : found[2] ? ["i", found[2]] : ["code", found[3]]);
    end = found.index + found[0].length;
  }
  return [...parts, ["", text.slice(end)]].filter(([, one]) => one);
}

/** Without the marks. */
export const plain = (text) => marked(text).map(([, one]) => one).join("");

/** Into a node, in place of what was there. */
export const write = (node, text) => node.replaceChildren(...marked(text).map(([tag, one]) => (tag ? make(tag, null, {}, one) : one)));
