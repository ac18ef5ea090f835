"""The task: the form of embeddings, models, evaluation, pictures, and whole trials."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from zoo_metric_learning.models.conv import embedding, softmax_head
from zoo_metric_learning.models.pixels import pixels
from zoo_metric_learning.pictures import nearest_neighbours, neighbour_pictures
from zoo_metric_learning.questions import Embedded
from zoo_metric_learning.scoring import retrieve, unit_vectors
from zoo_metric_learning.task import EmbeddingForm

from zoo_core import Signature
from zoo_core.errors import WrongOutputError

SIGNATURE = Signature(input_shape=(1, 35, 35), outputs=64, extra={"turns": 4, "train_classes": 24})
BENCH = ("bench", "metric-learning", "--device", "cpu", "--json")
FORM = EmbeddingForm(kind="embedding", shape=lambda x: (x.shape[0], 1))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# the form of embeddings


@pytest.mark.parametrize("size", [1, 3, 500])
def test_embeddings_may_have_any_size(size: int) -> None:
    FORM.require(torch.zeros(4, size), torch.zeros(4, 1, 35, 35))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (torch.zeros(4), "the last dimension is missing"),
        (torch.zeros(4, 0), r"returned \(4, 0\)"),
        (torch.zeros(3, 8), "it has 3 examples for a batch of 4"),
        (torch.zeros(4, 8, 2, 2), "pool over the remaining dimensions"),
        (torch.zeros(4, 8, dtype=torch.long), "of a floating-point type"),
        ((torch.zeros(4, 8), None), "return only"),
        (None, "is its `return` missing"),
    ],
)
def test_other_outputs_are_refused_with_advice(output: Any, message: str) -> None:
    with pytest.raises(WrongOutputError, match=message):
        FORM.require(output, torch.zeros(4, 1, 35, 35))


# models


@pytest.mark.parametrize("shape", [(1, 35, 35), (3, 64, 64), (1, 9, 8)])
def test_the_nets_embed_images_of_any_size(shape: tuple[int, int, int]) -> None:
    signature = Signature(input_shape=shape, outputs=64, extra={"train_classes": 7})
    x = torch.zeros(2, *shape)
    assert embedding(signature, width=4)(x).shape == (2, 64)
    assert pixels(signature)(x).shape == (2, int(np.prod(shape)))


def test_the_classifier_is_a_part_of_the_loss_alone() -> None:
    model: Any = softmax_head(SIGNATURE, width=4)
    output = model(torch.rand(6, 1, 35, 35))
    assert output.shape == (6, 64)
    loss = model.loss(output, torch.tensor([0, 1, 2, 3, 22, 23]))
    assert loss.shape == ()
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


# pictures


def few_embedded() -> Embedded:
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(np.repeat(np.arange(5), 4))
    unit = unit_vectors(torch.from_numpy(rng.normal(size=(20, 3)) + 0.5 * np.eye(5)[labels, :3]))
    return Embedded(unit=unit, labels=labels)


def test_neighbours_are_the_nearest_others_in_order() -> None:
    embedded = few_embedded()
    numbers, similarities = nearest_neighbours(embedded, np.array([3, 19]), 6)
    for row, query in enumerate((3, 19)):
        expected = (embedded.unit @ embedded.unit[query]).numpy()
        expected[query] = -np.inf
        assert numbers[row].tolist() == np.argsort(-expected)[:6].tolist()
        assert similarities[row] == pytest.approx(np.sort(expected)[::-1][:6])


def test_right_and_wrong_neighbours_differ_in_colour_and_in_sign() -> None:
    embedded = few_embedded()
    found = retrieve(embedded.unit, embedded.labels)
    drawn = neighbour_pictures(lambda rows: np.full((len(rows), 1, 35, 35), 255, np.uint8), embedded, found)
    assert set(drawn) == {"thumbnail", "neighbours", "mistakes"}
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in drawn.values())
    worst = drawn["mistakes"]
    first = worst[16 + 6 + 30, 64 + 6 + 18 + 1]  # in the frame of the first neighbour of the first query
    assert first.tolist() == [213, 94, 0]
    query = worst[16 + 6 + 30, 6 + 1]
    assert query.tolist() == [190, 190, 190]


def test_a_perfect_search_has_no_picture_of_mistakes() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    unit = torch.eye(2)[labels].double()
    embedded = Embedded(unit=unit, labels=labels)
    drawn = neighbour_pictures(lambda rows: np.zeros((len(rows), 3, 8, 8), np.uint8), embedded, retrieve(unit, labels))
    assert set(drawn) == {"thumbnail", "neighbours"}


# trials


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Records by model, of quick trials of a net and of the pixels on the drawn glyphs."""
    import contextlib
    import io
    import os
    import sys

    from zoo_core.cli import main

    folder, out, before = tmp_path_factory.mktemp("trials"), io.StringIO(), Path.cwd()
    words = [*BENCH, "--offline", "--preset", "quick", "--results", str(folder / "results")]
    words += [word for name in ("supcon", "pixels") for word in ("--model", name)]
    os.chdir(folder)
    argv, sys.argv = sys.argv, ["zoo", *words]
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.suppress(SystemExit),
        ):
            main()
    finally:
        os.chdir(before)
        sys.argv = argv
    return {record["model"]["name"].partition(":")[2]: record for record in json.loads(out.getvalue())}


def test_a_trained_net_tells_classes_it_has_never_seen_apart_better_than_pixels_do(trials: dict[str, Any]) -> None:
    net, pixels = (trials[name]["measured"]["scores"] for name in ("supcon", "pixels"))
    assert net["mean_average_precision"] > pixels["mean_average_precision"] + 0.03
    assert net["equal_error_rate"] < pixels["equal_error_rate"] - 0.05
    assert net["recall_at_1"] > 5 * 11 / 431  # chance: 11 of the other 431 pictures are right


def test_a_record_answers_the_three_questions(trials: dict[str, Any]) -> None:
    measured = trials["supcon"]["measured"]
    rows = measured["tables"]["questions"]["rows"]
    assert [row[0].split()[0] for row in rows] == ["Who", "Are", "Given"]
    names = ["identification_error", "verification_error", "enrolment_error"]
    assert [row[1] for row in rows] == [measured["scores"][name] for name in names]
    assert all(row[1] == pytest.approx((row[2] + row[3]) / 2) for row in rows)
    assert all(0 < row[1] < 0.5 for row in rows)
    assert set(measured["pictures"]) == {"thumbnail", "neighbours", "mistakes"}
    assert measured["left_out"] == {}


def test_a_net_of_ones_own_needs_no_loss_and_classes_of_one_are_counted(
    zoo: Callable[..., Any], tmp_path: Path
) -> None:
    root, rng = tmp_path / "faces", np.random.default_rng(0)
    counts = {**{f"train/{number}": 4 for number in range(6)}, "test/anna": 4, "test/boris": 3, "test/clara": 1}
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(root / name / f"{number}.png")
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Sequential):\n    def __init__(self, signature):\n"
        "        super().__init__(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(192, signature.outputs))\n"
    )
    done = zoo(*BENCH, "--model", "./net.py:Net", "--dataset", "class-folders", "--data-root", root, "--set", "steps=3")
    assert done.code == 0, done.err
    (record,) = json.loads(done.out)
    rows = dict(record["measured"]["tables"]["examples"]["rows"])
    assert (rows["images"], rows["images that search"]) == (8, 7)
    assert rows["images that are the only one of their class"] == 1
    searches = record["measured"]["scores"]["recall_at_1"] * 7
    assert searches == pytest.approx(round(searches)), "a share of seven searches"
