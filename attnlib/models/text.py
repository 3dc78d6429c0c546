"""Models with a tokenizer: a text goes in, a `Trace` comes out.

TextModel     a language model, as tiny-gpt, GPT-2 or Llama: it also writes
TextEncoder   a model that reads only, as BERT
TextToText    an encoder-decoder, as T5, BART or Marian: a source text in, a target text out
"""

from contextlib import contextmanager
from pathlib import Path

import numpy as np

from attnlib import _check, _guard
from attnlib._bytes import BYTES, readable
from attnlib.models import chat
from attnlib.models.decoding import greedy
from attnlib.models.files import vocabulary
from attnlib.models.files.checkpoint import EXTRA
from attnlib.models.generation import generate, next_token_shares, stream
from attnlib.models.seq2seq import Encoder
from attnlib.models.trace import Trace, qkv

HALF = "\N{REPLACEMENT CHARACTER}"  # what a part of a sign is decoded to


class Reader:
    """A model and its tokenizer.

    model      what computes
    tokenizer  as `BytePairs`, `FileTokenizer` or `SentencePieces`
    about      where it comes from, a dict
    """

    def __init__(self, model, tokenizer, about):
        self.model, self.tokenizer, self.about = model, tokenizer, about

    def __call__(self, text):
        """One text -> `Trace`: its tokens, weights (layers, h, n, n), and what comes out."""
        return self.forward(self.encode(text))

    def qkv(self, text):
        """One text, or its ids (n,) as an array -> `QKV`: the queries, keys and values of all
        heads. Of an encoder-decoder, those with which the encoder reads it.
        """
        are_ids = isinstance(text, np.ndarray) and text.dtype.kind in "iu" and text.ndim == 1
        ids, options = (text, {}) if are_ids else self._read(text)
        return qkv(self.names(ids), self._layers(ids, **options))

    def _read(self, text):
        """The ids of a text, and what the model is told beside them."""
        return self.encode(text), {}

    def encode(self, text):
        """A text -> ids (n,), with the marks that the model expects around it."""
        return self.tokenizer.encode(self._checked(text))

    def _checked(self, text, name="text"):
        if not isinstance(text, str):
            found = f"{type(text).__name__}: {_check.short(text)}"
            raise TypeError(f"{name} must be a string, got {found}")
        if not text:
            raise ValueError(f"{name} must have at least one sign, got an empty string")
        return text

    def tokens(self, text):
        """A text -> its tokens as strings, marks included."""
        return self.tokenizer.tokens(self.encode(text))

    def names(self, ids):
        """Ids (n,) -> n strings; (b, n) -> a list for each row."""
        return (
            [self.names(row) for row in ids]
            if _check.array("ids", ids).ndim > 1
            else self.tokenizer.tokens(ids)
        )


