"""Machine: one head of attention as a matrix product, to be taken apart step by step."""

import numpy as np
import traitlets

from attnlib import _check
from attnlib.attention import attention_scores, scaled_dot_product_attention
from attnlib.show.labels import axis_names, most_attended, visible
from attnlib.show.live.base import HERE, Live, joined, style
from attnlib.show.product import STAGES, product

MOST_TOKENS, MOST_COLUMNS = 24, 128  # what fits the picture, and what crosses at once


class Machine(Live):
    """One head at work: queries meet keys, scores become shares, shares mix the values. Play it,
    step through it, choose a word and whom it looks at.

    q            (n_q, d) or (heads, n_q, d)
    k, v         (n_k, d) and (n_k, d_v), or with heads before them, as many or fewer (grouped)
    tokens       n_q strings; key_tokens: n_k strings, for cross-attention
    mask         boolean, True = may attend; or a dict of names and masks, to choose from
    scale        what q·k is multiplied by, 1/√d unless given
    softcap      c > 0 keeps every scaled score between -c and c, as in Gemma 2
    bias         numbers added to the scaled scores, (n_q, n_k) or (heads, n_q, n_k), as in T5
    columns      names of the d columns of q and k; values: names of the d_v columns of v;
                 a list for each head where they differ
    about        n_q short texts: what the reader knows of each token before anything is computed
    titles       names of the heads
    head         which is shown first; word, key: who looks at whom (an index or the token); the
                 most decided word and the key it looks at most unless given
    stage        "words", "qkv", "scores", "scaled", "masked", "weights", "mixture" or "output":
                 how far the machine has come
    title        a name for the picture

    Up to 24 tokens a side, and 128 columns. Of more than six columns the five that count most for
    the chosen pair are shown, where the page is as narrow as a phone three of more than four; the
    others are one bar.

    `word`, `key`, `head`, `stage`, `temperature` and `masking` (the name of the mask) are what the
    reader has chosen: read them in the next cell, or set them. `.scores`, `.weights` and `.output`
    are attnlib's for this state, in float64, from q, k and v rounded to float32 as the page has
    them.

    Keys: up and down choose the word, left and right the key, space plays, + and - step.
    """

    _esm = joined("machine")
    _css = style() + (HERE / "machine.css").read_text(encoding="utf-8")

    head = traitlets.Int(0).tag(sync=True)
    word = traitlets.Int(0).tag(sync=True)
    key = traitlets.Int(0).tag(sync=True)
    stage = traitlets.Enum(STAGES, "output").tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    masking = traitlets.Unicode("").tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    key_tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    about = traitlets.List(traitlets.Unicode()).tag(sync=True)
    titles = traitlets.List(traitlets.Unicode()).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    _shape = traitlets.List().tag(sync=True)
    _q = traitlets.Bytes(b"").tag(sync=True)
    _k = traitlets.Bytes(b"").tag(sync=True)
    _v = traitlets.Bytes(b"").tag(sync=True)
    _columns = traitlets.List().tag(sync=True)
    _gives = traitlets.List().tag(sync=True)
    _masks = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _open = traitlets.Bytes(b"").tag(sync=True)
    _scale = traitlets.Float(1.0).tag(sync=True)
    _softcap = traitlets.Float(0.0).tag(sync=True)
    _bias = traitlets.Bytes(b"").tag(sync=True)
    _cross = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        q,
        k,
        v,
        tokens=None,
        *,
        key_tokens=None,
        mask=None,
        scale=None,
        softcap=None,
        bias=None,
        columns=None,
        values=None,
        about=None,
        titles=None,
        head=0,
        word=None,
        key=None,
        stage="output",
        title="",
    ):
        q, k, v = _arrays(q, k, v)
        (heads, n_q, d), (n_k, d_v) = q.shape, v.shape[1:]
        head = _check.integer("head", head, 0, heads - 1)
        names = axis_names("tokens", tokens, n_q, visible)
        cross = key_tokens is not None or n_q != n_k
        keys = axis_names("key_tokens", key_tokens, n_k, visible, "n_k") if cross else names
        self.q, self.k, self.v, self.masks = q, k, v, _masks(mask, (heads, n_q, n_k))
        self.scale = d**-0.5 if scale is None else _check.positive("scale", scale)
        self.softcap = None if softcap is None else _check.positive("softcap", softcap)
        self.bias = _bias(bias, (heads, n_q, n_k))
        masking = next(iter(self.masks), "")
        weights = self._attention(head, masking, 1.0)[1]
        decided = weights.max(axis=1) - 1 / np.maximum(1, np.count_nonzero(weights, axis=1))
        word = _place("word", word, names, int(decided.argmax()))
        super().__init__(
            head=head,
            word=word,
            key=_place("key", key, keys, int(weights[word].argmax())),
            masking=masking,
            stage=_check.choice("stage", stage, STAGES),
            title=str(title),
            tokens=names,
            key_tokens=keys,
            about=_texts("about", about, n_q, "n_q tokens"),
            titles=_texts("titles", titles, heads, "heads") or [f"head {h}" for h in range(heads)],
            _shape=[heads, n_q, n_k, d, d_v],
            _q=q.tobytes(),
            _k=k.tobytes(),
            _v=v.tobytes(),
            _columns=_names("columns", columns, heads, d),
            _gives=_names("values", values, heads, d_v),
            _masks=list(self.masks),
            _open=b"".join(np.float32(one).tobytes() for one in self.masks.values()),
            _scale=self.scale,
            _softcap=self.softcap or 0.0,
            _bias=b"" if self.bias is None else self.bias.tobytes(),
            _cross=cross,
        )

    @classmethod
    def of(cls, steps, tokens=None, **how):
        """The machine of whatever has q, k and v: `Machine.of(layer.steps(x), tokens)`, with the
        layer's mask, bias, scale and softcap. Of a model: `Machine(**model.qkv(text).head(0, 0))`.
        """
        if not all(hasattr(steps, name) for name in "qkv"):
            wanted = "what has q, k and v, as layer.steps(x) returns it"
            raise TypeError(f"steps must be {wanted}, got {_check.short(steps)}")
        options = getattr(steps, "options", {})
        return cls(steps.q, steps.k, steps.v, tokens, **options | how)

    @property
    def mask(self):
        """The mask that is chosen, (n_q, n_k), or None where all may look at all."""
        return self._mask(self.head, self.masking)

    @property
    def scores(self):
        """(n_q, n_k): what the softmax of the chosen head takes, -inf where the mask is shut."""
        q, k, _ = self._qkv(self.head)
        return attention_scores(q, k, **self._options(self.head, self.masking, self.temperature))

    @property
    def weights(self):
        """(n_q, n_k): the weights of the chosen head."""
        return self._attention(self.head, self.masking, self.temperature)[1]

    @property
    def output(self):
        """(n_q, d_v): the output of the chosen head."""
        return self._attention(self.head, self.masking, self.temperature)[0]

    def _qkv(self, head):
        return [one[head].astype(np.float64) for one in (self.q, self.k, self.v)]

    def _mask(self, head, masking):
        planes = self.masks.get(masking)
        return None if planes is None else planes[head if len(planes) > 1 else 0]

    def _attention(self, head, masking, temperature):
        options = self._options(head, masking, temperature)
        return scaled_dot_product_attention(*self._qkv(head), **options)

    def _options(self, head, masking, temperature):
        """What a score is made of; the temperature divides all of it."""
        made = {"scale": self.scale, "softcap": self.softcap}
        made["bias"] = None if self.bias is None else self.bias[head].astype(np.float64)
        made = {name: None if one is None else one / temperature for name, one in made.items()}
        return made | {"mask": self._mask(head, masking)}

    @traitlets.validate("head", "word", "key")
    def _exists(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        sizes = dict(zip(("head", "word", "key"), self._shape))
        return _check.integer(name, value, 0, sizes[name] - 1) if sizes else value

    @traitlets.validate("temperature")
    def _above_0(self, proposal):
        return _check.positive("temperature", proposal["value"])

    @traitlets.validate("masking")
    def _is_a_mask(self, proposal):
        return _check.choice("masking", proposal["value"], list(self.masks) or [""])

    def _still(self):
        q, k, v = self._qkv(self.head)
        picture = product(
            q,
            k,
            v,
            self.word,
            self.key,
            tokens=self.tokens,
            key_tokens=self.key_tokens,
            columns=_of_head(self._columns, self.head, q.shape[1]),
            values=_of_head(self._gives, self.head, v.shape[1]),
            about=self.about,
            masking=self.masking,
            stage=self.stage,
            title=self.title,
            **self._options(self.head, self.masking, self.temperature),
        )
        if STAGES.index(self.stage) < STAGES.index("weights"):
            return picture, ""
        return picture, most_attended(self.weights, self.tokens, key_tokens=self.key_tokens)

    def __repr__(self):
        heads, n_q, n_k, d, _ = self._shape
        return f"Machine({heads} heads, {n_q} queries, {n_k} keys, {d} columns)"


def _arrays(q, k, v):
    """Checked, with an axis of heads, as float32: the page has the same numbers."""
    arrays = {}
    for name, value, axes in [("q", q, "n_q d"), ("k", k, "n_k d"), ("v", v, "n_k d_v")]:
        array = _check.floats(name, value, axes)
        if array.ndim == 4 and len(array) == 1:
            array = array[0]
        if array.ndim not in (2, 3) or 0 in array.shape:
            wanted = f"({axes.replace(' ', ', ')}) or (heads, {axes.replace(' ', ', ')})"
            raise ValueError(
                f"{name} must have the shape {wanted}, with no axis of length 0; got {array.shape}"
                f"{', a batch: choose a text, as ' + name + '[0]' if array.ndim == 4 else ''}"
            )
        with np.errstate(over="ignore"):
            array = _check.finite(name, array.astype(np.float32))
        arrays[name] = array.reshape((-1, *array.shape[-2:]))
        n, d = array.shape[-2:]
        if n > MOST_TOKENS:
            raise ValueError(
                f"{name} has {n} tokens, and the Machine shows up to {MOST_TOKENS}: cut out a part,"
                f" as {name}[..., :{MOST_TOKENS}, :]"
            )
        if d > MOST_COLUMNS:
            raise ValueError(
                f"{name} has {d} columns, and a head of the Machine up to {MOST_COLUMNS}: split it"
                f" into heads first, as split_heads({name}, n_heads)"
            )
    q, k, v = arrays.values()
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"q and k must have the same width, got {q.shape} and {k.shape}")
    if k.shape[:2] != v.shape[:2]:
        raise ValueError(f"k and v must have the same heads and tokens, got {k.shape}, {v.shape}")
    if len(q) % len(k):
        raise ValueError(
            f"q has {len(q)} heads and k {len(k)}: grouped heads need a number that divides q's"
        )
    return q, *(np.repeat(one, len(q) // len(k), axis=0) for one in (k, v))


def _masks(mask, shape):
    """{name: boolean planes (heads, n_q, n_k), or one for all heads}; {} without a mask."""
    if mask is None:
        return {}
    named = mask if isinstance(mask, dict) else {"masked": mask, "not masked": None}
    if not named or not all(isinstance(name, str) for name in named):
        raise ValueError(f"mask must be an array, or a dict of names and arrays, got {mask!r}")
    planes = {}
    for name, one in named.items():
        one = np.True_ if one is None else _check.allowed("mask", one)
        one = one[0] if one.ndim == 4 and len(one) == 1 else one
        _check.broadcasts("mask", one, shape)
        planes[name] = one
    each = any(np.ndim(one) == 3 and len(one) > 1 for one in planes.values())
    wanted = shape if each else (1, *shape[1:])
    return {name: np.broadcast_to(one, wanted) for name, one in planes.items()}


def _bias(bias, shape):
    """What is added to the scores of each head, as float32; None where nothing is."""
    if bias is None:
        return None
    bias = _check.floats("bias", bias, "")
    bias = bias[0] if bias.ndim == 4 and len(bias) == 1 else bias
    with np.errstate(over="ignore"):
        bias = bias.astype(np.float32)
    if not np.isfinite(bias).all():
        raise ValueError("bias must be finite, a number to add: what is hidden goes in mask=")
    return np.broadcast_to(_check.broadcasts("bias", bias, shape), shape)


def _texts(name, value, n, axis):
    """n texts, or none."""
    if value is None:
        return []
    value = _check.texts(name, value)
    if len(value) != n:
        raise ValueError(f"{name} has {len(value)} entries, but there are {n} {axis}")
    return [str(text) for text in value]


def _names(name, value, heads, n):
    """Names of n columns, for all heads or for each: a list of lists."""
    if value is None:
        return []
    value = _check.row(name, value)
    if not value:
        raise ValueError(f"{name} must be a list of {n} names, or such a list for each head")
    each = value if not isinstance(value[0], str) and np.ndim(value[0]) else [value]
    if len(each) not in (1, heads):
        raise ValueError(f"{name} has names for {len(each)} heads, but there are {heads}")
    return [_texts(name, one, n, "columns") for one in each]


def _of_head(names, head, n):
    if not names:
        return [f"column {f}" for f in range(n)]
    return names[head if len(names) > 1 else 0]


def _place(name, value, tokens, otherwise):
    """The index of a token that is given as such, or by its name."""
    if value is None:
        return otherwise
    if isinstance(value, str):
        value = value if value in tokens else visible([value])[0]  # " it" is drawn as ␣it
        if value not in tokens:
            raise ValueError(
                f"{name} must be an index or one of {', '.join(tokens)}, got {value!r}"
            )
        return tokens.index(value)
    return _check.integer(name, value, 0, len(tokens) - 1)
