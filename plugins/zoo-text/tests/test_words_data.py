"""The texts and questions of word2vec: the synthetic language, files of the user, damaged ones, and the export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_text.words import corpus
from zoo_text.words.corpus import PlantedAnalogies, Text8, TextWithQuestions, count_words, find_parts, make_vocabulary
from zoo_text.words.export import plain_word, vector_lines
from zoo_text.words.language import PAIRS, RELATIONS, VAL_PAIRS, Language
from zoo_text.words.questions import NO_WORD, divide, parse_questions

from zoo_core import Context, DamagedDataError, DataUnavailableError, UnknownSplitError, WeightsError, ZooError
from zoo_core.data.columns import Ragged
from zoo_core.protocols import Files

CAPITALS = [("athens", "greece"), ("oslo", "norway"), ("cairo", "egypt"), ("rome", "italy"), ("lima", "peru")]

ODD = "ab _\t\n\x00\x07\x1c\x85\xa0\u2028\u3000\ufeff\u200b\U000e0001"  # spaces and controls of many kinds


class Folder(Files):
    """The files of a data set that lie in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.left_out: dict[str, str] = {}

    def file(self, name: str) -> Path:
        return self.root / name

    def folder(self, archive: str = "") -> Path:
        return self.root

    def leave_out(self, path: Path, reason: str) -> None:
        self.left_out[path.name] = reason


def context(root: Path) -> Context:
    return Context(data_root=root, files=Folder(root))


def all_questions(pairs: list[tuple[str, str]]) -> str:
    lines = [f"{a} {b} {c} {d}" for a, b in pairs for c, d in pairs if a != c]
    return ": capitals\n" + "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sentence = " ".join(f"{capital.title()} is in {country.title()}." for capital, country in CAPITALS)
    (tmp_path / "text.txt").write_text("\n".join([sentence] * 6), encoding="utf-8")
    (tmp_path / "questions-words.txt").write_text(all_questions(CAPITALS), encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def planted() -> PlantedAnalogies:
    return PlantedAnalogies(Context())


def test_the_language_is_the_same_each_time_and_its_words_differ(planted: PlantedAnalogies) -> None:
    again = Language()
    assert planted.signature.classes == again.words
    assert len(set(again.words)) == len(again.words) == planted.signature.outputs
    train = planted.load("train")["x"]
    assert isinstance(train, Ragged)
    assert np.array_equal(train.values, again.text().words)
    assert 900_000 < len(train.values) < 1_100_000
    with pytest.raises(UnknownSplitError):
        planted.load("validation")


def test_every_word_of_the_language_occurs_and_frequencies_fall_as_zipfs_law(planted: PlantedAnalogies) -> None:
    train = planted.load("train")["x"]
    assert isinstance(train, Ragged)
    counts = np.bincount(train.values, minlength=len(planted.signature.classes))
    assert counts.min() >= 5
    assert counts.max() / np.median(counts) > 50


def test_planted_contexts_of_a_pair_share_topics_and_those_of_a_role_share_role_words() -> None:
    language = Language()
    contexts = language.contexts
    assert contexts.sum(axis=1) == pytest.approx(1)
    first, second = np.arange(0, 2 * language.pairs, 2), np.arange(1, 2 * language.pairs, 2)
    # b - a is the same change for all pairs of a relation.
    change = contexts[second] - contexts[first]
    assert change[:PAIRS] == pytest.approx(np.tile(change[0], (PAIRS, 1)))
    assert np.abs(change[0] - change[PAIRS]).max() > 0.01


def test_the_text_has_the_planted_contexts() -> None:
    language = Language()
    text = language.text()
    word = int(np.argmax(np.bincount(text.words)[: 2 * language.pairs]))  # the most frequent word of a pair
    sentence = np.repeat(np.arange(len(text.offsets) - 1), np.diff(text.offsets))
    own = np.isin(sentence, sentence[text.words == word]) & (text.words >= 2 * language.pairs)
    seen = np.bincount(text.words[own], minlength=len(language.words)) / own.sum()
    planted, other = language.contexts[word], language.contexts[word - 7]
    assert np.abs(seen - planted).sum() < 0.5
    assert np.abs(seen - planted).sum() < np.abs(seen - other).sum()


def test_no_pair_of_words_is_asked_in_val_and_in_test(planted: PlantedAnalogies) -> None:
    asked = {}
    for split, pairs in (("val", VAL_PAIRS), ("test", PAIRS - VAL_PAIRS)):
        columns = planted.load(split)
        x = np.asarray(columns["x"])
        questions = x[x[:, 2] >= 0]
        assert len(questions) == len(RELATIONS) * pairs * (pairs - 1)
        assert (questions[:, 0] + 1 == questions[:, 1]).all()
        asked[split] = set(questions[:, 3].tolist()), {tuple(pair) for pair in x[x[:, 2] == NO_WORD, :2].tolist()}
    assert not asked["val"][0] & asked["test"][0]
    assert not asked["val"][1] & asked["test"][1]


def test_known_similarities_are_between_0_and_1_and_spread(planted: PlantedAnalogies) -> None:
    columns = planted.load("test")
    known = np.asarray(columns["similarity"])[np.asarray(columns["x"])[:, 2] == NO_WORD]
    assert len(known) > 200
    assert 0.3 < known.min() < 0.6
    assert 0.9 < known.max() <= 1


def test_questions_of_word2vecs_file_are_read_with_comments_and_empty_sections() -> None:
    text = (
        "//Copyright\n: capital-common-countries\nAthens Greece Oslo Norway\n\n: empty\n:family \nboy girl king queen\n"
    )
    assert parse_questions(text, "q.txt") == {
        "capital-common-countries": [("athens", "greece", "oslo", "norway")],
        "family": [("boy", "girl", "king", "queen")],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (": a\nathens greece oslo\n", r"q\.txt, line 2: 'athens greece oslo' has 3 words: a question has four"),
        ("a b c d e\n", "line 1.*has 5 words"),
        (": a\n\n: b\n", "holds no question"),
        ("", "holds no question"),
    ],
)
def test_a_damaged_file_of_questions_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(DamagedDataError, match=said) as caught:
        parse_questions(text, "q.txt")
    assert "\n" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab :\t\n/#\u00e9\u2028\x00\x1b"), max_size=60))
