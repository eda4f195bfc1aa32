"""`dataset.toml`: which columns of which files are ids, text, image, features, events.

This is the declaration only. `catalog.files` reads what is declared, `catalog.locate` finds the folder.
A minimal one, complete:

    name = "shop"
    [types.view]
    [items]
    file = "products.csv"
    id = "sku"
    title = "name"
    features.price = { kind = "numeric", column = "price", remove = "₹," }
    [[events]]
    file = "clicks.tsv.gz"
    delimiter = "\\t"
    user = "visitor"
    item = "sku"
    timestamp = "when"
    type = "view"
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from catalog.errors import ConfigError
from catalog.schema import DatasetSchema, Feature, InteractionType, Kind, Name


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cell(_Declared):
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


def _inside(path: str) -> str:
    if not path or Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError(f"{path!r} must be a path below the data set's folder")
    return path


InnerPath = Annotated[str, AfterValidator(_inside)]


def _one_or_more(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


Files = Annotated[tuple[InnerPath, ...], BeforeValidator(_one_or_more), Field(min_length=1)]
"""One path, or several of which the first that is there is read. Any of them may be there gzipped as well."""


def _names_of_flags(given: Any) -> Any:
    return {name: name for name in given} if isinstance(given, list | tuple) else given


class FeatureCell(Cell):
    """Where the value of a side feature comes from."""

    columns: tuple[str, ...] = ()
    kind: Kind
    buckets: int = Field(default=10, ge=2, le=256, description="quantile buckets of a numeric feature")
    flags: Annotated[dict[str, str], BeforeValidator(_names_of_flags)] = Field(
        default={}, description="multi: columns that hold 1 or 0, and the value that each stands for"
    )
    split: str | None = Field(default=None, min_length=1, description="multi: what stands between the values")
    prefix: int | None = Field(default=None, ge=1, description="categorical: keep the first characters only")
    step: float | None = Field(
        default=None, gt=0, description="categorical: a number, rounded down to a multiple"
    )
    remove: str = Field(default="", description="numeric: characters to drop first, such as ₹ and ,")
    names: dict[str, str] = Field(default={}, description="categorical: what codes of the file stand for")

    @model_validator(mode="after")
    def _parts_fit_the_kind(self) -> FeatureCell:
        if bool(self.flags) == bool(self.columns):
            raise ValueError("a feature comes either from column(s) or from flags")
        wrong = {
            "flags": self.flags and self.kind != "multi",
            "split": self.split is not None and self.kind != "multi",
            "prefix": self.prefix is not None and self.kind != "categorical",
            "step": self.step is not None and self.kind != "categorical",
            "remove": self.remove and self.kind == "multi",
            "names": self.names and self.kind != "categorical",
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(f"{name} does not go with kind = {self.kind!r}")
        if self.kind == "multi" and not self.flags and self.split is None:
            raise ValueError("a multi feature needs flags or split")
        if self.flags and (self.pattern or self.join or self.missing):
            raise ValueError("flags go without pattern, join and missing")
        return self


class Table(_Declared):
    """One delimited text file, plain or gzipped."""

    file: Files
    folder: str | None = Field(
        default=None, pattern=r"^[\w.-]+$", description="another folder beside the data set's own"
    )
    delimiter: str = Field(default=",", min_length=1, max_length=8)
    encoding: str = "utf-8"
    columns: tuple[str, ...] = Field(default=(), description="names, where the file has no header")
    quoted: bool = Field(default=True, description='whether "…" may enclose a cell')
    strip: bool = Field(default=True, description="whether blanks around a cell are dropped")

    @model_validator(mode="after")
    def _is_readable(self) -> Table:
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns repeats a name")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(f"encoding {self.encoding!r} is not known to Python") from None
        return self


class Join(Table):
    """A further file about the same items or users. Where it is absent, its fields are simply unknown."""

    id: Cell
    title: Cell | None = None
    text: Cell | None = None
    image: Cell | None = None
    features: dict[Name, FeatureCell] = {}
    optional: bool = True


class Items(Table):
    """The catalogue's file. `image` is a path relative to the folder of the file that names it."""

    id: Cell
    title: Cell | None = None
    text: Cell | None = None
    image: Cell | None = None
    features: dict[Name, FeatureCell] = {}
    joins: tuple[Join, ...] = ()


