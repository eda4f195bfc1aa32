"""Data sets of a few lines, written where a test wants them."""

from pathlib import Path

from catalog.declaration import parse
from catalog.files import FileDataset
from catalog.tables import Location

TYPES = 'name = "tiny"\n[types.view]\n'
EVENTS = """
[[events]]
file = "views.csv"
user = "u"
item = "i"
timestamp = "t"
type = "view"
"""


def write(folder: Path, files: dict[str, str]) -> None:
    """Write text files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def declared(folder: Path, text: str, **location: object) -> FileDataset:
    """The data set that a declaration makes of a folder."""
    return FileDataset(parse(text, "tiny.toml"), Location(folder, folder.parent, **location))  # type: ignore[arg-type]


def records(dataset: FileDataset, entity: str) -> list[object]:
    """All that the parts of one kind give, after the check that an import makes."""
    dataset.check()
    return [row for part in dataset.parts() if part.entity == entity for row in part.rows()]