class TextModel(Reader):
    """A language model, say a `GPT`, and its tokenizer: it reads and writes strings.

    model tokenizer about   as in `Reader`
    stop                    the id that ends a text, or a list of such ids: `tokenizer.start`
                            unless given
    """

    def __init__(self, model, tokenizer, about, *, stop=None):
        super().__init__(model, tokenizer, about)
        self.stop = tokenizer.start if stop is None else stop

    def forward(self, ids, *, mask=None, positions=None):
        """ids (n,) or (b, n) -> `Trace`: weights (layers, ..., h, n, n), logits
        (..., n, vocabulary).

        mask, positions   as in `GPT.logits`. For a padded batch, mask is False on the padding:
                          (b, 1, 1, n), and with padding on the left positions count from the first
                          token behind it
        Without a head in its file, output is the last hidden state (..., n, d_model).
        """
        steps = self.model.padded_steps(ids, mask=mask, positions=positions)
        return Trace(self.names(ids), steps.weights, steps.output, mask=steps.mask)

    def _layers(self, ids):
        return self.model.padded_steps(ids).blocks

    def next_tokens(self, text, *, best=8, temperature=1.0):
        """The tokens most likely to come next: [(token, share), …], the likeliest first."""
        return self.best(
            self.model.logits(self.encode(text))[-1], best=best, temperature=temperature
        )

    def best(self, logits, *, best=8, temperature=1.0):
        """The same for the logits (vocabulary,) of one place."""
        best = _check.integer("best", best, maximum=len(self.tokenizer))
        logits = _check.floats("logits", logits, "vocabulary")
        if logits.ndim != 1:  # a model may have more rows than its tokenizer has tokens
            raise ValueError(f"logits must have the shape (vocabulary,), got {logits.shape}")
        shares = next_token_shares(logits, temperature=temperature)
        order = np.argsort(-shares, kind="stable")[:best]
        return list(zip(self.tokenizer.tokens(order), shares[order].tolist()))

    def generate(self, text, *, n_new=40, **sampling):
        """Go on with a text -> the whole text. sampling: temperature, top_k, top_p, rng …, as in
        `generation.generate`.
        """
        ids = generate(self.model, self.encode(text), n_new=n_new, stop=self.stop, **sampling)
        return self._decoded(ids)

    def stream(self, text, *, n_new=40, **sampling):
        """What `generate` adds, piece by piece: an iterator over strings.

        A piece is what a token adds to the text. Where a sign takes several tokens, as an emoji
        does, it comes whole with the last of them.
        """
        return self._pieces(self.encode(text), shown=True, n_new=n_new, **sampling)

    def prompt(self, messages):
        """Messages -> the text that the model goes on with in a chat: its chat template, filled in.

        messages   [{"role": "user", "content": "Are dogs real?"}, …], roles as the template knows
                   them, mostly "system", "user" and "assistant"; a string is one message of the
                   user. Many templates begin with words of their own where no system speaks.
        """
        template = self.about.get("chat_template")
        if not template:
            lacks = "the model has no chat template: it goes on with a text, model.generate(text)"
            cure = "whoever knows its template sets model.about['chat_template']"
            raise ValueError(f"{lacks}; {cure}")
        return chat.prompt(messages, template, self.about.get("marks"))

    def chat(self, messages, *, n_new=200, temperature=0.0, stream=False, **sampling):
        """The model's reply to messages: it ends where the model ends its turn, or is n_new tokens
        long.

        messages   as in `prompt`; put the reply behind them as {"role": "assistant", …} to go on
        stream     True: an iterator over its pieces, as in `TextModel.stream`
        temperature, top_k, top_p, rng …   as in `generation.generate`; 0 says the likeliest
                   token each time, and so the same reply
        """
        prompt = self.prompt(messages)
        stream = _check.flag("stream", stream)
        # the template has written the marks
        ids = self.tokenizer.encode(prompt, marks=False)
        sampling |= {"n_new": n_new, "temperature": temperature}
        if stream:
            return self._pieces(ids, shown=False, **sampling)
        new = generate(self.model, ids, stop=self.stop, **sampling)[len(ids) :]
        return self._decoded(new)

    def _decoded(self, ids):
        """Ids -> their text, without the mark that ended it."""
        ended = len(ids) > 0 and np.isin(ids[-1], self.stop)
        return self.tokenizer.decode(ids[:-1] if ended else ids)

    def _pieces(self, ids, *, shown, **sampling):
        """The text that new tokens add: to that of ids where they are shown, else a text of its
        own.
        """
        new = stream(self.model, ids, stop=self.stop, **sampling)
        return self._whole(ids.tolist() if shown else [], new)

    def _whole(self, ids, new):
        """Ids, and new ones as they come -> pieces of text that nothing behind them changes.

        What ends in � waits: it may be a sign whose last bytes are to come. So does what ends in a
        byte of SentencePiece, "<0xE2>", for one wrong byte makes a � of each beside it.
        """
        done = text = self.tokenizer.decode(ids)
        for token in new:
            if np.isin(token, self.stop):
                break
            ids.append(token)
            before, text = text, self.tokenizer.decode(ids)
            whole = text.rstrip(HALF)
            is_byte = self.tokenizer.tokens([token])[0].startswith("<0x")
            if len(whole) > len(done) and text != before and not is_byte:
                yield whole[len(done) :]
                done = whole
        if len(text) > len(done):
            yield text[len(done) :]


