"""The public data sets' own layouts, with a few dozen made-up rows: what commands of the documents read as `DIR`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.catalog.declare import write

ITEMS, USERS, EACH = 90, 60, 24
"""Things, people, and what each of them did. An encoder is aligned with 64 pictures at least, a tenth held out."""
GENRES = 19
TOPICS = ("football", "rockets", "recipes", "castles", "gardens")
COLOURS = {"Red": (200, 30, 30), "Green": (30, 160, 60), "Blue": (30, 60, 200)}
START = 1_640_000_000
"""Seconds since the epoch, of the first event."""


def write_all(folder: Path) -> None:
    """Every data set but those that are read by another one's reader."""
    rng = np.random.default_rng(11)
    films(folder / "ml-100k", rng)
    posters(folder / "ml-posters", rng)
    views(folder / "retailrocket", rng)
    posts(folder, rng)
    products(folder / "fashion-products", rng)
    wares(folder / "amazon-products", rng)


def own(folder: Path) -> None:
    """What somebody may have who has no recommender yet: a table of products and a log of clicks."""
    rng = np.random.default_rng(12)
    things = [f"sku{n},{_title(n)},{_text(n)},{TOPICS[n % 5]},{5 + n}.50" for n in range(ITEMS)]
    clicks = [
        f"{user},sku{thing},2021-12-20T10:{minute:02d}:{user % 60:02d}"
        for user in range(USERS)
        for minute, thing in enumerate(_taken(rng, user))
    ]
    write(folder, {
        "products.csv": "\n".join(["sku,name,description,category,price", *things]) + "\n",
        "clicks.csv": "\n".join(["user_id,sku,time", *clicks]) + "\n",
    })  # fmt: skip


def films(folder: Path, rng: np.random.Generator) -> None:
    """MovieLens-100k, with its five folds."""
    names = {1: "Toy Story (1995)", 2: "GoldenEye (1995)", 3: "Heat (1995)"}
    items = [
        f"{n}|{names.get(n, f'{_title(n)} ({1980 + n % 19})')}|01-Jan-1995||http://example.org/{n}|"
        + "|".join(str(int(genre == n % GENRES)) for genre in range(GENRES))
        for n in range(1, ITEMS + 1)
    ]
    users = [f"{n}|{18 + n % 50}|{'MF'[n % 2]}|{TOPICS[n % 5]}|{n % 10}0000" for n in range(1, USERS + 1)]
    ratings = [
        f"{user}\t{thing + 1}\t{5 if thing % 5 == user % 5 else 1 + (user + thing) % 5}\t{START + 60 * step}"
        for user in range(1, USERS + 1)
        for step, thing in enumerate(_taken(rng, user))
    ]
    files = {"u.item": items, "u.user": users, "u.data": ratings}
    for fold in range(5):
        files[f"u{fold + 1}.test"] = ratings[fold::5]
    write(folder, {name: "\n".join(lines) + "\n" for name, lines in files.items()})


def posters(folder: Path, rng: np.random.Generator) -> None:
    """Of MovieLens-100k, as somebody may have put them beside it."""
    colours = list(COLOURS.values())
    _pictures(folder / "posters", {n: colours[n % 3] for n in range(1, ITEMS + 1)}, rng)
    files = [f"{n},posters/{n}.jpg" for n in range(1, ITEMS + 1)]
    write(folder, {"ml100k_posters.csv": "\n".join(["ml100k_id,poster_file", *files]) + "\n"})


def views(folder: Path, rng: np.random.Generator) -> None:
    """RetailRocket's events, of which some went on to the cart and the till."""
    rows = ["timestamp,visitorid,event,itemid,transactionid"]
    for user in range(USERS):
        for step, thing in enumerate(_taken(rng, user)):
            kind = ("view", "view", "addtocart", "transaction")[step % 4]
            rows.append(f"{1000 * (START + 60 * step)},{user},{kind},{thing},{step if step % 4 == 3 else ''}")
    kinds = [f"{1000 * START},{n},categoryid,{n % 5}" for n in range(ITEMS)]
    write(folder, {
        "events.csv": "\n".join(rows) + "\n",
        "item_properties_part1.csv": "\n".join(["timestamp,itemid,property,value", *kinds]) + "\n",
        "category_tree.csv": "categoryid,parentid\n" + "".join(f"{n},\n" for n in range(5)),
    })  # fmt: skip