def test_any_text_is_read_as_questions_of_four_words_or_refused_in_one_line(text: str) -> None:
    try:
        found = parse_questions(text, "q.txt")
    except DamagedDataError as error:
        assert str(error).isprintable()  # noqa: PT017
    else:
        assert all(len(question) == 4 for asked in found.values() for question in asked)
        assert all(name.isprintable() for name in found)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from("abcdefghij")] * 4), min_size=1, max_size=40))
def test_every_question_is_in_one_split_or_counted_as_left_out(asked: list[tuple[str, str, str, str]]) -> None:
    words = {word: number for number, word in enumerate("abcdefgh")}  # i and j are unknown
    try:
        found = divide({"all": asked}, words, "q.txt")
    except DamagedDataError as error:
        assert "q.txt" in str(error)  # noqa: PT017
        return
    used = sum(map(len, found.words.values()))
    assert used + found.left_out["all"] + found.mixed["all"] == len(asked)
    pairs = {
        split: {tuple(pair) for row in rows.tolist() for pair in (row[:2], row[2:])}
        for split, rows in found.words.items()
    }
    assert not pairs["val"] & pairs["test"]


def test_unknown_words_are_left_out_counted_and_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (folder / "questions-words.txt").open("a") as file:
        file.write("athens greece paris france\nathens greece athens greece\n")
    data = TextWithQuestions(context(folder))
    assert data.signature.extra["not_asked"]["unknown word"] == {"capitals": 2}
    assert "2 of 22 analogy questions are left out: unknown word" in caplog.text


