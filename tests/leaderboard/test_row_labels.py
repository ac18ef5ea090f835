"""Names of rows: the model and its settings, different within a table."""

from __future__ import annotations

from dataclasses import dataclass

from zoo_leaderboard.board.row_labels import numbered, row_labels


@dataclass(frozen=True)
class Named:
    """What a label is made from."""

    row_text: str
    model: str
    variant: str = ""
    model_version: int = 1
    pretrained_on: str = ""


def labels(*tables: list[Named]) -> list[str]:
    found = row_labels(tables)
    return [found[row.row_text] for rows in tables for row in rows]


def test_a_label_is_the_bare_name_and_the_settings():
    assert labels([Named("1", "zoo-a:cnn"), Named("2", "zoo-a:cnn", "lr=0.1")]) == ["cnn", "cnn (lr=0.1)"]


def test_models_of_two_plugins_with_one_name_have_their_full_names_in_all_tables():
    assert labels([Named("1", "zoo-a:cnn"), Named("2", "zoo-b:cnn")], [Named("3", "zoo-a:cnn")]) == [
        "zoo-a:cnn",
        "zoo-b:cnn",
        "zoo-a:cnn",
    ]


def test_rows_that_differ_in_version_or_weights_are_told_apart():
    assert labels([Named("1", "p:net", model_version=2), Named("2", "p:net", pretrained_on="imagenet")]) == [
        "net, v2",
        "net, v1, pretrained on imagenet",
    ]


def test_equal_labels_get_numbers_that_do_not_meet_others():
    assert numbered(["a", "a", "a (2)", "a"]) == ["a", "a (2)", "a (2) (2)", "a (3)"]
