"""A valid call of every public function, class and method: what tests/test_odd_input.py spoils, one
argument after the other.

Functions of the ground floor have theirs already: `ARGUMENTS` of tests/test_twins.py. What stands
there is not repeated here.
"""

import copy
import importlib
import inspect
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import test_twins as twins

from attnlib import effects, efficient, encodings, heads, layers, masks, show, timing, toy, training
from attnlib import load as open_model
from attnlib import patterns as by_name
from attnlib.course import capstone
from attnlib.exercises import Exercise, Question
from attnlib.models import (
    bert,
    chat,
    decoding,
    generation,
    gpt,
    pretrained,
    seq2seq,
    text,
    translator,
)
from attnlib.models.files import sentence_pieces, tokenizer
from attnlib.training import probes, recall

ROOMS = {
    name: importlib.import_module(f"attnlib.{name}")
    for name in (
        "attention heads masks encodings layers efficient measures effects patterns toy timing"
        " models.gpt models.seq2seq models.bert models.text models.generation models.decoding"
        " models.translator models.pretrained models.files.tokenizer course.capstone"
        " models.files.sentence_pieces"
        " course.explorer course.reading training.probes training.recall"
    ).split()
}

explorer = ROOMS["course.explorer"]  # a module; attnlib.course has a function of that name

# Behind a door: nobody calls them with something that was not looked at before.
PARTS = {
    *filter(twins.is_part, twins.NAMES),
    *("heads.MultiHead", "heads.SelfAttention.check_positions", "heads.SelfAttention.placed"),
    *("encodings.Positions.added", "encodings.Positions.bias", "encodings.Positions.turned"),
    *(
        "heads.CrossAttention.checked",
        "encodings.Positions.onto",
        "encodings.positions_maker",
        "encodings.Rotary.angles",
    ),
    *("heads.n_held", "layers.norm_maker"),
    *("layers.EncoderBlock.make_attention", "layers.EncoderBlock.make_feed_forward"),
    *("toy.story_matrices", "toy.positions", "toy.story_embed", "toy.story_head"),
    *(
        "models.gpt.behind_padding",
        "models.gpt.GPT.padded_steps",
        "models.decoding.Rules",
        "models.gpt.GPT.embedded",
        "models.gpt.GPT.scores",
        "models.gpt.GPT.caches",
    ),
    *("models.seq2seq.Seq2Seq.read", "models.seq2seq.without_decoder", "models.seq2seq.Encoder"),
    *("models.seq2seq.Seq2Seq.embedded", "models.seq2seq.Seq2Seq.placed"),
    *("models.seq2seq.Seq2Seq.bias", "models.seq2seq.Seq2Seq.scores"),
    *("models.seq2seq.Seq2Seq.caches", "models.translator.padded", "models.translator.load"),
    *("models.bert.Linear", "models.bert.MaskedHead", "models.pretrained.tiny_gpt"),
    *("models.bert.bert", "models.bert.albert", "models.bert.distilbert", "models.text.Reader"),
    *("models.bert.electra", "models.bert.options", "models.bert.is_tied"),
    *("models.text.FileTokenizer", "models.text.NoTokenizer", "models.text.read_tokenizer"),
    *("models.text.TextEncoder", "models.text.TextToText", "models.translator.Translator"),
    *("models.text.TextModel", "models.pretrained.checkpoint", "encodings.Positions"),
    *("models.chat.read_template", "models.files.fill.filled", "models.files.fill.main"),
    *("course.capstone.laid_out", "course.capstone.texts", "course.capstone.answers"),
    *("course.explorer.tiny_gpt", "course.explorer.said", "course.explorer.look_figure"),
    *("course.explorer.taught_features", "course.explorer.taught_look", "course.reading.checked"),
    *("course.explorer.Explorer.set_state", "course.capstone.baselines", "training.recall.about"),
    *("training.probes.untrained", "training.probes.shuffled", "training.probes.largest_change"),
    *("training.probes.follows_the_source", "training.probes.behind_errors"),
    *("training.probes.on_the_weekday", "training.recall.read"),
}

WORDS = ["The", "cat", "sat"]


def rng():
    return np.random.default_rng(0)


def rows(*shape):
    return np.random.default_rng(1).normal(size=shape)


def shares(*shape):
    """Weights whose rows add up to 1."""
    return twins.softmax(rows(*shape))


def causal(n=3):
    return masks.causal(n)


def ids(n=5):
    return np.array([1, 4, 2, 4, 3])[:n]


def attention(**options):
    return heads.SelfAttention(8, 2, rng=rng(), **options)


def cross():
    return heads.CrossAttention(8, 2, d_context=6, rng=rng())


def small_gpt():
    return gpt.GPT(7, 8, 2, 2, n_max=16, rng=rng())


def small_seq2seq():
    return seq2seq.Seq2Seq(7, 7, 8, 1, 2, n_max=8, rng=rng())


def small_bert():
    return bert.Bert(7, 8, 2, 2, n_max=16, rng=rng())


class Letters(translator.Characters):
    """A tokenizer that takes pairs, too."""

    def pair(self, *texts):
        rows = [self.encode(one) for one in texts]
        return np.concatenate(rows), np.repeat([0, 1], [len(row) for row in rows])


def small_reader():
    return text.TextEncoder(small_bert(), Letters("abcd"), {})


def small_writer():
    return text.TextToText(small_seq2seq(), translator.Characters("abcd"), {}, start=1, end=2)


class Opened(dict):
    """A model that is opened once."""

    def __missing__(self, name):
        self[name] = open_model(name)
        return self[name]


OPENED = Opened()


def picture():
    return show.heatmap(shares(2, 2))


def drawn(a=1):
    return picture()


def nothing():
    """A function without arguments."""


def doubles(x):
    return 2 * x


def of_exercise():
    return {
        "solve": doubles,
        "title": "Twice",
        "level": 1,
        "minutes": 3,
        "inputs": lambda rng: [(rng.normal(size=3),)],
        "names": ("twice",),
        "fault": lambda result, x: "",
        "mistakes": {"it is halved": lambda x: x / 2},
        "hints": ("Times two.",),
    }


def exercise():
    return Exercise(**of_exercise() | {"fault": None})


def block(**more):
    return {
        "d_model": 8,
        "n_heads": 2,
        "d_hidden": 6,
        "norm": "pre",
        "norm_type": "layer",
        "eps": 0.1,
        "n_kv_heads": 1,
        "d_head": 4,
        "rotary": encodings.Rotary(),
        "activation": "gelu",
        "gated": True,
        "use_bias": True,
        "rng": rng(),
    } | more


def looking(**more):
    return {"x": rows(3, 8), "mask": causal(), "bias": rows(3, 3)} | more


def named(**more):
    """Of a map of three words."""
    words = {"tokens": WORDS, "key_tokens": list("abc"), "mask": causal(), "title": "A map"}
    return {"weights": shares(3, 3)} | words | more


