"""Targets: the parsers of boxes, Pascal VOC's XML and lists and COCO's JSON, and the EXIF orientation of pictures."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from zoo_detection.annotated import Annotated, fit_objects
from zoo_detection.coco import find_coco, read_coco
from zoo_detection.orientation import read_form
from zoo_detection.voc import read_list, read_voc

CLASSES = ("cat", "dog")
XML = """<annotation><folder>images</folder><filename>a.png</filename>
<source><database>The VOC2007 Database</database></source><size><width>9</width><height>7</height></size>
<object><name>cat</name><difficult>1</difficult>
<bndbox><xmin>1</xmin><ymin>2.5</ymin><xmax>8</xmax><ymax>6e0</ymax></bndbox></object>
<object><name>dog</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>4</xmax><ymax>5</ymax></bndbox></object></annotation>"""
DECLARED = '<?xml version="1.0" encoding="windows-1251"?>'
DOCTYPE = '<!DOCTYPE annotation [<!ELEMENT a (#PCDATA)><!ENTITY b "c">]>'
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 7}, {"id": 2, "file_name": "b/c.png"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1.5, 2, 3, 4], "iscrowd": 0, "segmentation": []},
        {"id": 2, "image_id": 2, "category_id": 7, "segmentation": [[1, 2, 3, 4, 5, 6.5]]},
        {"id": 3, "image_id": 2, "category_id": 7, "bbox": [1, 2, 3, 4], "iscrowd": 1, "segmentation": {"counts": [9]}},
    ],
    "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog", "supercategory": "animal"}],
}


def voc(path: Path) -> None:
    objects, size = read_voc(path, CLASSES)
    assert np.isfinite(objects.boxes).all()
    assert size is None or all(side > 0 for side in size)


def coco(path: Path) -> None:
    _, pictures = read_coco(path)
    assert all(np.isfinite(item.objects.boxes).all() for item in pictures)


def coco_folder(path: Path) -> None:
    """The names of pictures lead to files of the folder only."""
    (path.parent / "b").mkdir()
    for name in ("a.png", "b/c.png"):
        Image.new("L", (9, 7)).save(path.parent / name)
    path.rename(path.with_name("annotations.json"))
    for items in find_coco(path.parent, lambda *_: None)[1].values():
        for item in items:
            assert item.picture.resolve().is_relative_to(path.parent.resolve())


def form(path: Path) -> None:
    """Boxes turn along with any picture, or it is left out."""
    found = read_form(path)
    objects, size = read_voc_of(path)
    fitted = fit_objects(Annotated(picture=path, objects=objects, size=size), found)
    assert isinstance(fitted, str) or np.isfinite(fitted.boxes).all()


def read_voc_of(path: Path) -> Any:
    path.with_name("a.xml").write_text(XML)
    return read_voc(path.with_name("a.xml"), CLASSES)


def turned(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.new("RGB", (9, 7)).save(file, kind, exif=exif)
    return file.getvalue()


TARGETS: dict[str, tuple[Callable[[Path], Any], list[bytes]]] = {
    "Pascal VOC": (voc, [XML.encode(), (DECLARED + XML).encode(), (DOCTYPE + XML).encode(), XML.encode("utf-16")]),
    "Pascal VOC, a list": (read_list, [b"road0\nroad1.png\n\n road 2 \n", "лайка\r\nroad10\r\n".encode()]),
    "COCO": (coco, [json.dumps(COCO).encode(), json.dumps(COCO, indent=1).encode("utf-8-sig")]),
    "COCO, a folder": (coco_folder, [json.dumps(COCO).encode()]),
    "orientation of a picture": (form, [turned(kind, n) for kind in ("JPEG", "PNG", "TIFF") for n in (1, 3, 6)]),
}