def test_a_text_with_questions_is_counted_numbered_by_frequency_and_divided(folder: Path) -> None:
    data = TextWithQuestions(context(folder))
    assert data.signature.classes[:2] == ("is", "in")  # 30 times each, in the order of the text
    assert data.signature.outputs == 12
    train = data.load("train")["x"]
    assert isinstance(train, Ragged)
    assert len(train) == 30
    assert [data.signature.classes[word] for word in train[0]] == ["athens", "is", "in", "greece"]
    # Two of five pairs are val: two questions; the other three have six; twelve mix them.
    assert [len(np.asarray(data.load(split)["x"])) for split in ("val", "test")] == [2, 6]
    assert data.signature.extra["not_asked"]["pairs of val and test"] == {"capitals": 12}


def test_a_text_without_questions_is_refused_with_their_form(folder: Path) -> None:
    (folder / "questions-words.txt").unlink()
    with pytest.raises(
        DataUnavailableError, match=r"holds no questions\. .*questions-words\.txt.*athens greece oslo norway"
    ):
        TextWithQuestions(context(folder))
    alone = Context(data_root=folder / "text.txt", files=Folder(folder))
    with pytest.raises(DataUnavailableError, match="give its folder"):
        TextWithQuestions(alone)


def test_text8_is_read_from_its_file_without_a_suffix_as_one_long_text(folder: Path) -> None:
    text = (folder / "text.txt").read_text("utf-8")
    (folder / "text8").write_text(" ".join(text.replace(".", "").lower().split()))
    train = Text8(context(folder)).load("train")["x"]
    assert isinstance(train, Ragged)
    assert len(train) == 1
    assert len(train.values) == 120
    (folder / "text8").unlink()
    with pytest.raises(DataUnavailableError, match="text8"):
        Text8(context(folder))


def test_two_files_of_questions_are_refused_and_so_are_questions_without_a_text(folder: Path) -> None:
    (folder / "analogies.txt").write_text("a b c d")
    with pytest.raises(DataUnavailableError, match=r"questions in analogies\.txt and questions-words\.txt"):
        TextWithQuestions(context(folder))
    (folder / "analogies.txt").unlink()
    (folder / "text.txt").unlink()
    with pytest.raises(DataUnavailableError, match=r"holds no text beside questions-words\.txt"):
        TextWithQuestions(context(folder))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty|no text"),
        ("caf\u00e9 ".encode("latin-1") * 50, "not text in UTF-8"),
        (b"athens greece\0" * 50, "NUL"),
        (b"one two three four five six", "too short"),
        (b"paris is in france. " * 20, "too short"),
        (b"berlin is the capital of germany. " * 20, "none of its 20 questions has four words"),
    ],
)
def test_a_damaged_or_unfitting_text_is_refused_in_one_line(folder: Path, content: bytes, said: str) -> None:
    (folder / "text.txt").write_bytes(content)
    with pytest.raises(ZooError, match=said) as caught:
        TextWithQuestions(context(folder))
    assert "\n" not in str(caught.value)


def test_a_text_in_utf_16_reads_as_in_utf_8(folder: Path) -> None:
    plain = TextWithQuestions(context(folder)).load("train")["x"]
    path = folder / "text.txt"
    path.write_bytes(path.read_text("utf-8").encode("utf-16"))
    again = TextWithQuestions(context(folder)).load("train")["x"]
    assert isinstance(plain, Ragged)
    assert isinstance(again, Ragged)
    assert np.array_equal(plain.values, again.values)


def test_words_and_sentences_of_a_cyrillic_text_are_found() -> None:
    found = [part for parts in find_parts(["Мой дядя! Самых — правил,\n\nКогда"]) for part in parts]  # noqa: RUF001
    assert found == ["мой", "дядя", "", "самых", "правил", "", "когда"]


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab'. \n-\u00e9"), max_size=40), st.integers(1, 7))
def test_words_are_the_same_however_the_text_is_cut_into_blocks(text: str, size: int) -> None:
    whole = [part for parts in find_parts([text]) for part in parts]
    blocks = [text[begin : begin + size] for begin in range(0, len(text), size)]
    assert [part for parts in find_parts(blocks) for part in parts] == whole


