"""A tiny hand-made data set that uses every word of the declaration."""

import gzip
from pathlib import Path

from catalog.declaration import parse
from catalog.files import FileDataset
from catalog.tables import Location

DECLARATION = """
name = "shop"
title = "Corner shop"
category = "kind"

[types.view]
weight = 0.3
[types.rating]
value = true
minimum = 1
maximum = 5
positive_from = 4

[items]
file = "goods.csv"
encoding = "utf-8"
id = { column = "link", pattern = '/dp/(\\w+)' }
title = "name"
text = { columns = ["short", "long"], join = " – " }
[items.features]
kind = { kind = "categorical", column = "kind", missing = ["NA"] }
year = { kind = "numeric", column = "name", pattern = '\\((\\d{4})\\)' }
price = { kind = "numeric", column = "price", remove = "₹,", buckets = 4 }
tags = { kind = "multi", column = "tags", split = "|" }
sale = { kind = "multi", flags = ["new", "sale"] }
[[items.joins]]
folder = "shop-pictures"
file = "pictures.csv.gz"
id = "sku"
image = "file"
text = "caption"

[users]
file = "people.dat"
delimiter = "::"
encoding = "latin-1"
columns = ["id", "name", "age", "zip"]
id = "id"
[users.features]
decade = { kind = "categorical", column = "age", step = 10 }
zip = { kind = "categorical", column = "zip", prefix = 1 }

[[events]]
file = "stars.tsv"
delimiter = "\\t"
columns = ["user", "sku", "stars", "at"]
user = "user"
item = "sku"
value = "stars"
timestamp = "at"
type = "rating"
folds = [{ file = "stars.test", fold = 1 }]

[[events]]
file = "clicks.csv"
user = "who"
item = "what"
timestamp = "when"
unit = "iso"
type_column = "did"
type_names = { looked = "view" }
skip = ["scrolled"]
event_id = "key"
"""
GOODS = """link,name,short,long,kind,price,tags,new,sale
http://x/dp/A1/,Lamp (1995),Bright,"Says ""hi"",
and glows",light,"₹32,999.50",home|light|home,1,0
http://x/dp/B2,Çhair,,Wood,NA,,,0,1
"""
PEOPLE = "1::José::37::94 110\n2:: Ann ::::\n"
STARS = "1\tA1\t4\t100\n2\tB2\t1\t100\n1\tB2\t5\t90.5\n"
FOLD = "2\tB2\t1\t100\n"
CLICKS = """key,who,what,did,when
k1,1,A1,looked,2024-01-01T00:00:00Z
k2,1,B2,scrolled,2024-01-01T00:00:01Z
k3,2,A1,view,2024-01-01T01:00:00+01:00
"""
PICTURES = "sku,file,caption\nA1,p/a1.png,A lamp\nB2,,A chair\n"


def write_shop(folder: Path) -> FileDataset:
    """Write all files below `folder` and open them."""
    own, pictures = folder / "shop", folder / "shop-pictures"
    own.mkdir(parents=True)
    pictures.mkdir()
    (own / "goods.csv").write_text(GOODS, "utf-8")
    (own / "people.dat").write_text(PEOPLE, "latin-1")
    (own / "stars.tsv").write_text(STARS)
    (own / "stars.test").write_text(FOLD)
    (own / "clicks.csv").write_text(CLICKS)
    with gzip.open(pictures / "pictures.csv.gz", "wt", encoding="utf-8") as file:
        file.write(PICTURES)
    return FileDataset(parse(DECLARATION, "shop.toml"), Location(own, folder))
