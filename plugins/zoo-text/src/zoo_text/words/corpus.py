"""Words of texts: found, counted, numbered, and cut into sentences. Texts are read in blocks of bounded memory."""

from __future__ import annotations

import itertools
import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo_core import Context, DamagedDataError, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.columns import Array, Columns, Ragged
from zoo_core.data.reading import read_text
from zoo_core.data.walk import find_one, walk
from zoo_text.reading import find_texts, read_blocks
from zoo_text.words.language import Language
from zoo_text.words.questions import EXAMPLE, NO_WORD, VAL_DIVISOR, Asked, divide, normal, parse_questions

MIN_COUNT = 5  # rarer words are dropped, as in word2vec's code
MAX_VOCABULARY = 100_000  # the most frequent words
MAX_WORDS = 50_000_000  # of a text; reading so many takes 1.5 GB
MAX_DIFFERENT = 5_000_000  # words of a text, before the rare ones are dropped
MAX_SENTENCE = 1_000  # words; word2vec's code cuts longer lines too
MAX_WORD_CHARS = 64
MAX_CARRY = 1 << 20  # characters that wait for the next block
END = ""  # stands for the end of a sentence
PARTS = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*|[.!?\u2026]|\n\s*\n")
ENDS = re.compile(r"[.!?\u2026]|\s+")
QUESTIONS = re.compile(r"question|analog", re.IGNORECASE)
NEEDS = f"word2vec needs questions: add a file `questions-words.txt` with lines such as {EXAMPLE}"
LEVELS, SIMILARITIES = 20, 25  # pairs of words of known similarity, for each level of it at most; a fifth is val
CANDIDATES = 20_000  # random pairs of words, from which pairs of all similarities are chosen


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words in the order of their frequency, and the text as their numbers.

    words int32 (n,); offsets int64 (sentences + 1,). counts int64 (vocabulary,).
    """

    names: tuple[str, ...]
    words: Array
    offsets: Array
    counts: Array


def find_parts(blocks: Iterable[str]) -> Iterator[list[str]]:
    """Yield the words of a text in lower case, and END after sentences and before empty lines; one list a block.

    A word is a run of letters and digits, with apostrophes and hyphens inside. A word may lie across two blocks.

    >>> list(find_parts(["It's a b", "it. Or\\n\\nnot"]))
    [["it's", 'a'], ['bit', '', 'or'], ['', 'not']]
    """
    carry = ""
    for block in blocks:
        text = carry + block
        body = text.rstrip()
        place = max(body.rfind(" "), body.rfind("\n"), 0)
        head = text if len(text) - place > MAX_CARRY else body[:place].rstrip()
        carry = text[len(head) :]
        yield _parts(head)
    yield _parts(carry)


def _parts(text: str) -> list[str]:
    return [
        END if ENDS.fullmatch(part) else part for part in PARTS.findall(normal(text)) if len(part) <= MAX_WORD_CHARS
    ]


def count_words(parts: Iterable[list[str]], max_words: int = MAX_WORDS) -> tuple[dict[str, int], Array, bool]:
    """Number all different words in the order of their first use; END is 0.

    Returns the numbers by word, the text as int32 (n,), and whether it ended before `max_words`.
    """
    numbers: defaultdict[str, int] = defaultdict(itertools.count().__next__)
    numbers[END]
    text = array("i")
    for part in parts:
        text.extend(map(numbers.__getitem__, part))
        if len(numbers) > MAX_DIFFERENT:
            raise DamagedDataError(f"the text has more than {MAX_DIFFERENT:,} different words: it is no plain language")
        if len(text) > max_words:
            return dict(numbers), np.frombuffer(text, np.int32)[:max_words], False
    return dict(numbers), np.frombuffer(text, np.int32), True


def make_vocabulary(numbers: dict[str, int], text: Array, min_count: int = MIN_COUNT) -> Vocabulary:
    """Drop rare words, number the others by frequency, and cut the text into sentences. See `count_words`."""
    names = list(numbers)
    counts = np.bincount(text, minlength=len(names))
    frequent = [
        number for number in np.argsort(-counts, kind="stable").tolist() if number and counts[number] >= min_count
    ]
    frequent = frequent[:MAX_VOCABULARY]
    renumbered = np.full(len(names), NO_WORD, np.int32)
    renumbered[frequent] = np.arange(len(frequent))
    words = renumbered[text]
    kept = words >= 0
    offsets = sentence_offsets(np.cumsum(text == 0, dtype=np.int32)[kept])
    return Vocabulary(tuple(names[number] for number in frequent), words[kept], offsets, counts[frequent])


def sentence_offsets(sentence: Array) -> Array:
    """Return the offsets of sentences: where the number of the sentence (n,) changes, and after 1,000 words."""
    starts = np.flatnonzero(np.diff(sentence, prepend=-1))
    parts = -(-np.diff(np.append(starts, len(sentence))) // MAX_SENTENCE)  # of each sentence
    part = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    return np.append(np.repeat(starts, parts) + part * MAX_SENTENCE, len(sentence)).astype(np.int64)


def question_columns(asked: Asked, split: str) -> Columns:
    """Return the columns of val or test, as `PlantedAnalogies` has them."""
    words = asked.words[split].astype(np.int32)
    return {
        "x": words,
        "similarity": np.zeros(len(words), np.float32),
        "section": asked.sections[split],
        "group": asked.pairs[split],
    }


class PlantedAnalogies:
    """The synthetic language of `zoo_text.words.language`: a million words of text, and questions on its relations.

    Columns of train: x, ragged int32 (sentences; words). Columns of val and test: x int32 (n, 4), a question a, b, c,
    d; or two words whose similarity is planted, and twice -1. similarity float32 (n,), 0 for a question. section
    int64 (n,), of the signature's `extra["sections"]`. group int64 (n,), the number of the pair (c, d).
    The text is the same for all splits. A quarter of each relation's pairs is val, the others are test, and no
    question mixes them.
    """

    def __init__(self, ctx: Context) -> None:
        self._language = Language()
        names = self._language.words
        self._text = self._language.text()
        self.signature = text_signature(names, self._language.relations, {})

    def load(self, split: str) -> Columns:
        if split == "train":
            return {"x": Ragged(self._text.words, self._text.offsets)}
        if split not in ("val", "test"):
            raise UnknownSplitError(f"the text has no split {split!r}, only train, val and test")
        questions, sections, pairs = self._language.questions(split)
        similar, similarity = self._similarities(split)
        alone = np.full(len(similar), NO_WORD)
        return {
            "x": np.concatenate([questions, np.column_stack([similar, alone, alone])]).astype(np.int32),
            "similarity": np.concatenate([np.zeros(len(questions)), similarity]).astype(np.float32),
            "section": np.concatenate([sections, alone]),
            "group": np.concatenate([pairs, alone]),
        }

    def _similarities(self, split: str) -> tuple[Array, Array]:
        """Return pairs of words (n, 2) that have all similarities about equally often, and these (n,)."""
        pairs = np.random.default_rng(0).integers(0, 2 * self._language.pairs, (CANDIDATES, 2))
        pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
        similarity = self._language.similarity(pairs[:, 0], pairs[:, 1])
        edges = np.linspace(similarity.min(), similarity.max(), LEVELS + 1)[1:-1]
        level = np.digitize(similarity, edges)
        order = np.random.default_rng(1).permutation(len(level))
        chosen = np.concatenate([order[level[order] == number][:SIMILARITIES] for number in range(LEVELS)])
        is_val = np.arange(len(chosen)) % VAL_DIVISOR == 0
        chosen = chosen[is_val if split == "val" else ~is_val]
        return pairs[chosen], similarity[chosen]


def text_signature(words: Sequence[str], sections: Sequence[str], not_asked: dict[str, dict[str, int]]) -> Signature:
    """Return the signature of a corpus: its words are the classes, most frequent first where the text is real.

    extra: `sections`, the names; `not_asked`, by section the questions left out for each reason; the chance level.
    """
    chance = {"analogy_accuracy": 1 / max(1, len(words) - 3)}
    return Signature(
        input_shape=(None,),
        outputs=len(words),
        classes=tuple(words),
        extra={"sections": list(sections), "not_asked": not_asked, "chance": chance},
    )


class TextWithQuestions:
    """Texts of the user, with analogy questions in word2vec's format beside them. Columns: as `PlantedAnalogies`.

    The texts are all files `.txt` and `.text` of the data root, except the file whose name has `question` or `analog`
    in it. Words that occur fewer than five times are dropped, and so is what follows the first 50 million words.
    Raises:
        DataUnavailableError: there is no text, or no file with questions.
        DamagedDataError: a text is not UTF-8 and has no byte order mark, or too short; a line of the questions is not
        four words; too few questions have words of the text.
    """

    def __init__(self, ctx: Context) -> None:
        if ctx.data_root is not None and ctx.data_root.is_file() and ctx.data_root.suffix.lower() == ".txt":
            raise DataUnavailableError(f"{ctx.data_root} is a text alone: give its folder. {NEEDS}")
        questions = find_questions(ctx.folder())
        texts = [path for path in find_texts(ctx) if path != questions]
        if not texts:
            raise DataUnavailableError(f"{ctx.folder()} holds no text beside {questions.name}: add a file .txt")
        self._read(ctx, texts, questions)

    def _read(self, ctx: Context, texts: Sequence[Path], questions: Path) -> None:
        sections = parse_questions(read_text(questions), str(questions))
        numbers, text, whole = count_words(_parts_of_files(texts))
        if not whole:
            ctx.log.warning("only the first %s words of the text are used", f"{MAX_WORDS:,}")
        self._text = make_vocabulary(numbers, text)
        names = self._text.names
        if len(names) < 5:
            raise DamagedDataError(f"{texts[0]} is too short: {len(names)} words occur {MIN_COUNT} times or more")
        self._asked = divide(sections, {name: number for number, name in enumerate(names)}, str(questions))
        not_asked = {"unknown word": self._asked.left_out, "pairs of val and test": self._asked.mixed}
        _tell(ctx, not_asked, sum(map(len, sections.values())))
        self.signature = text_signature(names, self._asked.names, not_asked)

    def load(self, split: str) -> Columns:
        if split == "train":
            return {"x": Ragged(self._text.words, self._text.offsets)}
        if split not in self._asked.words:
            raise UnknownSplitError(f"the text has no split {split!r}, only train, val and test")
        return question_columns(self._asked, split)


class Text8(TextWithQuestions):
    """The first 100 MB of English Wikipedia's text (text8), with word2vec's questions. Columns: `PlantedAnalogies`.

    Raises as `TextWithQuestions`.
    """

    def __init__(self, ctx: Context) -> None:
        text = find_one(ctx.folder("text8.zip"), "text8", "it must hold the file text8, or text8.zip")
        self._read(ctx, [text], ctx.file("questions-words.txt"))


def find_questions(root: Path) -> Path:
    """Find the one file of questions, by its name. Raises DataUnavailableError for none and for several."""
    names = [name for name in walk(root).files if name.endswith(".txt") and QUESTIONS.search(Path(name).name)]
    if not names:
        raise DataUnavailableError(f"{root} holds no questions. {NEEDS}")
    if len(names) > 1:
        raise DataUnavailableError(f"{root} holds questions in {names[0]} and {names[1]}: keep one of them")
    return root / names[0]


def _parts_of_files(paths: Sequence[Path]) -> Iterator[list[str]]:
    for path in paths:
        yield from find_parts(read_blocks(path))
        yield [END]


def _tell(ctx: Context, not_asked: dict[str, dict[str, int]], asked: int) -> None:
    for reason, counts in not_asked.items():
        if count := sum(counts.values()):
            ctx.log.warning("%s of %s analogy questions are left out: %s", f"{count:,}", f"{asked:,}", reason)
