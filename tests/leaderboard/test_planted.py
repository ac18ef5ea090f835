"""A board of 1,192 trials with planted truths: what the pages and the data say is what was planted."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import combinations
from itertools import pairwise as neighbours
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from zoo_leaderboard.text.names import file_name

NOISE = np.array([-0.004, -0.002, 0.0, 0.002, 0.004])


class Tables(HTMLParser):
    """The rows of a page's tables of models: by section (its device), a list of cells' texts by row id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: dict[str, dict[str, list[str]]] = {}
        self.classes: dict[str, str] = {}
        self._section, self._row, self._cell = "", "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "section" and found.get("class") == "group":
            self._section = f"{found['data-device']} {found['id']}"
            self.sections[self._section] = {}
        if tag == "tr":
            self._row = found.get("id") or ""
            if self._row:
                self.sections[self._section][self._row] = []
                self.classes[self._row] = found.get("class") or ""
        if self._row and tag in ("td", "th"):
            self.sections[self._section][self._row].append("")

    def handle_endtag(self, tag):
        if tag == "tr":
            self._row = ""

    def handle_data(self, data):
        if self._row and self.sections[self._section][self._row]:
            self.sections[self._section][self._row][-1] += f"{data} "

    def of(self, device: str) -> list[list[str]]:
        """The rows of the first section of a device, texts with single spaces."""
        section = next(rows for name, rows in self.sections.items() if name.startswith(device))
        return [[re.sub(r"\s+", " ", cell).strip() for cell in row] for row in section.values()]


@pytest.fixture(scope="module")
def page(planted):
    """A task's page, by the task's name."""
    return lambda task: (planted.site / "tasks" / f"{file_name(task)}.html").read_text("utf-8")


@pytest.fixture(scope="module")
def tables(page):
    return lambda task: Tables(page(task))


@pytest.fixture(scope="module")
def data(planted):
    """A task's data, by the task's name."""
    return lambda task: json.loads((planted.site / "data" / f"{file_name(task)}.json").read_text("utf-8"))


def row_of(rows: list[list[str]], model: str) -> list[str]:
    (found,) = [row for row in rows if re.match(rf"{model}\b", row[1])]
    return found


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_two_models_with_the_same_scores_in_another_order_share_the_first_rank(tables, data):
    rows = tables("zoo-p:tie").of("cpu")
    assert {row[1].split()[0] for row in rows[:2]} == {"m10", "m11"}
    assert [row[0].split() for row in rows[:2]] == [["1\N{EN DASH}2"], ["1\N{EN DASH}2"]]
    first, second = data("zoo-p:tie")["groups"][0]["models"][:2]
    assert first["score"] == pytest.approx(second["score"])
    assert first["covers"] == second["covers"] == "seeds and test sample"


def test_a_clear_winner_is_first_alone_and_the_page_says_that_it_is_separated(tables, page):
    rows = tables("zoo-p:winner").of("cpu")
    assert rows[0][0] == "1"
    assert rows[0][1].startswith("m11")
    assert "The top two differ significantly on this test set." in page("zoo-p:winner")
    assert not [row for row in rows[1:] if row[0].split()[0] == "1"]


def test_ranks_are_those_of_welchs_test_with_holms_correction_over_all_pairs(data):
    models = data("zoo-p:winner")["groups"][0]["models"]
    scores = [row["score"] + NOISE for row in models]  # best first; the noise has mean zero
    pairs = list(combinations(range(len(models)), 2))
    significant = holm([stats.ttest_ind(scores[i], scores[j], equal_var=False).pvalue for i, j in pairs])
    separated = {pair for pair, one in zip(pairs, significant, strict=True) if one}
    for place, row in enumerate(models):  # all scatter alike, so ranks are the numbers of models significantly better
        assert row["rank"] == 1 + sum((better, place) in separated for better in range(place))
    assert separated == {(0, place) for place in range(1, 12)}  # the planted winner from all others


def holm(p_values: list[float]) -> list[bool]:
    """Step down by hand: the smallest against alpha / n, the next against alpha / (n - 1), until one fails."""
    order = np.argsort(p_values)
    significant = [False] * len(p_values)
    for place, index in enumerate(order):
        if p_values[index] > 0.05 / (len(p_values) - place):
            break
        significant[index] = True
    return significant


