"""The shops' and networks' data sets: their originals' own layouts, and the parts of them that are at hand."""

import gzip
import re
import sqlite3
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from catalog.dataset import LEFT_OUT
from catalog.files import FileDataset
from catalog.importer import import_dataset
from catalog.memory import MemoryStore
from catalog.records import BadRow, History, Interaction, Item, User
from catalog.registry import open_dataset
from catalog.store import Counts
from serving.sources.categories import Taxonomy
from serving.sources.shelves import Shelves
from tests.catalog.declare import records, write
from training.sources.tree import tree


def opened(name: str, data: Path) -> FileDataset:
    dataset = open_dataset(name, home=data / "no-home", data=data, environment={})
    assert isinstance(dataset, FileDataset)
    return dataset


def stored(name: str, data: Path) -> tuple[MemoryStore, object]:
    store = MemoryStore()
    return store, import_dataset(opened(name, data), store)


@pytest.fixture
def real(data_folder: Path, request: pytest.FixtureRequest) -> Path:
    folder = request.param
    if not (data_folder / folder).is_dir():
        pytest.skip(f"TOWERBRIDGE_DATA holds no {folder}")
    return data_folder


def on(folder: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("real", [folder], indirect=True, ids=[""])


class TestFashion:
    STYLES = """id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName
15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011,Casual,Turtle Check Men Navy Blue Shirt
6044,Men,Footwear,Shoes,Sports Shoes,NA,Winter,,NA,Nike Men Air, Max
"""

    def test_the_original_layout(self, tmp_path: Path) -> None:
        write(
            tmp_path, {"fashion-products/styles.csv": self.STYLES, "fashion-products/images/15970.jpg": "…"}
        )
        dataset = opened("fashion", tmp_path)
        assert records(dataset, "items") == [
            Item(
                "15970", "Turtle Check Men Navy Blue Shirt",
                "Men, Navy Blue, Shirts, Topwear, Apparel, Casual, Fall",
                str(tmp_path / "fashion-products/images/15970.jpg"),
                {
                    "gender": "Men", "master_category": "Apparel", "sub_category": "Topwear",
                    "article_type": "Shirts", "base_colour": "Navy Blue", "season": "Fall", "year": 2011,
                    "usage": "Casual",
                },
            ),
            Item(
                "6044", "Nike Men Air,Max", "Men, Sports Shoes, Shoes, Footwear, Winter", None,
                {
                    "gender": "Men", "master_category": "Footwear", "sub_category": "Shoes",
                    "article_type": "Sports Shoes", "season": "Winter",
                },
            ),
        ]  # fmt: skip
        assert dataset.schema.category == "article_type"

    @pytest.mark.realdata
    @on("fashion-products")
    def test_the_part_at_hand(self, real: Path) -> None:
        store, report = stored("fashion", real)
        assert report.counts == Counts(2650, 1500, 60_000, 0)
        assert report.generated[0].startswith("Users and events are generated")
        assert all(item.image and Path(item.image).is_file() for item in store.items())
        kinds = Counter(row["t"] for row in store.tables.events.values())
        assert kinds == {"like": 42_000, "comment": 12_000, "save": 6_000}


class TestRetailRocket:
    EVENTS = """timestamp,visitorid,event,itemid,transactionid
1433221332117,257597,view,355908,
1433224214164,992329,addtocart,248676,
1433222276276,599528,transaction,356475,4000
1433222276276,599528,eaten,356475,
"""
    PROPERTIES = """timestamp,itemid,property,value
1435460400000,248676,categoryid,1338
1441508400000,248676,888,1116713 960601 n277.200
1439089200000,356475,categoryid,1114
"""
    MORE = """timestamp,itemid,property,value
1431226800000,356475,categoryid,769
1442000000000,248676,categoryid,769
1431226800000,248676,available,1
1442000000000,248676,available,0
1431226800000,460429,available,1
"""
    TREE = "categoryid,parentid\n1338,1278\n1278,\n769,1338\n1114,\n"

    def whole(self, folder: Path) -> FileDataset:
        write(folder / "retailrocket", {
            "events.csv": self.EVENTS, "item_properties_part1.csv": self.PROPERTIES,
            "item_properties_part2.csv": self.MORE, "category_tree.csv": self.TREE,
            "sample_views.tsv": "timestamp\tuser_id\titem_id\tsession_id\n1\t2\t3\t4\n",
        })  # fmt: skip
        return opened("retailrocket", folder)

    def test_the_original_layout(self, tmp_path: Path) -> None:
        dataset = self.whole(tmp_path)
        items = [row for row in records(dataset, "items") if isinstance(row, Item)]
        assert items == [
            Item(
                "248676", "248676", available=False,
                features={"category": "769", "categories": ("769", "1338", "1278")},
            ),
            Item("356475", "356475", features={"category": "1114", "categories": ("1114",)}),
        ]  # fmt: skip
        *events, bad = records(dataset, "interactions")
        assert events == [
            Interaction("257597", "355908", "view", 1433221332.117, sequence=2),
            Interaction("992329", "248676", "addtocart", 1433224214.164, sequence=3),
            Interaction("599528", "356475", "transaction", 1433222276.276, sequence=4),
        ]
        assert (bad.line, bad.column, bad.value) == (5, "event", "eaten")
        assert (dataset.schema.category, dataset.schema.missing) == ("category", ())

    def test_the_tree_of_the_original_says_who_is_related(self, tmp_path: Path) -> None:
        """1 above 10 above (100, 101), 1 above 11, 2 above 20: half as near with each step, and 2 is another tree."""
        write(tmp_path / "retailrocket", {
            "events.csv": "timestamp,visitorid,event,itemid,transactionid\n1433221332117,1,view,5,\n",
            "item_properties_part1.csv": "timestamp,itemid,property,value\n"
            + "".join(f"1,{item},categoryid,{of}\n" for item, of in ((5, 100), (6, 101), (7, 11), (8, 20))),
            "category_tree.csv": "categoryid,parentid\n1,\n2,\n10,1\n11,1\n100,10\n101,10\n20,2\n",
        })  # fmt: skip
        dataset = opened("retailrocket", tmp_path)
        items = [row for row in records(dataset, "items") if isinstance(row, Item)]
        assert dataset.schema.tree == "categories"
        shelves = Shelves(
            {str(item.features["category"]): np.array([row]) for row, item in enumerate(items)},
            np.ones(len(items), np.float32),
        )
        viewed = History(np.array([0]), np.array([1]), np.array([np.nan], np.float32), np.array([0.0]))
        near = Taxonomy(shelves, tree(items, "categories")).nearness(shelves.visited(viewed))
        assert dict(zip(shelves.names, near.tolist(), strict=True)) == {
            "100": 1.0, "101": 0.25, "11": 0.125, "20": 0.0
        }  # fmt: skip

    def test_items_without_properties_are_those_that_somebody_met(self, tmp_path: Path) -> None:
        store = MemoryStore()
        report = import_dataset(self.whole(tmp_path), store)
        assert report.counts == Counts(3, 3, 3, 1)
        assert {item.item_id for item in store.items()} == {"248676", "355908", "356475"}

    @pytest.mark.realdata
    @on("retailrocket")
    def test_the_part_at_hand(self, real: Path) -> None:
        if (real / "retailrocket/events.csv").exists():
            pytest.skip("this is the whole of it")
        store, report = stored("retailrocket", real)
        # 17 views were written twice: same visitor, item and second.
        assert report.counts == Counts(5566, 2496, 10_063, 0)
        assert report.missing == ("item_properties_part*.csv", "events.csv")
        assert store.load_schema().category is None
        assert min(row["s"] for row in store.tables.events.values()) > 1_430_000_000

    def test_sessions_are_users_and_their_order_is_all_that_is_known(self, tmp_path: Path) -> None:
        write(tmp_path, {"retailrocket/sessions_train.txt": "1 2 1\n3\n\n2 3\n"})
        dataset = opened("retailrocket-sessions", tmp_path)
        events = records(dataset, "interactions")
        assert [(event.user_id, event.item_id) for event in events] == [
            ("1", "1"), ("1", "2"), ("1", "1"), ("2", "3"), ("4", "2"), ("4", "3"),
        ]  # fmt: skip
        assert [event.timestamp for event in events] == [3600, 3601, 3602, 7200, 14400, 14401]
        assert not dataset.schema.timed

    @pytest.mark.realdata
    @on("retailrocket")
    def test_the_sessions_at_hand(self, real: Path) -> None:
        dataset = opened("retailrocket-sessions", real)
        dataset.check()
        (part,) = dataset.parts()
        sessions = Counter(event.user_id for event in part.rows())
        assert (len(sessions), sessions.total()) == (126_168, 685_984)


class TestStartML:
    POSTS = 'post_id,text,topic\n1,"UK economy facing major risks\n\nThe UK manufacturing",business\n2,Goal!,sport\n'
    USERS = "user_id,gender,age,country,city,exp_group,os,source\n200,1,34,Russia,Degtyarsk,3,Android,ads\n"
    FEED = """timestamp,user_id,post_id,action,target
2021-12-29 15:45:57,200,1,view,1
2021-12-29 15:47:00,200,1,like,0
2021-12-29 15:48:00,200,2,view,0
"""
    SEEN, LIKED = 1640792757.0, 1640792820.0  # by date -u -d '2021-12-29 15:45:57' +%s

    def expected(self) -> list[list[object]]:
        return [
            [
                Item("1", "UK economy facing major risks", "UK economy facing major risks\n\nThe UK manufacturing",
                     features={"topic": "business"}),
                Item("2", "Goal!", "Goal!", features={"topic": "sport"}),
            ],
            [User("200", {
                "gender": "1", "age": 34.0, "country": "Russia", "city": "Degtyarsk", "exp_group": "3",
                "os": "Android", "source": "ads",
            })],
            [
                ("200", "1", "view", self.SEEN), ("200", "1", "like", self.LIKED),
                ("200", "2", "view", self.LIKED + 60),
            ],
        ]  # fmt: skip

    def got(self, dataset: FileDataset) -> list[list[object]]:
        events = records(dataset, "interactions")
        told = [(event.user_id, event.item_id, event.type, event.timestamp) for event in events]
        return [records(dataset, "items"), records(dataset, "users"), told]

    def test_the_original_layout(self, tmp_path: Path) -> None:
        write(tmp_path / "startml-posts", {
            "post_text_df.csv": self.POSTS, "user_data.csv": self.USERS, "feed_data.csv": self.FEED,
            "feed_sample_a.csv": self.FEED,
        })  # fmt: skip
        dataset = opened("startml-posts", tmp_path)
        assert self.got(dataset) == self.expected()
        assert (dataset.schema.generated, dataset.schema.missing, dataset.edition) == ((), (), "")

    def test_the_original_as_parquet(self, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow", reason="pyarrow comes with the extra `parquet`")
        from pyarrow import csv, parquet

        options = csv.ParseOptions(newlines_in_values=True)
        (tmp_path / "startml-posts").mkdir()
        for name, text in (("post_text_df", self.POSTS), ("user_data", self.USERS), ("feed_data", self.FEED)):
            table = csv.read_csv(write_bytes(tmp_path / name, text), parse_options=options)
            parquet.write_table(table, tmp_path / f"startml-posts/{name}.parquet")
        assert self.got(opened("startml-posts", tmp_path)) == self.expected()

    def test_the_original_in_a_database(self, tmp_path: Path) -> None:
        pytest.importorskip("sqlalchemy", reason="SQLAlchemy comes with the extra `sql`")
        import csv
        import io

        with sqlite3.connect(tmp_path / "startml.db") as connection:
            for name, text in (
                ("post_text_df", self.POSTS), ("user_data", self.USERS), ("feed_data", self.FEED),
            ):  # fmt: skip
                head, *rows = csv.reader(io.StringIO(text))
                connection.execute(f"CREATE TABLE {name} ({', '.join(head)})")
                connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(head))})", rows)
        connection.close()
        dataset = open_dataset(
            "startml-posts", home=tmp_path, data=tmp_path, environment={},
            database=f"sqlite:///{tmp_path / 'startml.db'}",
        )  # fmt: skip
        assert self.got(dataset) == self.expected()

    def test_likes_that_are_only_told_of_become_events_of_their_own_after_the_view(
        self, tmp_path: Path
    ) -> None:
        write(tmp_path, {"startml-posts/feed_sample_a.csv": self.FEED})
        dataset = opened("startml-posts", tmp_path)
        first, second = (list(part.rows()) for part in dataset.parts())
        assert [(event.type, event.timestamp) for event in first] == [
            ("view", self.SEEN), ("like", self.LIKED), ("view", self.LIKED + 60),
        ]  # fmt: skip
        like, *others = second
        assert (like.type, like.item_id, like.timestamp) == ("like", "1", self.SEEN + 92)
        assert others == [LEFT_OUT, LEFT_OUT]
        assert any("derived" in sentence for sentence in dataset.schema.generated)

    @pytest.mark.realdata
    @on("startml-posts")
    def test_the_part_at_hand(self, real: Path) -> None:
        if (real / "startml-posts/feed_data.csv").exists() or not (real / "bbc-news").is_dir():
            pytest.skip("this is for the samples of the feed, with bbc-news beside them")
        store, report = stored("startml-posts", real)
        assert (report.counts.items, report.counts.users, report.counts.quarantined) == (6831, 4016, 0)
        kinds = Counter(row["t"] for row in store.tables.events.values())
        # 100,000 and 21,869 views, 31 of them in both samples; 15,695 derived likes and 2,573 recorded ones.
        assert kinds == {"view": 121_838, "like": 18_268}
        assert len(report.generated) == 3
        assert report.missing == ("post_text_df.csv", "user_data.csv", "feed_data.csv")
        items = list(store.items())
        assert all(item.text and item.title and item.features["topic"] for item in items)
        assert len({item.text for item in items}) > 1900
        assert all(len(user.features) == 7 for user in store.users())


