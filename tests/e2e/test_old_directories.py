"""Directories and backups that older versions have really written (old_directory.py) are served whole by this one."""
import json
import pathlib
import subprocess
import tarfile
import time

import pytest

import old_directory
from test_interrupted import jumping_clock  # noqa: F401: a fixture
from world import BINARY, Server, wait_until

ARCHIVES = sorted((pathlib.Path(__file__).resolve().parent / "data").glob("format-*.tar.gz"))
PRESENT = 3


def test_there_is_an_archive_of_the_first_format_and_of_the_present_one():
    assert [path.name for path in ARCHIVES][0] == "format-1.tar.gz" and f"format-{PRESENT}.tar.gz" in [path.name for path in ARCHIVES]


def unpack(archive, place, jump):
    """What is in it, at the time it was written: streams and queues keep nothing for long."""
    with tarfile.open(archive) as file:
        file.extractall(place)
    expected = json.loads((place / "expected.json").read_text())
    jump(int(expected["written"] + 600 - time.time()))
    return expected


def assert_checked(path):
    result = subprocess.run([str(BINARY), "check", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def assert_served_whole(data, expected, attempts):
    with Server(data=data) as server:
        assert old_directory.read(server) == expected
        assert json.loads((data / "millrace.json").read_text())["format"] == PRESENT
        queue = server.client("sqs")
        messages = queue.receive_message(QueueUrl=queue.get_queue_url(QueueName="queue")["QueueUrl"], MaxNumberOfMessages=10, MessageAttributeNames=["All"])["Messages"]
        assert sorted((each["Body"], each["MessageAttributes"]["n"]["StringValue"]) for each in messages) == [(f"message {i}", str(i)) for i in range(4)]
        functions = server.client("lambda")
        server.advance("1m")
        wait_until(lambda: old_directory.printed(server).count("in the old version") > attempts, "the second attempt of the event", 15)
        assert json.loads(functions.invoke(FunctionName="function", Payload=b"[1]")["Payload"].read()) == [1]
        # It is written on: a new record follows the old ones, and the stream reaches the mapping that was there.
        before = old_directory.records(server)
        server.client("dynamodb").put_item(TableName="items", Item={"id": {"S": "new"}, "at": {"N": "1"}, "city": {"S": "c0"}})
        after = old_directory.records(server)
        assert after[:-1] == before and int(after[-1][1]) > max(int(each[1]) for each in before)
        functions.update_event_source_mapping(UUID=expected["mapping"][0], Enabled=True)
        server.settle()
        wait_until(lambda: '"new"' in old_directory.printed(server), "the record at the function")
        assert server.stop() == 0
    assert_checked(data)


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name.split(".")[0])
def test_a_directory_of_an_older_version_is_served_whole(archive, tmp_path, jumping_clock):  # noqa: F811
    expected = unpack(archive, tmp_path, jumping_clock)
    assert_served_whole(tmp_path / "data", expected["data"], expected["attempts"])


@pytest.mark.parametrize("archive", ARCHIVES[1:], ids=lambda path: path.name.split(".")[0])
def test_a_backup_of_an_older_version_is_restored_and_served_whole(archive, tmp_path, jumping_clock):  # noqa: F811
    expected = unpack(archive, tmp_path, jumping_clock)
    assert_checked(tmp_path / "backup")
    result = subprocess.run([str(BINARY), "restore", str(tmp_path / "backup"), "--data", str(tmp_path / "restored")], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert_served_whole(tmp_path / "restored", expected["backup"], expected["attempts"])
