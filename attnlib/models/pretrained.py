"""Models with trained weights: load("tiny-gpt"), then a text goes in and a `Trace` comes out."""

import json
import os
from pathlib import Path

import numpy as np

from attnlib import _check
from attnlib._memory import keep_memory
from attnlib.layers import cast, parameters
from attnlib.models import (
    bart,
    bert,
    gemma,
    gguf,
    gpt2,
    gpt_neox,
    llama,
    modernbert,
    olmo2,
    phi3,
    roberta,
    t5,
    translator,
)
from attnlib.models.bert import Bert
from attnlib.models.chat import read_template
from attnlib.models.decoding import Rules
from attnlib.models.files import hub, places
from attnlib.models.files.checkpoint import EXTRA, load_model
from attnlib.models.files.config import RULES
from attnlib.models.files.tokenizer import BytePairs
from attnlib.models.gpt import GPT
from attnlib.models.seq2seq import Encoder, Seq2Seq
from attnlib.models.text import NoTokenizer, TextEncoder, TextModel, TextToText, read_tokenizer

SHIPPED = ["tiny-gpt", *translator.SHIPPED]
FAMILIES = gpt2.FAMILIES | bert.FAMILIES | llama.FAMILIES | t5.FAMILIES | bart.FAMILIES
FAMILIES |= roberta.FAMILIES | modernbert.FAMILIES | gemma.FAMILIES | gpt_neox.FAMILIES
FAMILIES |= phi3.FAMILIES | olmo2.FAMILIES


def load(path_or_name):
    """A trained model, ready to read.

    Trained by this repository and shipped with it:
    "tiny-gpt"           a small GPT of English (course/shipped/tiny_gpt.py) -> `TextModel`
    "reverse", "dates"   an encoder-decoder each (course/shipped/seq2seq.py) -> `Translator`

    Published, fetched once and then read from the cache (files/hub.py):
    "minilm"             all-MiniLM-L6-v2, a BERT of 23 million parameters -> `TextEncoder`
    "bert-base-uncased"  110 million -> `TextEncoder`
    "gpt2"               124 million -> `TextModel`
    "smollm2"            SmolLM2-135M-Instruct, which chats; 4 bits a number -> `TextModel`

    A GGUF file, as Ollama and llama.cpp keep models, of the architecture llama, qwen2, qwen3,
    gemma2, gemma3, phi3 or olmo2, packed as F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q4_K Q5_K or
    Q6_K, with a tokenizer of byte pairs ("gpt2") or of SentencePiece ("llama") -> `TextModel`

    A folder with config.json, model.safetensors (whole or in shards) and tokenizer.json, of one of
    these model types: gpt2 gpt_neox llama mistral qwen2 qwen3 phi3 olmo2 gemma2 gemma3_text ->
    `TextModel`; bert distilbert albert roberta xlm-roberta camembert electra modernbert ->
    `TextEncoder`; t5 bart marian -> `TextToText`, their encoder alone -> `TextEncoder`.
    Reading one needs: pip install 'attnlib[models]'

    What a file holds beside the model, say a classifier, is not read: `.about["ignored"]` names it.
    """
    _check_path("path_or_name", path_or_name)
    keep_memory()  # every forward pass needs the same again
    if path_or_name == "tiny-gpt":
        return tiny_gpt(Path(__file__).with_name("tiny_gpt.npz"))
    if path_or_name in translator.SHIPPED:
        return translator.load(path_or_name)
    if path_or_name in hub.PUBLISHED:
        found = hub.fetch(path_or_name)
        return packed(found) if found.suffix == ".gguf" else checkpoint(found)
    path = Path(path_or_name).expanduser()
    if not os.path.exists(path):  # False, too, for a name that is too long for a file
        raise places.nothing(str(path_or_name), [*SHIPPED, *hub.PUBLISHED])
    if places.is_gguf(path):
        return packed(path)
    if path.is_file():
        raise places.file(path)
    return checkpoint(places.snapshot(path))


def checkpoint(folder):
    """A folder with a published checkpoint -> the model with its tokenizer."""
    model, about, known = load_model(folder, FAMILIES)
    tokenizer = read_tokenizer(folder, about["config"]["model_type"])
    about = {"folder": str(folder), **about}
    if isinstance(model, Bert):
        return TextEncoder(model, tokenizer, about)
    if isinstance(model, Seq2Seq) and not model.decoder:
        return TextEncoder(Encoder(model), tokenizer, about)
    end = known["eos_token_id"]
    if isinstance(model, Seq2Seq):
        rules = Rules(end, **{key: known[key] for key in RULES})
        ends = {"start": known["decoder_start_token_id"], "end": end}
        return TextToText(model, tokenizer, about, **ends, rules=rules, unbuilt=about["unbuilt"])
    return TextModel(model, tokenizer, about | read_template(folder), stop=end)


def packed(path, *, in_order=True):
    """A GGUF file -> `TextModel`.

    in_order  False leaves the rows of W_q and W_k as they lie in the file, which is wrong: a lesson
              of real_models. See `gguf.model`
    """
    _check_path("path", path)
    path, in_order = Path(path), _check.flag("in_order", in_order)
    if not os.path.isfile(path):
        raise ValueError(f"path must be a GGUF file, and none is at {_check.short(str(path))}")
    model, about, known, metadata = gguf.model(path, in_order=in_order)
    try:
        tokenizer = gguf.tokenizer(path, metadata)
    except ImportError:
        tokenizer = NoTokenizer(f"reading the tokenizer of {path.name} needs a library: {EXTRA}")
    except ValueError as error:
        tokenizer = NoTokenizer(str(error).removesuffix(". Fetch the folder anew"))
    return TextModel(model, tokenizer, about, stop=known["eos_token_id"])


def _check_path(name, value):
    """An error for what is no path."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a string or a path, got {value!r}")
    if not str(value).strip():
        raise ValueError(f"{name} must not be empty")


def tiny_gpt(path):
    """The file that course/shipped/tiny_gpt.py writes -> `TextModel`."""
    with np.load(path, allow_pickle=False) as file:
        about, merges = json.loads(str(file["about"])), file["merges"]
        model = cast(GPT(**about["model"]), np.float32)
        for name, array in parameters(model).items():
            array[...] = file[f"weights/{name}"]
        about |= {"losses": file["losses"], "watched": file["watched"]}
    return TextModel(model, BytePairs(merges), about)
