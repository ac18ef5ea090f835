"""A regression that still stands is on the page that one opens first, and in the feed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from zoo_leaderboard.records.merge import merge
from zoo_leaderboard.site.build import build_site

ATOM = "{http://www.w3.org/2005/Atom}"
NOISE = (-0.002, -0.001, 0.0, 0.001, 0.002)


@pytest.fixture
def site_of(record, save, results, tmp_path) -> Callable[..., Path]:
    """Build the site of (score, train time) on one day after the other, with five seeds each."""

    def built(*days: tuple[float, float], **more):
        for number, (score, train_s) in enumerate(days, start=1):
            save(
                *(
                    record(
                        seed=seed,
                        score=score + noise,
                        train_s=train_s * (1 + noise),
                        minute=seed + 10 * number,
                        environment_machine="m1",
                        started=f"2026-03-{number:02d}T00:0{seed}:00+00:00",
                        code=f"code{number}",
                        **more,
                    )
                    for seed, noise in enumerate(NOISE)
                )
            )
        build_site([results], tmp_path / "site")
        return tmp_path / "site"

    return built


def text_of(path: Path) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", path.read_text("utf-8")))


def test_a_planted_regression_of_the_score_is_at_the_top_of_the_index(site_of):
    site = site_of((0.9, 10.0), (0.8, 10.0))
    page = text_of(site / "index.html")
    words = "1 regression Digits , net : score lower by 0.1000 since 2026-03-02 ( zoo-a:digits , default recipe, CPU )"
    assert words in page
    assert page.index(words) < page.index("Leading models by task")
    assert "a trial of the first bad run" in page


def test_a_planted_slowdown_is_there_too_and_both_lead_to_the_history(site_of):
    site = site_of((0.9, 10.0), (0.9, 10.0), (0.8, 30.0))
    page = (site / "index.html").read_text("utf-8")
    assert "2 regressions" in page
    assert "200 % slower" in page
    links = set(re.findall(r'href="(history/[^"#]+)#(p-\w+)"', page))
    assert len(links) == 1
    ((path, anchor),) = links
    assert f'id="{anchor}"' in (site / path).read_text("utf-8")


def test_a_regression_that_was_undone_is_not_there(site_of):
    site = site_of((0.9, 10.0), (0.8, 10.0), (0.9, 10.0))
    assert "regression" not in text_of(site / "index.html")
    assert "worse" in text_of(next(site.glob("history/*.html")))


def test_an_error_that_grew_is_a_regression_in_words_that_fit(site_of):
    site = site_of((0.1, 10.0), (0.3, 10.0), higher_is_better=False)
    assert "score higher by 0.2000" in text_of(site / "index.html")


def test_a_regression_of_data_that_were_replaced_is_not_there(site_of, record, save, results):
    site = site_of((0.9, 10.0), (0.8, 10.0))
    save(
        *(record(seed=seed, score=0.9, dataset_version=2, fingerprint="e" * 32, minute=90 + seed) for seed in range(3))
    )
    build_site([results], site)
    assert "regression" not in text_of(site / "index.html")


def test_the_history_of_the_leading_model_is_drawn_in_its_line(site_of):
    page = (site_of((0.8, 10.0), (0.9, 10.0)) / "index.html").read_text("utf-8")
    assert 'aria-label="Scores on 2 occasions, from 0.8000 to 0.9000"' in page
    assert '<polyline points="3.0,15.0 61.0,3.0"/>' in page


def test_the_feed_is_atom_and_has_the_regressions_and_the_tasks(site_of):
    site = site_of((0.9, 10.0), (0.8, 10.0), task_title="<Digits> & more")
    feed = ET.parse(site / "data" / "feed.xml").getroot()
    assert feed.tag == f"{ATOM}feed"
    entries = [{child.tag.removeprefix(ATOM): child for child in entry} for entry in feed.iter(f"{ATOM}entry")]
    titles = [entry["title"].text for entry in entries]
    assert titles == [
        "Regression: net on <Digits> & more, score lower by 0.1000",
        "<Digits> & more, CPU: not ranked, net has 0.8000",
    ]
    assert len({entry["id"].text for entry in entries}) == 2
    assert [entry["updated"].text[:10] for entry in entries] == ["2026-03-02", "2026-03-02"]
    for entry in entries:
        assert (site / "data" / entry["link"].get("href").partition("#")[0]).is_file()


def test_the_feed_of_a_second_build_is_the_same(site_of, results):
    site = site_of((0.9, 10.0), (0.8, 10.0))
    before = (site / "data" / "feed.xml").read_bytes()
    build_site([results], site)
    assert (site / "data" / "feed.xml").read_bytes() == before


def test_a_smaller_improvement_leaves_the_regression_standing(site_of):
    site = site_of((0.9, 10.0), (0.8, 10.0), (0.85, 10.0))
    assert "1 regression" in text_of(site / "index.html")
    assert "score lower by 0.1000 since 2026-03-02" in text_of(site / "index.html")
    assert "better" in text_of(next(site.glob("history/*.html")))


def test_of_two_drops_the_one_that_is_back_is_gone(site_of):
    page = text_of(site_of((0.9, 10.0), (0.8, 10.0), (0.7, 10.0), (0.8, 10.0)) / "index.html")
    assert "1 regression" in page
    assert "since 2026-03-02" in page


def test_a_slower_training_stands_until_it_is_as_fast_as_before(site_of):
    assert "1 regression" in text_of(site_of((0.9, 10.0), (0.9, 30.0), (0.9, 20.0)) / "index.html")


def test_a_training_as_fast_as_before_is_no_regression(site_of):
    assert "regression" not in text_of(site_of((0.9, 10.0), (0.9, 30.0), (0.9, 10.0)) / "index.html")


def test_an_acknowledged_regression_is_on_the_history_with_the_reason_only(site_of, results):
    site = site_of((0.9, 10.0), (0.8, 10.0))
    (folder,) = (path for path in results.iterdir() if path.is_dir())
    (record,) = list(folder.glob("*-0020.json"))
    (folder / "acknowledged").mkdir()
    (folder / "acknowledged" / f"{record.stem}.txt").write_text("the labels were <b>corrected</b>\n")
    build_site([results], site)
    assert "regression" not in text_of(site / "index.html")
    page = next(site.glob("history/*.html")).read_text("utf-8")
    assert "acknowledged: <bdi>the labels were &lt;b&gt;corrected&lt;/b&gt;</bdi>" in page


def test_merging_keeps_what_was_acknowledged(site_of, results, tmp_path):
    site_of((0.9, 10.0), (0.8, 10.0))
    (folder,) = (path for path in results.iterdir() if path.is_dir())
    (folder / "acknowledged").mkdir()
    (folder / "acknowledged" / "some-id.txt").write_text("why")
    merge([results], tmp_path / "all")
    assert (tmp_path / "all" / folder.name / "acknowledged" / "some-id.txt").read_text() == "why"


def test_the_feeds_of_two_boards_have_different_ids(site_of, record, save, results, tmp_path):
    save(record(started="2020-01-01T00:00:00+00:00", seed=77, score=0.5))
    site = site_of((0.9, 10.0), (0.8, 10.0))
    ids = set(re.findall(r"<id>(.*?)</id>", (site / "data" / "feed.xml").read_text("utf-8")))
    (results / "zoo-a--digits").rename(tmp_path / "kept")
    other = site_of((0.9, 10.0), (0.8, 10.0))
    assert not ids & set(re.findall(r"<id>(.*?)</id>", (other / "data" / "feed.xml").read_text("utf-8")))
