"""Take it along: figures as PNG, Parquet files, and the pictures of links."""

from __future__ import annotations

import importlib.util
import io
import re
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from zoo_leaderboard.site.build import build_site
from zoo_leaderboard.site.options import SiteOptions
from zoo_leaderboard.site.raster import as_png

HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None


@pytest.fixture
def some_results(record, save, results):
    curve = [(10, 0.5, 0.4), (20, 0.9, 0.8)]
    save(
        *(
            record(model=f"zoo-a:{name}", seed=seed, score=score + seed / 1000, train_s=5.0 + score, curve=curve)
            for name, score in (("<i>first</i>", 0.9), ("second", 0.8))
            for seed in range(3)
        )
    )
    return results


def meta(page: str) -> dict[str, str]:
    return dict(re.findall(r'<meta property="(og:\w+)" content="([^"]*)">', page))


def test_with_an_address_links_to_the_site_have_a_picture(some_results, tmp_path):
    build_site([some_results], tmp_path / "site", options=SiteOptions(url="https://example.org/board/"))
    (task,) = (tmp_path / "site" / "tasks").glob("*.html")
    found = meta(task.read_text("utf-8"))
    assert found["og:title"] == "Digits · Zoo leaderboard"
    assert found["og:description"] == "Tell digits apart."
    assert found["og:image"] == f"https://example.org/board/tasks/{task.stem}/card.png"
    for path in (f"tasks/{task.stem}/card.png", "static/card.png"):
        with Image.open(tmp_path / "site" / path) as picture:
            assert picture.size == (1200, 630)
    assert meta((tmp_path / "site" / "index.html").read_text("utf-8"))["og:image"].endswith("/static/card.png")


def test_without_an_address_there_are_no_pictures_of_links_and_none_stay_from_before(some_results, tmp_path):
    build_site([some_results], tmp_path / "site", options=SiteOptions(url="https://example.org"))
    build_site([some_results], tmp_path / "site")
    assert list((tmp_path / "site").rglob("card.png")) == []
    assert meta((tmp_path / "site" / "index.html").read_text("utf-8")) == {}


def test_an_address_that_is_none_is_refused(some_results, tmp_path, zoo):
    done = zoo("leaderboard", "build", str(some_results), "--out", str(tmp_path / "site"), "--url", 'x"><script>')
    assert done.code == 2
    assert "give an address such as https://example.org/board" in (done.out + done.err)


def test_figures_are_written_as_png_on_white(some_results, tmp_path, zoo):
    done = zoo("leaderboard", "export", str(some_results), "--png", str(tmp_path / "figures"), "--task", "digits")
    assert done.code == 0, done.out + done.err
    files = sorted(path for path in (tmp_path / "figures").rglob("*.png"))
    assert f"{len(files)} figures" in (done.out + done.err)
    assert len(files) == 5  # two cards, two learning curves, score against train time
    for path in files:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        assert picture.getpixel((picture.width - 1, 0)) == (255, 255, 255), path.name
        assert len(picture.getcolors(2**24)) > 10, path.name


def test_a_task_without_records_is_named(some_results, tmp_path, zoo):
    done = zoo("leaderboard", "export", str(some_results), "--png", str(tmp_path / "figures"), "--task", "letters")
    assert done.code == 2
    assert "no records of the task letters; there are: zoo-a:digits" in " ".join((done.out + done.err).split())


def test_a_picture_has_the_asked_size_and_no_dark_colours():
    dark = "<style>@media (prefers-color-scheme: dark){rect{fill:#000}}</style>"
    red = '<rect width="1" height="1" fill="#f00"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="5">{dark}{red}</svg>'
    picture = Image.open(io.BytesIO(as_png(svg, 2.0))).convert("RGB")
    assert picture.size == (20, 10)
    assert picture.getpixel((0, 0)) == (255, 0, 0)
    assert picture.getpixel((19, 9)) == (255, 255, 255)


@pytest.mark.skipif(not HAS_PYARROW, reason="no pyarrow: pip install 'zoo-leaderboard[parquet]'")
def test_parquet_has_the_rows_of_the_csv(some_results, tmp_path):
    build_site([some_results], tmp_path / "site", options=SiteOptions(parquet=True))
    (parquet,) = (tmp_path / "site" / "data").glob("*.parquet")
    found, csv = pd.read_parquet(parquet), pd.read_csv(parquet.with_suffix(".csv"))
    assert list(found.columns) == list(csv.columns)
    assert found["model"].tolist() == ["zoo-a:<i>first</i>", "zoo-a:second"]
    assert found["score"].tolist() == pytest.approx(csv["score"].tolist())
    assert found["seeds"].tolist() == [3, 3]
    assert found["recipe"].tolist() == ['{"lr": 0.1}'] * 2
    page = next((tmp_path / "site" / "tasks").glob("*.html")).read_text("utf-8")
    assert f"../data/{parquet.name}" in page


@pytest.mark.skipif(not HAS_PYARROW, reason="no pyarrow: pip install 'zoo-leaderboard[parquet]'")
def test_trials_are_exported_as_parquet(some_results, tmp_path, zoo):
    out = tmp_path / "trials.parquet"
    assert zoo("results", "export", str(some_results), "--out", str(out)).code == 0
    found = pd.read_parquet(out)
    assert len(found) == 6
    assert str(found["score"].dtype) == "Float64"  # also if all scores are whole


def test_without_pyarrow_one_line_says_how_to_install_it(some_results, tmp_path, zoo, monkeypatch):
    real = importlib.util.find_spec

    def find(name: str, *rest: Any) -> Any:
        return None if name == "pyarrow" else real(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    done = zoo("leaderboard", "build", str(some_results), "--out", str(tmp_path / "site"), "--parquet")
    assert done.code == 2
    assert "Parquet files need pyarrow: pip install 'zoo-leaderboard[parquet]'" in " ".join(
        (done.out + done.err).split()
    )
    assert not (tmp_path / "site" / "index.html").exists()
