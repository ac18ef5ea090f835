"""What the pages say on winners, skipped trials, intervals of one seed, and everything that they leave out."""

from __future__ import annotations

import json
import re

import msgspec
import numpy as np
import pytest
from scipy import stats
from zoo_leaderboard.site.build import build_site as build
from zoo_leaderboard.text.formats import DASH

from zoo_core.results.records import Latency, LeftOut, Load, TableFacts, TimeToTarget


@pytest.fixture
def text_of(results, tmp_path):
    """Build the site; returns a function that reads a page, by the start of its path, as text with single spaces."""

    def read(start):
        (path,) = (path for path in site.rglob("*.html") if path.relative_to(site).as_posix().startswith(start))
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", path.read_text("utf-8")))

    site = tmp_path / "site"
    return lambda start: (build([results], site), read(start))[1]


def around(record, model, score, seeds=3, **more):
    return [record(model=f"zoo-a:{model}", seed=n, score=score + n / 1000, **more) for n in range(seeds)]


def leading(index):
    """The line of the first task in the table of leading models."""
    return index.partition("History Trials")[2].partition("Tasks")[0]


def test_a_model_that_is_better_than_all_others_leads(record, save, text_of):
    save(*around(record, "good", 0.9), *around(record, "bad", 0.5))
    assert "good real data, default recipe 0.9010" in leading(text_of("index"))


def test_equal_models_do_not_lead(record, save, text_of):
    save(*(made for n in range(6) for made in around(record, f"m{n}", 0.9)))
    index = text_of("index")
    assert "m0 not told apart from m1 , m2 , m3 and 2 more" in leading(index)
    assert f" 1{DASH}6 of 6 " in leading(index)
    assert f"m0 rank 1{DASH}6 of 6" in index


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_model_alone_does_not_lead(seeds, record, save, text_of):
    save(*around(record, "net", 0.9, seeds))
    assert "not ranked: nothing to compare" in leading(text_of("index"))
    assert "Only one model has an up-to-date score here, so there is nothing to compare." in text_of("tasks/")


def test_the_index_shows_a_table_in_which_models_were_compared_rather_than_a_model_alone(record, save, text_of):
    rivals = around(record, "good", 0.9, origin="synthetic", fingerprint="e" * 32)
    save(record(model="zoo-a:alone"), *rivals, *around(record, "bad", 0.5, origin="synthetic", fingerprint="e" * 32))
    assert "good synthetic data, default recipe 0.9010" in leading(text_of("index"))


def test_a_task_of_skipped_trials_says_so_instead_of_no_failures(record, save, text_of):
    save(record(status="skipped", reason="no data", fingerprint="unavailable", score=None))
    index = text_of("index")
    assert "1 task, 1 model, 1 skipped trial." in index
    assert "every trial was skipped 0 1 skipped" in leading(index)
    assert "No results yet. 1 skipped trial: the task page gives the reasons." in index
    assert "failed" not in text_of("tasks/").partition("How to read")[0].lower().replace("do not count as failures", "")


def test_skipped_trials_beside_others_are_counted_as_skipped(record, save, text_of):
    save(record(), record(seed=1, status="skipped", reason="no memory", score=None))
    assert "1 trial (0 failed), 1 skipped" in text_of("tasks/")
    assert "1 task, 1 model, 1 trial (0 failed), 1 skipped." in text_of("index")


def test_an_interval_of_one_seed_says_that_it_covers_the_test_sample_only(record, save, text_of):
    made = record(score=0.5, measured_per_example="per_example.npz")
    folder = save(made, record(model="zoo-a:other", score=0.4)).artifacts(made)
    folder.mkdir(parents=True)
    np.savez(folder / "per_example.npz", score=np.array([0.0, 1.0, 0.0, 1.0]))
    assert re.search(r"0\.5000 -?[\d.]+ to [\d.]+ test sample only: one seed", text_of("tasks/"))
    assert "test sample only: one seed" in text_of("index")
    assert "test sample only: one seed" in text_of("models/zoo-a--net")