def write_bytes(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    return str(path)


class TestAmazon:
    PRODUCTS = (
        ",name,main_category,sub_category,image,link,ratings,no_of_ratings,discount_price,actual_price\n"
        "0,Lloyd 1.5 Ton,appliances,Air Conditioners,https://m/x.jpg,https://www.amazon.in/L/dp/B0BRKXTSBT/ref=1,"
        '4.2,"2,255","₹32,999","₹58,990"\n'
        "1,Sandal,women's shoes,Shoes,https://m/y.jpg,https://www.amazon.in/gp/slredirect/x,Get,FREE Delivery,,₹599\n"
        "2,Lloyd 1.5 Ton,stores,All Appliances,https://m/z.jpg,https://www.amazon.in/L/dp/B0BRKXTSBT/ref=9,"
        ',,"₹32,999","₹58,990"\n'
    )

    def test_the_original_layout(self, tmp_path: Path) -> None:
        write(tmp_path, {"amazon-products/Amazon-Products.csv": self.PRODUCTS})
        sandal, lloyd = (
            row for row in records(opened("amazon-products", tmp_path), "items") if row is not LEFT_OUT
        )
        assert lloyd == Item(
            "B0BRKXTSBT", "Lloyd 1.5 Ton", "Air Conditioners, appliances", "https://m/x.jpg",
            {
                "main_category": ("appliances", "stores"), "sub_category": ("Air Conditioners", "All Appliances"),
                "rating": 4.2, "rating_count": 2255.0, "discount_price": 32_999.0, "actual_price": 58_990.0,
                "discount_ratio": 1 - 32_999 / 58_990,
            },
        )  # fmt: skip
        assert re.fullmatch(r"[A-Z0-9]{10}", sandal.item_id)
        assert sandal.features == {
            "main_category": ("women's shoes",), "sub_category": ("Shoes",), "actual_price": 599.0,
        }  # fmt: skip

    def test_made_ids_stay_when_rows_move(self, tmp_path: Path) -> None:
        head, _, sandal, _ = self.PRODUCTS.splitlines()
        ids = []
        for number, rows in enumerate(([sandal], [sandal.replace("1,", "77,", 1)])):
            folder = tmp_path / str(number)
            write(folder, {"amazon-products/Amazon-Products.csv": "\n".join([head, *rows])})
            (item,) = records(opened("amazon-products", folder), "items")
            ids.append(item.item_id)
        assert ids[0] == ids[1]

    def test_a_price_that_is_none_is_told(self, tmp_path: Path) -> None:
        row = self.PRODUCTS.replace("₹599", "on request")
        write(tmp_path, {"amazon-products/Amazon-Products.csv": row})
        bad = [
            row for row in records(opened("amazon-products", tmp_path), "items") if isinstance(row, BadRow)
        ]
        assert [(row.line, row.column, row.value) for row in bad] == [(3, "actual_price", "on request")]

    @pytest.mark.realdata
    @on("amazon-products")
    def test_the_part_at_hand(self, real: Path) -> None:
        if (real / "amazon-products/Amazon-Products.csv").exists():
            pytest.skip("this is the whole of it")
        store, report = stored("amazon-products", real)
        assert report.counts == Counts(9898, 2000, 100_000, 0)
        assert (report.files[0].read, report.files[0].left_out) == (10_930, 1032)
        items = list(store.items())
        assert all(re.fullmatch(r"[A-Z0-9]{10}", item.item_id) for item in items)
        ratios = [item.features["discount_ratio"] for item in items if "discount_ratio" in item.features]
        assert len(ratios) > 8000
        assert 0 <= min(ratios) < max(ratios) < 1
        searches = [row for row in store.tables.events.values() if row["t"] == "search"]
        assert 18_000 < len(searches) < 22_000
        assert all(row["i"] == "" and 0 < len(row["q"]) < 256 for row in searches)


def test_gzipped_originals_are_read_as_well(tmp_path: Path) -> None:
    write(tmp_path, {"amazon-products/x": ""})
    path = tmp_path / "amazon-products/Amazon-Products.csv.gz"
    path.write_bytes(gzip.compress(TestAmazon.PRODUCTS.encode()))
    assert (
        len([row for row in records(opened("amazon-products", tmp_path), "items") if row is not LEFT_OUT])
        == 2
    )