def test_a_text_without_spaces_never_waits_in_memory_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "MAX_CARRY", 100)
    parts = list(find_parts(["x" * 60] * 10))
    assert all(len(word) < 200 for part in parts for word in part)


def test_sentences_of_more_than_a_thousand_words_are_cut_and_rare_words_dropped() -> None:
    numbers, text, whole = count_words([["a"] * 1500, ["", "b", "b", "", "c"]])
    assert whole
    found = make_vocabulary(numbers, text, min_count=2)
    assert found.names == ("a", "b")
    assert found.offsets.tolist() == [0, 1000, 1500, 1502]
    assert found.counts.tolist() == [1500, 2]


def test_a_text_of_too_many_words_is_cut_and_that_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert count_words([["a"] * 6], max_words=4)[1:][1] is False
    assert len(count_words([["a"] * 6], max_words=4)[1]) == 4
    monkeypatch.setattr(corpus, "count_words", lambda parts: count_words(parts, max_words=140))
    TextWithQuestions(context(folder))
    assert "only the first" in caplog.text


def test_a_text_of_too_many_different_words_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "MAX_DIFFERENT", 3)
    with pytest.raises(DamagedDataError, match="more than 3 different words"):
        count_words([["a", "b", "c"]])


def test_shakespeare_is_read_as_its_words(test_data: Path, tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(test_data / "text.tar") as archive:
        archive.extract("text/tinyshakespeare.txt", tmp_path, filter="data")
    (tmp_path / "questions-words.txt").write_text(
        all_questions(
            [("king", "queen"), ("man", "woman"), ("father", "mother"), ("brother", "sister"), ("lord", "lady")]
        )
    )
    data = TextWithQuestions(context(tmp_path))
    train = data.load("train")["x"]
    assert isinstance(train, Ragged)
    assert data.signature.classes[:4] == ("the", "and", "to", "i")
    assert 140_000 < len(train.values) < 160_000
    assert 2_500 < len(data.signature.classes) < 3_500


def test_vectors_are_written_as_gensim_reads_them_whatever_the_words_are(tmp_path: Path) -> None:
    models = pytest.importorskip("gensim.models", reason="gensim is not installed: pip install gensim")
    words = [
        "new york",
        "tab\there",
        "bell\x07",
        "line\nend",
        "next\x85line",
        "\u0434\u044f\u0434\u044f",
        "a\u2028b",
        "\ufeffmark",
    ]
    vectors = np.random.default_rng(0).standard_normal((len(words), 3)).astype(np.float32)
    path = tmp_path / "vectors.txt"
    path.write_text("".join(vector_lines(words, vectors)), encoding="utf-8", newline="\n")
    read = models.KeyedVectors.load_word2vec_format(str(path))
    assert read.index_to_key == [
        "new_york",
        "tab_here",
        "bell",
        "line_end",
        "next_line",
        "\u0434\u044f\u0434\u044f",
        "a_b",
        "mark",
    ]
    assert np.array_equal(read.vectors, vectors)


@pytest.mark.parametrize("words", [("a b", "a_b"), ("\x07", "x")])
def test_words_that_cannot_be_told_apart_are_not_exported(words: tuple[str, str]) -> None:
    with pytest.raises(WeightsError, match="several words would have the name"):
        vector_lines(words, np.ones((2, 2), np.float32))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from(ODD), max_size=12))
def test_a_plain_word_has_no_space_and_only_printable_characters(word: str) -> None:
    plain = plain_word(word)
    assert not any(character.isspace() for character in plain)
    assert plain.isprintable()
    assert plain_word(plain) == plain


def test_the_export_refuses_what_is_no_checkpoint(zoo: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"\x05\0\0\0\0\0\0\0hello")
    for name, said in (("a.safetensors", "cannot be read as a checkpoint"), ("none", "there is no checkpoint")):
        finished = zoo("export-vectors", tmp_path / name, tmp_path / "out.txt")
        assert finished.code == 2
        assert said in finished.err
    assert not (tmp_path / "out.txt").exists()
