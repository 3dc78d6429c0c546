"""The hunt in sentences that people wrote: how a treebank is read, what is asked of it, and what
the shipped rows say. The treebanks here are our own."""

import json

import numpy as np
import pytest
from test_hunt import TINY, Hand

from attnlib import load
from attnlib.__main__ import main
from attnlib.course import hunt, treebank
from attnlib.course.sentences import WORDS
from attnlib.models.files import hub
from attnlib.tools import hunt as tool

GUM = "# global.Entity = GRP-etype-infstat-salience-centering-minspan-link-identity"
OURS = """
# text = The baker doesn't like the stone oven, but it's warm.
1 The the DET _ Definite=Def 2 det _ Entity=(1-person-new-nnnnn-cf1-2-sgl
2 baker baker NOUN _ _ 5 nsubj _ Entity=1)
3-4 doesn't _ _ _ _ _ _ _ _
3 does do AUX _ _ 5 aux _ _
4 n't not PART _ _ 5 advmod _ _
5 like like VERB _ _ 0 root _ _
6 the the DET _ _ 8 det _ Entity=(2-object-new-nnnnn-cf2-3-coref-Stone-oven
7 stone stone NOUN _ _ 8 compound _ Entity=(3-substance-new-nnnnn-cf4-1-sgl)
8 oven oven NOUN _ _ 5 obj _ Entity=2)|SpaceAfter=No
9 , , PUNCT _ _ 13 punct _ _
10 but but CCONJ _ _ 13 cc _ _
11-12 it's _ _ _ _ _ _ _ _
11 it it PRON _ Poss=No 13 nsubj _ Entity=(2-object-giv:act-nnnnn-cf1-1-ana)
12 's be AUX _ _ 13 cop _ _
12.1 is be AUX _ _ _ _ _ _
13 warm warm ADJ _ _ 5 conj _ SpaceAfter=No
14 . . PUNCT _ _ 5 punct _ _

# text = Her red hat and my green coat cost the boy du pain
1 Her she PRON _ Case=Gen|Poss=Yes 3 nmod:poss _ _
2 red red ADJ _ _ 3 amod _ _
3 hat hat NOUN _ _ 8 nsubj _ _
4 and and CCONJ _ _ 7 cc _ _
5 my I PRON _ Poss=Yes 7 nmod:poss _ _
6 green green ADJ _ _ 7 amod _ _
7 coat coat NOUN _ _ 3 conj _ _
8 cost cost VERB _ _ 0 root _ _
9 the the DET _ _ 10 det _ _
10 boy boy NOUN _ _ 8 iobj _ _
11-12 du _ _ _ _ _ _ _ _
11 de de ADP _ _ 13 case _ _
12 le le DET _ _ 13 det _ _
13 pain pain NOUN _ _ 8 obj _ _
"""


def tabs(text):
    """Our lines, with a tab between columns."""
    lines = text.strip().split("\n")
    return "\n".join(line if line[:1] == "#" else "\t".join(line.split()) for line in lines) + "\n"


@pytest.fixture
def ours(tmp_path):
    path = tmp_path / "ours.conllu"
    path.write_text(tabs(f"{GUM}\n{OURS.strip()}"), encoding="utf-8")
    return path


def words_of(asked):
    return {(one.words[one.asks], one.words[one.right]) for one in asked}


def all_of(parsed, job, **options):
    """All that a job may ask of some sentences."""
    draws = [
        treebank.questions(parsed, job, rng=np.random.default_rng(i), **options) for i in range(30)
    ]
    return words_of(one for asked in draws for one in asked)


# ---- how a file is read --------------------------------------------------------------------------


def test_a_sentence_is_read_as_it_is_written(ours):
    said = [line[9:] for line in OURS.splitlines() if line.startswith("# text = ")]
    parsed = treebank.read(ours)
    assert [one.text for one in parsed] == said
    for one in parsed:
        assert "".join(one.written) == one.text.replace(" ", "")
        assert len(one.written) == len(one.words)
    first, second = parsed
    assert first.written[2:4] == ["does", "n't"] and "is" not in first.written
    assert second.written[10:12] == ["du", ""]  # its words do not stand in the text
    assert first.words[7] == ("oven", "oven", "NOUN", "_", 4, "obj")
    assert [first.words[i].head for i in (0, 4)] == [1, -1]
    assert first.mentions == [
        ("1", "sgl", 0, 1),
        ("2", "coref", 5, 7),
        ("3", "sgl", 6, 6),
        ("2", "ana", 10, 10),
    ]