class TextEncoder(Reader):
    """A model that reads only, a `Bert` or an `Encoder`, and its tokenizer."""

    def __call__(self, text):
        """One text, or a pair of texts (a, b), which the model tells apart by their token types,
        -> `Trace`.
        """
        ids, options = self._read(text)
        return self.forward(ids, **options)

    def _read(self, text):
        if not isinstance(text, (tuple, list)) or len(text) != 2:
            return super()._read(text)
        first, second = map(self._checked, text)
        ids, types = self.tokenizer.pair(first, second)
        table = getattr(self.model, "token_types", None)
        told = table is not None and len(table) > 1  # RoBERTa's has one row for both
        return ids, ({"token_types": types} if told else {})

    def _layers(self, ids, **options):
        return self.model.steps(ids, **options)

    def forward(self, ids, **options):
        """ids (n,) or (b, n) -> `Trace`; mask and token_types as in `Bert.forward`, the mask alone
        as in `Encoder.forward`.
        """
        if options.get("mask") is not None:
            options["mask"] = _guard.batch_mask(options["mask"], _check.array("ids", ids).shape)
        return self.model.forward(ids, **options)._replace(tokens=self.names(ids))


class TextToText(Reader):
    """An encoder-decoder, a `Seq2Seq`, and its tokenizer: text in, text out.

    model tokenizer about   as in `Reader`
    start, end              the ids that stand before a target and that end it
    rules                   the `Rules` of what it may write, None for none
    unbuilt                 rules that are not built here, as strings: with one it does not write
    """

    def __init__(self, model, tokenizer, about, *, start, end, rules=None, unbuilt=()):
        super().__init__(model, tokenizer, about)
        self.start, self.end, self.rules, self.unbuilt = start, end, rules, unbuilt

    def __call__(self, text, target=None):
        """Text -> `Trace` of what the model writes, or of how it reads a given `target`."""
        given = None if target is None else np.insert(self._target(target), 0, self.start)
        return self.forward(self.encode(text), given)

    def translate(self, text, *, n_max=64):
        """Text -> what the model writes in at most n_max tokens, always the likeliest next of those
        that its generation_config.json allows.
        """
        n_max = _check.integer("n_max", n_max)
        return self.tokenizer.decode(self._written(self.encode(text), n_max))

    def _layers(self, ids):
        return Encoder(self.model).steps(ids)

    def _target(self, text):
        return self.tokenizer.encode(self._checked(text, "target"))[:-1]

    def forward(self, ids, decoder_ids=None, *, source_mask=None):
        """Source ids (n,) or (b, n) -> `Trace` with decoder_tokens, decoder_weights, cross_weights.

        decoder_ids   (n_target,) or (b, n_target), `start` in front; unless given, what the
                      model writes
        source_mask   boolean, of the shape of ids: False on padding, which nobody looks at
        """
        if decoder_ids is None:
            if np.ndim(ids) > 1:
                raise ValueError("decoder_ids must be given for a batch")
            decoder_ids = np.insert(self._written(ids, 64, source_mask), 0, self.start)
        steps = self.model.steps(ids, decoder_ids, source_mask=source_mask)
        weights = [
            np.stack([block.attention.inner.weights for block in side])
            for side in (steps.encoder, steps.decoder)
        ]
        cross = np.stack([block.cross_attention.inner.weights for block in steps.decoder])
        return Trace(
            self.names(ids), weights[0], steps.output, self.names(decoder_ids), weights[1], cross
        )

    def _written(self, ids, n_max, mask=None):
        if self.model.n_max is not None:
            n_max = min(n_max, self.model.n_max - 1)  # start takes a place too
        if self.unbuilt:
            without = f"the model writes by rules that are not built here ({self.unbuilt[0]})"
            raise ValueError(f"{without}: give decoder_ids, and it reads them")
        ends = {"start": self.start, "end": self.end, "n_max": n_max, "rules": self.rules}
        return greedy(self.model, ids, source_mask=mask, **ends)


# ---- tokenizers ----------------------------------------------------------------------------------


