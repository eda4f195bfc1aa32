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

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from catalog.errors import ConfigError
from catalog.schema import BestValue, DatasetSchema, Feature, InteractionType, Name
from catalog.source import Cell, Content, Declared, Entity, Events, Items, Sequences, Table, Users


class Download(Declared):
    """The official home of a data set."""

    url: str = Field(pattern=r"^https?://")
    md5: str = Field(pattern=r"^[0-9a-f]{32}$")
    inner: str = Field(default="", description="the folder inside the archive that holds the files")
    licence: str = Field(min_length=1, description="what whoever downloads agrees to")


class Taxonomy(Table):
    """A tree of categories: each row names one and the one above it, which roots have none of."""

    id: Cell
    parent: Cell


class StandIn(Content):
    """Rows of another table, dealt out by id to items that have no row of their own."""

    say: str = Field(min_length=1, description="what reports say of it")


class Trait(Declared):
    """How the value of a feature is drawn: from `values` by their shares, or between `least` and `most`."""

    values: dict[str, float] = Field(default={})
    least: float = 0
    most: float = 0

    @model_validator(mode="after")
    def _is_drawable(self) -> Trait:
        if bool(self.values) == (self.least < self.most):
            raise ValueError("a trait needs either values with their shares, or least < most")
        if self.values and (min(self.values.values()) < 0 or not sum(self.values.values())):
            raise ValueError("shares are positive numbers")
        return self


class Traits(Declared):
    """Side features for users that have no row of their own, drawn by user id."""

    features: dict[Name, Trait] = Field(min_length=1)
    say: str = Field(min_length=1, description="what reports say of it")

    def kinds(self) -> dict[str, Feature]:
        """The features as a schema has them."""
        return {
            name: Feature(kind="categorical" if trait.values else "numeric")
            for name, trait in self.features.items()
        }


PEOPLE = {
    "age": Feature(kind="numeric"),
    "gender": Feature(kind="categorical"),
    "country": Feature(kind="categorical"),
}
"""Side features of the users that a `Behaviour` makes up."""


class Behaviour(Declared):
    """Users and events for a catalogue that has none: `catalog.generated.behaviour`."""

    users: int = Field(ge=1, le=10_000_000)
    events: int = Field(ge=1, le=1_000_000_000)
    group: Name = Field(description="the item feature that one visit is about")
    tastes: tuple[Name, ...] = Field(min_length=1, description="item features that people have a taste for")
    shares: dict[Name, float] = Field(
        min_length=1, description="share of each type among events, the most enthusiastic last"
    )
    seed: int = Field(default=7, ge=0)
    say: str = Field(min_length=1, description="what reports say of it")


class Generated(Declared):
    """What is made up where a table is not there. Every report names it."""

    items: StandIn | None = None
    users: Traits | None = None
    behaviour: Behaviour | None = None


NOTHING = Generated()