def test_a_record_that_cannot_be_read_is_counted_on_the_index(record, save, results, text_of):
    save(record())
    (results / "zoo-a--digits" / "broken.json").write_text("{")
    assert "1 file is left out" in text_of("index")


def test_files_that_the_loader_left_out_are_named_with_reason_and_number(record, save, text_of):
    notes = [LeftOut(reason="not a picture", count=1234, example="<b>/Thumbs.db")]
    save(record(dataset_left_out=notes), record(model="zoo-a:bad", status="error", minute=5))
    words = "Files left out of the data: 1,234: not a picture , such as &lt;b&gt;/Thumbs.db"
    assert words in text_of("tasks/")


def test_a_failed_trials_page_shows_what_it_printed_as_text(record, save, results, text_of):
    made = record(status="error", reason="ValueError: shapes (1, 28) and (3, 32)", score=None)
    folder = save(made).artifacts(made)
    folder.mkdir(parents=True)
    lines = [f"line {n}" for n in range(50)] + ["10 %\r100 %", "\x1b[31m<script>alert(1)</script>\x1b[0m", ""]
    (folder / "log.txt").write_text("\n".join(lines))
    page = text_of("trials/")
    assert "ValueError: shapes (1, 28) and (3, 32)" in page
    assert f"The last 40 of 52 lines of {made.id}/log.txt , which lies beside the record." in page
    assert "line 12 line 13" in page
    assert "line 11" not in page
    assert "line 49 100 % &lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_log_that_is_a_link_is_not_read(record, save, tmp_path, text_of):
    made = record()
    folder = save(made).artifacts(made)
    folder.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (folder / "log.txt").symlink_to(tmp_path / "secret")
    assert "secret" not in text_of("trials/")


def test_a_trials_page_has_the_command_of_this_trial_and_not_the_one_that_was_typed(record, save, text_of):
    save(record(seed=2, command="zoo bench --all --seeds 3"))
    page = text_of("trials/")
    command = "zoo bench zoo-a:digits --model zoo-a:net --dataset zoo-a:digits --device cpu --seeds 2,"
    assert f"Command that measures this trial again: {command} " in page
    assert "--all" not in page


def test_a_trial_from_a_notebook_shows_the_recorded_call(record, save, text_of):
    save(record(model="unpackaged:net", command="zoo.bench(&#39;digits&#39;, model=Net)"))
    page = text_of("trials/")
    assert "no command measures this trial alone. The record was made by:" in page


def test_what_a_trials_page_cannot_show_is_counted(record, save, text_of, picture):
    tables = {f"table {n}": TableFacts(columns=["a"], rows=[["x"]]) for n in range(10)}
    made = record(measured_pictures={f"p{n}": f"p{n}.png" for n in range(15)}, measured_tables=tables)
    folder = save(made).artifacts(made)
    folder.mkdir(parents=True)
    for n in range(15):
        (folder / f"p{n}.png").write_bytes(picture)
    page = text_of("trials/")
    assert "2 more tables are in the record" in page
    assert "3 more pictures lie beside the record." in page
    assert "3 more pictures lie beside the record." in text_of("tasks/")


def test_long_lists_of_skipped_trials_and_recipes_say_how_much_is_missing(record, save, text_of):
    skipped = [
        record(model=f"zoo-a:s{n}", status="skipped", fingerprint="unavailable", reason="no data", score=None)
        for n in range(203)
    ]
    recipes = [record(score=0.5, recipe={"lr": n / 1000}, recipe_class="custom") for n in range(63)]
    save(*skipped, *recipes)
    assert "3 older trials are in the data" in text_of("tasks/")
    assert "The recipes of the other 3 rows are on the task pages." in text_of("models/zoo-a--net")


