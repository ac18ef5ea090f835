"""Text and files of records that are made to deceive or to attack the reader of a page: all kinds, on all pages."""

from __future__ import annotations

import csv
import json
import re
import struct
import unicodedata
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_leaderboard.site.build import build_site
from zoo_leaderboard.site.png import MAX_PIXELS, SIGNATURE, clean_png
from zoo_leaderboard.text.formats import clip, is_link, printable

from zoo_core.results.records import LeftOut, TableFacts
from zoo_core.results.store import Store

JOINERS = "\u200c\u200d"
ATTACK = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'><svg onload=alert(3)>"
HIDDEN = "\u202e\u2066\u200b\u200f\ufeff\u2028\u00ad\U000e0041\ue000\x1b[31m"  # not seen, or seen as something else
KINDS = {
    "markup": ATTACK,
    "hidden": f"a{HIDDEN}b",
    "accents": "a" + "\u0301" * 5000,
    "formula": '=HYPERLINK("http://evil.example";"x")',
    "long": "x" * 16_000,
    "lines": "\n" * 200 + "\t\r\x0b\x0c\x85",
    "template": "{{ cycler.__init__.__globals__ }}{% raw %}${7*7}#{7*7}",
    "javascript": "javascript:alert(1)//https://example.org",
    "data": "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
}


