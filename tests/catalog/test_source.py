"""A declaration is valid as a whole, or says where it is not."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

import catalog.datasets
from catalog.declaration import (
    Behaviour,
    Declaration,
    Generated,
    StandIn,
    Taxonomy,
    Trait,
    Traits,
    parse,
    read,
)
from catalog.errors import ConfigError
from catalog.registry import dataset_names
from catalog.schema import BestValue, InteractionType
from catalog.source import (
    Events,
    FeatureCell,
    IdCell,
    Items,
    Join,
    PictureCell,
    Sequences,
    UserJoin,
    Users,
)
from tests.catalog.shop import DECLARATION

MINIMAL = """
name = "shop"
implied = ["users"]
[types.view]
[items]
file = "g.csv"
id = "sku"
[[events]]
file = "e.csv"
user = "u"
item = "i"
timestamp = "t"
type = "view"
"""


def test_the_smallest_declaration() -> None:
    declared = parse(MINIMAL, "x")
    assert declared.items is not None
    assert declared.items.id == IdCell(columns=("sku",))
    assert declared.schema_of().type_names() == ["view"]


WRONG = [
    (
        "file = 'g.csv'",
        'file = "g.csv"',
        'fil = "g.csv"',
        r"items\.file: .*required.*items\.fil: Extra inputs",
    ),
    ("outside", 'file = "g.csv"', 'file = "../g.csv"', r"items\.file\.0: .*must be a path below"),
    ("absolute", 'file = "e.csv"', 'file = "/e.csv"', r"events\.0\.file\.0: .*must be a path below"),
    ("encoding", 'id = "sku"', 'id = "sku"\nencoding = "latin-99"', "encoding 'latin-99' is not known"),
    ("columns", 'id = "sku"', 'id = "sku"\ncolumns = ["a", "a"]', "columns repeats a name"),
    ("type", 'type = "view"', 'type = "buy"', r"of type 'buy', which \[types\] does not declare"),
    ("two types", 'type = "view"', 'type = "view"\ntype_column = "k"', "either type or type_column"),
    ("names", 'type = "view"', 'type = "view"\nskip = ["x"]', "go with type_column"),
    ("implied", 'implied = ["users"]', "", r"there is no \[users\]; declare it, or say implied"),
    ("name", 'name = "shop"', 'name = "My Shop"', "name: String should match pattern"),
    ("category", "[types.view]", 'category = "kind"\n[types.view]', "must name a categorical or multi"),
    ("toml", "[types.view]", "[types.view", "valid TOML: Expected"),
]


@pytest.mark.parametrize(("old", "new", "message"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_what_is_wrong_is_named(old: str, new: str, message: str) -> None:
    assert old in MINIMAL
    with pytest.raises(ConfigError, match=rf"(?s)^shop\.toml is not .*{message}"):
        parse(MINIMAL.replace(old, new), "shop.toml")


WRONG_FEATURES = [
    ('{ kind = "multi", column = "a" }', "needs flags or split"),
    ('{ kind = "categorical", column = "a", flags = ["b"] }', "either from column"),
    ('{ kind = "categorical", flags = ["b"] }', "flags does not go with kind = 'categorical'"),
    ('{ kind = "numeric", column = "a", prefix = 1 }', "prefix does not go with"),
    ('{ kind = "multi", column = "a", split = "|", step = 2 }', "step does not go with"),
    ('{ kind = "numeric", column = "a", pattern = "(" }', "is not a regular expression"),
    ('{ kind = "numeric", column = "a", pattern = "x" }', "needs one group"),
    ('{ kind = "numeric", column = "a", columns = ["b"] }', "column or columns, not both"),
    ('{ kind = "number", column = "a" }', "'categorical', 'multi' or 'numeric'"),
    ('{ kind = "numeric" }', "either from column"),
]


@pytest.mark.parametrize(("feature", "message"), WRONG_FEATURES)
def test_a_feature_that_cannot_be_is_named(feature: str, message: str) -> None:
    text = MINIMAL.replace("[[events]]", f"[items.features]\nprice = {feature}\n[[events]]")
    with pytest.raises(ConfigError, match=r"items.*features\.price.*" + message):
        parse(text, "x")


def test_a_feature_belongs_to_one_file() -> None:
    twice = DECLARATION.replace(
        'text = "caption"', 'text = "caption"\nfeatures.kind = { kind = "categorical", column = "c" }'
    )
    with pytest.raises(ConfigError, match="feature 'kind' is declared twice"):
        parse(twice, "x")


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read"):
        read(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"bytes\.toml cannot be read"):
        read(tmp_path / "bytes.toml")


DOCUMENT = (Path(__file__).parents[2] / "docs/data.md").read_text()


def test_the_example_of_the_documents_is_valid() -> None:
    example = DOCUMENT.split("```toml\n")[1].split("```")[0]
    assert parse(example, "docs/data.md").schema_of().type_names() == ["view", "rating", "dismiss"]


@pytest.mark.parametrize(
    "model",
    [
        Declaration, Items, Join, Users, UserJoin, Events, Sequences, IdCell, PictureCell, FeatureCell, Taxonomy,
        InteractionType, Generated, StandIn, Traits, Behaviour, Trait,
    ],
)  # fmt: skip
def test_every_word_of_a_declaration_is_explained(model: type[BaseModel]) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", DOCUMENT, flags=re.DOTALL))
    words = set(re.findall(r"[a-z_]+", " ".join([*blocks, *spans])))
    words.add("download")  # for built-in data sets only
    assert set(model.model_fields) - words == set()


def test_every_built_in_data_set_is_in_the_documents() -> None:
    table = DOCUMENT.split("## Built-in data sets")[1]
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE)) == set(dataset_names())


class TestRoles:
    """What a feature means beyond its kind: the tree that categories hang on, and what tells a bargain."""

    def test_packaged_data_sets_say_what_they_have(self):
        folder = Path(catalog.datasets.__file__).parent
        amazon, retailer = (read(folder / f"{name}.toml") for name in ("amazon-products", "retailrocket"))
        assert amazon.schema_of().best_value == BestValue(
            discount="discount_ratio", rating="rating", reviews="rating_count"
        )
        assert amazon.schema_of().tree is None
        assert retailer.schema_of().tree == "categories"
        events_only = retailer.schema_of(lambda table: table in retailer.events)
        assert (events_only.tree, events_only.best_value) == (None, None)

    def test_a_bargain_is_told_by_numbers_that_there_are(self):
        shop = (
            'name = "shop"\nimplied = ["users"]\ntypes.view = {}\nbest_value = { discount = "off", rating = "stars", '
            'reviews = "count" }\n[[events]]\nfile = "e.csv"\nuser = "u"\nitem = "i"\ntype = "view"\n[items]\n'
            'file = "i.csv"\nid = "i"\nfeatures.off = { kind = "numeric", column = "o" }\n'
        )
        with pytest.raises(ConfigError, match="best_value must name item features"):
            parse(shop, "shop.toml")
        for name, kind in (("stars", "numeric"), ("count", "categorical")):
            shop += f'features.{name} = {{ kind = "{kind}", column = "{name}" }}\n'
        with pytest.raises(
            ConfigError, match=r"best_value\.reviews = 'count' must name a numeric item feature"
        ):
            parse(shop, "shop.toml")
