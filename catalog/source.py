"""What the columns of one table mean: ids, text, pictures, features, events.

Only words that `dataset.toml` may use are here; `catalog.declaration` puts them together, `catalog.cells`
compiles a cell into a function, and `catalog.tables` finds the rows.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from catalog.schema import Kind, Name

ARRAYS = (".jsonl", ".ndjson", ".parquet")
"""Ends of the names of files whose cells may be lists."""


class Declared(BaseModel):
    """Base of everything that a declaration holds: closed to unknown words, never changed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Cell(Declared):
    """Where a text comes from: the first of `columns` that holds something, or all of them joined."""

    columns: tuple[str, ...] = Field(min_length=1)
    join: str | None = Field(
        default=None, description="join all filled columns with this, not take the first"
    )
    pattern: str | None = Field(default=None, description="regular expression whose first group is taken")
    missing: tuple[str, ...] = Field(default=(), description="further cells that mean: nothing known")

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        """`"a"` and `["a", "b"]` stand for columns; `column = "a"` for one of them."""
        if isinstance(given, str):
            return {"columns": (given,)}
        if isinstance(given, list | tuple):
            return {"columns": tuple(given)}
        if isinstance(given, dict) and "column" in given:
            given = dict(given)
            column = given.pop("column")
            if "columns" in given:
                raise ValueError("say column or columns, not both")
            given["columns"] = (column,)
        return given

    @model_validator(mode="after")
    def _pattern_has_a_group(self) -> Cell:
        if self.pattern is not None:
            try:
                groups = re.compile(self.pattern).groups
            except re.error as error:
                raise ValueError(f"pattern {self.pattern!r} is not a regular expression: {error}") from None
            if groups < 1:
                raise ValueError(f"pattern {self.pattern!r} needs one group, as in '\\((\\d{{4}})\\)'")
        return self


class IdCell(Cell):
    """An id. Where the cell has none, one can be made from what else the row holds."""

    made_of: tuple[str, ...] = Field(
        default=(), description="columns that a code of ten capital letters and digits is made of then"
    )


class PictureCell(Cell):
    """A path relative to the folder of its file, an http address or a data: URI."""

    path: str | None = Field(
        default=None, description="what a path is made as, {} being the cell; none where no such file is"
    )

    @model_validator(mode="after")
    def _path_has_one_gap(self) -> PictureCell:
        if self.path is not None and self.path.count("{}") != 1:
            raise ValueError(f"path = {self.path!r} needs one {{}} for the cell, as in 'images/{{}}.jpg'")
        return self


def _inside(path: str) -> str:
    if not path or Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError(f"{path!r} must be a path below the data set's folder")
    return path


