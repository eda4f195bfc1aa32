"""What a bundle is given besides what was trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.reader import Bundle
from catalog.errors import ConfigError
from serving.search.synonyms import Synonyms
from tests.training.conftest import has_training

pytestmark = [pytest.mark.train, has_training]


def test_synonyms_of_ones_own_travel_in_the_bundle(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from training.build import build

    own = tmp_path / "synonyms.toml"
    own.write_text('same = [["lorry", "truck"]]')
    bundle = Bundle.open(build(run, tmp_path / "bundles", synonyms=own))
    assert Synonyms.open(None, bundle.path).of("lorry") == {"lorry": ("truck",)}
    own.write_text("same = 3")
    with pytest.raises(ConfigError, match="expected synonyms"):
        build(run, tmp_path / "bundles", synonyms=own)
    assert len(list((tmp_path / "bundles").iterdir())) == 1