def test_reference_lines_that_are_not_drawn_are_counted(record, save, text_of):
    references = [{"value": n / 10, "source": "a", "model": f"r{n}", "dataset": "zoo-a:digits"} for n in range(5)]
    save(*(made for name in "ab" for made in around(record, name, 0.9, task_references=references, train_s=1.0)))
    assert "Reference lines: the first 3 of 5." in text_of("tasks/")


def test_a_row_shows_the_standard_deviation_over_seeds_as_the_terminal_does(record, save, text_of):
    save(*(record(seed=seed, score=score) for seed, score in enumerate((0.85, 0.9, 0.95))))
    assert "std over seeds 0.05 3 " in text_of("tasks/")


def test_an_unreliable_latency_is_marked_on_the_pages_of_task_and_model(record, save, text_of):
    busy = Latency(median_ms=1.5, p95_ms=2.0, n=50, wall_s=1.0, cpu_s=0.4)
    save(record(train_s=10.0, measured_latency=busy))
    for page in ("tasks/", "models/"):
        text = text_of(page)
        assert "1.5 unreliable" in text
        assert "10 s unreliable" not in text


def test_an_unreliable_time_to_target_is_marked_on_the_pages_of_task_and_model(record, save, text_of):
    busy = Load(cpu_s=1.0, wall_s=10.0, involuntary_switches=0, trials_beside=1)
    save(record(train_s=10.0, measured_time_to_target=TimeToTarget(status="met", seconds=3.0), measured_load=busy))
    for page in ("tasks/", "models/"):
        assert "3 s unreliable 10 s unreliable" in text_of(page)


def test_the_chance_level_of_a_table_is_that_of_its_data_and_not_that_of_a_skipped_trial(record, save, text_of):
    copied = {"dataset": "zoo-a:drawn", "fingerprint": "e" * 32, "origin": "synthetic"}
    save(
        record(task_chance=0.36),
        record(task_chance=0.42, **copied),
        record(
            task_chance=0.36, **copied, model="zoo-a:big", status="skipped", reason="no weights", score=None, minute=9
        ),
    )
    facts = text_of("tasks/").partition("How to read")[0]
    assert facts.count("Chance level 0.36") == facts.count("Chance level 0.42") == 1


def test_the_recorded_commands_say_whether_they_are_those_of_all_trials(record, save, text_of):
    save(*(record(seed=seed, score=0.5) for seed in range(3)))
    assert "Commands of all trials of this table" in text_of("tasks/")
    save(*(record(seed=seed, score=0.5) for seed in range(3, 30)))
    assert "Commands of the latest 20 trials of this table" in text_of("tasks/")


def test_the_data_files_have_winners_rank_ranges_and_corrected_comparisons(record, save, results, text_of, tmp_path):
    save(*around(record, "good", 0.9), *around(record, "bad", 0.5), record(model="zoo-a:one", score=0.4))
    text_of("index")
    (path,) = (path for path in (tmp_path / "site" / "data").glob("*.json") if "digits" in path.name)
    (group,) = json.loads(path.read_text("utf-8"))["groups"]
    assert [[row[name] for name in ("rank", "rank_high", "not_ranked", "winner")] for row in group["models"]] == [
        [1, 1, "", True],
        [2, 2, "", False],
        [None, None, "one seed, without results by example", False],
    ]
    first, *others = group["comparisons"]
    assert (first["models"], first["difference"]) == ([0, 1], pytest.approx(0.4))
    assert first["adjusted"] == pytest.approx(
        stats.ttest_ind([0.9, 0.901, 0.902], [0.5, 0.501, 0.502]).pvalue, rel=1e-5
    )
    assert [(pair["models"], pair["adjusted"]) for pair in others] == [([0, 2], None), ([1, 2], None)]


def test_old_records_without_the_newer_fields_are_read(record, save, results, text_of):
    store = save(record())
    path = store.artifacts(record()).with_suffix(".json")
    content = msgspec.json.decode(path.read_bytes())
    del content["dataset"]["left_out"]
    path.write_bytes(msgspec.json.encode(content))
    assert "Files left out" not in text_of("tasks/")
