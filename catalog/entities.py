"""Items and users from declared tables: every row's id and fields, and what joined tables add to them.

Where an id comes again, its first row counts and the others are problems, unless the declaration says what
they mean: `latest` or `merge`. Memory holds the ids that were seen, the joined tables, and the rows that wait
to be merged or outdated; not the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from catalog.cells import (
    Ancestors,
    BadCellError,
    checked,
    feature_reader,
    flag,
    id_reader,
    number,
    reader,
    reader_or_empty,
    row_filter,
    used_columns,
)
from catalog.dataset import LEFT_OUT, LeftOut
from catalog.records import BadRow, FeatureValue, Item, ItemId, User, UserId
from catalog.source import Cell, Content, Entity, Items, PictureCell, Users
from catalog.tables import Location, RowSource, positions

NO_PATH_PREFIXES = ("http://", "https://", "data:")


@dataclass(frozen=True, slots=True)
class Fields:
    """What one row says about one item or user."""

    title: str = ""
    text: str = ""
    image: str | None = None
    available: bool | None = None
    features: Mapping[str, FeatureValue] = field(default_factory=dict)
    age: float = 0.0
    """What `latest` compares."""


Record = tuple[str, Fields]
"""An id, and what one row says about it."""
Row = Record | BadRow | LeftOut


@dataclass(frozen=True, slots=True)
class EntityReader:
    """Reads declared tables of items and users."""

    location: Location
    taxonomies: Mapping[str, Ancestors]

    def items(self, items: Items) -> Iterator[Item | BadRow | LeftOut]:
        """All items of a table and its joins."""
        for row in self._joined(items):
            yield as_item(*row) if isinstance(row, tuple) else row

    def users(self, users: Users) -> Iterator[User | BadRow | LeftOut]:
        """All users of a table and its joins."""
        for row in self._joined(users):
            yield User(UserId(row[0]), known(row[1])) if isinstance(row, tuple) else row

    def records(self, table: Entity) -> Iterator[Row]:
        """What the rows of a table say, each id once."""
        if table.merge:
            return self._merging(table)
        return self._outdating(table) if table.latest is not None else self._refusing(table)

    def _joined(self, table: Items | Users) -> Iterator[Row]:
        joins: list[dict[str, Fields]] = []
        for join in table.joins:
            if join.optional and not self.location.reads(join):
                continue
            said: dict[str, Fields] = {}
            for row in self.records(join):
                if isinstance(row, tuple):
                    said[row[0]] = row[1]
                elif isinstance(row, BadRow):
                    yield row
            joins.append(said)
        for row in self.records(table):
            if isinstance(row, tuple):
                name = row[0]
                yield name, merged([row[1], *(said[name] for said in joins if name in said)])
            else:
                yield row

    def _refusing(self, table: Entity) -> Iterator[Row]:
        """The first row of each id; the others are problems: a second import would not know which of them counts."""
        seen: dict[str, tuple[str, int]] = {}
        for file, line, row in self._rows(table):
            if isinstance(row, tuple):
                first = seen.setdefault(row[0], (file, line))
                if first != (file, line):
                    elsewhere = f" of {first[0]}" if first[0] != file else ""
                    reason = f"the same id as on line {first[1]}{elsewhere}"
                    yield BadRow(file, line, ", ".join(table.id.columns), row[0], reason, "repeated")
                    continue
            yield row

    def _merging(self, table: Entity) -> Iterator[Row]:
        """One record an id. The ids are counted first, so that only rows of repeated ones have to wait."""
        counts = Counter(row[0] for _, _, row in self._rows(table) if isinstance(row, tuple))
        left = {name: count for name, count in counts.items() if count > 1}
        del counts
        waiting: dict[str, list[Fields]] = {}
        for _, _, row in self._rows(table):
            if isinstance(row, tuple) and row[0] in left:
                name = row[0]
                waiting.setdefault(name, []).append(row[1])
                left[name] -= 1
                yield LEFT_OUT if left[name] else (name, merged(waiting.pop(name)))
            else:
                yield row

    def _outdating(self, table: Entity) -> Iterator[Row]:
        """Of each id the row with the largest number, the later one of two with the same; known at the end only."""
        newest: dict[str, Fields] = {}
        for _, _, row in self._rows(table):
            if not isinstance(row, tuple):
                yield row
                continue
            name, fields = row
            old = newest.get(name)
            if old is None or fields.age >= old.age:
                newest[name] = fields
            if old is not None:
                yield LEFT_OUT
        yield from newest.items()

    def _rows(self, table: Entity) -> Iterator[tuple[str, int, Row]]:
        """File, line, and what became of it, for every row."""
        for source in self.location.open(table):
            convert, name = self._converter(table, source), source.name
            for row in source.rows(used_by(table)):
                if isinstance(row, BadRow):
                    yield name, row.line, row
                    continue
                try:
                    record: Row = convert(row.cells)
                except BadCellError as error:
                    record = error.in_row(name, row.line)
                yield name, row.line, record

    def _converter(self, table: Entity, source: RowSource) -> Callable[[list[str]], Record | LeftOut]:
        places = positions(source, used_by(table))
        wanted = row_filter(table.where, places)
        key, key_column = id_reader(table.id, places), ", ".join(table.id.columns)
        features = [
            (name, feature_reader(cell, places, self.taxonomies)) for name, cell in table.features.items()
        ]
        latest, age_column = table.latest, places[table.latest] if table.latest is not None else 0
        content = table if isinstance(table, Content) else None
        title = reader_or_empty(content.title if content else None, places)
        text = reader_or_empty(content.text if content else None, places)
        image = _picture_reader(content.image if content else None, places, self._folder(table))
        available = _available_reader(content.available if content else None, places)

        def convert(cells: list[str]) -> Record | LeftOut:
            if not wanted(cells):
                return LEFT_OUT
            return checked(key(cells), "the id", key_column), Fields(
                title(cells), text(cells), image(cells), available(cells),
                {name: read(cells) for name, read in features},
                number(cells[age_column], latest) if latest is not None else 0.0,
            )  # fmt: skip

        return convert

    def _folder(self, table: Entity) -> Path:
        """The folder that paths of pictures in a table are relative to: that of its file."""
        own = self.location.folder if table.folder is None else self.location.beside / table.folder
        return own.resolve() / Path(table.file[0]).parent


def as_item(name: str, fields: Fields) -> Item:
    """The record of an item."""
    return Item(
        ItemId(name), fields.title, fields.text, fields.image, known(fields),
        True if fields.available is None else fields.available,
    )  # fmt: skip


def known(fields: Fields) -> dict[str, FeatureValue]:
    """The features that have a value."""
    return {name: value for name, value in fields.features.items() if value is not None}


def merged(layers: list[Fields]) -> Fields:
    """What several rows say about the same: the first that is known, and all categories of a multi."""
    if len(layers) == 1:
        return layers[0]
    features: dict[str, FeatureValue] = {}
    for layer in layers:
        for name, value in layer.features.items():
            old = features.get(name)
            if isinstance(old, tuple) and isinstance(value, tuple):
                features[name] = tuple(dict.fromkeys((*old, *value)))
            elif old is None:
                features[name] = value
    return Fields(
        next((each.title for each in layers if each.title), ""),
        next((each.text for each in layers if each.text), ""),
        next((each.image for each in layers if each.image), None),
        next((each.available for each in layers if each.available is not None), None),
        features,
    )


def used_by(table: Entity) -> set[str]:
    """Names of all columns that a declaration reads."""
    cells: list[Cell | None] = [table.id, *table.features.values()]
    if isinstance(table, Content):
        cells += [table.title, table.text, table.image, table.available]
    return used_columns(cells) | set(table.where) | ({table.latest} if table.latest is not None else set())


def _picture_reader(
    cell: PictureCell | None, places: Mapping[str, int], folder: Path
) -> Callable[[list[str]], str | None]:
    if cell is None:
        return lambda cells: None
    read, column, template = reader(cell, places), ", ".join(cell.columns), cell.path

    def picture(cells: list[str]) -> str | None:
        text = read(cells)
        if not text or text.startswith(NO_PATH_PREFIXES):
            return text or None
        inner = template.format(text) if template is not None else text
        path = PurePosixPath(inner)
        # It may not leave the folder: what an item shows, serving hands out.
        if path.is_absolute() or ".." in path.parts or "\0" in inner:
            reason = "a path below the file's own folder was expected"
            raise BadCellError(column, text, reason, "picture")
        if template is not None and not (folder / path).is_file():
            return None
        return str(folder / path)

    return picture


def _available_reader(cell: Cell | None, places: Mapping[str, int]) -> Callable[[list[str]], bool | None]:
    if cell is None:
        return lambda cells: None
    read, column = reader(cell, places), ", ".join(cell.columns)
    return lambda cells: flag(text, column) if (text := read(cells)) else None
