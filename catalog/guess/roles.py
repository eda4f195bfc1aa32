"""Which of a folder's tables are items, users and events, and which of their columns name whom.

Names are trusted first, since people name things; where they are silent, values are compared: an events
table refers to ids that are unique somewhere else. Whatever had to be chosen without a reason is a doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from catalog.guess.profile import TIME, Column, Profile

ITEM = (
    "item", "product", "movie", "film", "article", "post", "book", "sku", "asin", "isbn", "track", "song", "news",
    "recipe", "game", "video", "good", "doc", "document", "course", "job", "hotel", "style", "catalog", "catalogue",
    "content", "page", "offer", "listing",
)  # fmt: skip
USER = (
    "user", "customer", "visitor", "client", "member", "person", "people", "reader", "viewer", "account", "session",
    "buyer", "subscriber", "who", "u", "player", "profile",
)  # fmt: skip
TYPE = ("type", "event", "action", "kind", "interaction", "behavior", "behaviour", "activity", "verb", "did")
VALUE = ("rating", "ratings", "score", "stars", "rate", "grade", "mark", "value")
KEY = ("id", "key", "code", "sku", "asin", "isbn", "uid", "uuid", "number")


@dataclass(frozen=True)
class EventRoles:
    """An events table and its columns."""

    table: Profile
    user: Column
    item: Column
    time: Column | None
    type: Column | None
    value: Column | None


@dataclass(frozen=True)
class EntityRoles:
    """A table of items or users, its id, and further tables with the same ids."""

    table: Profile
    key: Column
    joins: tuple[tuple[Profile, Column], ...] = ()

    @property
    def tables(self) -> list[tuple[Profile, Column]]:
        """The table and those that join it, each with its key."""
        return [(self.table, self.key), *self.joins]


@dataclass
class Roles:
    """What the tables of a folder are."""

    items: EntityRoles | None = None
    users: EntityRoles | None = None
    events: list[EventRoles] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def roles_of(tables: Sequence[Profile]) -> Roles:
    """Tell items, users and events apart."""
    roles = Roles()
    keys = {table: key for table in tables if (key := _key(table)) is not None}
    for table in tables:
        if (events := _events(table, keys, roles.doubts)) is not None:
            roles.events.append(events)
    taken = {events.table for events in roles.events}
    free = {table: key for table, key in keys.items() if table not in taken}
    roles.items = _entity("items", ITEM, [events.item for events in roles.events], free, roles.doubts)
    roles.users = _entity("users", USER, [events.user for events in roles.events], free, roles.doubts)
    taken |= set(keys) - set(free)
    for table in tables:
        if table not in taken:
            roles.doubts.append(f"{table.name} was not understood and is not read.")
    return roles


def _key(table: Profile) -> Column | None:
    """The column whose values are a table's ids."""

    def fit(column: Column) -> int:
        named = 3 * (column.name.lower() == "id") + 2 * column.is_called(*KEY)
        return named + column.is_called(*ITEM, *USER) + (column.position == 0)

    able = [column for column in table.columns if column.is_id and column.is_unique]
    best = max(able, key=fit, default=None)
    return best if best is not None and fit(best) else None


def _events(table: Profile, keys: Mapping[Profile, Column], doubts: list[str]) -> EventRoles | None:
    """The roles of an events table's columns; None where the table is none."""
    times = [column for column in table.columns if column.unit is not None]
    time = next((column for column in times if column.is_called(*TIME)), times[0] if times else None)
    kind = next((column for column in table.columns if column.is_called(*TYPE) and _is_type(column)), None)
    named = not table.source.table.columns
    value = next(
        (c for c in table.columns if c.is_number and (c.is_called(*VALUE) if named else _is_scale(c))), None
    )
    able = [column for column in table.columns if column.is_id and column not in (kind, value)]
    user = next((column for column in able if column.is_called(*USER)), None)
    item = next((column for column in able if column.is_called(*ITEM) and column is not user), None)
    is_sure = user is not None and item is not None
    if not is_sure:
        user, item = _by_values(table, able, user, item, keys)
    if user is None or item is None or user is item:
        return None
    has_text = any(column.is_text for column in table.columns)
    is_list_of_one = (item.is_unique or user.is_unique) and table.rows > 1
    if is_list_of_one and (has_text or (time is None and kind is None and value is None)):
        return None
    if not is_sure:
        doubts.append(f"{table.name}: {user.name} is taken for the user and {item.name} for the item.")
    return EventRoles(table, user, item, time, kind, value)


def _by_values(
    table: Profile,
    able: Sequence[Column],
    user: Column | None,
    item: Column | None,
    keys: Mapping[Profile, Column],
) -> tuple[Column | None, Column | None]:
    """User and item where names do not tell: the pair of columns that fits other tables' ids best.

    Of two that fit as well, the user is the one that comes first, as in most files.
    """

    def fit(column: Column, words: Sequence[str]) -> float:
        others = [key for other, key in keys.items() if other is not table and _is_about(other, words)]
        return max((column.overlap(key) for key in others), default=0.0)

    pairs = [
        (fit(one, USER) + fit(other, ITEM) + 0.01 * (one.position < other.position), one, other)
        for one in ([user] if user is not None else able)
        for other in ([item] if item is not None else able)
        if one is not other and not (one.is_unique and other.is_unique)
    ]
    if not pairs:
        return None, None
    best, one, other = max(pairs, key=lambda pair: pair[0])
    if best < 0.5 and user is None and item is None and table.source.table.has_header:
        return None, None
    return one, other


def _is_scale(column: Column) -> bool:
    """Whether the values are few small numbers, as ratings are."""
    return 2 <= len(column.values) <= 11 and all(0 <= number <= 10 for number in column.numbers)


def _is_type(column: Column) -> bool:
    """Whether the values are few words."""
    return len(column.values) <= 12 and not column.is_number and max(map(len, column.values), default=0) <= 40


def _is_about(table: Profile, words: Sequence[str]) -> bool:
    """Whether the file or its first column is called so."""
    stem = Column(table.name.split(".")[0], 0, ())
    return stem.is_called(*words) or any(column.is_called(*words) for column in table.columns[:1])


def _entity(
    what: str, words: Sequence[str], named: Sequence[Column], free: dict[Profile, Column], doubts: list[str]
) -> EntityRoles | None:
    """The table of items or users, which is taken out of those that are free, and what joins it."""

    def fit(table: Profile) -> float:
        told = 2.0 * (_is_about(table, words) or free[table].is_called(*words))
        other = USER if words is ITEM else ITEM
        return (
            told
            - 2.0 * (_is_about(table, other) and not told)
            + max((column.overlap(free[table]) for column in named), default=0.0)
            + 0.5 * (words is ITEM and any(column.is_text for column in table.columns))
        )

    best = max(free, key=fit, default=None)
    if best is None or fit(best) < 0.5:
        return None
    key = free.pop(best)
    if not (_is_about(best, words) or key.is_called(*words)):
        doubts.append(f"{best.name} is taken for the {what}, as its ids fit; nothing is called so.")
    joins = [
        (table, other)
        for table, other in free.items()
        if other.overlap(key) > 0.5
        and (_is_about(table, words) or (other.name == key.name and table.source.table.has_header))
    ]
    for table, _ in joins:
        del free[table]
    return EntityRoles(best, key, tuple(joins))