def _one_or_more(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


def _names_of_flags(given: Any) -> Any:
    return {name: name for name in given} if isinstance(given, list | tuple) else given


InnerPath = Annotated[str, AfterValidator(_inside)]
Files = Annotated[tuple[InnerPath, ...], BeforeValidator(_one_or_more), Field(min_length=1)]
"""One path, or several of which the first that is there is read. `*` in a name stands for whatever is there:
all such files are read. Every file may be there gzipped."""
Words = Annotated[tuple[str, ...], BeforeValidator(_one_or_more), Field(min_length=1)]


class FeatureCell(Cell):
    """Where the value of a side feature comes from."""

    columns: tuple[str, ...] = ()
    kind: Kind
    buckets: int = Field(default=10, ge=2, le=256, description="quantile buckets of a numeric feature")
    flags: Annotated[dict[str, str], BeforeValidator(_names_of_flags)] = Field(
        default={}, description="multi: columns that hold 1 or 0, and the value that each stands for"
    )
    split: str | None = Field(default=None, min_length=1, description="multi: what stands between the values")
    taxonomy: Name | None = Field(
        default=None, description="multi: the value and all that lie above it in this tree"
    )
    names: dict[str, str] = Field(default={}, description="categorical: what codes of the file stand for")
    prefix: int | None = Field(default=None, ge=1, description="categorical: keep the first characters only")
    step: float | None = Field(
        default=None, gt=0, description="categorical: a number, rounded down to a multiple"
    )
    remove: str = Field(default="", description="numeric: characters to drop first, such as ₹ and ,")
    odd_is_missing: bool = Field(default=False, description="numeric: what is no number means: nothing known")
    below: str | None = Field(
        default=None, description="numeric: by which share of this column the number is below it"
    )

    @model_validator(mode="after")
    def _parts_fit_the_kind(self) -> FeatureCell:
        if bool(self.flags) == bool(self.columns):
            raise ValueError("a feature comes either from column(s) or from flags")
        wrong = {
            "flags": self.flags and self.kind != "multi",
            "split": self.split is not None and self.kind != "multi",
            "taxonomy": self.taxonomy is not None and self.kind != "multi",
            "names": self.names and self.kind != "categorical",
            "prefix": self.prefix is not None and self.kind != "categorical",
            "step": self.step is not None and self.kind != "categorical",
            "remove": self.remove and self.kind == "multi",
            "odd_is_missing": self.odd_is_missing and self.kind != "numeric",
            "below": self.below is not None and self.kind != "numeric",
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(f"{name} does not go with kind = {self.kind!r}")
        if self.flags and (self.pattern or self.join or self.missing or self.split or self.taxonomy):
            raise ValueError("flags go without pattern, join, missing, split and taxonomy")
        return self


class Table(Declared):
    """Rows of one kind: a delimited text file, JSON lines or Parquet, by the end of its name, plain or gzipped.

    Where the data set lies in a database, the table that is called like the file without its ending.
    """

    file: Files
    folder: str | None = Field(
        default=None, pattern=r"^[\w.-]+$", description="another folder beside the data set's own"
    )
    optional: bool = Field(default=False, description="whether it may be absent")
    unless: Annotated[tuple[InnerPath, ...], BeforeValidator(_one_or_more)] = Field(
        default=(), description="not read where one of these files is there"
    )
    where: dict[str, Words] = Field(
        default={}, description="rows are read only where these columns hold one of these"
    )
    delimiter: str = Field(default=",", min_length=1, max_length=8)
    encoding: str = "utf-8"
    columns: tuple[str, ...] = Field(default=(), description="names, where the file has no header")
    quoted: bool = Field(default=True, description='whether "…" may enclose a cell')
    strip: bool = Field(default=True, description="whether blanks around a cell are dropped")
    last_takes_rest: bool = Field(
        default=False, description="whether delimiters in excess belong to the last column"
    )

    @property
    def has_header(self) -> bool:
        """Whether the first line names the columns."""
        return not self.columns

    @model_validator(mode="after")
    def _is_readable(self) -> Table:
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns repeats a name")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(f"encoding {self.encoding!r} is not known to Python") from None
        return self


class Entity(Table):
    """Rows with an id and features; what becomes of an id that comes again is for `latest` and `merge` to say."""

    id: IdCell
    features: dict[Name, FeatureCell] = {}
    latest: str | None = Field(
        default=None, description="a column of numbers: of an id's rows the one with the largest counts"
    )
    merge: bool = Field(
        default=False, description="an id's rows become one: first known value, all categories of a multi"
    )

    @model_validator(mode="after")
    def _repeats_one_way(self) -> Entity:
        if self.latest is not None and self.merge:
            raise ValueError("latest and merge exclude each other")
        for name, cell in self.features.items():
            lists = (
                cell.flags or cell.taxonomy or cell.split or any(file.endswith(ARRAYS) for file in self.file)
            )
            if cell.kind == "multi" and not lists and not self.merge:
                raise ValueError(f"features.{name}: a multi feature of a text file needs flags or split")
        return self


class Content(Entity):
    """Rows about items."""

    title: Cell | None = None
    text: Cell | None = None
    image: PictureCell | None = None
    available: Cell | None = Field(default=None, description="1 or 0: whether the item can be had")


class Join(Content):
    """A further table about the same items. Where it is absent, its fields are simply unknown."""

    optional: bool = True


class Items(Content):
    """The catalogue's table."""

    joins: tuple[Join, ...] = ()


class UserJoin(Entity):
    """A further table about the same users."""

    optional: bool = True


class Users(Entity):
    """The users' table."""

    joins: tuple[UserJoin, ...] = ()


class Fold(Declared):
    """An official test fold: a file of the same layout as the events that it picks out."""

    file: Files
    fold: int = Field(ge=1, le=1000)


class Events(Table):
    """A table of interactions, all of one `type` or each of the type that a column names."""

    user: IdCell
    item: IdCell | None = Field(default=None, description="needed unless all events are queries")
    timestamp: Cell | None = Field(default=None, description="without one, rows are taken to be in order")
    unit: str = Field(
        default="seconds",
        pattern="^(seconds|milliseconds|iso|.*%.*)$",
        description="seconds, milliseconds, iso, or a format of strptime such as %d/%m/%Y %H:%M",
    )
    shift: float = Field(default=0, description="seconds to add to the time")
    type: Name | None = None
    type_column: Cell | None = None
    type_names: dict[str, Name] = Field(default={}, description="from words of the file to declared types")
    skip: tuple[str, ...] = Field(default=(), description="words of the type column whose rows are left out")
    value: Cell | None = None
    query: Cell | None = Field(default=None, description="the words of an event whose type is a query")
    event_id: Cell | None = None
    say: str | None = Field(
        default=None, min_length=1, description="what reports say of events that were not recorded like this"
    )
    folds: tuple[Fold, ...] = ()

    @model_validator(mode="after")
    def _has_one_type(self) -> Events:
        if (self.type is None) == (self.type_column is None):
            raise ValueError("events need either type or type_column")
        if self.type is not None and (self.type_names or self.skip):
            raise ValueError("type_names and skip go with type_column")
        if self.item is None and self.query is None:
            raise ValueError("events need an item, or a query")
        return self


class Sequences(Table):
    """A text file with one session a line: its items in order, with blanks (or `delimiter`) between.

    The session, named by its line, is the user. Times are not known: each session is taken to begin an hour
    after the one of the line before, and each of its events a second after the last.
    """

    delimiter: str = Field(default=" ", min_length=1, max_length=8)
    type: Name

    @property
    def has_header(self) -> bool:
        """Never: lines are of any length, and there are no columns."""
        return False