def test_a_file_ends_and_breaks_lines_as_it_likes(ours):
    text = ours.read_text(encoding="utf-8")
    parsed = treebank.read(ours)
    for other in (text.rstrip("\n"), text + "\n\n", text.replace("\n", "\r\n")):
        ours.write_bytes(other.encode())
        assert treebank.read(ours) == parsed
    assert treebank.read(str(ours)) == parsed


def test_mentions_as_other_treebanks_write_them(ours):
    """CorefUD names its entities `eid`, and says no link."""
    text = ours.read_text(encoding="utf-8").replace(GUM, "# global.Entity = eid-etype-head-other")
    ours.write_text(text, encoding="utf-8")
    assert treebank.read(ours)[0].mentions[-1] == ("2", "", 10, 10)
    assert all_of(treebank.read(ours), "it") == {("it", "oven")}


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("5 like like", "5 like", 8, "a word must have 10 columns with a tab between, got 9"),
        ("5 like", "6 like", 8, "the next word must be 5, got '6'"),
        ("5 like", "x like", 8, "the next word must be 5, got 'x'"),
        (
            "VERB _ _ 0 root _ _\n6",
            "VERB _ _ _ root _ _\n6",
            8,
            "HEAD must be the number of a word, got '_'",
        ),
        ("2 det _ E", "15 det _ E", 3, "HEAD must be at most 14, got 15"),
        ("3-4 does", "4-5 does", 5, "words 4-5 must begin with 3"),
        ("11-12 du", "11-14 du", 32, "words 11-14 must be in the sentence"),
        ("nsubj _ Entity=1)", "nsubj _ _", 3, "Entity= '1' is never closed"),
        ("nsubj _ Entity=1)", "nsubj _ Entity=7)", 4, "Entity= closes '7', which is not open"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(old, new, line, words, ours):
    assert OURS.count(old) == 1
    ours.write_text(tabs(f"{GUM}\n{OURS.strip()}".replace(old, new)), encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        treebank.read(ours)
    assert str(caught.value) == f"{ours}, line {line}: {words}"


def test_what_is_no_treebank_is_said(tmp_path):
    path = tmp_path / "none.conllu"
    path.write_text("# only a comment\n\n")
    with pytest.raises(ValueError, match="holds no sentence"):
        treebank.read(path)
    path.write_bytes(b"1\tcaf\xe9")
    with pytest.raises(ValueError, match="must be text in UTF-8, got byte 5"):
        treebank.read(path)


# ---- what is asked -------------------------------------------------------------------------------


def test_who_asks_and_what_is_right_by_job(ours):
    parsed = treebank.read(ours)
    found = {job: all_of(parsed, job) for job in treebank.JOBS}
    assert found == {
        "determiner": {("The", "baker"), ("the", "oven"), ("the", "boy")},
        "possessive": {("Her", "hat"), ("my", "coat")},
        "adjective": {("red", "hat"), ("green", "coat")},
        "object": set(),  # the only verb of its sentence
        "subject": {("like", "baker"), ("cost", "hat")},
        "it": {("it", "oven")},
    }
    assert all_of(parsed, "subject", ahead=False) == found["subject"]
    assert all_of(parsed, "determiner", ahead=False) == set()
    for job in treebank.JOBS:
        asked = treebank.questions(parsed, job)
        assert len({one.text for one in asked}) == len(asked) <= 2
        assert treebank.questions(parsed, job) == asked
    rivals = treebank.questions(parsed, "it")[0].rivals
    assert rivals == [1, 6, 7]
    subject = treebank.questions(parsed[:1], "subject")[0]
    assert subject.rivals == [1, 6, 7, 10]  # pronouns, too


@pytest.mark.parametrize(
    ("job", "old", "new", "left"),
    [
        ("subject", "nsubj _ Entity=1)", "nsubj:pass _ Entity=1)", {("cost", "hat")}),
        ("possessive", "Case=Gen|Poss=Yes", "Case=Gen", {("my", "coat")}),
        ("possessive", "Her she PRON", "Her she PROPN", {("my", "coat")}),
        ("determiner", "The the DET", "The the PRON", {("the", "oven"), ("the", "boy")}),
        ("determiner", "boy boy NOUN", "boy boy ADJ", {("The", "baker"), ("the", "oven")}),
        ("it", "it it PRON", "it it NOUN", set()),
        ("it", "(3-substance", "(2-substance", {("it", "oven")}),  # the nearer of two
    ],
)
def test_a_question_is_one_by_relation_and_kind(job, old, new, left, ours):
    text = ours.read_text(encoding="utf-8")
    old, new = old.replace(" ", "\t"), new.replace(" ", "\t")
    assert text.count(old) == 1
    ours.write_text(text.replace(old, new), encoding="utf-8")
    assert all_of(treebank.read(ours), job) == left


def test_a_word_that_is_not_written_is_no_rival(ours):
    first = treebank.read(ours)[0]
    written = [*first.written[:6], "stone oven", "", *first.written[8:]]
    assert treebank.questions([first], "it")[0].rivals == [1, 6, 7]
    assert treebank.questions([first._replace(written=written)], "it") == []
    subject = treebank.questions([first._replace(written=written)], "subject")[0]
    assert subject.rivals == [1, 6, 10]


def story(rng, link="ana"):
    """A sentence whose *it* is one of two nouns -> its lines, and which words it asks."""
    draw = lambda slot: str(rng.choice(WORDS[slot]))  # noqa: E731
    some = lambda: [(draw("ADJ"), "ADJ", "amod")] * int(rng.integers(3))  # noqa: E731
    one = [("The", "DET", "det"), *some(), (draw("ANIMAL"), "NOUN", "nsubj")]
    two = [("her", "PRON", "nmod:poss"), *some(), (draw("THING"), "NOUN", "obj")]
    rows = [*one, (draw("VT"), "VERB", "root"), *two, ("because", "SCONJ", "mark")]
    verb, it = len(one), len(one) + len(two) + 2
    rows += [("it", "PRON", "nsubj"), (draw("VI"), "VERB", "advcl"), (".", "PUNCT", "punct")]
    nouns = [verb - 1, it - 2]
    meant = int(rng.integers(2))
    lines = []
    for i, (form, kind, relation) in enumerate(rows):
        head = {"det": nouns[0], "nmod:poss": nouns[1], "root": -1, "mark": it + 1}.get(relation)
        if relation == "amod":
            head = nouns[i > verb]
        if head is None:
            head = it + 1 if i == it else verb
        opens = {0: "(1-animal-new-x-x-x-sgl", verb + 1: "(2-object-new-x-x-x-sgl"}.get(i, "")
        opens += f"({meant + 1}-x-x-x-x-1-{link})" if i == it else ""
        closes = {nouns[0]: "1)", nouns[1]: "2)"}.get(i, "")
        misc = f"Entity={opens}{closes}" if opens or closes else "_"
        features = "Poss=Yes" if kind == "PRON" and form == "her" else "_"
        lines.append(f"{i + 1} {form} {form} {kind} _ {features} {head + 1} {relation} _ {misc}")
    pairs = {
        "determiner": (0, nouns[0]),
        "possessive": (verb + 1, nouns[1]),
        "object": (nouns[1], verb),
        "it": (it, nouns[meant]),
    }
    return lines, pairs


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    """120 of them: the file, and {the words: what is asked}."""
    rng, lines, answers = np.random.default_rng(7), [GUM], {}
    for _ in range(120):
        one, pairs = story(rng)
        lines += [*one, ""]
        answers[tuple(line.split()[1] for line in one)] = pairs
    path = tmp_path_factory.mktemp("stories") / "en_stories-ud-test.conllu"
    path.write_text(tabs("\n".join(lines)), encoding="utf-8")
    return path, answers


@pytest.mark.parametrize("job", ["determiner", "possessive", "object", "it"])
def test_questions_are_those_of_the_tree(job, stories):
    path, answers = stories
    asked = treebank.questions(treebank.read(path), job)
    assert len(asked) == len(answers) > 100
    for one in asked:
        assert (one.asks, one.right) == answers[tuple(one.words)][job]
        kinds = {"object": "VERB"}.get(job, "NOUN")
        said = {"NOUN": WORDS["ANIMAL"] + WORDS["THING"], "VERB": WORDS["VT"] + WORDS["VI"]}[kinds]
        assert [one.words[i] for i in one.rivals] == [word for word in one.words if word in said]
    shuffled = treebank.questions(treebank.read(path), job, rng=np.random.default_rng(1))
    assert shuffled != asked and sorted(shuffled) == sorted(asked)


def test_it_is_asked_only_where_a_noun_before_is_meant(tmp_path):
    def asked(*changes, link="ana"):
        lines, _ = story(np.random.default_rng(0), link)
        text = "\n".join([GUM, *lines])
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "one.conllu"
        path.write_text(tabs(text), encoding="utf-8")
        return treebank.questions(treebank.read(path), "it")

    lines, pairs = story(np.random.default_rng(0))
    it = lines[pairs["it"][0]]
    assert len(asked()) == 1
    for link in ("cata", "disc", "pred"):
        assert asked(link=link) == []
    assert asked((it, it.replace("nsubj", "expl"))) == []
    assert asked((it, it.replace("it it PRON", "that that PRON"))) == []
    assert asked((it, it.replace("Entity=(", "Entity=(9"))) == []  # meant before, elsewhere
    noun = lines[pairs["it"][1]]
    assert asked((noun, noun.replace("NOUN", "PRON"))) == []
    other = next(line for line in lines if "NOUN" in line and line != noun)
    found = asked((other, other.replace("NOUN", "VERB")))
    assert found == []  # one noun: no wrong answer


def test_what_is_too_short_or_too_long_or_was_met_is_not_asked(stories, monkeypatch):
    parsed = treebank.read(stories[0])
    lengths = sorted(len(one.words) for one in parsed)
    monkeypatch.setattr(treebank, "SHORTEST", lengths[20])
    monkeypatch.setattr(treebank, "LONGEST", lengths[-20])
    kept = [len(one.words) for one in treebank.questions(parsed, "it")]
    assert min(kept) == lengths[20] and max(kept) == lengths[-20]
    assert len(treebank.questions(parsed * 2, "it")) == len(kept)


def test_the_head_word_of_a_mention():
    def words(*heads):
        return [treebank.Word("x", "x", "NOUN", "_", head, "dep") for head in heads]

    assert treebank.head_of(words(1, 2, -1), 0, 2) == 2
    assert treebank.head_of(words(1, 2, -1), 0, 1) == 1
    assert treebank.head_of(words(4, 0, 1, 4, -1), 0, 3) == 0  # two hang outside: the first


# ---- which token is a piece of which word --------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "text", "found"),
    [
        ("[CLS] i don ' t [SEP]", "I do n't", [-1, 0, 1, 2, 2, -1]),
        ("[CLS] cafe - like [SEP]", "Café -like", [-1, 0, 1, 1, -1]),
        ("The Ġca fÃ© Ġco - star", "The café co- star", [0, 1, 1, 2, 2, 3]),
        ("▁A <0xC3> <0xA9> ▁B", "A é B", [0, 1, 1, 2]),
        ("[CLS] du pain [SEP]", ["du", "", "pain"], [-1, 0, 2, -1]),
        ("In ▁ 1 9 ▁ (", "In 19 (", [0, 1, 1, 1, 2, 2]),  # spaces by themselves
    ],
)
def test_tokens_that_are_other_words_than_those_of_a_treebank(tokens, text, found):
    text = text.split() if isinstance(text, str) else text
    assert hunt.word_of_each(tokens.split(), text).tolist() == found


@pytest.mark.parametrize("name", ["tiny-gpt", "minilm", "smollm2"])
def test_models_spell_what_people_write(name):
    if name != "tiny-gpt" and not hub.here(name):
        pytest.skip(f"{name} is not on this machine")
    model = load(name)
    text = [
        "The",
        "naïve",
        "co",
        "-",
        "star",
        "'s",
        "(",
        "1990s",
        ")",
        "e",
        "-mail",
        ":",
        "a/b",
        "?",
    ]
    said = "The naïve co-star's (1990s) e-mail: a/b?"
    tokens = model.tokens(said)
    of_word = hunt.word_of_each(tokens, text)
    assert set(of_word) - {-1} == set(range(len(text)))
    assert (np.diff(of_word[of_word >= 0]) >= 0).all()
    for i, word in enumerate(text[2:6], 2):  # plain signs
        assert "".join(tokens[k].strip(" #") for k in np.flatnonzero(of_word == i)) == word


def test_what_a_model_cannot_be_asked():
    asked = treebank.Asked("Dogs like the old oven".split(), 1, 0, [0, 4], said="")
    joined = asked._replace(words="Dogs li ke oven".split(), right=3, said="Dogs like oven")
    assert tool.answerable(TINY, joined._replace(words="Dogs like oven".split(), right=0, asks=2))
    assert not tool.answerable(TINY, joined)  # "ke" has no piece of its own

    class Plain:
        def __init__(self, *tokens):
            self.told = list(tokens)

        def tokens(self, text):
            return self.told

    marked = Plain("[CLS]", "dogs", "like", "the", "old", "oven", "[SEP]")
    assert tool.answerable(marked, asked)
    assert not tool.answerable(Plain(*marked.told[1:]), asked)  # its first token is left out
    assert tool.answerable(Plain(*marked.told[1:]), asked._replace(asks=0, right=1))
    assert not tool.answerable(Plain("[CLS]", "[UNK]", *marked.told[2:]), asked)
    one = Plain("[CLS]", "dogs", "like", "oven", "[SEP]")
    assert tool.answerable(one, asked._replace(words=["Dogs", "like", "", "", "oven"]))
    assert not tool.answerable(marked, asked._replace(asks=4, right=3))  # nobody else to ask
    assert tool.answerable(marked, asked._replace(asks=3, right=4))


def test_a_model_that_writes_is_asked_for_what_it_has_read(ours):
    parsed = treebank.read(ours)
    assert tool.in_treebank(TINY, "determiner", parsed, 9) == []
    assert len(tool.in_treebank(TINY, "subject", parsed, 9)) == 2
    assert len(tool.in_treebank(TINY, "subject", parsed, 1)) == 1


def test_another_word_that_asks_is_one_that_is_written():
    asked = treebank.Asked(["a", "b", "", "c", "d"], 3, 0, [0, 1])
    assert tool.instead(asked) == [1, 4]
    assert tool.instead(asked._replace(asks=1, right=3)) == [0, 4]


# ---- heads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", ["determiner", "possessive", "object", "it"])
def test_a_planted_head_is_found_and_a_wrong_one_is_not(job, stories, monkeypatch):
    path, answers = stories
    monkeypatch.setattr(tool, "by_chance", lambda *_: 0.0)

    def oracle(said, i):  # right where it is asked, and at itself elsewhere
        asks, right = answers[tuple(said)][job]
        return right if i == asks else i

    def always(said, i):  # right, whoever asks
        return answers[tuple(said)][job][1]

    def wrong(said, i):
        asks, right = answers[tuple(said)][job]
        return i if i != asks else next(k for k in range(len(said)) if k not in (asks, right))

    model = Hand(wrong, oracle, wrong)
    asked = tool.in_treebank(model, job, treebank.read(path), 100)
    assert len(asked) == 100
    row = tool.hunted(model, job, asked, {(0, 2): 0.9, (0, 1): 0.5})
    assert row["head"] == [0, 1] and row["share"] == 1.0 and row["another asks"] == 0.0
    wrong_one, right_one = row["held"]
    assert (wrong_one["head"], wrong_one["templates"]) == ([0, 2], 0.9)
    assert wrong_one["share"] == 0.0 and wrong_one["interval"][1] < 0.1
    assert (right_one["head"], right_one["templates"], right_one["share"]) == ([0, 1], 0.5, 1.0)
    if job == "it":
        assert row["order"]["share"] < 0.7 and right_one["hard"] == right_one["far"] == 1.0
        assert wrong_one["hard"] == wrong_one["far"] == 0.0
    found = tool.hunted(Hand(wrong, always), job, asked, {(0, 0): 0.2})["held"]
    assert [one["head"] for one in found] == [[0, 0], [0, 1]]
    assert found[1]["templates"] is None and found[1]["another asks"] == 1.0


def test_what_is_counted_of_a_head_is_counted_on_the_other_half(stories, monkeypatch):
    """Of one that is often wrong, against the same said in other words."""
    monkeypatch.setattr(tool, "by_chance", lambda *_: 0.0)

    def torn(said, i):
        nouns = [k for k, word in enumerate(said) if word in WORDS["ANIMAL"] + WORDS["THING"]]
        return nouns[len(said[1]) % 2] if said[i] == "it" else nouns[len(said[i]) % 2]

    monkeypatch.setattr(hunt, "RULES", {"the first": hunt.RULES["the first"]})
    model = Hand(torn, lambda said, i: i)
    asked = tool.in_treebank(model, "it", treebank.read(stories[0]), 101)
    row = tool.hunted(model, "it", asked, {(0, 0): 0.4})
    (one,) = row["held"]
    rule = hunt.RULES[row["order"]["rule"]]
    right, hard, far = [], [], []
    for this in asked[1::2]:
        of_word = hunt.word_of_each(model(this.text).tokens, this.words)
        place = np.flatnonzero(of_word == this.asks)[-1] + row["distance"]["steps"]
        right.append(torn(this.words, this.asks) == this.right)
        hard.append(rule(this) != this.right)
        far.append(not 0 <= place < len(of_word) or of_word[place] != this.right)
    right, hard, far = np.array([right, hard, far])
    assert 0.2 < right.mean() < 0.8 and len(right) == 50
    assert one["share"] == row["share"] == round(right.mean(), 3)
    assert one["interval"] == row["interval"] == tool.wilson(right)
    assert one["hard"] == row["hard"]["share"] == round(right[hard].mean(), 3)
    assert one["far"] == round(right[far].mean(), 3) and (hard != far).any()
    assert one["another asks"] == row["another asks"] != one["share"]


def test_heads_of_the_templates_are_counted_where_they_were_not_chosen():
    assert tool.on_the_templates("minilm", "it") == {(5, 11): 1.0, (3, 1): 0.733}
    assert list(tool.on_the_templates("minilm", "determiner")) == [(3, 1)]
    assert tool.on_the_templates("minilm", "adjective") == {}
    assert tool.on_the_templates("a folder", "it") == {}


def test_the_command_reads_a_treebank(stories, tmp_path, capsys):
    path, _ = stories
    other = path.with_name("en_stories-ud-dev.conllu")
    other.write_bytes(path.read_bytes())
    out = tmp_path / "people.json"
    files = ["--treebank", str(path), str(other), "--out", str(out)]
    assert main(["hunt", "--model", "tiny-gpt", "--texts", "40", *files]) == 0
    rows = json.loads(out.read_text(encoding="utf-8"))["people"]
    assert [row["job"] for row in rows] == ["object", "subject", "it"]
    assert {row["source"] for row in rows} == {"en_stories-ud"}
    assert {row["texts"] for row in rows} == {40}
    said = capsys.readouterr().out
    assert said == hunt.compared(rows) + "\n"
    assert said.startswith("tiny-gpt reads en_stories-ud\njob        head n   before here")
    assert "\nit         1.0  20  0.24" in said
    few = ["--jobs", "adjective", "it", "--treebank", str(path)]
    assert main(["hunt", "--model", "tiny-gpt", "--texts", "20", *few]) == 0


def test_a_job_with_few_questions_is_named(ours, capsys):
    arguments = ["--treebank", str(ours), "--jobs", "it"]
    assert main(["hunt", "--model", "tiny-gpt", *arguments]) == 0
    assert capsys.readouterr().out == "it: 1 questions, too few\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--treebank", "nowhere.conllu"], "nowhere.conllu"),
        (["--treebank", "OURS", "--jobs", "to"], "invalid choice: 'to' (a treebank answers det"),
        (["--jobs", "adjective"], "invalid choice: 'adjective' (templates ask determiner"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, words, ours, capsys):
    with pytest.raises(SystemExit) as left:
        main(["hunt", *[str(ours) if one == "OURS" else one for one in arguments]])
    assert left.value.code == 2
    assert words in capsys.readouterr().err


