"""Trees of categories: for each category the path from it to its root."""

from __future__ import annotations

from collections.abc import Mapping

from catalog.cells import Ancestors, reader, used_columns
from catalog.declaration import Taxonomy
from catalog.records import BadRow
from catalog.tables import Location, positions


def read_tree(taxonomy: Taxonomy, location: Location) -> tuple[Ancestors, list[BadRow]]:
    """All paths of a tree, each category itself first, and the rows that could not be read."""
    parents: dict[str, str] = {}
    bad: list[BadRow] = []
    wanted = used_columns([taxonomy.id, taxonomy.parent])
    for source in location.open(taxonomy):
        places = positions(source, wanted)
        child, parent = reader(taxonomy.id, places), reader(taxonomy.parent, places)
        for row in source.rows(wanted):
            if isinstance(row, BadRow):
                bad.append(row)
            else:
                parents.setdefault(child(row.cells), parent(row.cells))
    return {name: path(name, parents) for name in parents}, bad


def path(name: str, parents: Mapping[str, str]) -> tuple[str, ...]:
    """A category and all above it; a circle ends where it closes."""
    found: dict[str, None] = {}
    while name and name not in found:
        found[name] = None
        name = parents.get(name, "")
    return tuple(found)
