"""`zoo class new`: writes the folder of a class, with settings, a page for students and a template."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from zoo_class.places import Places
from zoo_class.settings import Settings, read_settings
from zoo_core.errors import UsageError
from zoo_core.files import write_atomically
from zoo_core.registry import Registry
from zoo_core.specs import TaskSpec
from zoo_core.ui.formats import format_count

IGNORED = """# Who is who, and what people handed in, stays on this machine. Only out/board is for everybody.
private/
results/
work/
submissions/
data/
out/*
!out/board/
*.csv
"""


def new_class(folder: Path, task_name: str, title: str, *, offline: bool, preset: str, seeds: int) -> Places:
    """Write the files of a new class. Raises UsageError if the folder has some already, or for an unknown task."""
    task = Registry.load().task(task_name)
    places = Places(folder.absolute())
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already and is not empty: name a new folder")
    first, second = _first_targets(task)
    values = {
        "title": title or f"{task.title}, a class",
        "task": task.name,
        "preset": preset,
        "seeds": seeds,
        "offline": "true" if offline else "false",
        "first": first,
        "second": second,
    }
    text = _template("class.toml")
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", _escaped(str(value)))
    for name in ("submissions", "template"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_atomically(places.settings, text.encode())
    write_atomically(folder / ".gitignore", IGNORED.encode())
    settings = read_settings(places.settings)
    net = _template("net.txt").replace("{model}", settings.submissions.model)
    write_atomically(folder / "template" / settings.submissions.file, net.encode())
    write_students_page(places, settings)
    return places


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _template(name: str) -> str:
    return (files("zoo_class") / "templates" / name).read_text(encoding="utf-8")


def _first_targets(task: TaskSpec) -> tuple[float, float]:
    """Return two scores to begin with, between the chance level and the target on val, to be changed by the teacher."""
    chance = task.chance if task.chance is not None else 0.0
    target = task.target if task.target is not None else (1.0 if task.higher_is_better else 0.0)
    return round(chance + 0.5 * (target - chance), 6), round(target, 6)


def bench_words(settings: Settings) -> str:
    """Return the words with which students run the class's trial themselves."""
    words = [settings.task]
    words += ["--dataset", settings.dataset] if settings.dataset else []
    words += ["--offline"] if settings.data.offline else []
    words += ["--preset", settings.preset] if settings.preset else []
    words += ["--budget", settings.budget] if settings.budget else []
    words += [part for key, value in settings.recipe.items() for part in ("--set", f"{key}={value}")]
    words += ["--threads", str(settings.limits.threads)] if settings.limits.threads else []
    return " ".join([*words, "--device", settings.device])


def write_students_page(places: Places, settings: Settings) -> None:
    """Write the page for students from the settings."""
    rules, limits = settings.submissions, settings.limits
    late = {
        "refuse": "What comes later does not count.",
        "accept": "What comes later counts, too.",
        "reduce": f"Each day that begins after it costs {rules.late_pct_per_day:g} % of the points.",
    }[rules.late]
    attempts = "the latest of them counts" if rules.attempts == "latest" else "the best of them counts"
    most = f"up to {rules.most_attempts} attempts" if rules.most_attempts else "any number of attempts"
    labels = "The labels of the test data are not there while your network runs." if settings.data.hide_labels else ""
    targets = "\n".join(f"- {item.name}: {item.score:g}, {item.points:g} points" for item in settings.points.targets)
    values = {
        "title": settings.title,
        "task": settings.task,
        "file": rules.file,
        "model": rules.model,
        "words": bench_words(settings),
        "time": limits.time,
        "memory": str(limits.memory_mib),
        "threads": format_count(limits.threads, "thread") if limits.threads else "all threads",
        "late": f"The deadline is {rules.deadline:%Y-%m-%d %H:%M %z}. {late}" if rules.deadline else "",
        "attempts": f"You have {most}; {attempts}.",
        "labels": labels,
        "targets": f"Targets:\n\n{targets}" if targets else "",
    }
    text = _template("students.md")
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    lines = [line for line in text.splitlines() if line.strip() != "-"]
    write_atomically(places.students_page, ("\n".join(lines).rstrip() + "\n").encode())