class UserJoin(Table):
    """A further file about the same users."""

    id: Cell
    features: dict[Name, FeatureCell] = {}
    optional: bool = True


class Users(Table):
    """The users' file."""

    id: Cell
    features: dict[Name, FeatureCell] = {}
    joins: tuple[UserJoin, ...] = ()


class Fold(_Declared):
    """An official test fold: a file of the same layout as the events that it picks out."""

    file: Files
    fold: int = Field(ge=1, le=1000)


class Events(Table):
    """A file of interactions, all of one `type` or each of the type that a column names."""

    user: Cell
    item: Cell
    timestamp: Cell
    unit: Literal["seconds", "milliseconds", "iso"] = "seconds"
    type: Name | None = None
    type_column: Cell | None = None
    type_names: dict[str, Name] = Field(default={}, description="from words of the file to declared types")
    skip: tuple[str, ...] = Field(default=(), description="words of the type column whose rows are left out")
    value: Cell | None = None
    event_id: Cell | None = None
    folds: tuple[Fold, ...] = ()

    @model_validator(mode="after")
    def _has_one_type(self) -> Events:
        if (self.type is None) == (self.type_column is None):
            raise ValueError("events need either type or type_column")
        if self.type is not None and (self.type_names or self.skip):
            raise ValueError("type_names and skip go with type_column")
        return self


class Download(_Declared):
    """The official home of a data set."""

    url: str = Field(pattern=r"^https?://")
    md5: str = Field(pattern=r"^[0-9a-f]{32}$")
    inner: str = Field(default="", description="the folder inside the archive that holds the files")
    licence: str = Field(min_length=1, description="what whoever downloads agrees to")


class Declaration(_Declared):
    """A whole `dataset.toml`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    title: str = ""
    category: str | None = None
    folder: str | None = Field(default=None, pattern=r"^[\w.-]+$", description="its folder; else its name")
    types: dict[Name, InteractionType] = Field(min_length=1, max_length=32)
    items: Items | None = None
    users: Users | None = None
    events: tuple[Events, ...] = Field(min_length=1)
    implied: tuple[Literal["users", "items"], ...] = Field(
        default=(), description="what the events may name without a row of its own"
    )
    download: Download | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Declaration:
        for part in self.events:
            named = {part.type} if part.type else set(part.type_names.values())
            for name in sorted(named - set(self.types)):
                raise ValueError(
                    f"events of {part.file[0]} are of type {name!r}, which [types] does not declare"
                )
        for entity in ("items", "users"):
            if getattr(self, entity) is None and entity not in self.implied:
                raise ValueError(f"there is no [{entity}]; declare it, or say implied = [{entity!r}]")
        self.schema_of()
        return self

    def schema_of(self) -> DatasetSchema:
        """The part that travels with the data."""
        return DatasetSchema(
            name=self.name,
            title=self.title,
            items=_features(self.items),
            users=_features(self.users),
            interactions=self.types,
            category=self.category,
        )


def _features(entity: Items | Users | None) -> dict[str, Feature]:
    """Declared features of a file and its joins; one name belongs to one file."""
    found: dict[str, Feature] = {}
    for part in () if entity is None else (entity, *entity.joins):
        for name, cell in part.features.items():
            if name in found:
                raise ValueError(f"feature {name!r} is declared twice")
            found[name] = Feature(kind=cell.kind, buckets=cell.buckets)
    return found


def parse(text: str, where: str) -> Declaration:
    """A declaration from TOML; ConfigError names the file, the key and what is wrong with it."""
    try:
        return Declaration.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not valid TOML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in each['loc']) or 'the whole'}: {each['msg']}"
            for each in error.errors()
        )
        raise ConfigError(f"{where} is not a valid declaration: {problems}") from error


def read(path: Path) -> Declaration:
    """The declaration in a file."""
    try:
        return parse(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as a declaration: {error}") from error
