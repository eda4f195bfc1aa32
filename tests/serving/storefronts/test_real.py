"""The products of the real data set, as the shop shows them: read, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from catalog.records import Item
from catalog.registry import open_dataset
from serving.storefronts.pages import Page
from serving.storefronts.products import Product, product
from serving.storefronts.shop_events import click_type, search_type
from serving.storefronts.shop_inputs import product_of
from tests.catalog.declare import records

pytestmark = pytest.mark.realdata


def test_amazon_products_are_shown_as_their_clients_know_them(data_folder: Path) -> None:
    dataset = open_dataset("amazon-products", home=data_folder / "no-home", data=data_folder, environment={})
    if not (data_folder / "amazon-products").is_dir():
        pytest.skip("TOWERBRIDGE_DATA holds no amazon-products")
    schema = dataset.schema
    assert (click_type(schema), search_type(schema)) == ("click", "search")
    items = [row for row in records(dataset, "items") if isinstance(row, Item)]
    assert len(items) > 9_000
    cheaper = 0
    for item in items:
        assert product_of(item.item_id) == item.item_id
        shown = product(Page(item.item_id, item.title, item.text, item.image, item.features), schema)
        known = Product.model_validate(shown, strict=True)
        assert re.fullmatch(r"[^>]+ > [^>]+", known.category)
        assert known.image is None or known.image.startswith("http")
        if known.discount_ratio is not None:
            assert known.price is not None
            assert known.original_price is not None
            assert known.discount_ratio == pytest.approx(1 - known.price / known.original_price, abs=1e-4)
            cheaper += 1
    assert cheaper > 8_000
