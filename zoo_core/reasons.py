"""The reason of a failure in one line: the error, its message with the shapes, and the author's file and line.

The author's code is that of plugins, of a student's file and of notebook cells; not that of Python, torch or the zoo.
Torch-free: tensors are recognised by the name of their type.
"""

from __future__ import annotations

import contextlib
import functools
import linecache
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

MAX_CHARS = 400  # of one message
MAX_SHAPES = 4  # tensors whose shapes are stated
MAX_LEAVES = 3  # errors of a group that are stated
INSTALLED = ("site-packages", "dist-packages")
CELL = re.compile(r"^<ipython-input|[/\\]ipykernel_\d+[/\\]")
REMOTE_CAUSES = ("RemoteTraceback", "_RemoteTraceback")  # of multiprocessing and concurrent.futures: text, no frames
# `  File "net.py", line 3, in forward` of a traceback; faulthandler writes no comma before `in`.
FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+),? in (?P<function>\S+)')
WHAT = re.compile(r"^\s*what\(\):\s*(.+)$", re.MULTILINE)  # the message of a C++ exception that nothing caught
DEVICE_ASSERTION = re.compile(r"Assertion `(.+)` failed")
# What libraries add to a message for their own developers. All lines after the first kind of line belong to it.
TRAILER = re.compile(r"^(Exception raised from |frame #\d|C\+\+ CapturedTraceback|Set TORCH\w+=|from user code:)")
NOISE = re.compile(
    r"^(CUDA kernel errors might be|For debugging consider passing|Compile with `?TORCH_USE_CUDA_DSA"
    r"|Device-side assertion|terminate called|You can suppress this exception|Search for `cuda)"
)


@dataclass(frozen=True, slots=True)
class _Told:
    """An error in words, and the position in the author's code; "" if that is unknown."""

    text: str
    position: str

    def __str__(self) -> str:
        return f"{self.text} ({self.position})" if self.position else self.text


def reason_of(error: BaseException) -> str:
    """Describe an exception in one line, with the first error of its chain if another error was raised from it.

    >>> print(reason_of(ValueError("too large")))
    ValueError: too large
    """
    told, root = _tell(error), _first_of_chain(error)
    if root is error:
        return str(told)
    cause, message = _tell(root), _one_line(_message(root))
    if not message and not cause.position:  # such as `queue.Empty` inside a library
        return str(told)
    if message and message in told.text:  # `raise MyError(f"...: {error}") from error`
        return str(_Told(told.text, cause.position or told.position))
    return f"{told}; {'caused by' if error.__cause__ is not None else 'while handling'} {cause}"


def readable_traceback(error: BaseException) -> str:
    """Return the traceback of an error and of those before it, each from the author's first line on.

    The frames before are those of the zoo and of libraries that called the author's code. An error without the author's
    code keeps all its frames.
    """
    told = traceback.TracebackException.from_exception(error)
    waiting, seen = [told], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        own = next((number for number, frame in enumerate(part.stack) if _is_authors(frame.filename)), 0)
        part.stack = traceback.StackSummary.from_list(part.stack[own:])
        waiting += [before for before in (part.__cause__, part.__context__) if before is not None]
    return "".join(told.format())


def add_output(reason: str, output: str, *, crashed: bool) -> str:
    """Add to a reason what the process itself wrote about its end, if the end of its output tells more.

    For a crash that is the message of a C++ exception and the stack of `faulthandler`, for an error on a GPU the
    assertion that failed there.
    """
    if not crashed:
        found = DEVICE_ASSERTION.search(output) if "device-side assert" in reason else None
        return f"{reason}: assertion `{found[1]}` failed" if found else reason
    messages = WHAT.findall(output)
    _, fatal, stack = output.rpartition("Fatal Python error: ")
    position = _first_position(FRAME.finditer(stack)) if fatal else ""
    return str(_Told(f"{reason}: {_one_line(messages[-1])}" if messages else reason, position))


def line_that_tells(reason: str) -> str:
    """Shorten a reason of several lines, as older records have them: a message, or a whole traceback."""
    return str(_inner_traceback(reason) or _one_line(reason))


def _tell(error: BaseException) -> _Told:
    name, message = type(error).__name__, _message(error)
    if isinstance(error, BaseExceptionGroup):
        return _Told(f"{name}: {_one_line(error.message)}: {_describe_leaves(error)}", "")
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        source = f": `{error.text.strip()}`" if error.text else ""
        return _Told(f"{name}: {error.msg}{source}", f"{Path(error.filename).name}, line {error.lineno}")
    inner = _inner_traceback(message)
    if inner is not None:
        return inner
    text = f"{name}: {_one_line(message)}" if _one_line(message) else name
    found = _author_frame(error)
    if found is None:
        return _Told(text, _position_in_text(error, message))
    frame, line = found
    source, place = _source(frame, line), _place(frame.f_code.co_filename, line, frame.f_code.co_name)
    if source and (not message or isinstance(error, KeyError)):
        text += f" in `{source}`"
    shapes = _shapes(frame, source)
    return _Told(text, f"{place}: {shapes}" if shapes else place)


