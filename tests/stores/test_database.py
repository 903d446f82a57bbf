"""The schema is brought up to date at the first use; a database that goes and comes back needs no restart."""

import re
import shutil

import pytest
import sqlalchemy as sa

from esmviz.errors import InvalidSettingError, StoreUnavailableError
from esmviz.stores import Database
from esmviz.stores.database import MIGRATIONS
from esmviz.stores.snapshots import TABLE


def columns(database):
    with database.reading() as connection:
        return {column["name"] for column in sa.inspect(connection).get_columns("snapshots")}


def test_the_schema_is_made_once_and_has_every_column(database_url, opened):
    assert (
        columns(opened(database_url)) == columns(opened(database_url)) == {column.name for column in TABLE.c}
    )
    with opened(database_url).reading() as connection:
        [version] = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars()
    assert version == max(path.stem[:4] for path in (MIGRATIONS / "versions").glob("0*.py"))


def test_sqlite_writes_ahead(tmp_path):
    with Database(f"sqlite:///{tmp_path / 'new' / 'esmviz.sqlite'}").reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_a_database_that_was_gone_is_found_again(tmp_path):
    folder = tmp_path / "records"
    database = Database(f"sqlite:///{folder / 'esmviz.sqlite'}")
    with database.reading():
        pass
    shutil.move(folder, tmp_path / "elsewhere")
    folder.write_text("in the way")
    with pytest.raises(StoreUnavailableError, match="does not answer"), database.reading():
        pass
    folder.unlink()
    shutil.move(tmp_path / "elsewhere", folder)
    with database.writing() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(TABLE)).scalar() == 0


def test_a_server_that_is_not_there_is_an_error_without_its_password(caplog):
    database = Database("postgresql://me:hunter2@127.0.0.1:9/none")
    with pytest.raises(StoreUnavailableError) as caught, database.reading():
        pass
    assert "hunter2" not in str(caught.value) + caplog.text


@pytest.mark.parametrize(
    "url", ["", "hunter2", "mysql://me:hunter2@host/db", "postgresql://me:hunter2@host", "sqlite://"]
)
def test_another_address_is_refused_and_not_repeated(url):
    with pytest.raises(InvalidSettingError, match=re.escape("postgresql://name")) as caught:
        Database(url)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_database_says_so(tmp_path):
    (tmp_path / "esmviz.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreUnavailableError), Database(f"sqlite:///{tmp_path}/esmviz.sqlite").reading():
        pass


def test_a_database_of_a_newer_version_is_left_alone(database_url, opened):
    with opened(database_url).writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnavailableError, match="newer esmviz"), opened(database_url).reading():
        pass


def test_a_server_that_was_stopped_is_found_again(postgres_server, opened):
    database = opened(postgres_server.url)
    with database.reading():
        pass
    postgres_server.stop()
    try:
        with pytest.raises(StoreUnavailableError, match="does not answer"), database.reading():
            pass
    finally:
        postgres_server.start()
    with database.writing() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(TABLE)).scalar() == 0
