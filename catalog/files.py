"""A data set of files, read as its `dataset.toml` declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from catalog import documents
from catalog.cells import BadCellError, feature_reader, reader, reader_or_empty
from catalog.dataset import Part, Row
from catalog.errors import DataError
from catalog.events import event_rows, used_by_events
from catalog.records import BadRow, FeatureValue, Item, ItemId, User, UserId
from catalog.schema import DatasetSchema
from catalog.source import Declaration, FeatureCell, Items, Join, Table, UserJoin, Users
from catalog.tables import RawRow, TableFile, present

NO_PATH_PREFIXES = ("http://", "https://", "data:")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a data set lies: its own folder, and the one whose folders may hold more about it."""

    folder: Path
    beside: Path


@dataclass(frozen=True, slots=True)
class _Fields:
    """What one file says about one item or user."""

    title: str
    text: str
    image: str | None
    features: dict[str, FeatureValue]


@dataclass(frozen=True, slots=True)
class FileDataset:
    """`catalog.dataset.Dataset` of declared files."""

    declaration: Declaration
    location: Location

    @property
    def schema(self) -> DatasetSchema:
        """What it declares about itself."""
        return self.declaration.schema_of()

    @property
    def implied(self) -> tuple[str, ...]:
        """What events may name without a record of their own."""
        return self.declaration.implied

    def check(self) -> None:
        """Read the heads of all files, and archives to their end; DataError where one is not as declared."""
        declared = self.declaration
        for entity in (declared.items, declared.users):
            if entity is not None:
                for file in (self._file(entity), *(self._file(join) for join in self._joins(entity))):
                    file.positions(_used(file.table))
                    file.count()
        for events in declared.events:
            for files in (events.file, *(fold.file for fold in events.folds)):
                file = self._file(events.model_copy(update={"file": files}))
                file.positions(used_by_events(events))
                file.count()

    def parts(self) -> Sequence[Part]:
        """Items, users, then each file of events."""
        declared, found = self.declaration, []
        if declared.items is not None:
            file, items = self._file(declared.items), declared.items
            found.append(Part("items", file.name, lambda: self._items(items), file.count()))
        if declared.users is not None:
            file, users = self._file(declared.users), declared.users
            found.append(Part("users", file.name, lambda: self._users(users), file.count()))
        for ordinal, events in enumerate(declared.events):
            file = self._file(events)
            folds = [(self._file(events.model_copy(update={"file": f.file})), f.fold) for f in events.folds]
            # Rows of the second file come after all rows of the first, whatever their number.
            rows = event_rows(events, file, folds, declared.types, ordinal << 40)
            found.append(Part("interactions", file.name, rows, file.count()))
        return found

    def _file(self, table: Table) -> TableFile:
        folder = self.location.folder if table.folder is None else self.location.beside / table.folder
        name = present(folder, table.file) or table.file[0]
        return TableFile(folder / name, table, name)

    def _joins(self, entity: Items | Users) -> list[Join | UserJoin]:
        """The joins whose files are there; one that is not optional must be."""
        present: list[Join | UserJoin] = []
        for join in entity.joins:
            if self._file(join).path.is_file() or not join.optional:
                present.append(join)
        return present

    def _items(self, items: Items) -> Iterator[Row]:
        for key, own, extra in self._entities(items):
            if isinstance(key, BadRow):
                yield key
                continue
            layers = (own, *extra)
            yield Item(
                ItemId(key),
                next((each.title for each in layers if each.title), ""),
                next((each.text for each in layers if each.text), ""),
                next((each.image for each in layers if each.image), None),
                _merged(layers),
            )

    def _users(self, users: Users) -> Iterator[Row]:
        for key, own, extra in self._entities(users):
            yield key if isinstance(key, BadRow) else User(UserId(key), _merged((own, *extra)))

    def _entities(self, entity: Items | Users) -> Iterator[tuple[str | BadRow, _Fields, list[_Fields]]]:
        """Per row of the main file: id, its own fields, and those of each join that knows the id."""
        nothing = _Fields("", "", None, {})
        tables: list[dict[str, _Fields]] = []
        for join in self._joins(entity):
            known: dict[str, _Fields] = {}
            for row in self._records(join):
                if isinstance(row, BadRow):
                    yield row, nothing, []
                else:
                    known.setdefault(*row)
            tables.append(known)
        for row in self._records(entity):
            if isinstance(row, BadRow):
                yield row, nothing, []
            else:
                yield row[0], row[1], [known[row[0]] for known in tables if row[0] in known]

    def _records(self, table: Items | Users | Join | UserJoin) -> Iterator[tuple[str, _Fields] | BadRow]:
        file = self._file(table)
        convert = _converter(table, file)
        lines: dict[str, int] = {}
        for row in file.rows():
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                name, fields = convert(row)
            except BadCellError as error:
                yield BadRow(file.name, row.line, error.column, error.value, error.reason)
                continue
            first = lines.setdefault(name, row.line)
            if first != row.line:
                # The first one counts: otherwise a second import would not leave things as they are.
                column = ", ".join(table.id.columns)
                yield BadRow(file.name, row.line, column, name, f"the same id as on line {first}")
                continue
            yield name, fields


def _converter(
    table: Items | Users | Join | UserJoin, file: TableFile
) -> Callable[[RawRow], tuple[str, _Fields]]:
    positions = file.positions(_used(table))
    key, key_column = reader(table.id, positions), ", ".join(table.id.columns)
    content = table if isinstance(table, Items | Join) else None
    title = reader_or_empty(content.title if content else None, positions)
    text = reader_or_empty(content.text if content else None, positions)
    image = reader_or_empty(content.image if content else None, positions)
    image_column = ", ".join(content.image.columns) if content and content.image else ""
    features = [(name, feature_reader(name, cell, positions)) for name, cell in table.features.items()]
    folder = file.path.resolve().parent

    def convert(row: RawRow) -> tuple[str, _Fields]:
        cells = row.cells
        name = key(cells)
        try:
            documents.checked_id(name, "the id")
        except DataError as error:
            raise BadCellError(key_column, name, str(error)) from None
        picture = _picture(image(cells), folder, image_column)
        return name, _Fields(
            title(cells), text(cells), picture, {name: read(cells) for name, read in features}
        )

    return convert


def _picture(text: str, folder: Path, column: str) -> str | None:
    """An absolute path. It may not leave the folder: what an item shows, serving hands out."""
    if not text or text.startswith(NO_PATH_PREFIXES):
        return text or None
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\0" in text:
        raise BadCellError(column, text, "a path below the file's own folder was expected")
    return str(folder / path)


def _merged(layers: Sequence[_Fields]) -> dict[str, FeatureValue]:
    features: dict[str, FeatureValue] = {}
    for layer in layers:
        features.update(layer.features)
    return {name: value for name, value in features.items() if value is not None}


def _used(table: Table) -> set[str]:
    """Names of all columns that a declaration reads."""
    used: set[str] = set()
    for field in ("id", "title", "text", "image"):
        cell = getattr(table, field, None)
        used.update(cell.columns if cell is not None else ())
    features: Mapping[str, FeatureCell] = getattr(table, "features", {})
    for feature in features.values():
        used.update(feature.columns)
        used.update(feature.flags)
    return used
