"""Networks that learn where texts lie, on pictures whose texts are their colours."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.errors import ConfigError, NotReadyError
from catalog.progress import SILENT
from embeddings.align import AlignReport, Pairs, align, current, select
from embeddings.contrast import Course
from embeddings.decoding import Source
from embeddings.export import export
from embeddings.frozen import Parts
from embeddings.image import Found, TimmEncoder, find
from embeddings.onnx_image import OnnxImageEncoder
from embeddings.vectors import unit
from tests.embeddings.pictures import encoded

pytestmark = pytest.mark.train
TEXT_SPACE, DIM = "sbert:some-model:0123456789ab:2", 24


def pairs(count: int = 240, broken: int = 0) -> Pairs:
    """Squares of random colours; the text's vector is the colour, turned somewhere into 24 dimensions."""
    rng = np.random.default_rng(5)
    colors = rng.integers(0, 256, (count, 3))
    place = rng.normal(size=(3, DIM))
    sources: list[Source] = [
        encoded(Image.new("RGB", (24, 24), tuple(color)), "PNG") for color in colors.tolist()
    ]
    sources[:broken] = [b"broken"] * broken
    texts = unit(((colors / 127.5 - 1) @ place).astype(np.float32))
    return Pairs(sources, texts, np.arange(count) % 6 == 5)


@pytest.fixture(scope="module")
def base(local_model: Path) -> Found:
    return find(f"local-dir:{local_model}")


@pytest.fixture(scope="module")
def aligned(base: Found, tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, AlignReport, Path]:
    folder = tmp_path_factory.mktemp("aligned")
    course = Course(epochs=6, batch_size=50, learning_rate=2e-3, head_rate=1e-2)
    found, report = align(pairs(broken=2), TEXT_SPACE, base, folder, course, blocks=2, device="cpu")
    return found, report, folder


def test_held_out_texts_find_their_pictures(aligned: tuple[Found, AlignReport, Path]) -> None:
    _, report, _ = aligned
    assert (report.pairs, report.held_out, report.epochs) == (198, 40, 6)
    assert report.chance == 0.25
    assert report.text_to_image_recall_at_10 > 0.7
    assert report.image_to_text_recall_at_10 > 0.7
    assert report.steps_per_second > 0


def test_what_was_learned_is_a_model_folder_of_its_own(aligned: tuple[Found, AlignReport, Path]) -> None:
    found, report, folder = aligned
    assert sorted(path.name for path in folder.iterdir()) == [found.weights.path.name], "and no scraps"
    assert found.text_space == TEXT_SPACE
    settings = json.loads((found.weights.path / "config.json").read_text())
    assert (settings["architecture"], settings["num_classes"]) == ("test_vit", DIM)
    encoder = TimmEncoder.load(found, "cpu")
    assert (encoder.dim, encoder.text_space, encoder.preprocess.size) == (DIM, TEXT_SPACE, 160)
    given = pairs()
    held = np.flatnonzero(given.held_out)
    vectors, reasons = encoder.encode_pictures([bytes(given.sources[row] or b"") for row in held])  # type: ignore[arg-type]
    assert set(reasons) == {None}
    cosines = given.texts[held] @ vectors.T
    found_at_10 = ((cosines > np.diag(cosines)[:, None]).sum(axis=1) < 10).mean()
    assert found_at_10 == pytest.approx(report.text_to_image_recall_at_10, abs=0.051)


def test_it_exports_and_says_whose_space_it_shares(
    aligned: tuple[Found, AlignReport, Path], tmp_path: Path
) -> None:
    torch_encoder = TimmEncoder.load(aligned[0], "cpu")
    encoder = OnnxImageEncoder.open(export(torch_encoder, tmp_path))
    assert (encoder.name, encoder.text_space) == (torch_encoder.name, TEXT_SPACE)
    files = [bytes(each) for each in pairs().sources[:5] if isinstance(each, bytes)]
    np.testing.assert_allclose(
        encoder.encode_pictures(files)[0], torch_encoder.encode_pictures(files)[0], atol=1e-4
    )


def test_the_network_in_use_is_the_one_selected_last(
    aligned: tuple[Found, AlignReport, Path], tmp_path: Path
) -> None:
    found, _, folder = aligned
    assert current(tmp_path) is None
    assert current(folder) is None
    select(found, folder)
    assert current(folder) == found
    (tmp_path / "CURRENT").write_text("gone\n")
    assert current(tmp_path) is None


def test_kept_tokens_are_what_the_network_would_compute(base: Found, tmp_path: Path) -> None:
    import torch

    encoder = TimmEncoder.load(base, "cpu")
    network = encoder.network
    network.reset_classifier(DIM)  # type: ignore[operator]
    parts = Parts(network, 4, encoder.preprocess, "cpu")
    given = list(pairs(9).sources)
    given[4] = b"broken"
    with parts.kept(given, tmp_path / "kept", SILENT) as kept:
        assert kept.rows.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
        assert kept.values.shape[:2] == (8, 2)
        split = parts.unit_vectors(kept.values, np.arange(8))
    assert not (tmp_path / "kept").exists()
    squares = [encoder.preprocess.square(Image.new("RGB", (24, 24), color)) for color in _colors(given)]
    with torch.inference_mode():
        whole = network(torch.from_numpy(encoder.preprocess.normal(np.stack(squares)))).numpy()
    np.testing.assert_allclose(split, unit(whole), atol=5e-3)
    learning = {
        name.split(".")[1]
        for name, each in network.named_parameters()
        if each.requires_grad and "blocks" in name
    }
    assert learning == {"4", "5"}


def test_a_network_without_weights_learns_too(tmp_path: Path) -> None:
    course = Course(epochs=2, batch_size=40, learning_rate=2e-3, head_rate=5e-3)
    names = []
    for _ in range(2):
        found, report = align(pairs(96), TEXT_SPACE, None, tmp_path, course, device="cpu")
        names.append(found.name)
        assert (report.pairs, report.epochs) == (80, 2)
    encoder = TimmEncoder.load(found, "cpu")
    assert (encoder.preprocess.size, encoder.dim) == (64, DIM)
    assert names[0] == names[1], "the same seed on the same machine learns the same"


def test_time_is_kept(base: Found, tmp_path: Path) -> None:
    course = Course(epochs=10_000, minutes=0.05)
    _, report = align(pairs(80), TEXT_SPACE, base, tmp_path, course, blocks=1, device="cpu")
    assert 1 <= report.epochs < 500


def test_too_few_pictures_are_told(base: Found, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match=r"at least 64 items .*found 41 \(and 9 held out\)"):
        align(pairs(60, broken=10), TEXT_SPACE, base, tmp_path, device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_only_transformers_are_aligned(tmp_path: Path) -> None:
    from embeddings.image import import_timm

    network = import_timm().create_model("test_byobnet")
    with pytest.raises(ConfigError, match="expected a vision transformer of timm"):
        Parts(network, 0, None, "cpu")  # type: ignore[arg-type]


def _colors(files: list[Source]) -> list[tuple[int, int, int]]:
    rng = np.random.default_rng(5)
    colors = rng.integers(0, 256, (len(files), 3)).tolist()
    return [tuple(color) for color, file in zip(colors, files, strict=True) if file != b"broken"]