def test_an_interval_over_seeds_is_students(data):
    row = next(row for row in data("zoo-p:winner")["groups"][0]["models"] if row["model"] == "zoo-p:m11")
    low, high = stats.t.interval(0.95, 4, loc=0.95, scale=stats.sem(0.95 + NOISE))
    assert (row["low"], row["high"], row["covers"]) == (pytest.approx(low), pytest.approx(high), "seeds")


def test_an_interval_over_examples_is_at_least_as_wide_as_that_of_the_test_sample_alone(data):
    for row in data("zoo-p:tie")["groups"][0]["models"]:
        alone = 1.96 * (row["score"] * (1 - row["score"]) / 400) ** 0.5  # a binomial share of 400 examples
        assert row["high"] - row["low"] >= 2 * alone * 0.99


def test_a_failed_model_is_a_row_with_its_reason_and_its_trials_are_listed(tables, page):
    rows = tables("zoo-p:failed").of("cpu")
    failed, partly = row_of(rows, "m00"), row_of(rows, "m01")
    assert failed[2] == "no score ValueError: planted"
    assert failed[-1] == "error 5"
    assert rows[-1] == failed
    assert partly[-1] == "ok 4, out of memory 1"
    assert partly[3] == "4"
    at_the_top, _, below = text_of(page("zoo-p:failed")).partition("Comparison groups")
    assert at_the_top.count("wanted 9 GiB") == 1  # one line for both devices
    assert below.count("wanted 9 GiB") == 2  # in the list of either device


def test_a_model_of_an_older_version_is_marked_has_no_rank_and_the_command_that_measures_again(tables, planted):
    found = tables("zoo-p:stale-model")
    row = row_of(found.of("cpu"), "m11")
    assert row[0] == "not ranked: out of date"
    assert "out of date" in row[1]
    assert "model version 1, the newest is 2: zoo bench zoo-p:stale-model --model zoo-p:m11" in row[1]
    key = next(key for key, cells in next(iter(found.sections.values())).items() if cells[1].split()[0] == "m11")
    assert "stale" in found.classes[key].split()
    assert found.of("cpu")[1][0] == "1"  # the best of those that are up to date
    index = (planted.site / "index.html").read_text("utf-8")
    assert "14 rows out of date" in text_of(index)  # this one and six models of an old task version, on two devices


def test_a_group_of_an_older_task_version_is_out_of_date_as_a_whole(page, data):
    assert "Out of date: task version 1, the newest is 2." in page("zoo-p:stale-task")
    assert "zoo-p:stale-task version 2" in text_of(page("zoo-p:stale-task")).replace("  ", " ")
    assert "the latest is 1" not in page("zoo-p:stale-task")
    groups = data("zoo-p:stale-task")["groups"]
    assert [(group["task_version"], bool(group["stale"])) for group in groups] == [
        (2, False),
        (2, False),
        (1, True),
        (1, True),
    ]


def test_a_model_of_one_seed_is_provisional_and_the_others_are_not(tables):
    rows = tables("zoo-p:one-seed").of("cpu")
    one = row_of(rows, "m11")
    assert one[3] == "1"
    assert "provisional" in one[1]
    assert not [row for row in rows if row is not one and "provisional" in row[1]]


def test_disturbed_times_enter_no_median_where_there_are_others(tables, data):
    rows = tables("zoo-p:disturbed").of("cpu")
    some, all_disturbed = row_of(rows, "m04"), row_of(rows, "m05")
    assert some[5].startswith("11 s ")  # of 10, 11, 12 and twice 100
    assert "2 unreliable, excluded" in some[5]
    assert all_disturbed[5].endswith("unreliable")
    models = {row["model"]: row for row in data("zoo-p:disturbed")["groups"][0]["models"]}
    assert (models["zoo-p:m04"]["timed"], models["zoo-p:m04"]["disturbed"]) == (3, 2)
    assert models["zoo-p:m04"]["seeds"] == 5


