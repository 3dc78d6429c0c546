// Pieces and words of one text. What crosses to Python, `pinned` and `pins`, speaks of pieces, the array as it is; what is
// shown may be words. `_words`: { starts: [of queries, of keys], names: the same }, the first piece of each; {} where no word
// has several.

const LINES = ["query", "key"];

/** Where the words begin that are shown, or null where pieces are */
export const worded = ({ unit, _words: { starts } }) => (unit === "words" && starts) || null;

/** Traits as what is shown calls them: names, what is pinned, and of a text that is being written the last word */
export function spoken(traits) {
  const { tokens, key_tokens, pinned, pins, side, step, _axis: { written } } = traits, starts = worded(traits);
  const at = (n, line) => (starts ? starts[line].findLastIndex((from) => from <= n) : n);
  const [q, k] = starts ? traits._words.names : [tokens, key_tokens];
  return {
    tokens: q, key_tokens: k, pinned: pinned?.map(at) ?? null, pins: [...new Set(pins.map((n) => at(n, LINES.indexOf(side))))],
    step: written ? 0 : step, last: written ? at(step, 0) : null,
  };
}

/** What a hand changed, as Python calls it: a word is its first piece */
export function pieces(news, traits) {
  const starts = worded(traits), { pinned, pins, side = traits.side } = news;
  if (!starts) return news;
  return {
    ...news, ...(pinned && { pinned: pinned.map((n, line) => starts[line][n]) }),
    ...(pins && { pins: pins.map((n) => starts[LINES.indexOf(side)][n]) }),
  };
}
