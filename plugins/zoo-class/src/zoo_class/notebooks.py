"""Takes the marked cells out of a notebook: those that begin with `# zoo: submit`, or have the tag `zoo-submit`."""

from __future__ import annotations

import json
import re
from typing import Any

MARK = re.compile(r"\s*#\s*zoo\s*:\s*submit\b", re.IGNORECASE)
TAG = "zoo-submit"
MAGIC = re.compile(r"^(\s*)(?=%{1,2}[A-Za-z]|!)")  # not the operator, which has a space behind it


class NoCodeError(ValueError):
    """A notebook without a marked cell, or no notebook at all; the message says what to do."""


def marked_code(content: bytes) -> str:
    """Return the marked cells of a notebook as one source text, without commands of IPython. Raises NoCodeError.

    >>> cell = {"cell_type": "code", "source": ["# zoo: submit\\n", "%matplotlib inline\\n", "x = 1"]}
    >>> marked_code(json.dumps({"cells": [cell]}).encode())
    '# zoo: submit\\n# %matplotlib inline\\nx = 1\\n'
    """
    try:
        cells = json.loads(content)["cells"]
        sources = [_source(cell) for cell in cells if _is_marked(cell)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise NoCodeError("it is no notebook: save it again as .ipynb") from None
    if not sources:
        raise NoCodeError("no cell of the notebook begins with `# zoo: submit`")
    return "\n\n".join(sources) + "\n"


def _is_marked(cell: dict[str, Any]) -> bool:
    if cell.get("cell_type") != "code":
        return False
    return bool(MARK.match(_text(cell))) or TAG in cell.get("metadata", {}).get("tags", ())


def _text(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return "".join(source) if isinstance(source, list) else str(source)


def _source(cell: dict[str, Any]) -> str:
    return "\n".join(MAGIC.sub(r"\1# ", line) for line in _text(cell).splitlines())
