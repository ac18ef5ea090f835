"""Specs of the task `char-rnn`, its data sets and models. Imports no torch."""

from __future__ import annotations

from zoo_core import DatasetSpec, Download, ModelSpec, Param, Params, Reference, Signature, TaskSpec
from zoo_core.kinds import SUPERVISED

KIND = "zoo-text/language-model"
TEXT = Signature(input_shape=())  # of one symbol; the number of symbols depends on the text
COMMIT = "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e"
SHAKESPEARE = Download(
    name="input.txt",
    urls=(f"https://raw.githubusercontent.com/karpathy/char-rnn/{COMMIT}/data/tinyshakespeare/input.txt",),
    # As other projects publish it for this file of 1,115,394 bytes.
    sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    size_mib=1.1,
)
ENTROPY = 0.84466  # bits per character of the grammar; a test computes it
# An example is one symbol, and every symbol of val is also in train. That no passage is in both, the split ensures.
SYMBOLS_REPEAT = {"splits-disjoint": "an example is one character, and texts repeat their characters"}
LAYOUT = "a text in UTF-8, or a folder of texts (.txt), or a text file itself"

LANGUAGE: Params = {
    **SUPERVISED,
    "length": Param(
        default=64, help="symbols of a training sequence, and of the window of a stateless model", minimum=1
    ),
    "carry": Param(default=16, help="sequences after which a state that is carried begins anew", minimum=1),
    "sample_length": Param(default=400, help="symbols of each sample of generated text; 0: no samples", minimum=0),
    "batch_size": 32,
    "optimizer": "adamw",
    "lr": 0.003,
    "weight_decay": 0.01,
    "schedule": "one-cycle",
    "clip_norm": 1.0,
}

TASKS: tuple[TaskSpec, ...] = (
    TaskSpec(
        name="char-rnn",
        title="Text, character by character",
        summary="Predict each character of a text from those before it, and write such text.",
        kind=KIND,
        datasets=("tiny-shakespeare", "grammar", "own-text", "own-bytes"),
        metric="bits_per_char",
        higher_is_better=False,
        target=2.1,
        unit="characters",
        recipe=LANGUAGE,
        quick={"steps": 40, "batch_size": 16, "length": 32, "sample_length": 100, "eval_every": 10.0},
        references=(
            Reference(
                value=2.12,
                source="github.com/karpathy/nanoGPT, README, 1.4697 nats on the last tenth of the whole file",
                model="transformer, 10.7 million parameters, GPU",
                dataset="tiny-shakespeare",
            ),
            Reference(
                value=ENTROPY,
                source="computed from the grammar's probabilities: its entropy rate",
                model="the grammar itself",
                dataset="grammar",
            ),
        ),
        entry="zoo_text.language:LanguageModel",
        export="zoo_text.exporting:language_model",
    ),
)
DATASETS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        name="tiny-shakespeare",
        title="Tiny Shakespeare",
        origin="real",
        licence="MIT (the text is in the public domain)",
        homepage="https://github.com/karpathy/char-rnn",
        size_mib=1.1,
        layout="input.txt or tinyshakespeare.txt, at any depth, or a text file itself",
        signature=TEXT,
        expected_failures=SYMBOLS_REPEAT,
        downloads=(SHAKESPEARE,),
        entry="zoo_text.corpora:TinyShakespeare",
    ),
    DatasetSpec(
        name="grammar",
        title=f"Sentences of a grammar with an entropy of {ENTROPY:.3f} bits per character",
        origin="synthetic",
        licence="CC0-1.0",
        signature=TEXT,
        expected_failures=SYMBOLS_REPEAT,
        entry="zoo_text.corpora:GrammarText",
    ),
    DatasetSpec(
        name="own-text",
        title="Your own texts, as characters",
        origin="real",
        licence="that of your texts",
        layout=LAYOUT,
        signature=TEXT,
        expected_failures=SYMBOLS_REPEAT,
        entry="zoo_text.corpora:OwnText",
    ),
    DatasetSpec(
        name="own-bytes",
        title="Your own texts, as bytes",
        origin="real",
        licence="that of your texts",
        layout=LAYOUT,
        signature=TEXT,
        expected_failures=SYMBOLS_REPEAT,
        entry="zoo_text.corpora:OwnBytes",
    ),
)