def _describe_leaves(group: BaseExceptionGroup[BaseException]) -> str:
    leaves = list(dict.fromkeys(map(reason_of, _leaves(group))))
    more = f"; and {len(leaves) - MAX_LEAVES} more" if len(leaves) > MAX_LEAVES else ""
    return "; ".join(leaves[:MAX_LEAVES]) + more


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _first_of_chain(error: BaseException) -> BaseException:
    """Follow `raise ... from`, and errors raised while another was handled, to the first error."""
    seen = {id(error)}
    while True:
        complete = error.__suppress_context__ or _is_of_the_zoo(error)
        before = error.__cause__ or (None if complete else error.__context__)
        if before is None or id(before) in seen or type(before).__name__ in REMOTE_CAUSES:
            return error
        seen.add(id(before))
        error = before


def _is_of_the_zoo(error: BaseException) -> bool:
    """Return whether the zoo raised the error on purpose; then its message says everything."""
    return any(base.__module__ == "zoo_core.errors" for base in type(error).__mro__)


def _message(error: BaseException) -> str:
    """Return the message with the notes that `add_note` added. A plugin's own class may raise here, too."""
    try:
        message = str(error)
    except Exception as failure:
        message = f"its message cannot be shown ({type(failure).__name__})"
    return "\n".join([message, *map(str, getattr(error, "__notes__", ()))]).strip()


def _one_line(message: str) -> str:
    """Join the lines of a message that tell something, up to MAX_CHARS."""
    lines: list[str] = []
    for line in message.splitlines():
        if TRAILER.match(line.strip()):
            break
        if line.strip() and not NOISE.match(line.strip()):
            lines.append(" ".join(line.split()))
    text = " ".join(lines)
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS].rsplit(' ', 1)[0]} ..."


def _inner_traceback(message: str) -> _Told | None:
    """Describe the error of a traceback inside a message, as DataLoader and `torch.multiprocessing` raise them."""
    if "Traceback (most recent call last)" not in message:
        return None
    lines = message.splitlines()
    last = max((number for number, line in enumerate(lines) if FRAME.search(line)), default=-1)
    told = [line for line in lines[last + 1 :] if line.strip() and not line[0].isspace()]
    if last < 0 or not told:
        return None
    return _Told(_one_line("\n".join(told)), _first_position(reversed(list(FRAME.finditer(message)))))


# Positions in the author's code


def _author_frame(error: BaseException) -> tuple[FrameType, int] | None:
    """Return the last frame in the author's code, and its line."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return next((item for item in reversed(frames) if _is_authors(item[0].f_code.co_filename)), None)


def _position_in_text(error: BaseException, message: str) -> str:
    """Find the position in the text of a message, or of the traceback that came from another process."""
    texts = [message, *(str(cause) for cause in (error.__cause__,) if type(cause).__name__ in REMOTE_CAUSES)]
    return _first_position(reversed(list(FRAME.finditer("\n".join(texts)))))


def _place(file: str, line: int | str, function: str) -> str:
    name = "notebook cell" if CELL.search(file) else Path(file).name
    return f"{name}, line {line}" + ("" if function.startswith("<module") else f", in {function}")


def _first_position(frames: Iterable[re.Match[str]]) -> str:
    """Return the position of the first of these frames that is in the author's code."""
    own = (frame for frame in frames if _is_authors(frame["file"]))
    return next((_place(frame["file"], frame["line"], frame["function"]) for frame in own), "")


def _source(frame: FrameType, line: int) -> str:
    linecache.checkcache(frame.f_code.co_filename)  # it may hold the file's text of an earlier import
    return linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip()


def _shapes(frame: FrameType, source: str) -> str:
    """State the shapes of the frame's tensors and arrays that its line names: `x is (64, 784)`."""
    shapes = []
    for name in dict.fromkeys(re.findall(r"[A-Za-z_]\w*", source)):
        value: Any = frame.f_locals.get(name)
        if type(value).__module__.partition(".")[0] in ("torch", "numpy"):
            with contextlib.suppress(Exception):  # the weight of a lazy layer and a nested tensor raise here
                shapes.append(f"{name} is {tuple(value.shape)}")
    return ", ".join(shapes[:MAX_SHAPES])


def _is_authors(file: str) -> bool:
    if CELL.search(file):
        return True
    parts = Path(file).parts
    installed = next((parts[number + 1 :] for number, part in enumerate(parts) if part in INSTALLED), ())
    if file.startswith(("<", *_library_folders(with_python=not installed))):
        return False
    return not installed or Path(installed[0]).stem in _plugin_packages()


@functools.cache  # takes 30 ms, and a stack may have a thousand frames
def _plugin_packages() -> set[str]:
    """Return the packages of installed plugins; what else is installed is not by the author of a model."""
    from importlib.metadata import entry_points

    return {point.module.partition(".")[0] for point in entry_points(group="zoo")}


def _library_folders(*, with_python: bool) -> list[str]:
    """Return the folders of the zoo and of torch, and those of Python, which hold the installed packages, too."""
    files = [__file__, *(sys.modules[name].__file__ for name in ("torch", "numpy") if name in sys.modules)]
    folders = [str(Path(file).parent) for file in files if file]
    folders += [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")] if with_python else []
    return [folder + os.sep for folder in folders]