class FileTokenizer:
    """A published tokenizer.json, read by the `tokenizers` library. It neither pads nor cuts.

    path   the file; or the files of an older folder, for a model type `kind`: see vocabulary.py
    make   what makes a `tokenizers.Tokenizer` where the file holds other things, too
    """

    start = None  # which ids stand around a text, the file knows

    def __init__(self, path, *others, kind=None, make=None):
        from tokenizers import Tokenizer

        self.path = path
        with _in_words(f"{str(path)!r} is damaged or no tokenizer"):
            if make is not None:
                self.inner = make()
            elif kind is None:
                self.inner = Tokenizer.from_file(str(path))
            else:
                self.inner = vocabulary.build([path, *others], kind)
        self.inner.no_padding()  # MiniLM's file pads to 128
        self.inner.no_truncation()
        self.in_bytes = type(self.inner.decoder).__name__ == "ByteLevel"

    def __len__(self):
        """The size of the vocabulary."""
        return self.inner.get_vocab_size()

    def encode(self, text, *, marks=True):
        """ "The cat" -> ids (n,), marks included; without, for a text that holds its own."""
        if isinstance(text, str):
            # half a sign becomes "?", as in `BytePairs`
            text = text.encode("utf-8", "replace").decode()
        with _in_words(f"{str(self.path)!r} cannot encode this text"):
            return np.array(self.inner.encode(text, add_special_tokens=marks).ids, dtype=np.int64)

    def pair(self, *texts):
        """Two texts -> ids (n,), marks included, and the type of each, 0 or 1: of the first text or
        the second.
        """
        with _in_words(f"{str(self.path)!r} cannot encode these texts"):
            found = self.inner.encode(*(text.encode("utf-8", "replace").decode() for text in texts))
        return np.array(found.ids, dtype=np.int64), np.array(found.type_ids, dtype=np.int64)

    def decode(self, ids, *, marks=False):
        """Ids -> the text, without the marks unless they are asked for."""
        with _in_words(f"{str(self.path)!r} cannot decode these ids"):
            return self.inner.decode(np.asarray(ids).tolist(), skip_special_tokens=not marks)

    def tokens(self, ids):
        """Ids -> a string for each, a space in front where it begins a word ("##ing" goes on with
        one, in BERT); a part of a sign as <F0><9F>.
        """
        with _in_words(f"{str(self.path)!r} cannot decode these ids"):
            return [self._readable(i) for i in np.asarray(ids).tolist()]

    def _readable(self, i):
        name = self.inner.id_to_token(i)
        if name is None:
            return f"<{i}>"  # a row without a token
        if not self.in_bytes:
            return name.replace("▁", " ")  # SentencePiece's space
        is_bytes = all(sign in BYTES for sign in name)  # other names are those of added tokens
        return readable(bytes(BYTES[sign] for sign in name)) if is_bytes else name


@contextmanager
def _in_words(problem):
    """What the library raises becomes one ValueError that begins with the problem.

    It raises bare Exceptions, and ValueErrors where an older file holds what it should not. Where
    its Rust code gives up, say at a pattern that tries without end, it raises a PanicException,
    which is no Exception and has no name to import.
    """
    try:
        yield
    except BaseException as error:
        plain = type(error) is Exception or isinstance(error, ValueError)
        if not plain and type(error).__name__ != "PanicException":
            raise
        why = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise ValueError(f"{problem}: {why}. Fetch the folder anew") from None


class NoTokenizer:
    """Stands where a tokenizer is missing: ids are read all the same, a text gets an error that
    says why not.
    """

    def __init__(self, why, fix=""):
        self.why, self.fix, self.start = why, fix, None

    def encode(self, *text):
        """An error: there is nothing to encode with."""
        ids = "without it the model reads ids: model.forward(ids)"
        raise ValueError(f"{self.why}; {ids}{self.fix}")

    decode = pair = encode

    def tokens(self, ids):
        """The ids themselves, as strings."""
        return [str(i) for i in np.asarray(ids).tolist()]


def read_tokenizer(folder, kind=None):
    """folder/tokenizer.json, or for some model types older files -> `FileTokenizer`; `NoTokenizer`
    without them or without the library.

    kind   the model type
    """
    path = Path(folder, "tokenizer.json")
    paths, options = [path], {}
    if not path.is_file():
        paths, options = vocabulary.files(folder, kind), {"kind": kind}
    if not paths:
        theirs = f"AutoTokenizer.from_pretrained({str(folder)!r})"
        fix = f". transformers makes one: {theirs}.save_pretrained({str(folder)!r})"
        if Path(folder, "source.spm").is_file():  # Marian's, which never becomes a tokenizer.json
            fix = f". transformers makes them: {theirs}(text).input_ids"
        return NoTokenizer(f"{str(folder)!r} has no tokenizer.json", fix)
    try:
        return FileTokenizer(*paths, **options)
    except ImportError:
        return NoTokenizer(f"reading {paths[0].name} needs the tokenizers library: {EXTRA}")