def sampling(**more):
    return {"n_new": 2, "temperature": 0.5, "top_k": 3, "top_p": 0.9, "rng": rng()} | more


def chatty():
    """tiny-gpt with a template, for which no process starts."""
    model = copy.copy(OPENED["tiny-gpt"])
    model.about = {**model.about, "chat_template": "{{ messages[0].content }}"}
    model.prompt = lambda messages: chat._checked(messages)[0]["content"]
    return model


def scaled():
    return {"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16}


def gpt_sizes(**more):
    sizes = {"vocabulary": 7, "d_model": 8, "n_layers": 1, "n_heads": 2, "n_max": 16}
    how = {"positions": "learned", "norm": "pre", "norm_type": "layer", "activation": "gelu"}
    return sizes | how | {"dtype": np.float32, "rng": rng()} | more


KEPT = tempfile.TemporaryDirectory()  # gone when Python ends


@cache
def gguf_file():
    """A tiny model as a GGUF file."""
    import test_gguf

    return str(test_gguf.tiny(Path(KEPT.name)))


def saved():
    """A checkpoint of a small training, its optimiser, and the random numbers."""
    path = Path(KEPT.name, "a.npz")
    optimizer, random = training.AdamW({"W": np.ones((2, 3))}), rng()
    if not path.exists():
        training.save_checkpoint(path, optimizer, random, [(1.0, 2.0)])
    return {"path": str(path), "optimizer": optimizer, "rng": random}


def of_steps(layer, **more):
    """What a backward pass of a layer or a block asks for."""
    steps = layer.steps(rows(3, 8), **more)
    return {"grad_output": rows(3, 8), "steps": steps}


def of_gpt(model):
    return {"grad_logits": rows(5, 7), "model": model, "steps": model.steps(ids())}


def of_seq2seq(model):
    return {"grad_logits": rows(3, 7), "model": model, "steps": model.steps(ids(), ids(3))}


def learning(**more):
    """What `train` asks for; the loss is that of a GPT."""
    batch = lambda rng: training.induction_batch(rng, batch=2, n=6, vocabulary=7, period=2)  # noqa: E731
    how = {"steps": 2, "lr": 0.01, "warmup": 1, "cosine": True, "betas": (0.9, 0.98)}
    how |= {"weight_decay": 0.01, "clip": 1.0, "loss": training.loss_and_gradients, "rng": rng()}
    how |= {"watch": lambda step, model: None, "checkpoint_every": 1, "resume": False}
    return {"model": small_gpt(), "batch": batch} | how | {"progress": False} | more


CALLS = {  # name: () -> (what is called, {argument: value})
    # ---- layers of attention ----
    "heads.KVCache": lambda: (heads.KVCache, {}),
    "heads.KVCache.append": lambda: (heads.KVCache().append, {"k": rows(2, 3), "v": rows(2, 4)}),
    "heads.SelfAttention": lambda: (
        heads.SelfAttention,
        {"d_model": 8, "n_heads": 2, "n_kv_heads": 1, "d_head": 4, "rotary": encodings.Rotary()}
        | {"use_bias": True, "rng": rng()},
    ),
    "heads.SelfAttention()": lambda: (
        attention(rotary=encodings.Rotary()),
        looking(cache=heads.KVCache(), positions=np.arange(3)),
    ),
    "heads.SelfAttention.steps": lambda: (attention().steps, looking()),
    "heads.CrossAttention": lambda: (
        heads.CrossAttention,
        {"d_model": 8, "n_heads": 2, "d_context": 6, "n_kv_heads": 1, "d_head": 4}
        | {"use_bias": True, "rng": rng()},
    ),
    "heads.CrossAttention()": lambda: (
        cross(),
        looking(context=rows(4, 6), mask=masks.full(3, 4), bias=rows(3, 4), cache=heads.KVCache()),
    ),
    "heads.CrossAttention.steps": lambda: (cross().steps, {"x": rows(3, 8), "context": rows(4, 6)}),
    "masks.influence": lambda: (masks.influence, {"attend": doubles, "x": rows(3, 2), "size": 0.5}),
    "effects.silenced": lambda: (
        lambda attention, heads, to: left(effects.silenced(attention, heads, to=to)),
        {"attention": attention(), "heads": 1, "to": rows(2, 4)},
    ),
    "effects.replaced": lambda: (
        lambda attention, head, weights: left(effects.replaced(attention, head, weights)),
        {"attention": attention(), "head": 1, "weights": shares(3, 3)},
    ),
    "effects.edited": lambda: (
        lambda attention, edit: left(effects.edited(attention, edit)),
        {"attention": attention(), "edit": lambda weights, values: weights @ values},
    ),
    "effects.head_means": lambda: (
        effects.head_means,
        {"attention": (one := attention()), "run": lambda: one(rows(3, 8))},
    ),
    "effects.head_effects": lambda: (
        effects.head_effects,
        {"layers": [one := attention()], "measure": lambda: one(rows(3, 8))[0].sum(), "mean": True},
    ),
    "effects.hide_each": lambda: (effects.hide_each, {"model": small_gpt(), "ids": ids()}),
    "effects.swap_each": lambda: (
        effects.swap_each,
        {"model": small_gpt(), "ids": ids(), "candidates": np.array([1, 2])},
    ),
    "effects.divergence": lambda: (effects.divergence, {"logits": rows(2, 4), "others": rows(4)}),
    # ---- encodings ----
    "encodings.Sinusoidal": lambda: (
        encodings.Sinusoidal,
        {"d_model": 8, "base": 100.0, "layout": "half"},
    ),
    "encodings.Sinusoidal.added": lambda: (encodings.Sinusoidal(8).added, {"n": 3, "held": 2}),
    "encodings.Learned": lambda: (encodings.Learned, {"n_max": 9, "d_model": 8, "rng": rng()}),
    "encodings.Learned.added": lambda: (encodings.Learned(9, 8).added, {"n": 3, "held": 2}),
    "encodings.Learned()": lambda: (encodings.Learned(9, 8), {"n": 3, "held": 2}),
    "encodings.Rotary": lambda: (
        encodings.Rotary,
        {"base": 100.0, "layout": "half", "scaling": scaled(), "partial": 0.5},
    ),
    "encodings.Rotary.turned": lambda: (
        encodings.Rotary().turned,
        {"x": rows(3, 4), "positions": np.arange(3)},
    ),
    "encodings.Rotary()": lambda: (
        encodings.Rotary(),
        {"x": rows(3, 4), "positions": np.arange(3)},
    ),
    "encodings.Alibi": lambda: (encodings.Alibi, {"n_heads": 2}),
    "encodings.Alibi.bias": lambda: (encodings.Alibi(2).bias, {"n_q": 3, "n_k": 4}),
    "encodings.t5_bucket": lambda: (
        encodings.t5_bucket,
        {"distance": np.arange(-9, 9), "bidirectional": True, "n_buckets": 8, "max_distance": 16},
    ),
    "encodings.T5Bias": lambda: (
        encodings.T5Bias,
        {"n_heads": 2, "bidirectional": True, "n_buckets": 8, "max_distance": 16},
    ),
    "encodings.T5Bias.bias": lambda: (t5().bias, {"n_q": 3, "n_k": 4}),
    "encodings.T5Bias()": lambda: (t5(), {"n_q": 3, "n_k": 4}),
    "encodings.T5Bias.buckets": lambda: (t5().buckets, {"n_q": 3, "n_k": 4}),
    # ---- layers ----
    "layers.LayerNorm": lambda: (layers.LayerNorm, {"d_model": 4, "eps": 0.1}),
    "layers.LayerNorm()": lambda: (layers.LayerNorm(4), {"x": rows(3, 4)}),
    "layers.RMSNorm": lambda: (layers.RMSNorm, {"d_model": 4, "eps": 0.1}),
    "layers.RMSNorm()": lambda: (layers.RMSNorm(4), {"x": rows(3, 4)}),
    "layers.FeedForward": lambda: (
        layers.FeedForward,
        {"d_model": 4, "d_hidden": 6, "activation": "silu", "gated": True, "use_bias": True}
        | {"rng": rng()},
    ),
    "layers.FeedForward()": lambda: (layers.FeedForward(4), {"x": rows(3, 4)}),
    "layers.FeedForward.steps": lambda: (layers.FeedForward(4).steps, {"x": rows(3, 4)}),
    "layers.EncoderBlock": lambda: (layers.EncoderBlock, block()),
    "layers.EncoderBlock()": lambda: (
        layers.EncoderBlock(8, 2, rotary=encodings.Rotary()),
        looking(cache=heads.KVCache(), positions=np.arange(3)),
    ),
    "layers.EncoderBlock.steps": lambda: (layers.EncoderBlock(8, 2).steps, looking()),
    "layers.DecoderBlock": lambda: (layers.DecoderBlock, block()),
    "layers.DecoderBlock()": lambda: (
        layers.DecoderBlock(8, 2, rotary=encodings.Rotary()),
        looking(cache=heads.KVCache(), positions=np.arange(3)),
    ),
    "layers.DecoderBlock.steps": lambda: (layers.DecoderBlock(8, 2).steps, looking()),
    "layers.CrossDecoderBlock": lambda: (
        layers.CrossDecoderBlock,
        {name: one for name, one in block().items() if name not in ("rotary", "n_kv_heads")},
    ),
    "layers.CrossDecoderBlock()": lambda: (
        layers.CrossDecoderBlock(8, 2),
        {"x": rows(3, 8), "context": rows(4, 8), "context_mask": np.ones((1, 4), bool)}
        | {"bias": rows(3, 3)},
    ),
    "layers.CrossDecoderBlock.steps": lambda: (
        layers.CrossDecoderBlock(8, 2).steps,
        {"x": rows(3, 8), "context": rows(4, 8)},
    ),
    "layers.parameters": lambda: (layers.parameters, {"layer": layers.FeedForward(4)}),
    "layers.cast": lambda: (layers.cast, {"layer": layers.FeedForward(4), "dtype": np.float32}),
    "efficient.flash_steps": lambda: (
        efficient.flash_steps,
        {"q": rows(1, 4), "k": rows(5, 4), "v": rows(5, 2), "block": 2},
    ),
    # ---- patterns by name, time, the toy world ----
    "patterns.numbers": lambda: (by_name.numbers, {"pattern": "local"}),
    "patterns.mask": lambda: (
        by_name.mask,
        {"pattern": "global-local", "n": 5, "window": 2, "n_global": 1},
    ),
    "patterns.with_numbers": lambda: (
        lambda names: by_name.with_numbers(names),
        {"names": "window"},
    ),
    "timing.milliseconds": lambda: (lambda work: timing.milliseconds(work) * 0, {"work": nothing}),
    "timing.fastest": lambda: (
        lambda works, rounds: timing.fastest(works, rounds=rounds) * 0,
        {"works": nothing, "rounds": 2},
    ),
    "toy.tokenize": lambda: (toy.tokenize, {"text": "The cat sat"}),
    "toy.features": lambda: (toy.features, {"word": "cat"}),
    "toy.embed": lambda: (toy.embed, {"tokens": WORDS, "encoding": "sinusoidal"}),
    "toy.spelling": lambda: (toy.spelling, {"tokens": WORDS}),
    "toy.layer": lambda: (
        toy.layer,
        {"n_heads": 2, "encoding": "none", "temperature": 0.5, "control": True},
    ),
    "toy.matrices": lambda: (toy.matrices, {"name": "same kind", "encoding": "none"}),
    "toy.scores": lambda: (toy.scores, {"tokens": WORDS, "names": ["same kind"]}),
    "toy.pronoun_head": lambda: (toy.pronoun_head, {"tokens": WORDS, "loudness": 2.0}),
    "toy.look": lambda: (
        toy.look,
        {"sentence": "The cat sat", "pattern": "global-local", "n_heads": 2, "window": 2}
        | {"n_global": 1, "encoding": "none", "temperature": 0.5, "control": True},
    ),
    "toy.desk": lambda: (toy.desk, {}),
    "toy.deal": lambda: (toy.deal, {"sentence": "The cat sat"}),
    "toy.two_jobs": lambda: (toy.two_jobs, {"tokens": WORDS, "loudness": 2.0}),
    "toy.shared_heads": lambda: (toy.shared_heads, {"sentence": "The cat sat", "loudness": 2.0}),
    "toy.story": lambda: (toy.story, {"sentence": "The cat sat", "side_by_side": True}),
    # ---- models ----
    "models.gpt.GPT": lambda: (gpt.GPT, gpt_sizes(tied=True)),
    "models.gpt.GPT.forward": lambda: (
        small_gpt().forward,
        {"ids": ids(), "mask": causal(5), "positions": np.arange(5)}
        | {"caches": small_gpt().caches()},
    ),
    "models.gpt.GPT.logits": lambda: (
        small_gpt().logits,
        {"ids": ids(), "mask": causal(5), "positions": np.arange(5)},
    ),
    "models.gpt.GPT.steps": lambda: (
        small_gpt().steps,
        {"ids": ids(), "mask": causal(5), "positions": np.arange(5)},
    ),
    "models.seq2seq.Seq2Seq": lambda: (
        seq2seq.Seq2Seq,
        {"source_vocabulary": 7, "target_vocabulary": 6, "d_model": 8, "n_layers": 1, "n_heads": 2}
        | {"n_max": 9, "positions": "sinusoidal", "norm": "pre", "norm_type": "layer"}
        | {"activation": "relu", "dtype": np.float32, "rng": rng()},
    ),
    "models.seq2seq.Seq2Seq.forward": lambda: (
        small_seq2seq().forward,
        {"ids": ids(), "decoder_ids": ids(3)},
    ),
    "models.seq2seq.Seq2Seq.encode": lambda: (
        small_seq2seq().encode,
        {"ids": ids(), "mask": np.arange(5) < 4},
    ),
    "models.seq2seq.Seq2Seq.logits": lambda: (
        small_seq2seq().logits,
        {"ids": ids(), "decoder_ids": ids(3), "source_mask": np.arange(5) < 4}
        | {"caches": small_seq2seq().caches()},
    ),
    "models.seq2seq.Seq2Seq.steps": lambda: (
        small_seq2seq().steps,
        {"ids": ids(), "decoder_ids": ids(3), "source_mask": np.arange(5) < 4},
    ),
    "models.bert.Bert": lambda: (
        bert.Bert,
        {"vocabulary": 7, "d_model": 8, "n_layers": 1, "n_heads": 2, "n_max": 9, "n_types": 3}
        | {"d_embedding": 6, "d_hidden": 5, "shared": True, "head": True, "activation": "gelu"}
        | {"head_activation": "relu", "tied": False, "eps": 0.1, "rng": rng()},
    ),
    "models.bert.Bert.forward": lambda: (
        small_bert().forward,
        {"ids": ids(), "mask": causal(5), "token_types": np.array([0, 0, 1, 1, 1])},
    ),
    "models.bert.Bert.steps": lambda: (
        lambda ids, mask=None, token_types=None: list(
            small_bert().steps(ids, mask=mask, token_types=token_types)
        ),
        {"ids": ids(), "mask": causal(5), "token_types": np.array([0, 0, 1, 1, 1])},
    ),
    "models.generation.next_token_shares": lambda: (
        generation.next_token_shares,
        {"logits": rows(2, 5), "temperature": 0.5, "top_k": 3, "top_p": 0.9},
    ),
    "models.generation.generate": lambda: (
        generation.generate,
        sampling(model=small_gpt(), ids=ids(), stop=[6, 5], cached=True),
    ),
    "models.generation.stream": lambda: (
        generation.stream,
        sampling(model=small_gpt(), ids=ids(), stop=6, cached=True),
    ),
    "models.decoding.greedy": lambda: (
        decoding.greedy,
        {"model": small_seq2seq(), "ids": ids(), "start": 1, "end": 2, "n_max": 4}
        | {"source_mask": np.arange(5) < 4, "begun": np.array([3])},
    ),
    "models.decoding.beam_search": lambda: (
        decoding.beam_search,
        {"model": small_seq2seq(), "ids": ids(), "start": 1, "end": 2, "n_beams": 2, "n_max": 3}
        | {"length_penalty": 0.5},
    ),
    "models.text.TextModel()": lambda: (OPENED["tiny-gpt"], {"text": "The cat"}),
    "models.text.TextModel.encode": lambda: (OPENED["tiny-gpt"].encode, {"text": "The cat"}),
    "models.text.TextModel.tokens": lambda: (OPENED["tiny-gpt"].tokens, {"text": "The cat"}),
    "models.text.TextModel.qkv": lambda: (OPENED["tiny-gpt"].qkv, {"text": "The cat"}),
    "models.text.TextModel.names": lambda: (OPENED["tiny-gpt"].names, {"ids": ids()}),
    "models.text.TextModel.forward": lambda: (
        OPENED["tiny-gpt"].forward,
        {"ids": ids(), "mask": causal(5)},
    ),
    "models.text.TextModel.next_tokens": lambda: (
        OPENED["tiny-gpt"].next_tokens,
        {"text": "The cat", "best": 3, "temperature": 0.5},
    ),
    "models.text.TextModel.best": lambda: (
        OPENED["tiny-gpt"].best,
        {"logits": rows(len(OPENED["tiny-gpt"].tokenizer)), "best": 3, "temperature": 0.5},
    ),
    "models.text.TextModel.generate": lambda: (
        OPENED["tiny-gpt"].generate,
        sampling(text="The cat"),
    ),
    "models.text.TextModel.prompt": lambda: (chatty().prompt, {"messages": "hi"}),
    "models.text.TextModel.chat": lambda: (
        chatty().chat,
        sampling(messages=[{"role": "user", "content": "hi"}], stream=False),
    ),
    "models.chat.prompt": lambda: (
        chat.prompt,
        {"messages": [{"role": "user", "content": "hi"}], "template": "{{ bos_token }}: hello"}
        | {"marks": {"bos_token": "<s>"}},
    ),
    "models.text.TextModel.stream": lambda: (OPENED["tiny-gpt"].stream, sampling(text="The cat")),
    "models.text.TextEncoder()": lambda: (small_reader(), {"text": "cab"}),
    "models.text.TextEncoder.forward": lambda: (
        small_reader().forward,
        {"ids": ids(), "mask": causal(5), "token_types": np.array([0, 0, 1, 1, 1])},
    ),
    "models.text.TextToText()": lambda: (small_writer(), {"text": "cab", "target": "ba"}),
    "models.text.TextToText.translate": lambda: (
        small_writer().translate,
        {"text": "cab", "n_max": 4},
    ),
    "models.text.TextToText.forward": lambda: (
        small_writer().forward,
        {"ids": ids(), "decoder_ids": ids(3), "source_mask": np.arange(5) < 4},
    ),
    "models.translator.Translator()": lambda: (OPENED["reverse"], {"text": "cat", "target": "tac"}),
    "models.translator.Translator.translate": lambda: (
        OPENED["reverse"].translate,
        {"text": "cat", "begun": "t"},
    ),
    "models.translator.Translator.beam_search": lambda: (
        OPENED["reverse"].beam_search,
        {"text": "cat", "n_beams": 2, "n_max": 3, "length_penalty": 0.5},
    ),
    "models.translator.Translator.encode_text": lambda: (
        OPENED["reverse"].encode_text,
        {"text": "cat"},
    ),
    "models.translator.Translator.tokens": lambda: (OPENED["reverse"].tokens, {"text": "cat"}),
    "models.translator.Translator.forward": lambda: (
        OPENED["reverse"].forward,
        {"ids": ids(), "decoder_ids": ids(3)},
    ),
    "models.translator.Characters": lambda: (translator.Characters, {"signs": "abc"}),
    "models.translator.Characters.encode": lambda: (
        translator.Characters("abc").encode,
        {"text": "cab"},
    ),
    "models.translator.Characters.tokens": lambda: (
        translator.Characters("abc").tokens,
        {"ids": ids()},
    ),
    "models.translator.Characters.decode": lambda: (
        translator.Characters("abc").decode,
        {"ids": ids()},
    ),
    "models.pretrained.packed": lambda: (
        pretrained.packed,
        {"path": gguf_file(), "in_order": False},
    ),
    "models.pretrained.load": lambda: (pretrained.load, {"path_or_name": "reverse"}),
    "models.files.tokenizer.BytePairs": lambda: (
        tokenizer.BytePairs,
        {"merges": np.array([[97, 98], [256, 99]])},
    ),
    "models.files.tokenizer.BytePairs.encode": lambda: (pairs().encode, {"text": "abc"}),
    "models.files.tokenizer.BytePairs.decode": lambda: (pairs().decode, {"ids": ids()}),
    "models.files.tokenizer.BytePairs.tokens": lambda: (pairs().tokens, {"ids": ids()}),
    "models.files.tokenizer.learn_byte_pairs": lambda: (
        tokenizer.learn_byte_pairs,
        {"text": "abcabc abc", "vocabulary": 259},
    ),
    "models.files.sentence_pieces.SentencePieces": lambda: (
        sentence_pieces.SentencePieces,
        vocabulary()
        | {"bos_token_id": 256, "eos_token_id": 256, "add_space_prefix": False, "tight": True},
    ),
    "models.files.sentence_pieces.SentencePieces.encode": lambda: (
        scored().encode,
        {"text": "abc", "marks": False},
    ),
    "models.files.sentence_pieces.SentencePieces.decode": lambda: (scored().decode, {"ids": ids()}),
    "models.files.sentence_pieces.SentencePieces.tokens": lambda: (scored().tokens, {"ids": ids()}),
    # ---- pictures ----
    "show.aim": lambda: (
        show.aim,
        {"q": rows(3, 2), "k": rows(3, 2), "v": rows(3, 2), "tokens": WORDS}
        | {"value_names": ["x", "y"], "mask": causal(), "title": "Aim"},
    ),
    "show.beside": lambda: (
        lambda pictures, title, columns: show.beside(pictures, title=title, columns=columns),
        {"pictures": picture(), "title": "Two", "columns": 2},
    ),
    "show.choice": lambda: (
        show.choice,
        {"query": rows(2), "keys": rows(3, 2), "values": rows(3), "names": WORDS, "who": "it"}
        | {"axes": ("x", "y"), "value_name": "v", "temperature": 0.5, "title": "One"},
    ),
    "show.clocks": lambda: (
        show.clocks,
        {"hands": {"a": np.array([0.0, 1, 0, 1])}, "captions": ["x", "y"], "title": "Hands"},
    ),
    "show.compare": lambda: (
        show.compare,
        {"a": shares(3, 3), "b": shares(3, 3), "tokens": WORDS, "titles": ("one", "two")}
        | {"key_tokens": list("abc"), "mask": causal(), "title": "Two", "vmax": 0.9},
    ),
    "show.cone": lambda: (
        show.cone,
        {"mask": causal(), "n_layers": 2, "room": (3, 5), "title": "Cone", "vmax": 0.5},
    ),
    "show.curves": lambda: (
        show.curves,
        {"x": np.arange(1.0, 5), "lines": {"y": np.arange(1.0, 5)}, "title": "Line"}
        | {"axes": ("x", "y"), "log": "xy", "cursor": 2.0, "limits": (1.0, 9.0)}
        | {"width": 6.0, "height": 3.0},
    ),
    "show.encoding_figure": lambda: (
        show.encoding_figure,
        {"encoding": rows(3, 4), "title": "Code"},
    ),
    "show.explore": lambda: (lambda draw, a: show.explore(draw, a=a), {"draw": drawn, "a": (1, 3)}),
    "show.flow": lambda: (
        show.flow,
        {"stages": {"x": rows(3, 2), "weights": shares(1, 3, 3)}, "tokens": WORDS, "signs": "→"}
        | {"marked": 1, "title": "Layer"},
    ),
    "show.heads": lambda: (
        show.heads,
        named(weights=shares(2, 3, 3), titles=["one", "two"], show_mask=True, vmax=0.9),
    ),
    "show.heatmap": lambda: (
        show.heatmap,
        named(signed=False, vmax=0.9, sums=True, numbers=True, axes=("rows", "columns")),
    ),
    "show.hop_map": lambda: (
        show.hop_map,
        {"mask": causal(), "tokens": WORDS, "title": "Hops", "farthest": 3, "show_mask": True},
    ),
    "show.mask_figure": lambda: (
        show.mask_figure,
        {"mask": causal(), "tokens": WORDS, "key_tokens": list("abc"), "title": "Mask"},
    ),
    "show.measure_figure": lambda: (
        show.measure_figure,
        {"values": np.abs(rows(2, 3)), "title": "Heads", "vmax": 2.0, "marked": (1, 2)},
    ),
    "show.mosaic": lambda: (
        show.mosaic,
        {"weights": shares(2, 3, 4, 4), "tokens": list("abcd"), "mask": causal(4)}
        | {"order": np.array([3, 1]), "captions": np.abs(rows(2, 3)), "marked": [(0, 1)]}
        | {"vmax": 0.9, "title": "All", "width": 8.0},
    ),
    "show.most_attended": lambda: (
        show.most_attended,
        {"weights": shares(3, 3), "tokens": WORDS, "key_tokens": list("abc"), "names": ["head"]},
    ),
    "show.panels": lambda: (
        show.panels,
        {"mask": np.broadcast_to(causal(), (2, 2, 3, 3)).copy(), "title": "Maps", "width": 4.0},
    ),
    "show.patches": lambda: (
        show.patches,
        {"weights": shares(2, 6, 6), "grid": (2, 2), "tokens": ["CLS", "r"], "pins": [0, 3]}
        | {"image": np.arange(16.0).reshape(4, 4) / 16, "key_tokens": list("uvwxyz")}
        | {"titles": ["one", "two"], "who": "looks at", "title": "Patches"},
    ),
    "show.pareto": lambda: (
        show.pareto,
        {"groups": {"a": np.array([[0.1, 0.5], [0.2, 0.7]])}, "marked": "a", "title": "Front"}
        | {"axes": ("cost", "score"), "limits": ((0, 1), (0, 1)), "width": 6.0, "height": 3.0},
    ),
    "show.predict.cells": lambda: (
        show.predict.cells,
        {"ask": "Which?", "weights": shares(3, 3), "rows": WORDS, "columns": list("abc")}
        | {"many": True, "why": "So.", "name": "it"},
    ),
    "show.predict.choice": lambda: (
        show.predict.choice,
        {"ask": "Which?", "options": ["a", "b"], "right": "a", "why": "So.", "name": "it"},
    ),
    "show.predict.split": lambda: (
        show.predict.split,
        {"ask": "How?", "parts": ["a", "b"], "truth": np.array([0.25, 0.75])}
        | {"start": np.array([0.5, 0.5]), "why": "So.", "name": "it"},
    ),
    "show.predict.curve": lambda: (
        show.predict.curve,
        {"ask": "Where?", "xs": [1.0, 2.0], "truth": np.array([0.25, 0.75]), "given": 1}
        | {"xlabel": "x", "ylabel": "y", "limits": (0.0, 1.0), "why": "So.", "name": "it"},
    ),
    "show.pieces": lambda: (
        show.pieces,
        {"tables": {"q": np.arange(6).reshape(3, 2)}, "words": WORDS, "title": "Pieces"},
    ),
    "show.rows": lambda: (
        show.rows,
        {"values": np.array([1.0, 2, 3]), "names": WORDS, "texts": list("abc"), "full": 4.0}
        | {"marked": [1], "title": "Bars", "axis": "bytes", "width": 5.0, "room": (4, "a", "b")}
        | {"ranges": np.array([[1.0, 1], [1, 3], [2, 4]]), "against": {"even": np.ones(3)}},
    ),
    "show.running": lambda: (
        show.running,
        {"steps": list(efficient.flash_steps(rows(1, 4), rows(5, 4), rows(5, 2), 2)), "at": 1}
        | {"names": list("abcde"), "value_names": ["x", "y"], "title": "Tile"},
    ),
    "show.scatter": lambda: (
        show.scatter,
        {"x": np.array([1.0, 2, 3]), "y": np.array([1.0, 2, 4]), "names": WORDS, "marked": [1]}
        | {"title": "Points", "axes": ("x", "y"), "log": "xy", "width": 6.0, "height": 3.0},
    ),
    "show.shaded": lambda: (
        show.shaded,
        {"tokens": WORDS, "weights": np.array([0.5, 0.3, 0.2]), "vmax": 0.9, "title": "Text"}
        | {"axis": "weight", "width": 6.0},
    ),
    "show.show_source": lambda: (show.show_source, {"thing": masks.full, "docstring": True}),
    "show.stacked": lambda: (
        show.stacked,
        {"values": np.array([[1.0, 2], [2, 1], [1, 1]]), "names": WORDS, "parts": ["a", "b"]}
        | {"texts": list("abc"), "full": 4.0, "limit": 3.5, "limit_name": "GPU", "title": "Bars"}
        | {"width": 7.0, "room": ("a", "b")},
    ),
    "show.steps": lambda: (
        show.steps,
        {"q": rows(3, 4), "k": rows(3, 4), "tokens": WORDS, "mask": causal(), "scale": 0.5}
        | {"title": "Steps"},
    ),
    "show.stream": lambda: (
        show.stream,
        {"parts": {"attention": [rows(3, 4)] * 5}, "norm": "pre", "title": "Stream"},
    ),
    "show.stripes": lambda: (show.stripes, {"tables": {"a": rows(3, 3)}, "title": "Tables"}),
    "show.theme": lambda: (show.theme, {"name": "light"}),
    "show.threads": lambda: (
        show.threads,
        named(weights=shares(2, 3, 3), titles=["one", "two"], head=1, pins=[1], side="query"),
    ),
    "show.words": lambda: (show.words, {"tokens": ["The", " c", "at"]}),
    "show.written": lambda: (
        show.written,
        {"weights": shares(3, 3), "n": 2, "tokens": WORDS, "key_tokens": list("abc")}
        | {"title": "So far", "axes": ("target", "source")},
    ),
    # ---- pictures that are handled ----
    "show.AttentionView": lambda: (
        show.AttentionView,
        named(weights=shares(1, 2, 3, 3), layer=0, head=1, form="map", scale="row")
        | {"how": "mean layer", "titles": ["one", "two"], "signed": False, "compact": False}
        | {"unit": "words", "steps": ["a"], "axis": "epoch"},
    ),
    "show.AttentionView.update": lambda: (
        show.AttentionView(shares(2, 3, 3), WORDS).update,
        named(weights=shares(2, 3, 3), titles=["one", "two"]),
    ),
    "show.CompareView": lambda: (
        show.CompareView,
        {"a": shares(3, 3), "b": shares(3, 3), "tokens": WORDS, "titles": ("one", "two")}
        | {"key_tokens": list("abc"), "mask": causal()},
    ),
    "show.Arrows": lambda: (
        show.Arrows,
        {"query": np.array([1.0, 0.5]), "keys": rows(3, 2), "values": np.array([1.0, 2.0, 4.0])}
        | {"names": WORDS, "who": "you", "axes": ("x", "y"), "value_name": "stars"}
        | {"temperature": 0.5, "shares": "squares", "compare": "cosine", "moves": "all", "pin": 1}
        | {"title": "Arrows"},
    ),
    "show.Walks": lambda: (show.Walks, {"d": 16, "n": 20, "seed": 3, "title": "Walks"}),
    "show.Machine": lambda: (
        show.Machine,
        {"q": rows(2, 3, 4), "k": rows(2, 3, 4), "v": rows(2, 3, 2), "tokens": WORDS}
        | {"key_tokens": list("abc"), "mask": causal(), "scale": 0.5, "columns": list("wxyz")}
        | {"softcap": 5.0, "bias": rows(3, 3)}
        | {"values": ["x", "y"], "about": list("abc"), "titles": ["one", "two"], "head": 1}
        | {"word": 1, "key": 0, "stage": "scores", "title": "Machine"},
    ),
    "show.Machine.of": lambda: (
        show.Machine.of,
        {"steps": attention().steps(rows(3, 8)), "tokens": WORDS},
    ),
    "show.Desk": lambda: (
        show.Desk,
        {"sentences": [WORDS], "features": ["old", "new"], "table": [rows(3, 2)]}
        | {"jobs": {"look": {"who": "old", "whom": "new"}}, "asks": {"old": 1}, "offers": [0, 1]}
        | {"loudness": 2.0, "title": "Desk"},
    ),
    "show.Deal": lambda: (
        show.Deal,
        {"scores": rows(2, 3, 3), "names": ["one", "two"], "tokens": WORDS, "heads": 2}
        | {"deal": [["one"], ["two"]], "loudness": 2.0, "goal": {"heads": 2}, "title": "Deal"},
    ),
    "show.Atlas": lambda: (
        show.Atlas,
        {"measures": {"itself": shares(2, 3), "other": shares(2, 3)}, "kinds": {"itself": 0.2}}
        | {"maps": [shares(2, 3, 3, 3)], "tokens": [WORDS], "title": "Atlas", "sort": "kind"}
        | {"hunt": {"look": (1, 0), "shares": shares(2, 3), "n": 5}, "mode": "hunt", "text": 0}
        | {"picked": (0, 1), "beside": (1, 1)},
    ),
    "show.Painter": lambda: (
        show.Painter,
        {"mask": causal(), "tokens": WORDS, "scores": rows(3, 3), "window": 2, "n_global": 1}
        | {"order": "after", "future": True, "goal": {"layers": 2, "price": 0.5}}
        | {"title": "Painter"},
    ),
    "show.Player": lambda: (
        show.Player,
        {"frames": shares(2, 3, 3), "names": ["one", "two"], "captions": ["a", "b"]}
        | {"tokens": WORDS, "key_tokens": list("abc"), "vmax": 0.9, "title": "Film", "speed": 2.0},
    ),
    "show.Threads": lambda: (
        show.Threads,
        named(weights=shares(2, 3, 3), titles=["one", "two"], head=1, pins=[1], form="map")
        | {"side": "query"},
    ),
    "course.explorer.explorer": lambda: (
        explorer.explorer,
        {"sentence": "The cat sat", "model": "random", "pattern": "local", "heads": 2},
    ),
    "course.explorer.Explorer": lambda: (
        explorer.Explorer,
        {"sentence": "The cat sat", "model": "random", "pattern": "local", "heads": 2, "window": 2}
        | {"globals_": 1, "encoding": "none", "temperature": 0.5, "head": 1, "pins": [1]}
        | {"side": "query", "form": "map", "taught": {"blick": "animal"}},
    ),
    "course.reading.ReadingHeads": lambda: (
        ROOMS["course.reading"].ReadingHeads,
        {
            "sentence": "The cat sat",
            "model": OPENED["tiny-gpt"],
            "measures": {"itself": shares(4, 4)},
        }
        | {"temperature": 0.5, "top_p": 0.5, "title": "Heads"},
    ),
    "course.explorer.look": lambda: (
        explorer.look,
        {"sentence": "The cat sat", "pattern": "local", "n_heads": 2, "window": 2, "n_global": 1}
        | {"encoding": "none", "temperature": 0.5, "matrices": "random"},
    ),
    "course.explorer.read": lambda: (
        explorer.read,
        {"sentence": "The cat", "pattern": "local", "window": 2, "n_global": 1, "temperature": 0.5},
    ),
    # ---- training ----
    "training.softmax_backward": lambda: (
        training.softmax_backward,
        {"grad_weights": rows(2, 3), "weights": shares(2, 3), "axis": -1},
    ),
    "training.scaled_dot_product_attention_backward": lambda: (
        training.scaled_dot_product_attention_backward,
        {"grad_output": rows(2, 3, 5), "q": rows(2, 3, 4), "k": rows(1, 6, 4), "v": rows(1, 6, 5)}
        | {"weights": shares(2, 3, 6), "scale": 0.5, "softcap": 9.0},
    ),
    "training.softcap_backward": lambda: (
        training.softcap_backward,
        {"grad_capped": rows(2, 3), "capped": rows(2, 3), "softcap": 5.0},
    ),
    "training.rotate_backward": lambda: (
        training.rotate_backward,
        {"grad_output": rows(3, 4), "angles": rows(3, 2), "layout": "half"},
    ),
    "training.rotary_backward": lambda: (
        training.rotary_backward,
        {"grad_output": rows(3, 4), "rotary": encodings.Rotary(), "positions": np.arange(3)},
    ),
    "training.t5_bias_backward": lambda: (
        training.t5_bias_backward,
        {"grad_bias": rows(2, 3, 4), "t5": t5()},
    ),
    "training.linear_backward": lambda: (
        training.linear_backward,
        {"grad_output": rows(3, 5), "x": rows(3, 4), "W": rows(4, 5)},
    ),
    "training.embedding_backward": lambda: (
        training.embedding_backward,
        {"grad_output": rows(5, 3), "ids": ids(), "vocabulary": 7},
    ),
    "training.layer_norm_backward": lambda: (
        training.layer_norm_backward,
        {"grad_output": rows(3, 4), "x": rows(3, 4), "gain": rows(4), "eps": 0.1},
    ),
    "training.rms_norm_backward": lambda: (
        training.rms_norm_backward,
        {"grad_output": rows(3, 4), "x": rows(3, 4), "gain": rows(4), "eps": 0.1},
    ),
    "training.relu_backward": lambda: (
        training.relu_backward,
        {"grad_output": rows(2, 3), "x": rows(2, 3)},
    ),
    "training.gelu_backward": lambda: (
        training.gelu_backward,
        {"grad_output": rows(2, 3), "x": rows(2, 3), "approximate": "tanh"},
    ),
    "training.silu_backward": lambda: (
        training.silu_backward,
        {"grad_output": rows(2, 3), "x": rows(2, 3)},
    ),
    "training.cross_entropy": lambda: (
        training.cross_entropy,
        {"logits": rows(5, 7), "targets": ids(), "where": np.arange(5) > 1},
    ),
    "training.sum_to": lambda: (training.sum_to, {"gradient": rows(2, 3, 4), "shape": (3, 1)}),
    "training.sum_groups": lambda: (
        training.sum_groups,
        {"gradient": rows(4, 3, 5), "shape": (2, 3, 5)},
    ),
    "training.sum_rows": lambda: (training.sum_rows, {"gradient": rows(2, 3, 4)}),
    "training.self_attention_backward": lambda: (
        training.self_attention_backward,
        {"layer": (one := attention(rotary=encodings.Rotary()))} | of_steps(one),
    ),
    "training.cross_attention_backward": lambda: (
        training.cross_attention_backward,
        {"layer": (one := cross())} | of_steps(one, context=rows(4, 6)),
    ),
    "training.feed_forward_backward": lambda: (
        training.feed_forward_backward,
        {"layer": (one := layers.FeedForward(8, rng=rng()))} | of_steps(one),
    ),
    "training.norm_backward": lambda: (
        training.norm_backward,
        {"grad_output": rows(3, 4), "norm": layers.LayerNorm(4), "x": rows(3, 4)},
    ),
    "training.residual_backward": lambda: (
        training.residual_backward,
        {"grad_output": rows(3, 8), "block": (one := layers.EncoderBlock(8, 2, rng=rng()))}
        | {"part": "attention", "steps": one.steps(rows(3, 8)).attention},
    ),
    "training.block_backward": lambda: (
        training.block_backward,
        {"block": (one := layers.EncoderBlock(8, 2, rng=rng()))} | of_steps(one),
    ),
    "training.gpt_backward": lambda: (training.gpt_backward, of_gpt(small_gpt())),
    "training.seq2seq_backward": lambda: (training.seq2seq_backward, of_seq2seq(small_seq2seq())),
    "training.loss_and_gradients": lambda: (
        training.loss_and_gradients,
        {"model": small_gpt(), "ids": ids(), "targets": ids(), "where": np.arange(5) > 1},
    ),
    "training.seq2seq_loss_and_gradients": lambda: (
        training.seq2seq_loss_and_gradients,
        {"model": small_seq2seq(), "ids": ids(), "source_mask": np.arange(5) < 4}
        | {"decoder_ids": ids(3), "targets": ids(3), "where": np.arange(3) > 0},
    ),
    "training.AdamW": lambda: (
        training.AdamW,
        {"parameters": {"W": rows(2, 3)}, "lr": 0.1, "betas": (0.9, 0.98), "eps": 1e-8}
        | {"weight_decay": 0.01},
    ),
    "training.AdamW.step": lambda: (
        training.AdamW({"W": rows(2, 3)}).step,
        {"gradients": {"W": rows(2, 3)}, "lr": 0.1},
    ),
    "training.learning_rate": lambda: (
        training.learning_rate,
        {"step": 3, "lr": 0.1, "warmup": 2, "steps": 9},
    ),
    "training.clip_by_norm": lambda: (
        training.clip_by_norm,
        {"gradients": {"W": rows(2, 3), "b": rows(3)}, "largest": 1.0},
    ),
    "training.train": lambda: (training.train, learning()),
    "training.train, with a checkpoint": lambda: (
        training.train,
        {name: one for name, one in learning().items() if name in ("model", "batch")}
        | {"steps": 1, "lr": 0.1, "checkpoint": str(Path(KEPT.name, "b.npz"))},
    ),
    "training.save_checkpoint": lambda: (
        training.save_checkpoint,
        {"records": [(1.0, 2.0), (0.5, 1.0)]} | saved(),
    ),
    "training.load_checkpoint": lambda: (training.load_checkpoint, saved()),
    "training.load_parameters": lambda: (
        training.load_parameters,
        {"path": saved()["path"], "parameters": {"W": np.ones((2, 3))}},
    ),
    "training.induction_batch": lambda: (
        training.induction_batch,
        {"rng": rng(), "batch": 2, "n": 6, "vocabulary": 9, "period": (2, 3)},
    ),
    "training.induction_score": lambda: (
        training.induction_score,
        {"weights": shares(2, 5, 5), "ids": np.array([1, 4, 2, 4, 3])},
    ),
    "training.previous_token_score": lambda: (
        training.previous_token_score,
        {"weights": shares(2, 3, 3)},
    ),
    "training.probes.surprise": lambda: (
        probes.surprise,
        {"logits": rows(5, 7), "ids": ids(), "first": 2},
    ),
    "training.probes.copies": lambda: (
        probes.copies,
        {"model": small_gpt(), "ids": np.array([1, 4, 2, 4, 2])},
    ),
    "training.recall.recall_batch": lambda: (
        recall.recall_batch,
        {"rng": rng(), "batch": 2, "n": 12, "vocabulary": 16, "shift": 1},
    ),
    "training.recall.copying_batch": lambda: (
        recall.copying_batch,
        {"rng": rng(), "batch": 2, "n": 12, "vocabulary": 16},
    ),
    "training.recall.stride_pattern": lambda: (recall.stride_pattern, {"n": 6, "stride": 2}),
    "training.recall.draw_masks": lambda: (recall.draw_masks, {"rng": rng(), "n": 6}),
    "training.recall.trained": lambda: (recall.trained, {"name": "any"}),
    # ---- the game, exercises ----
    "course.capstone.keep_rules": lambda: (
        capstone.keep_rules,
        {"design": masks.causal, "looks": 99.0, "lengths": (8, 9)},
    ),
    "course.capstone.score": lambda: (
        capstone.score,
        {"design": masks.causal, "name": "full", "model": "any", "looks": 99.0, "lengths": (8,)}
        | {"many": 2, "seed": 3},
    ),
    "course.capstone.baseline": lambda: (capstone.baseline, {"family": "local", "knob": 4}),
    "course.capstone.leaderboard": lambda: (
        capstone.leaderboard,
        {"results": [capstone.Result("a", 0.5, 0.5, 0.1)]},
    ),
    "course.capstone.by_family": lambda: (
        capstone.by_family,
        {"results": [capstone.Result("local 8", 0.5, 0.5, 0.1)]},
    ),
    "exercises.Exercise": lambda: (Exercise, of_exercise()),
    "exercises.Question": lambda: (
        lambda **given: Question(**given).ask(),
        {"name": "masks.leak", "kind": "choice", "words": "Which?", "why": "So."}
        | {"options": ["a", "b"], "right": "a"},
    ),
    "exercises.Exercise.judge": lambda: (exercise().judge, {"function": doubles}),
}


def t5():
    return encodings.T5Bias(2, bidirectional=True, n_buckets=8)


def pairs():
    return tokenizer.BytePairs(np.array([[97, 98], [256, 99]]))


def vocabulary():
    names = [*(f"<0x{byte:02X}>" for byte in range(256)), "<s>", "a", "b", "ab"]
    return {"tokens": names, "scores": [0.0] * 260, "token_type": [6] * 256 + [3, 1, 1, 1]}


def scored():
    return sentence_pieces.SentencePieces(**vocabulary())


def left(context):
    """What is refused when a `with` begins."""
    with context:
        return None


# ---- which names there are -----------------------------------------------------------------------


def written_in(module, thing):
    return getattr(thing, "__module__", None) == module.__name__


def public():
    """Every public function, class and method: what somebody may call."""
    for place, module in ROOMS.items():
        for name, thing in vars(module).items():
            if name.startswith("_") or not written_in(module, thing) or not twins.has_work(thing):
                continue
            yield from calls_of(f"{place}.{name}", thing)
    for name in show.__all__:
        if name != "predict":
            yield from calls_of(f"show.{name}", getattr(show, name), live=True)
    for name in training.__all__:
        thing = getattr(training, name)
        if thing.__module__.startswith("attnlib.training") and twins.has_work(thing):
            yield from calls_of(f"training.{name}", thing)


def calls_of(name, thing, live=False):
    """A function itself; a class, what its objects do when called, and its public methods."""
    yield name
    if not inspect.isclass(thing):
        return
    for method, one in vars(thing).items():
        if method == "__call__":
            yield f"{name}()"
        elif not method.startswith("_") and inspect.isfunction(one) and not live:
            if len(inspect.signature(one).parameters) > 1:
                yield f"{name}.{method}"


def is_part(name):
    """It, or its class."""
    own = name.removesuffix("()")
    return not PARTS.isdisjoint({own, own.rpartition(".")[0]})


NAMES = [name for name in dict.fromkeys([*public(), *CALLS]) if name in CALLS or not is_part(name)]


def given(name):
    """What is called, and its arguments by their names; made anew each time. None where there is
    no call.
    """
    if name in CALLS:
        return CALLS[name]()
    if name not in twins.ARGUMENTS:
        return None
    return twins.NAMES[name], copy.deepcopy(_drawn(name))


@cache
def _drawn(name):
    """The arguments of many draws, of each the one with most in it: an array with more than one
    row, and no option left out. Of one draw, if they depend on each other.
    """
    signature = inspect.signature(twins.NAMES[name])
    best = {}
    for trial in range(40):
        arguments, options = twins.ARGUMENTS[name](np.random.default_rng(trial))
        bound = dict(signature.bind(*arguments, **options).arguments)
        if (len(bound), _size(bound)) > (len(best), _size(best)):
            best = bound
    return best


def _size(bound):
    return sum(np.size(value) for value in bound.values())
