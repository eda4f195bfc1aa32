"""Finding a data set, and fetching it from a server on loopback that misbehaves in every known way."""

import gzip
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from catalog import locate as locating
from catalog.declaration import Declaration, parse
from catalog.errors import ConfigError, DataError
from catalog.files import FileDataset
from catalog.locate import locate, required_files
from catalog.registry import dataset_names, open_dataset
from catalog.simulated.dataset import SimulatedDataset
from catalog.simulated.world import Size
from catalog.tables import Location
from tests.catalog.shop import DECLARATION, write_shop

FILES = {
    "in/goods.csv": "g",
    "in/people.dat": "p",
    "in/stars.tsv": "s",
    "in/stars.test": "t",
    "in/clicks.csv": "c",
}


def archive(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


def declared(content: bytes = b"", md5: str | None = None) -> Declaration:
    home = f"""
[download]
url = "https://example.org/shop.zip"
md5 = "{md5 or hashlib.md5(content).hexdigest()}"
inner = "in"
licence = "for shops only"
"""
    return parse(DECLARATION + home, "shop.toml")


class Handler(BaseHTTPRequestHandler):
    """Answers `/whole`, `/short` (half of what it promised) and 404."""

    def __init__(self, content: bytes, *args: object) -> None:
        self.content = content
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if self.path not in ("/whole", "/short"):
            self.send_error(404, "No such thing")
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content if self.path == "/whole" else self.content[: len(self.content) // 2])

    def log_message(self, *args: object) -> None:
        pass


class Home:
    """An official home on loopback."""

    content = b""

    def start(self, content: bytes) -> str:
        self.server = HTTPServer(("127.0.0.1", 0), partial(Handler, content))
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def official() -> Iterator[Home]:
    home = Home()
    yield home
    if hasattr(home, "server"):
        home.server.shutdown()
        home.server.server_close()


class TestLooking:
    def test_a_folder_of_data_sets_or_the_folder_itself(self, tmp_path: Path) -> None:
        write_shop(tmp_path)
        expected = Location(tmp_path / "shop", tmp_path)
        for data in (tmp_path, tmp_path / "shop"):
            assert locate(declared(), data=data, home=tmp_path / "h", environment={}) == expected

    def test_the_environment_comes_before_our_own_folder(self, tmp_path: Path) -> None:
        write_shop(tmp_path / "env")
        write_shop(tmp_path / "h/data")
        environment = {"TOWERBRIDGE_DATA": str(tmp_path / "env")}
        found = locate(declared(), data=None, home=tmp_path / "h", environment=environment)
        assert found.beside == tmp_path / "env"
        found = locate(declared(), data=None, home=tmp_path / "h", environment={})
        assert found.beside == tmp_path / "h/data"

    def test_a_named_folder_without_it_is_an_error_and_no_download(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"--data names .*, but neither shop/ nor goods.csv is in it"):
            locate(declared(), data=tmp_path, home=tmp_path, environment={}, url="http://127.0.0.1:9/")
        with pytest.raises(DataError, match="which is not a folder"):
            locate(declared(), data=tmp_path / "none", home=tmp_path, environment={})

    def test_a_named_folder_with_a_part_of_it_says_which_part(self, tmp_path: Path) -> None:
        write_shop(tmp_path)
        (tmp_path / "shop/stars.test").unlink()
        with pytest.raises(DataError, match=r"shop should hold goods.csv, .*, but stars.test is not there"):
            locate(declared(), data=tmp_path, home=tmp_path, environment={})

    def test_without_a_public_home_it_is_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(
            DataError, match=r"Corner shop was looked for at .*; name the folder .* with --data"
        ):
            locate(parse(DECLARATION, "x"), data=None, home=tmp_path, environment={})

    def test_joins_are_not_required(self) -> None:
        assert required_files(declared()) == [
            ("goods.csv",), ("people.dat",), ("stars.tsv",), ("clicks.csv",), ("stars.test",),
        ]  # fmt: skip

    def test_a_file_may_have_stand_ins_and_be_gzipped(self, tmp_path: Path) -> None:
        write_shop(tmp_path)
        stars = tmp_path / "shop/stars.tsv"
        (tmp_path / "shop/some-stars.tsv.gz").write_bytes(gzip.compress(stars.read_bytes()))
        stars.unlink()
        text = DECLARATION.replace('file = "stars.tsv"', 'file = ["stars.tsv", "some-stars.tsv"]')
        found = locate(parse(text, "x"), data=tmp_path, home=tmp_path, environment={})
        part = FileDataset(parse(text, "x"), found).parts()[2]
        assert (part.name, part.total) == ("some-stars.tsv.gz", 3)
        with pytest.raises(DataError, match=r"but stars\.tsv is not there"):
            locate(declared(), data=tmp_path, home=tmp_path, environment={})


class TestFetching:
    def test_it_is_fetched_once_and_the_licence_is_told(self, tmp_path: Path, official: Home) -> None:
        content = archive(FILES)
        url = official.start(content) + "/whole"
        said: list[str] = []
        for _ in range(2):
            found = locate(
                declared(content), data=None, home=tmp_path, environment={}, url=url, say=said.append
            )
        assert found == Location(tmp_path / "data/shop", tmp_path / "data")
        assert (found.folder / "goods.csv").read_text() == "g"
        assert len(said) == 2
        assert said[1] == "Its licence: for shops only."
        assert [path.name for path in (tmp_path / "data").iterdir()] == ["shop"]

    @pytest.mark.parametrize(
        ("content", "path", "md5", "message"),
        [
            (archive(FILES), "/whole", "0" * 32, "expected to have the md5 sum 0{32}, but [0-9a-f]{32} came"),
            (archive(FILES), "/short", None, "could not be fetched|broke off after"),
            (archive(FILES), "/gone", None, "could not be fetched .*Not Found|No such thing"),
            (archive(FILES)[:-30], "/whole", None, "not a whole zip file"),
            (b"<html>login</html>", "/whole", None, "not a whole zip file"),
            (archive({"../evil": "x", **FILES}), "/whole", None, r"'../evil', which reaches outside"),
            (archive({"/evil": "x", **FILES}), "/whole", None, r"'/evil', which reaches outside"),
            (archive({"in\\..\\..\\evil": "x"}), "/whole", None, "which reaches outside"),
            (archive({"C:/evil": "x"}), "/whole", None, "which reaches outside"),
            (archive({"other/goods.csv": "x"}), "/whole", None, "expected to hold the folder in/"),
        ],
        ids=["md5", "cut", "404", "truncated", "html", "slip", "absolute", "backslash", "drive", "folder"],
    )
    def test_what_is_wrong_is_one_sentence_and_leaves_nothing(
        self, tmp_path: Path, official: Home, content: bytes, path: str, md5: str | None, message: str
    ) -> None:
        url = official.start(content) + path
        with pytest.raises(DataError, match=message) as caught:
            locate(declared(content, md5), data=None, home=tmp_path / "h", environment={}, url=url)
        assert "\n" not in str(caught.value)
        assert list((tmp_path / "h/data").iterdir()) == []
        assert not list(tmp_path.rglob("evil"))

    def test_a_link_in_an_archive_is_refused(self, tmp_path: Path) -> None:
        link = zipfile.ZipInfo("in/link")
        link.external_attr = 0o120777 << 16
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
            zipped.writestr(link, "/etc/passwd")
        with pytest.raises(DataError, match="reaches outside"):
            locating.unpack(tmp_path / "a.zip", tmp_path / "out")

    def test_a_bomb_is_not_unpacked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "a.zip").write_bytes(archive({"in/big": "0" * 5000}))
        monkeypatch.setattr(locating, "LARGEST_CONTENT", 4000)
        with pytest.raises(DataError, match="unpacks to 5000 bytes; at most 4000"):
            locating.unpack(tmp_path / "a.zip", tmp_path / "out")

    def test_nobody_at_home(self, tmp_path: Path) -> None:
        with pytest.raises(
            DataError, match=r"could not be fetched .*; check the network, or fetch it by hand"
        ):
            locate(declared(), data=None, home=tmp_path, environment={}, url="http://127.0.0.1:9/x")

    def test_a_home_that_never_answers_is_left(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import socket

        monkeypatch.setattr(locating, "CONNECT_SECONDS", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
            with pytest.raises(DataError, match=r"could not be fetched \(timed out\)"):
                locate(declared(), data=None, home=tmp_path, environment={}, url=url)


class TestRegistry:
    def test_names(self) -> None:
        assert {"movielens-100k", "simulated"} <= set(dataset_names())

    def test_every_built_in_declaration_is_valid(self, tmp_path: Path) -> None:
        for name in dataset_names():
            if name != "simulated":
                with pytest.raises(DataError):  # found to be valid, then looked for in vain
                    open_dataset(name, home=tmp_path, data=tmp_path, environment={})

    def test_the_simulated_one_takes_a_size(self, tmp_path: Path) -> None:
        opened = open_dataset("simulated", home=tmp_path, size=Size(items=60))
        assert opened == SimulatedDataset(Size(items=60), tmp_path / "data/simulated")
        with pytest.raises(ConfigError, match="size the simulated data set, not movielens-100k"):
            open_dataset("movielens-100k", home=tmp_path, size=Size())

    def test_a_declaration_of_ones_own(self, tmp_path: Path) -> None:
        expected = write_shop(tmp_path)
        (tmp_path / "shop/dataset.toml").write_text(DECLARATION)
        for name in (tmp_path / "shop", tmp_path / "shop/dataset.toml"):
            assert open_dataset(str(name), home=tmp_path) == expected
        elsewhere = tmp_path / "my.toml"
        elsewhere.write_text(DECLARATION)
        assert open_dataset(str(elsewhere), home=tmp_path, data=tmp_path) == FileDataset(
            expected.declaration, expected.location
        )

    def test_an_unknown_name_lists_the_known_ones(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"one of .*movielens-100k.*simulated.*'netflix' came"):
            open_dataset("netflix", home=tmp_path)