def _recurrent(width: int, dropout: float) -> Params:
    return {
        "width": Param(default=width, help="numbers in the state of a layer", minimum=1),
        "layers": Param(default=1, minimum=1),
        "embedding": Param(default=64, help="numbers of a symbol's embedding", minimum=1),
        "dropout": Param(default=dropout, help="between layers and before the logits", minimum=0.0, maximum=1.0),
    }


COUNTS: Params = {
    "order": Param(default=6, help="characters of the longest sequence counted", minimum=1),
    "most": Param(default=4_000_000, help="symbols that are counted, the last of train", minimum=1),
}
TRAINED = {"epochs": 7.0, "ema": 0.98}
SMALL = {"width": 64, "layers": 1, "embedding": 32, "dropout": 0.0, "lr": 0.01}

MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="lstm",
        title="LSTM",
        entry="zoo_text.models.recurrent:lstm",
        kind=KIND,
        options=_recurrent(512, 0.2),
        recipe={"*": TRAINED},
        quick=SMALL,
        year=1997,
        paper="https://doi.org/10.1162/neco.1997.9.8.1735",
    ),
    ModelSpec(
        name="lstm-ngram",
        title="LSTM, mixed with counts of up to 6 characters",
        entry="zoo_text.models.mixed:lstm_ngram",
        kind=KIND,
        options={
            **_recurrent(512, 0.2),
            **COUNTS,
            "share": Param(default=0.35, help="of the counts in each probability", minimum=0.0, maximum=1.0),
        },
        recipe={"*": TRAINED},
        quick={**SMALL, "order": 5, "most": 200_000},
        year=2011,
        paper="https://www.microsoft.com/en-us/research/publication/"
        "empirical-evaluation-and-combination-of-advanced-language-modeling-techniques/",
    ),
    ModelSpec(
        name="rnn",
        title="A plain recurrent net (Elman)",
        entry="zoo_text.models.recurrent:rnn",
        kind=KIND,
        options=_recurrent(512, 0.1),
        recipe={"*": {**TRAINED, "lr": 0.001}},
        quick={**SMALL, "lr": 0.003},
        year=1990,
        paper="https://doi.org/10.1207/s15516709cog1402_1",
    ),
    ModelSpec(
        name="gru",
        title="GRU",
        entry="zoo_text.models.recurrent:gru",
        kind=KIND,
        options=_recurrent(512, 0.2),
        recipe={"*": TRAINED},
        quick=SMALL,
        year=2014,
        paper="arXiv:1406.1078",
    ),
    ModelSpec(
        name="transformer",
        title="Decoder-only transformer of four layers",
        entry="zoo_text.models.transformer:transformer",
        kind=KIND,
        options={
            "width": Param(default=128, help="numbers that each position carries", minimum=2),
            "layers": Param(default=4, minimum=1),
            "heads": Param(default=4, help="they divide the width", minimum=1),
            "dropout": Param(default=0.05, minimum=0.0, maximum=1.0),
        },
        recipe={"*": {**TRAINED, "batch_size": 16, "length": 128, "lr": 0.004, "weight_decay": 0.1}},
        quick={
            **{"width": 32, "layers": 2, "heads": 2, "dropout": 0.0},
            **{"lr": 0.01, "steps": 30, "length": 64, "sample_length": 60},
        },
        year=2017,
        paper="arXiv:1706.03762",
    ),
    ModelSpec(
        name="ngram",
        title="Counts of up to 6 characters, Kneser-Ney smoothing",
        entry="zoo_text.models.ngram:ngram",
        kind=KIND,
        options=COUNTS,
        recipe={"*": {"steps": 1}},
        quick={"steps": 1, "order": 5, "most": 200_000},
        year=1998,
        paper="https://dash.harvard.edu/handle/1/25104739",
    ),
)
