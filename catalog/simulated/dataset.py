"""The simulated data set, as the importer reads it: same size and seed, same records, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.dataset import Part, Row
from catalog.errors import DataError
from catalog.records import FeatureValue, Interaction, Item, ItemId
from catalog.schema import DatasetSchema, Feature, InteractionType
from catalog.simulated.behaviour import World, make_behaviour
from catalog.simulated.descriptions import Writer
from catalog.simulated.people import user_id, user_records
from catalog.simulated.pictures import draw, png
from catalog.simulated.reactions import RATING, TYPES, react
from catalog.simulated.world import CATEGORIES, Goods, Size, make_goods, make_people

SIMULATED = "simulated"
VERSION = 1
"""Goes up when the same seed would draw something else."""
PICTURE_BATCH = 64

SCHEMA = DatasetSchema(
    name=SIMULATED,
    title="Simulated shop",
    items={
        "category": Feature(kind="categorical"),
        "tags": Feature(kind="multi"),
        "price": Feature(kind="numeric"),
    },
    users={
        "age": Feature(kind="numeric"),
        "gender": Feature(kind="categorical"),
        "country": Feature(kind="categorical"),
    },
    interactions={
        "view": InteractionType(weight=0.3),
        "like": InteractionType(weight=1.0),
        "rating": InteractionType(weight=1.0, value=True, minimum=1, maximum=5, positive_from=4),
        "dismiss": InteractionType(weight=0.0, polarity="negative"),
    },
    category="category",
    generated=(
        "Everything is generated: items with drawn pictures, users of known taste, and what they did.",
    ),
)


def item_id(row: int) -> ItemId:
    """The id of an item: ten capital letters and digits, as shops have them."""
    return ItemId(f"SIM{row + 1:07d}")


@dataclass(frozen=True, slots=True)
class SimulatedDataset:
    """`catalog.dataset.Dataset` of a shop that does not exist. Pictures are written below `folder`."""

    size: Size
    folder: Path

    @property
    def schema(self) -> DatasetSchema:
        """What it declares about itself."""
        return SCHEMA

    @property
    def edition(self) -> str:
        """Its size and seed: shops of two sizes are not one larger shop."""
        size = self.size
        return f"{size.items} items, {size.users} users, {size.events} events, seed {size.seed} (version {VERSION})"

    @property
    def pictures(self) -> Path:
        """Where the pictures of this size and seed lie."""
        return self.folder.resolve() / f"v{VERSION}-items{self.size.items}-seed{self.size.seed}"

    def check(self) -> None:
        """Make the folder of pictures; DataError where that is not possible."""
        try:
            self.pictures.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"the folder for drawn pictures, {self.pictures}, cannot be made: {error}"
            ) from error

    def parts(self) -> Sequence[Part]:
        """Items, users, events."""
        size, goods, people = self.size, make_goods(self.size), make_people(self.size.users, self.size.seed)
        world = World(goods, people, size.events, size.seed)
        return [
            Part("items", "simulated items", lambda: self._items(goods), size.items),
            Part("users", "simulated users", lambda: user_records(people), size.users),
            Part("interactions", "simulated events", lambda: _events(world), size.events),
        ]

    def implied_user(self, user_id: str) -> None:
        """Nobody: everybody has a record."""

    def implied_item(self, item_id: str) -> None:
        """Nothing: everything has a record."""

    def _items(self, goods: Goods) -> Iterator[Row]:
        writer = Writer(self.size, goods)
        drawn = min(self.size.pictures, len(goods))
        complete = self.pictures / f"complete-{drawn}"
        is_drawn = complete.exists()
        for begin in range(0, len(goods), PICTURE_BATCH):
            rows = np.arange(begin, min(begin + PICTURE_BATCH, len(goods)))
            if begin < drawn and not is_drawn:
                self._draw(goods, rows[rows < drawn])
            for row in rows.tolist():
                features: dict[str, FeatureValue] = {
                    "category": CATEGORIES[goods.category[row]],
                    "tags": writer.tags(row),
                    "price": float(goods.price[row]),
                }
                image = str(self.pictures / f"{item_id(row)}.png") if row < drawn else None
                yield Item(item_id(row), writer.title(row), writer.text(row), image, features)
        complete.touch()

    def _draw(self, goods: Goods, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        try:
            for row, pixels in zip(rows.tolist(), draw(self.size, goods, rows), strict=True):
                (self.pictures / f"{item_id(row)}.png").write_bytes(png(pixels))
        except OSError as error:
            raise DataError(f"pictures cannot be written to {self.pictures}: {error}") from error


def _events(world: World) -> Iterator[Row]:
    log = make_behaviour(world, react)
    users = [user_id(row) for row in range(len(world.people))]
    items = [item_id(row) for row in range(len(world.goods))]
    for begin in range(0, len(log), 100_000):
        part = slice(begin, begin + 100_000)
        columns = (log.users, log.items, log.types, log.values, log.times)
        for number, (user, item, kind, value, time) in enumerate(
            zip(*(column[part].tolist() for column in columns), strict=True), begin + 1
        ):
            yield Interaction(
                users[user], items[item], TYPES[kind], float(time), value if kind == RATING else None,
                sequence=number,
            )  # fmt: skip