class Page(HTMLParser):
    """The elements of a page with their attributes, its texts, and its longest run of text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.texts += [value for _, value in attrs if value]

    def handle_data(self, data):
        self.texts.append(data)


def hostile(record, text: str):
    """A record with this text wherever a record holds text."""
    table = TableFacts(columns=[text, "n"], rows=[[text, 1], [None, text]])
    return record(
        reason=text,
        status="ok",
        task_title=text,
        task_summary=text,
        task_metric=text,
        task_unit=text,
        task_kind=text,
        task_references=[{"value": 0.5, "source": text, "model": text, "dataset": text}],
        dataset_title=text,
        dataset_licence=text,
        dataset_homepage=text,
        dataset_examples={text: 3},
        dataset_left_out=[LeftOut(reason=text, count=1, example=text)],
        model=f"{text}:{text}",
        model_title=text,
        model_pretrained_on=text,
        model_year=2014,
        model_paper=text,
        model_flops_unknown_because=text,
        device=text,
        dtype=text,
        origin=text,
        recipe={text: text, "deep": {text: [text]}},
        command=text,
        environment_machine=text,
        measured_tables={text: table, "confusion": table},
        measured_pictures={text: text, "evil": "evil.svg"},
        measured_texts={text: text, "evil": "evil.txt"},
        measured_left_out={text: text},
        curve=[(1, 0.1, 0.5), (2, 0.2, 0.6)],
    )


@pytest.fixture(scope="module")
def built() -> dict[str, Path]:
    """The sites that are built already, by kind."""
    return {}


@pytest.fixture(params=KINDS)
def site(request, record, tmp_path_factory, built) -> Path:
    """A site of a record with one kind of text everywhere, with hostile files among its artifacts."""
    kind = request.param
    if kind not in built:
        folder = tmp_path_factory.mktemp("hostile")
        build_hostile(record, KINDS[kind], folder)
        built[kind] = folder / "site"
    return built[kind]


def build_hostile(record, text: str, folder: Path) -> None:
    made, store = hostile(record, text), Store(folder / "results")
    store.save(made)
    store.save(record(model=made.model.name, seed=1, minute=1, status="error", reason=text))
    artifacts = store.artifacts(made)
    artifacts.mkdir(parents=True)
    for name in ("evil.svg", "evil.html", "index.html", "p-picture-0.png"):
        (artifacts / name).write_text(ATTACK)
    for name in ("log.txt", "evil.txt"):
        (artifacts / name).write_text(f"{text}\n{ATTACK}\n")
    result = build_site([store.folder], folder / "site")
    assert (result.trials, result.unreadable) == (2, [])


def test_text_of_any_kind_is_only_text_on_every_page(site):
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        page = Page(text)
        tags = {tag for tag, _ in page.elements}
        assert not tags & {"style", "iframe", "object", "embed", "form", "base", "foreignobject"}, path
        assert sum(tag == "script" for tag, _ in page.elements) == 1, path
        for tag, attributes in page.elements:
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (path, tag)
            for name in ("href", "src"):
                address = attributes.get(name) or ""
                assert not re.match(r"\s*((javascript|data|vbscript):|//)", address, re.IGNORECASE), (path, address)
        odd = {char for part in page.texts for char in part if not char.isprintable()} - set("\n\t" + JOINERS)
        assert {char for char in odd if unicodedata.category(char) != "Zs"} == set(), path
        assert not re.search("[\u0300-\u036f]{5}", text), path
        assert max(len(word) for part in page.texts for word in part.split()) <= 8000, (
            path
        )  # a command, in a box that scrolls
        assert len(text) < 400_000, path


def test_pictures_of_plots_run_nothing_and_load_nothing(site):
    for path in site.rglob("*.svg"):
        text = path.read_text("utf-8")
        assert not re.search(r"<(script|foreignObject|image|a|use|iframe)\b", text, re.IGNORECASE), path
        assert not re.search(r"\son\w+=[\"'](?!.*&quot;)", re.sub(r">[^<]*<", "><", text)), path
        assert "\u202e" not in text, path


def test_no_file_of_a_trial_but_a_checked_picture_reaches_the_site(site):
    names = {path.name for path in site.rglob("*") if path.is_file()}
    assert not names & {"evil.svg", "evil.html", "log.txt"}
    assert not [path for path in site.rglob("*.png") if not path.read_bytes().startswith(SIGNATURE)]
    for path in site.rglob("*.svg"):
        assert ATTACK not in path.read_text("utf-8")


def test_data_files_are_json_and_csv_and_scripts_are_ascii(site):
    csv.field_size_limit(10**6)
    for path in site.rglob("*.json"):
        json.loads(path.read_text("utf-8"))
    for path in site.rglob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        assert {len(row) for row in rows} == {len(rows[0])}, path
        assert not [cell for row in rows for cell in row if cell[:1] in ("=", "@", "\t", "\r")], path
    for path in [*site.glob("data/*.js"), *site.glob("trials/*.js")]:
        _, _, rest = path.read_text("ascii").partition("] = ")
        assert json.loads(rest.rstrip(";\n"))
        assert "\n" not in rest.rstrip("\n")


def test_names_of_files_are_short_plain_and_never_devices_of_windows(site):
    for path in site.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9_.][A-Za-z0-9._-]{0,99}", path.name), path
        assert not re.match(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", path.name, re.IGNORECASE), path
        assert not path.name.endswith((".", " "))
        assert len(path.relative_to(site).as_posix()) < 150


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ResNet-18 (Ω, naïve, 模型)", True),
        ("e\u0301", True),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", True),
        ("a\u202eb", False),
        ("res\u200bnet", False),
        ("\ufeffnet", False),
        ("net\U000e0041", False),
        ("a\u2028b", False),
    ],
)
def test_characters_that_deceive_are_replaced_and_those_of_languages_stay(text, expected):
    assert (printable(text) == text) is expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://example.org/a_(b)?c=d&e#f", True),
        ("http://[::1]:80/", True),
        ("https://example.org/@name", True),
        ("https://known.example@evil.example/", False),
        ("https://evil.example\\@known.example/", False),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:https://x", False),
        (" https://example.org", False),
        ("https://example.org/\u202egnp", False),
        ("https://ex\u0430mple.org/", False),
        ("ftp://example.org", False),
        ("//example.org", False),
        ("https://", False),
        ("https://" + "a" * 5000, False),
        (None, False),
        (7, False),
    ],
)
def test_only_plain_addresses_become_links(address, expected):
    assert is_link(address) is expected


@pytest.mark.parametrize("text", ["x" * 10**6, "\u202e" * 10**5, "a" + "\u0301" * 10**5, "x\n" * 10**5])
def test_a_long_text_is_cut_before_it_reaches_a_page(text):
    assert len(clip(text, 80)) <= 80


# --- pictures --------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunks(picture: bytes, *more: bytes, at: int = 33) -> bytes:
    """The picture with more chunks after the header, which ends at byte 33."""
    return picture[:at] + b"".join(more) + picture[at:]


def test_a_picture_loses_what_is_not_drawn(picture):
    extra = [chunk(b"tEXt", b"Comment\0" + ATTACK.encode()), chunk(b"eXIf", b"GPS"), chunk(b"acTL", b"\0" * 8)]
    assert clean_png(with_chunks(picture, *extra) + ATTACK.encode()) == picture
    assert clean_png(picture) == picture


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda picture: ATTACK.encode(), "not a PNG file"),
        (lambda picture: b"", "not a PNG file"),
        (lambda picture: SIGNATURE, "a damaged PNG file"),
        (lambda picture: SIGNATURE + ATTACK.encode() * 9, "a damaged PNG file"),
        (lambda picture: picture[:-1], "a damaged PNG file"),
        (lambda picture: picture[:-12], "a damaged PNG file"),
        (lambda picture: picture[:40] + b"x" + picture[41:], "a damaged PNG file"),
        (lambda picture: with_chunks(picture, chunk(b"IHDR", b"\0" * 13)), "a damaged PNG file"),
        (lambda picture: SIGNATURE + picture[33:], "a damaged PNG file"),
        (lambda picture: SIGNATURE + chunk(b"IHDR", b"\0") + picture[33:], "a damaged PNG file"),
        (lambda picture: sized(picture, 2**31 - 1, 2**31 - 1), "2147483647 x 2147483647 pixels, more than 16 million"),
        (lambda picture: sized(picture, MAX_PIXELS, 2), "16777216 x 2 pixels, more than 16 million"),
        (lambda picture: sized(picture, 0, 8), "empty"),
    ],
)
def test_what_is_no_whole_picture_is_refused_with_the_reason(change, reason, picture):
    found = clean_png(change(picture))
    assert found == reason


def sized(picture: bytes, width: int, height: int) -> bytes:
    return SIGNATURE + chunk(b"IHDR", struct.pack(">II", width, height) + picture[24:29]) + picture[33:]


@settings(max_examples=200)
@given(content=st.binary(max_size=100), place=st.integers(0, 200), signed=st.booleans())
def test_no_bytes_whatever_make_the_check_fail(content, place, signed):
    whole = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)) + chunk(b"IEND", b"")
    found = clean_png(whole[:place] + content + whole[place:] if signed else content)
    assert isinstance(found, str) or found.startswith(SIGNATURE)


def test_a_picture_that_claims_gigabytes_is_named_on_the_page(record, save, results, tmp_path, picture):
    made = record(measured_pictures={"bomb": "picture-0.png"})
    folder = save(made).artifacts(made)
    folder.mkdir(parents=True)
    (folder / "picture-0.png").write_bytes(sized(picture, 60_000, 60_000))
    build_site([results], tmp_path / "site")
    (page,) = (tmp_path / "site" / "trials").glob("*.html")
    assert "60000 x 60000 pixels, more than 16 million" in page.read_text("utf-8")
    assert not list((tmp_path / "site").rglob("*.png"))
