"""Pseudonyms: who is called what, in a private file. A pseudonym is drawn once and then stays.

The file also holds the secret that goes into every hash that is published, and the secret name of each student's page.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec

from zoo_class.submissions import Person
from zoo_class.tables import fold
from zoo_core.errors import UsageError
from zoo_core.files import read_regular, write_atomically

FILE = "people.json"
MAX_BYTES = 16 << 20
COLOURS = (
    *("Amber", "Azure", "Bronze", "Cobalt", "Copper", "Coral", "Crimson", "Cyan", "Emerald", "Golden", "Indigo"),
    *("Ivory", "Jade", "Lemon", "Lilac", "Lime", "Mint", "Ochre", "Olive", "Opal", "Pearl", "Plum", "Rose", "Ruby"),
    *("Saffron", "Sand", "Scarlet", "Silver", "Teal", "Topaz", "Umber", "Violet"),
)
ANIMALS = (
    *("Badger", "Beaver", "Bison", "Crane", "Curlew", "Deer", "Dolphin", "Eagle", "Falcon", "Ferret", "Finch", "Fox"),
    *("Gecko", "Heron", "Ibis", "Jay", "Kestrel", "Lark", "Lynx", "Marten", "Newt", "Orca", "Otter", "Owl", "Panda"),
    *("Puffin", "Raven", "Robin", "Seal", "Stork", "Swift", "Tapir", "Thrush", "Vole", "Walrus", "Weasel", "Wren"),
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One student: the name, the pseudonym, and the name of the file of their page."""

    name: str
    alias: str
    page: str


class People(msgspec.Struct, kw_only=True):
    """All students that a class has ever had, by folded name, and the class's secret."""

    secret: str
    entries: dict[str, Entry] = {}

    def alias(self, person: Person) -> str:
        return self.entries[fold(person.name)].alias

    def page(self, person: Person) -> str:
        return self.entries[fold(person.name)].page


def load_people(private: Path, people: Iterable[Person] = ()) -> People:
    """Read the file, add the people who are new, and write it if there are any. Raises UsageError if it is broken."""
    path = private / FILE
    try:
        known = msgspec.json.decode(read_regular(path, MAX_BYTES), type=People)
    except FileNotFoundError:
        known = People(secret=secrets.token_hex(32))
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{path} cannot be read ({error}): put back a copy of it, or pseudonyms change") from None
    count = len(known.entries)
    for person in people:
        known.entries.setdefault(fold(person.name), _new_entry(person, known))
    if len(known.entries) > count or not path.exists():
        save_people(private, known)
    return known


def save_people(private: Path, people: People) -> None:
    """Write the file, for the owner's eyes only."""
    private.mkdir(parents=True, exist_ok=True)
    if os.name == "posix":
        private.chmod(0o700)
    write_atomically(private / FILE, msgspec.json.format(msgspec.json.encode(people), indent=1) + b"\n")


def _new_entry(person: Person, known: People) -> Entry:
    taken = {entry.alias for entry in known.entries.values()}
    free = [f"{colour} {animal}" for colour in COLOURS for animal in ANIMALS if f"{colour} {animal}" not in taken]
    alias = secrets.choice(free) if free else f"Student {len(known.entries) + 1}"
    # In hexadecimal: a table escapes a name that begins with a minus.
    return Entry(name=person.name, alias=alias, page=f"{secrets.token_hex(16)}.html")