def test_a_models_page_marks_times_of_disturbed_trials(planted):
    pages = {name: planted.site / "models" / f"{file_name(f'zoo-p:{name}')}.html" for name in ("m03", "m05")}
    marks = {name: path.read_text("utf-8").count(">unreliable<") for name, path in pages.items()}
    # m05: its time to target and its train time. m03: a small share of a core says nothing of an accelerator.
    assert marks == {"m03": 0, "m05": 2}


def test_a_missed_target_counts_as_infinite_time(tables):
    rows = tables("zoo-p:target").of("cpu")
    assert row_of(rows, "m06")[4] == "missed met in 2 of 5"
    assert row_of(rows, "m07")[4] == "8 s met in 4 of 5"  # of 6, 7, 8, 9 and never
    assert row_of(rows, "m08")[4] == "7 s"


def test_a_task_without_val_has_no_time_to_target_and_curves_of_train(tables, page):
    assert {row[4] for row in tables("zoo-p:no-val").of("cpu")} == {"not applicable"}
    assert "Accuracy on train by training step" in page("zoo-p:no-val")


def test_speeds_of_both_devices_stand_side_by_side(tables):
    cpu, cuda = (row_of(tables("zoo-p:winner").of(device), "m03") for device in ("cpu", "cuda"))
    assert cpu[7].startswith("1.3 ")
    assert cpu[9] == "0.802"
    assert cuda[7].startswith("0.802")
    assert cuda[9] == "1.3"


def test_means_fall_and_ranks_begin_with_one_on_every_page(planted):
    for path in (planted.site / "data").glob("*.json"):
        for group in json.loads(path.read_text("utf-8")).get("groups", []):
            scores = [row["score"] for row in group["models"] if row["score"] is not None]
            assert all(one >= other for one, other in neighbours(scores))
            assert min(row["rank"] for row in group["models"] if row["rank"] is not None) == 1


def test_the_index_counts_what_was_planted(planted):
    text = text_of((planted.site / "index.html").read_text("utf-8"))
    assert "10 tasks," in text
    assert "1192 trials (12 failed)" in text


def test_a_models_page_tells_where_it_stands_in_every_task(planted):
    text = text_of((planted.site / "models" / f"{file_name('zoo-p:m09')}.html").read_text("utf-8"))
    for task in ("Tie", "Winner", "Failed", "Stale model", "Stale task", "One seed", "Disturbed", "Target", "No val"):
        assert task in text
    assert text.count("of 12") >= 10


def test_failed_trials_have_pages_with_their_reason(planted):
    pages = [path.read_text("utf-8") for path in (planted.site / "trials").glob("*.html")]
    assert len(pages) == 300
    assert sum("ValueError: planted" in page for page in pages) == 10
    assert sum("wanted 9 GiB" in page for page in pages) == 2


def test_nothing_lies_outside_the_site_and_no_file_name_is_a_trick(planted):
    assert sorted(path.name for path in planted.site.parent.iterdir()) == ["results", "site"]
    names = [path.relative_to(planted.site).as_posix() for path in planted.site.rglob("*")]
    assert all(re.fullmatch(r"[A-Za-z0-9._/-]+", name) for name in names)
    assert not [path for path in planted.site.rglob("*") if path.is_symlink()]


def test_hostile_names_are_text_on_every_page(planted):
    for path in planted.site.rglob("*.html"):
        page = path.read_text("utf-8")
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "\u202e" not in page


def test_script_files_are_data_that_json_reads(planted):
    scripts = [*planted.site.glob("data/*.js"), *planted.site.glob("trials/*.js")]
    assert len(scripts) == 310
    for path in scripts:
        head, _, rest = path.read_text("ascii").partition("[")
        assert head == "(self.zooData = self.zooData || {})"
        key, _, value = rest.partition("] = ")
        assert json.loads(key).endswith(path.stem)
        assert json.loads(value.rstrip(";\n"))


def test_the_schema_of_the_records_is_in_the_data_folder(planted):
    schema = json.loads((planted.site / "data" / "record.schema.json").read_text("utf-8"))
    assert "Record" in json.dumps(schema)
    assert Path(planted.site / "data" / "summary.json").is_file()
