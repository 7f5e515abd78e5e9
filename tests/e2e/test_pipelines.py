"""The four reference pipelines, as the demo runs them, on fewer items."""
import pytest

import archive
import cleanup
import files
import search
from world import Server


@pytest.fixture(scope="module")
def server():
    with Server(config={"functions": {"async_payload_bytes": 256 * 1024}}) as running:
        yield running


def test_cleanup_deletes_the_files_of_deleted_messages(server):
    assert cleanup.run(server, size=300)


def test_archive_holds_every_expired_item_once(server):
    assert archive.run(server, size=2000)


def test_files_queues_completed_uploads_and_isolates_a_poison_record(server):
    assert files.run(server, size=60)


@pytest.mark.parametrize("engine", ["opensearch", "elasticsearch"])
def test_search_index_follows_the_table_exactly(engine):
    with Server(config={"functions": {"async_payload_bytes": 256 * 1024}}) as running:
        assert search.run(running, size=300, kind=engine)
