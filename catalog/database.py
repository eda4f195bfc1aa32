"""Tables of a SQL database, streamed; needs SQLAlchemy, which the extra `sql` brings, and the server's driver."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from catalog.errors import ConfigError, DataError
from catalog.records import BadRow
from catalog.source import Table
from catalog.tables import RawRow
from catalog.typed import text_of

BATCH = 5000


@dataclass(frozen=True, slots=True)
class DatabaseTable:
    """`catalog.tables.RowSource` of one table. Lines are counted in the order in which the server gives its rows."""

    address: str
    """As SQLAlchemy takes it: postgresql://user:password@host/database."""
    table: Table
    name: str

    def columns(self) -> list[str]:
        """Names of the columns."""
        with connected(self.address) as connection:
            import sqlalchemy

            return [str(each["name"]) for each in sqlalchemy.inspect(connection).get_columns(self.name)]

    def rows(self, wanted: Collection[str]) -> Iterator[RawRow | BadRow]:
        """All rows; only the wanted columns are asked for, the other cells are empty."""
        columns = self.columns()
        places = [place for place, column in enumerate(columns) if column in wanted]
        with connected(self.address) as connection:
            import sqlalchemy as sql

            chosen: list[Any] = [sql.column(columns[place]) for place in places]
            query: Any = sql.select(*chosen).select_from(sql.table(self.name))
            found = connection.execution_options(stream_results=True, yield_per=BATCH).execute(query)
            for number, values in enumerate(found, 1):
                cells = [""] * len(columns)
                for place, value in zip(places, values, strict=True):
                    cells[place] = text_of(value)
                yield RawRow(number, cells)

    def count(self) -> int:
        """Number of rows."""
        with connected(self.address) as connection:
            import sqlalchemy as sql

            query: Any = sql.select(sql.func.count()).select_from(sql.table(self.name))
            return int(connection.execute(query).scalar_one())


def table_names(address: str) -> frozenset[str]:
    """Names of the tables and views of a database; DataError where it does not answer."""
    with connected(address) as connection:
        import sqlalchemy

        inspector = sqlalchemy.inspect(connection)
        return frozenset([*inspector.get_table_names(), *inspector.get_view_names()])


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """A connection; errors say what the server said, and never the password."""
    try:
        import sqlalchemy
        from sqlalchemy.pool import NullPool
    except ModuleNotFoundError:
        raise ConfigError(
            "reading from a database needs SQLAlchemy: pip install 'towerbridge[sql]', and the server's driver"
        ) from None
    try:
        shown = sqlalchemy.make_url(address).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        raise ConfigError(
            "the address of a database should look like postgresql://user:password@host/database"
        ) from None
    try:
        engine = sqlalchemy.create_engine(address, poolclass=NullPool)
    except (sqlalchemy.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(f"the driver of {shown} is not installed: {error}") from None
    try:
        with engine.connect() as connection:
            yield connection
    except sqlalchemy.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DataError(f"the database {shown} could not be read: {reason}") from error