def posts(folder: Path, rng: np.random.Generator) -> None:
    """The feed of a social network: posts, people, what they were shown and what they liked of it."""
    texts = [f'{n},"{_title(n)}. {_text(n)}",{TOPICS[n % 5]}' for n in range(ITEMS)]
    people = [
        f"{20 + n % 40},Moscow,Russia,{n % 5},{n % 2},{('Android', 'iOS')[n % 2]},ads,{n + 180}"
        for n in range(USERS)
    ]
    feed = []
    for user in range(USERS):
        for step, thing in enumerate(_taken(rng, user)):
            liked = int(thing % 5 == user % 5)
            feed.append(f"2021-12-{1 + step // 2:02d} 10:{user:02d}:00,{user + 180},{thing},view,{liked}")
            if liked:
                feed.append(f"2021-12-{1 + step // 2:02d} 10:{user:02d}:30,{user + 180},{thing},like,0")
    write(folder / "startml-posts", {
        "post_text_df.csv": "\n".join(["post_id,text,topic", *texts]) + "\n",
        "user_data.csv": "\n".join(["age,city,country,exp_group,gender,os,source,user_id", *people]) + "\n",
        "feed_data.csv": "\n".join(["timestamp,user_id,post_id,action,target", *feed]) + "\n",
    })  # fmt: skip


def products(folder: Path, rng: np.random.Generator) -> None:
    """Fashion products with pictures, and nobody who bought them."""
    head = "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName"
    colours = dict(enumerate(list(COLOURS)[n % 3] for n in range(ITEMS)))
    rows = [
        f"{n},Men,Apparel,Topwear,{TOPICS[n % 5]},{colour},Fall,2011,Casual,{_title(n)}"
        for n, colour in colours.items()
    ]
    _pictures(folder / "images", {n: COLOURS[colour] for n, colour in colours.items()}, rng)
    write(folder, {"styles.csv": "\n".join([head, *rows]) + "\n"})


def wares(folder: Path, rng: np.random.Generator) -> None:
    """Products of a retailer, with prices and stars."""
    head = "name,main_category,sub_category,image,link,ratings,no_of_ratings,discount_price,actual_price"
    rows = [
        f"{_title(n)},{TOPICS[n % 5]},{TOPICS[n % 5]} {n % 2},,https://example.org/dp/B{n:09d},"
        f"{1 + n % 5}.0,{10 * n},₹{rng.integers(50, 100)},₹{rng.integers(100, 200)}"
        for n in range(ITEMS)
    ]
    write(folder, {"Amazon-Products.csv": "\n".join([head, *rows]) + "\n"})


def _pictures(folder: Path, colours: Mapping[int, tuple[int, int, int]], rng: np.random.Generator) -> None:
    """A JPEG of each colour, no two of them the same."""
    from PIL import Image

    folder.mkdir(parents=True)
    for n, colour in colours.items():
        pixels = np.array(colour) + rng.integers(-25, 25, (48, 48, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{n}.jpg", "JPEG")


def _taken(rng: np.random.Generator, user: int) -> list[int]:
    """Different things, those of one topic first of all."""
    liking = np.where(np.arange(ITEMS) % 5 == user % 5, 4.0, 1.0)
    return rng.choice(ITEMS, EACH, replace=False, p=liking / liking.sum()).tolist()


def _title(n: int) -> str:
    return f"The {('quiet', 'golden', 'last', 'little', 'red')[n % 5]} {TOPICS[n % 5]} {n}"


def _text(n: int) -> str:
    return f"All about {TOPICS[n % 5]} and what comes after number {n}"