# ---- the rows that are shipped -------------------------------------------------------------------

PEOPLE = hunt.table(part="people")


def test_the_rows_hold_what_the_command_writes():
    found = {(row["model"], row["source"], row["job"]) for row in PEOPLE}
    assert len(found) == len(PEOPLE)
    assert {("minilm", "GUM", "it"), ("smollm2", "GUM", "it")} < found
    assert {row["model"] for row in PEOPLE} == {"minilm", "smollm2"}
    lines = hunt.compared(PEOPLE).splitlines()
    assert max(map(len, lines)) <= 84
    assert len(lines) == sum(len(row["held"]) for row in PEOPLE) + 2 * len(
        {(row["model"], row["source"]) for row in PEOPLE}
    )


@pytest.mark.parametrize(
    "row", PEOPLE, ids=lambda row: "-".join(map(row.get, ("model", "source", "job")))
)
def test_a_row_agrees_with_itself_and_with_the_templates(row):
    known = tool.on_the_templates(row["model"], row["job"])
    heads = [tuple(one["head"]) for one in row["held"]]
    assert heads == list({**known, tuple(row["head"]): None})
    assert row["sentences"] == row["texts"] // 2 >= 80
    right = np.array(row["right"])
    for one in row["held"]:
        head, n = tuple(one["head"]), row["sentences"]
        assert one["templates"] == known.get(head)
        low, high = one["interval"]
        assert low <= one["share"] <= high
        hits = np.arange(n) < round(one["share"] * n)
        assert one["interval"] == tool.wilson(hits)
        counted = right[head] - round(one["share"] * n)  # in the half that chose
        assert 0 <= counted <= row["texts"] - n
        for name in ("hard", "far", "another asks"):
            assert one[name] is None or 0 <= one[name] <= 1
        easy = n - row["hard"]["sentences"]
        assert one["share"] * n <= (one["hard"] or 0) * (n - easy) + easy + 1
    best = row["held"][heads.index(tuple(row["head"]))]
    assert (best["share"], best["hard"]) == (row["share"], row["hard"]["share"])
    assert best["interval"] == row["interval"]
    counted = row["share"] * row["sentences"] + row["chosen"] * (row["texts"] - row["sentences"])
    assert right[tuple(row["head"])] == pytest.approx(counted, abs=1)