class Declaration(Declared):
    """A whole `dataset.toml`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    title: str = ""
    category: str | None = None
    best_value: BestValue | None = Field(default=None, description="item features that tell a bargain")
    folder: str | None = Field(default=None, pattern=r"^[\w.-]+$", description="its folder; else its name")
    types: dict[Name, InteractionType] = Field(min_length=1, max_length=32)
    items: Items | None = None
    users: Users | None = None
    events: tuple[Events, ...] = ()
    sequences: tuple[Sequences, ...] = ()
    taxonomies: dict[Name, Taxonomy] = Field(default={})
    generated: Generated = NOTHING
    implied: tuple[Literal["users", "items"], ...] = Field(
        default=(), description="what the events may name without a row of its own"
    )
    download: Download | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Declaration:
        if not (self.events or self.sequences or self.generated.behaviour):
            raise ValueError("there are no [[events]], no [[sequences]] and no [generated.behaviour]")
        for part in self.events:
            self._types_exist({part.type} if part.type else set(part.type_names.values()), part.file[0])
        for lines in self.sequences:
            self._types_exist({lines.type}, lines.file[0])
        self._entities_are_declared()
        self._generated_fits()
        for table in self.tables():
            for name, cell in table.features.items() if isinstance(table, Entity) else ():
                if cell.taxonomy is not None and cell.taxonomy not in self.taxonomies:
                    raise ValueError(f"feature {name}: there is no [taxonomies.{cell.taxonomy}]")
        schema = self.schema_of(generated=self.generated)
        if self.category != schema.category or (
            self.category and schema.items[self.category].kind == "numeric"
        ):
            raise ValueError(f"category = {self.category!r} must name a categorical or multi item feature")
        if self.best_value != schema.best_value:
            raise ValueError("best_value must name item features")
        return self

    def _types_exist(self, named: set[str], file: str) -> None:
        for name in sorted(named - set(self.types)):
            raise ValueError(f"events of {file} are of type {name!r}, which [types] does not declare")

    def _entities_are_declared(self) -> None:
        for entity in ("items", "users"):
            table = getattr(self, entity)
            made = self.generated.behaviour is not None and entity == "users"
            if entity in self.implied or made:
                continue
            if table is None:
                raise ValueError(f"there is no [{entity}]; declare it, or say implied = [{entity!r}]")
            if table.optional:
                raise ValueError(f"[{entity}] is optional; then say implied = [{entity!r}] as well")

    def _generated_fits(self) -> None:
        made = self.generated
        if made.behaviour is not None:
            self._types_exist(set(made.behaviour.shares), "[generated.behaviour]")
            features = _features([self.items, *self.items.joins] if self.items else [])
            for name in (made.behaviour.group, *made.behaviour.tastes):
                if name not in features or features[name].kind == "numeric":
                    raise ValueError(
                        f"generated.behaviour: {name!r} is no categorical or multi feature of items"
                    )
        stand_in = _features([made.items]) if made.items is not None else {}
        self._are_declared("items", self.items, stand_in)
        self._are_declared("users", self.users, made.users.kinds() if made.users is not None else {})

    def _are_declared(self, entity: str, table: Items | Users | None, made_up: dict[str, Feature]) -> None:
        """Made-up features are those that the real table would bring."""
        if made_up and entity not in self.implied:
            raise ValueError(f"generated.{entity} needs implied = [{entity!r}]")
        known = _features([table, *table.joins]) if table is not None else made_up
        for name, feature in made_up.items():
            if name not in known or known[name].kind != feature.kind:
                raise ValueError(f"generated.{entity}: [{entity}] has no {feature.kind} feature {name!r}")

    def tables(self) -> list[Table]:
        """All declared tables but the stand-in, joins included; official folds are no tables of their own."""
        entities = [entity for entity in (self.items, self.users) if entity is not None]
        joins = [join for entity in entities for join in entity.joins]
        return [*entities, *joins, *self.events, *self.sequences, *self.taxonomies.values()]

    def schema_of(
        self,
        present: Callable[[Table], bool] = lambda table: True,
        generated: Generated = NOTHING,
        missing: tuple[str, ...] = (),
    ) -> DatasetSchema:
        """The part that travels with the data.

        Args:
            present: whether a declared table is there; features of others are known of nobody, and left out.
            generated: what of the declared is made up.
            missing: names of tables that are not there.
        """
        tables = [each for each in (self.items, self.users) if each is not None and present(each)]
        items, users = (
            _features(
                [t for each in tables if isinstance(each, kind) for t in (each, *filter(present, each.joins))]
            )
            for kind in (Items, Users)
        )
        if generated.items is not None:
            items |= _features([generated.items])
        if generated.users is not None:
            users |= generated.users.kinds()
        if generated.behaviour is not None:
            users |= PEOPLE
        untimed = [events for events in self.events if events.timestamp is None]
        made = (*filter(present, self.events), generated.items, generated.users, generated.behaviour)
        return DatasetSchema(
            name=self.name,
            title=self.title,
            items=items,
            users=users,
            interactions=self.types,
            category=self.category if self.category in items else None,
            tree=self._tree(items),
            best_value=self.best_value if self._is_told(items) else None,
            timed=not any(map(present, (*self.sequences, *untimed))),
            generated=tuple(each.say for each in made if each is not None and each.say is not None),
            missing=missing,
        )

    def _tree(self, items: Mapping[str, Feature]) -> str | None:
        """The first item feature that is read along a taxonomy."""
        tables = [] if self.items is None else [self.items, *self.items.joins]
        cells = [each for table in tables for each in table.features.items()]
        return next((name for name, cell in cells if cell.taxonomy is not None and name in items), None)

    def _is_told(self, items: Mapping[str, Feature]) -> bool:
        """Whether all features that tell a bargain are there."""
        return self.best_value is not None and set(self.best_value.model_dump().values()) <= set(items)


def _features(tables: Iterable[Entity]) -> dict[str, Feature]:
    """Declared features of some tables; one name belongs to one table."""
    found: dict[str, Feature] = {}
    for table in tables:
        for name, cell in table.features.items():
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
