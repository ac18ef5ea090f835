"""Specs of the task `word2vec`, its data sets and models. Imports no torch."""

from __future__ import annotations

from zoo_core import CommandSpec, DatasetSpec, Download, ModelSpec, Param, Params, Signature, TaskSpec

KIND = "zoo-text/word-vectors"
GENSIM_DATA = "https://raw.githubusercontent.com/piskvorky/gensim/4.3.3/gensim/test/test_data/"
WORDS = Signature(input_shape=(None,))

TRAINING: Params = {
    "epochs": 6.0,
    "objective": Param(
        default="skip-gram", choices=("skip-gram", "cbow"), help="what is predicted: the words around one, or that one"
    ),
    "window": Param(default=5, help="largest distance of two words that count as neighbours", minimum=1, maximum=64),
    "negatives": Param(default=5, help="random words for each predicted one", minimum=1),
    "shared_negatives": Param(
        default=32, help="random words that 256 neighbours share; together they count as `negatives`", minimum=1
    ),
    "subsample": Param(
        default=0.001, help="share of the text above which a word is dropped at random; 0: never", minimum=0.0
    ),
    "batch_size": Param(default=8192, help="words of the text that one step reads", minimum=1),
    "lr": Param(default=0.1, help="highest learning rate, of Adagrad", minimum=0.0),
    "schedule": Param(default="linear", choices=("linear", "cosine", "constant"), help="of the rate, down to 0"),
}

TASKS: tuple[TaskSpec, ...] = (
    TaskSpec(
        name="word2vec",
        title="Word vectors",
        summary="Learn a vector for each word from a text, so that analogies become differences of vectors.",
        kind=KIND,
        datasets=("planted-analogies", "text-with-questions", "text8"),
        metric="analogy_accuracy",
        higher_is_better=True,
        chance=0.001,  # of the planted analogies' 1,021 possible answers
        target=0.85,
        unit="words",
        recipe=TRAINING,
        quick={"epochs": 1.0},
        entry="zoo_text.words.task:WordVectors",
    ),
)

DATASETS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        name="planted-analogies",
        title="A synthetic language with six planted relations",
        origin="synthetic",
        licence="CC0-1.0",
        signature=WORDS,
        entry="zoo_text.words.corpus:PlantedAnalogies",
    ),
    DatasetSpec(
        name="text-with-questions",
        title="Your texts, with analogy questions",
        origin="real",
        licence="as the source says",
        layout="texts (.txt), and beside them analogy questions in word2vec's format: questions-words.txt",
        signature=WORDS,
        entry="zoo_text.words.corpus:TextWithQuestions",
    ),
    DatasetSpec(
        name="text8",
        title="text8: 17 million words of English Wikipedia, with word2vec's questions",
        origin="real",
        licence="CC-BY-SA-3.0 (text), Apache-2.0 (questions)",
        homepage="http://mattmahoney.net/dc/textdata.html",
        size_mib=30.5,
        layout="text8 or text8.zip, and questions-words.txt",
        signature=WORDS,
        downloads=(
            Download(
                name="text8.zip",
                urls=("http://mattmahoney.net/dc/text8.zip",),
                sha256="a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
                size_mib=29.9,
            ),
            Download(
                name="questions-words.txt",
                urls=(GENSIM_DATA + "questions-words.txt", "http://download.tensorflow.org/data/questions-words.txt"),
                sha256="8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36",
                size_mib=0.6,
            ),
        ),
        entry="zoo_text.words.corpus:Text8",
    ),
)

DIMENSION = Param(default=64, help="numbers in a word's vector", minimum=1)

MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="skip-gram",
        title="Skip-gram with negative sampling",
        entry="zoo_text.models.word_tables:tables",
        kind=KIND,
        options={"dimension": DIMENSION},
        year=2013,
        paper="arXiv:1310.4546",
    ),
    ModelSpec(
        name="cbow",
        title="Continuous bag of words with negative sampling",
        entry="zoo_text.models.word_tables:tables",
        kind=KIND,
        options={"dimension": DIMENSION},
        recipe={"word2vec": {"objective": "cbow"}},
        year=2013,
        paper="arXiv:1301.3781",
    ),
    ModelSpec(
        name="pmi-svd",
        title="Counts of neighbours and a singular value decomposition: nothing to train",
        entry="zoo_text.models.pmi_svd:pmi_svd",
        kind=KIND,
        options={
            "dimension": DIMENSION,
            "shift": Param(default=1.0, help="its logarithm is subtracted from the information", minimum=0.001),
            "eigenvalue_power": Param(default=0.5, help="power of the singular values that scale the vectors"),
        },
        recipe={"word2vec": {"steps": 1}},
        quick={"steps": 1, "dimension": 48},  # differs from the default, to appear also on boards of quick recipes
        year=2015,
        paper="https://aclanthology.org/Q15-1016/",
    ),
)

COMMANDS: tuple[CommandSpec, ...] = (
    CommandSpec(
        name="export-vectors",
        help="Write the word vectors of a saved model as a text file that gensim and word2vec read.",
        entry="zoo_text.words.export:export_command",
    ),
)