# ---- a rule of grammar for *it* ------------------------------------------------------------------


def ruled(*words):
    """The place that the rule names, of words (kind, relation, features), asked by the last."""
    made = [treebank.Word("x", "x", kind, features, -1, role) for kind, role, features in words]
    nouns = [i for i, word in enumerate(made) if word.kind in treebank.NOUN]
    return treebank._argument(made, nouns, len(made) - 1)


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("NOUN:nsubj VERB:root NOUN:obj NOUN:obl PRON:nsubj", 2),
        ("PROPN:nsubj:pass VERB:root NOUN:obl PRON:nsubj", 0),
        ("NOUN:nsubj NOUN:obj:Number=Plur PRON:obj", 0),  # *it* is not plural
        ("NOUN:obl NOUN:nmod PRON:nsubj", 1),  # neither subject nor object: the last noun
        ("NOUN:obl:Number=Plur PRON:nsubj", -1),
        ("PRON:nsubj VERB:root PRON:obj", -1),
    ],
)
def test_grammar_names_the_last_singular_subject_or_object(words, place):
    split = [word.replace(":pass", "").split(":") for word in words.split()]
    assert ruled(*[(kind, role, (more or ["_"])[0]) for kind, role, *more in split]) == place


def test_only_it_is_asked_of_grammar(ours):
    parsed = treebank.read(ours)
    assert all(one.grammar is None for one in treebank.questions(parsed, "object"))
    it = treebank.questions(parsed, "it")
    assert it and all(-1 <= one.grammar < one.asks for one in it)


def test_the_rows_of_it_say_what_grammar_finds():
    rows = [row for row in hunt.table(part="people") if row["job"] == "it"]
    assert {row["model"]: row["grammar"] for row in rows} == {"minilm": 0.673, "smollm2": 0.609}
    assert not any(hunt.passes(row, one) for row in rows for one in row["held"])
    weaker = [row | {"grammar": 0} for row in rows]
    passed = {tuple(one["head"]) for row in weaker for one in row["held"] if hunt.passes(row, one)}
    assert passed == {(3, 1), (13, 8), (3, 8)}
