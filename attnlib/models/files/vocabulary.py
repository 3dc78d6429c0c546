"""Tokenizers of older folders: from vocab.txt, or from vocab.json and merges.txt, where there is no
tokenizer.json.

What those files hold is the vocabulary. How a text is cut before it is looked up, the model's type
says: one recipe each, with the settings of tokenizer_config.json.
"""

from pathlib import Path

from attnlib.models.files.config import read_object

WORD_PIECES, BYTE_PAIRS = ("vocab.txt",), ("vocab.json", "merges.txt")
# model type -> its files, and the tokenizers for which the recipe stands
KNOWN = {
    "bert": (WORD_PIECES, "Bert DistilBert"),
    "distilbert": (WORD_PIECES, "Bert DistilBert"),
    "electra": (WORD_PIECES, "Bert Electra"),
    "gpt2": (BYTE_PAIRS, "GPT2"),
    "bart": (BYTE_PAIRS, "Bart Roberta"),
    "roberta": (BYTE_PAIRS, "Bart Roberta"),
    "qwen2": (BYTE_PAIRS, "Qwen2"),
    "qwen3": (BYTE_PAIRS, "Qwen2"),
}
# Qwen2: as GPT-2's pieces, but digits one by one, and lines of their own
QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DIGITS = "digits"
BERT_MARKS = {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
BART_MARKS = {"cls": "<s>", "sep": "</s>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask>"}
END_MARK = {"eos": "<|endoftext|>"}


def files(folder, kind):
    """The files that make the tokenizer of a model type; [] where they are not all there, or where
    the folder names a tokenizer of another recipe.
    """
    names, makers = KNOWN.get(kind, ((), ""))
    paths = [Path(folder, name) for name in names]
    named = settings(folder).get("tokenizer_class") if paths else None
    made = [f"{maker}Tokenizer{fast}" for maker in makers.split() for fast in ("", "Fast")]
    fits = named is None or named in [*made, "PreTrainedTokenizerFast", "TokenizersBackend"]
    return paths if fits and all(path.is_file() for path in paths) else []


def settings(folder):
    """What tokenizer_config.json says, and for the marks special_tokens_map.json."""
    found = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if Path(folder, name).is_file():
            found |= read_object(Path(folder, name))
    return found


def build(paths, kind):
    """The files of `files` -> a `tokenizers.Tokenizer`; ValueError where they do not hold one."""
    try:
        return _built(paths, kind)
    except KeyError as error:
        raise ValueError(f"the vocabulary has no {error}") from None
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None


def _built(paths, kind):
    said = settings(paths[0].parent)
    made = word_pieces(*paths, said) if len(paths) == 1 else byte_pairs(*paths, said, kind)
    added = {int(i): one for i, one in (said.get("added_tokens_decoder") or {}).items()}
    if (more := paths[0].with_name("added_tokens.json")).is_file():
        added |= {i: name for name, i in read_object(more).items() if i not in added}
    marks = [one for name, one in said.items() if name.endswith("_token") and type(one) is dict]
    known = [one for one in marks if made.token_to_id(_content(one)) is not None]
    made.add_special_tokens([_special(one) for one in known])
    for i, one in sorted(added.items(), key=lambda pair: pair[0]):
        made.add_special_tokens([_special(one)])
        if made.token_to_id(_content(one)) != i:
            raise ValueError(f"the token {_content(one)!r} has no place {i}")
    return made


def word_pieces(vocabulary, said):
    """BERT: words and signs, then the longest pieces that vocab.txt has, a line each."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    lines = vocabulary.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    ids, marks = {line: i for i, line in enumerate(lines)}, _marks(BERT_MARKS, said)
    made = Tokenizer(models.WordPiece(ids, unk_token=marks["unk"]))
    made.normalizer = normalizers.BertNormalizer(
        lowercase=said.get("do_lower_case", True),
        handle_chinese_chars=said.get("tokenize_chinese_chars", True),
        strip_accents=said.get("strip_accents"),
    )
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.add_special_tokens([mark for mark in marks.values() if mark in ids])
    first, last = marks["cls"], marks["sep"]
    made.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B:1 {last}:1",
        special_tokens=[(first, ids[first]), (last, ids[last])],
    )
    return made


def byte_pairs(vocabulary, merges, said, kind):
    """GPT-2, BART, RoBERTa, Qwen: bytes, then the pairs of merges.txt joined, from the first on."""
    from tokenizers import Tokenizer, models, normalizers
    from tokenizers.processors import RobertaProcessing

    lines = merges.read_text(encoding="utf-8").split("\n")
    pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    ids, space = read_object(vocabulary), bool(said.get("add_prefix_space", False))
    made = Tokenizer(models.BPE(ids, pairs))
    of_qwen = kind in ("qwen2", "qwen3")
    in_bytes(made, QWEN if of_qwen else "", space)
    if of_qwen:
        made.normalizer = normalizers.NFC()
    around = kind in ("bart", "roberta")
    marks = _marks(BART_MARKS if around else END_MARK, said)
    made.add_special_tokens([mark for mark in marks.values() if mark in ids])
    if around:
        first, last = marks["cls"], marks["sep"]
        made.post_processor = RobertaProcessing((last, ids[last]), (first, ids[first]), True, space)
    return made


def in_bytes(made, cut="", space=False):
    """Have a tokenizer cut a text into pieces, and spell them in bytes.

    cut    the pattern of a piece; "" for that of GPT-2, DIGITS for the same behind single digits
    space  whether a text is read as if a space stood before it
    """
    from tokenizers import Regex, decoders, pre_tokenizers

    first = [pre_tokenizers.Digits(individual_digits=True)] if cut == DIGITS else []
    if cut and not first:
        first = [pre_tokenizers.Split(Regex(cut), behavior="isolated")]
    spelt = pre_tokenizers.ByteLevel(add_prefix_space=space, use_regex=cut in ("", DIGITS))
    made.pre_tokenizer = pre_tokenizers.Sequence([*first, spelt]) if first else spelt
    made.decoder = decoders.ByteLevel()


def _marks(usual, said):
    """The special tokens of a folder: {"cls": "[CLS]", …}"""
    named = {name: said.get(f"{name}_token") for name in usual}
    return {name: _content(named[name] or mark) for name, mark in usual.items()}


def _special(token):
    """A token, or a dict that describes it -> a special one; it may take the spaces beside it."""
    from tokenizers import AddedToken

    sides = ("lstrip", "rstrip") if isinstance(token, dict) else ()
    given = {side: token[side] for side in sides if side in token}
    return AddedToken(_content(token), special=True, **given)


def _content(token):
    """A token, or a dict that describes it -> the token."""
    return token["content"] if isinstance(token, dict) else token
