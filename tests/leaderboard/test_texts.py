"""Texts that a trial's model wrote: shown as text on the pages, whatever they hold."""

from __future__ import annotations

import html
import re

import pytest
from zoo_leaderboard.site.build import build_site
from zoo_leaderboard.site.texts import MAX_TEXT_BYTES, MAX_TEXTS


def with_texts(store, made, contents):
    folder = store.artifacts(made)
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def pages(site):
    """The page of the one task and that of the one trial."""
    (trial,) = (site / "trials").glob("*.html")
    (task,) = (site / "tasks").glob("zoo-a*[!y].html")
    return task.read_text("utf-8"), trial.read_text("utf-8")


def samples(page):
    return [html.unescape(text) for text in re.findall(r"<pre><code>(.*?)</code></pre></figure>", page, re.DOTALL)]


def test_texts_are_on_the_trials_page_and_those_of_the_best_model_on_the_tasks(record, save, results, tmp_path):
    made = record(measured_texts={"temperature 0.5": "text-0.txt", "temperature 1": "text-1.txt"})
    store = save(made)
    with_texts(store, made, {"text-0.txt": "ROMEO:\nЖили &\tшли".encode(), "text-1.txt": b""})
    build_site([results], tmp_path / "site")
    for page in pages(tmp_path / "site"):
        assert samples(page) == ["ROMEO:\nЖили &\tшли", ""]
        assert "temperature 0.5" in page


HOSTILE = {
    "markup": (b"</code></pre><script>alert(1)</script>", "</code></pre><script>alert(1)</script>"),
    "a terminal's escapes": (b"a\x1b[31mred\x1b]0;title\x07b\x00c", "aredb?c"),
    "marks that reverse the text": ("a\u202eb\u2066c".encode(), "a?b?c"),
    "bytes that are no UTF-8": (b"caf\xe9", "caf\N{REPLACEMENT CHARACTER}"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_text_is_only_text(kind, record, save, results, tmp_path):
    content, shown = HOSTILE[kind]
    made = record(measured_texts={"<b>": "text-0.txt"})
    with_texts(save(made), made, {"text-0.txt": content})
    build_site([results], tmp_path / "site")
    for page in pages(tmp_path / "site"):
        assert samples(page) == [shown]
        assert "<script>alert" not in page
        assert "<b>" not in page


def test_a_long_text_is_cut_and_a_huge_one_is_not_read(record, save, results, tmp_path):
    made = record(measured_texts={"long": "text-0.txt", "huge": "text-1.txt"})
    with_texts(save(made), made, {"text-0.txt": b"x" * MAX_TEXT_BYTES, "text-1.txt": b"x" * (MAX_TEXT_BYTES + 1)})
    build_site([results], tmp_path / "site")
    for page in pages(tmp_path / "site"):
        assert samples(page) == ["x" * 3999 + "…"]
        assert re.search(r"huge</bdi> is not shown: [^.]*large", page)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("../../secret.txt", "invalid file name"), ("link.txt", "file not found"), ("absent.txt", "file not found")],
)
def test_only_files_of_the_record_itself_are_shown(name, reason, record, save, results, tmp_path):
    made = record(measured_texts={"trick": name})
    store = save(made)
    (tmp_path / "secret.txt").write_text("secret")
    with_texts(store, made, {})
    (store.artifacts(made) / "link.txt").symlink_to(tmp_path / "secret.txt")
    build_site([results], tmp_path / "site")
    for page in pages(tmp_path / "site"):
        assert f"trick</bdi> is not shown: {reason}." in page
        assert "secret" not in re.sub("trick.*", "", page).replace("secret.txt", "")


def test_of_many_texts_the_first_are_shown(record, save, results, tmp_path):
    names = {f"t{number}": "text-0.txt" for number in range(MAX_TEXTS + 2)}
    made = record(measured_texts=names)
    with_texts(save(made), made, {"text-0.txt": b"words"})
    build_site([results], tmp_path / "site")
    for page in pages(tmp_path / "site"):
        assert len(samples(page)) == MAX_TEXTS
        assert "2 more texts lie beside the record." in page


def test_a_record_without_texts_has_no_such_section(record, save, results, tmp_path):
    save(record())
    build_site([results], tmp_path / "site")
    assert all("Texts</h" not in page for page in pages(tmp_path / "site"))
