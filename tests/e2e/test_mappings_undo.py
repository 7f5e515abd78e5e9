"""What went wrong with a mapping can be seen and undone: every command of `millrace mappings`, on the real binary, with wrong
input, and over a SIGKILL."""
import concurrent.futures
import datetime
import json
import subprocess
import urllib.request

import pytest

from mapping_world import World, fail, fails_on, recorders, reports, world  # noqa: F401
from recorder import handler_zip
from world import BINARY, Server, wait_until, zip_of


def metrics(server):
    with urllib.request.urlopen(server.endpoint + "/metrics") as answer:
        return answer.read().decode()


def metric(server, name, **labels):
    """The samples of a metric whose labels include these, as {labels text: value}."""
    found = {}
    for line in metrics(server).splitlines():
        if line.startswith(name + "{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            text, _, value = line.rpartition(" ")
            found[text] = float(value)
    return found


def history(world, uuid, *arguments):
    return json.loads(world.server.cli("--json", "mappings", "history", uuid, *arguments))["history"]


def refusal(server, *arguments):
    with pytest.raises(RuntimeError) as caught:
        server.cli(*arguments)
    return str(caught.value)


# ---- seen


def test_history_has_every_invocation_with_its_result(world):
    world.recorder.behave = fails_on("b")
    uuid = world.map(BatchSize=1, MaximumRetryAttempts=1)
    world.put("a", "b", "c")
    world.seen()
    entries = list(reversed(history(world, uuid)))
    assert [(entry["what"], entry["result"], entry["attempt"]) for entry in entries] == [
        ("invoke", "ok", 1), ("invoke", "failed", 1), ("invoke", "failed", 2), ("discard", "dropped", 2), ("invoke", "ok", 1)]
    assert all(entry["first"] == entry["last"] and entry["records"] == 1 and entry["shard"].startswith("shardId-") for entry in entries)
    assert "poison b" in entries[1]["message"]
    assert entries[1]["request_id"] == world.recorder.requests[1]
    assert len(history(world, uuid, "--limit", "2")) == 2
    table = world.server.cli("mappings", "history", uuid)
    assert "RESULT" in table and "poison b" in table
    assert "there is no mapping" in refusal(world.server, "mappings", "history", "nothing")
    assert "exit 2" in refusal(world.server, "mappings", "history", uuid, "--limit", "0")


def test_a_batch_that_is_retried_is_a_warning_from_the_second_retry_on(world):
    world.recorder.behave = fail("the index is down")
    uuid = world.map(BatchSize=10)
    world.put("a")
    wait_until(lambda: len(world.recorder.events) >= 2, "the first retry")
    wait_until(lambda: world.show(uuid)["blocked"], "the warning")
    assert "BLOCKED" in world.server.cli("mappings", "ls")
    assert f"mapping {uuid} to {world.name} is blocked" in world.server.cli("status")
    assert list(metric(world.server, "millrace_mapping_blocked", mapping=uuid).values()) == [1]
    shown = world.show(uuid)
    lane = shown["shards"][0]
    assert "the index is down" in lane["last_error"] and "back-off until" in lane["waits_for"]
    assert lane["failed_attempts"] >= 2 and lane["backlog"] == "1" and lane["oldest_age_ms"] >= 0
    assert shown["retry_cost"]["invocations"] >= 1 and shown["retry_cost"]["gb_seconds"] > 0
    assert "the index is down" in shown["recent_errors"][0]["message"]
    where = {"mapping": uuid, "lane": "0"}
    assert list(metric(world.server, "millrace_mapping_backlog_records", **where).values()) == [1]
    assert list(metric(world.server, "millrace_mapping_attempts", **where).values())[0] >= 2
    assert metric(world.server, "millrace_mapping_waits_for", **where)
    assert any("the index is down" in sample for sample in metric(world.server, "millrace_mapping_last_error_timestamp_seconds", **where))
    assert list(metric(world.server, "millrace_mapping_retries_total", mapping=uuid).values())[0] >= 1
    world.recorder.behave = lambda event: None
    world.seen()
    assert not world.show(uuid)["blocked"]


def test_lanes_are_shown_apart(world):
    world.recorder.behave = fails_on("poison")
    uuid = world.map(BatchSize=1, ParallelizationFactor=10)
    world.put("poison", *range(20), "poison")
    world.server.settle()
    lanes = world.show(uuid)["shards"]
    behind = [lane for lane in lanes if lane["backlog"] != "0"]
    assert len(lanes) == 10 and len(behind) == 1 and behind[0]["batch"].startswith("1 records")


def test_waiting_for_concurrency_is_told(world):
    world.functions.put_function_concurrency(FunctionName=world.name, ReservedConcurrentExecutions=0)
    uuid = world.map()
    world.put("a")
    wait_until(lambda: "concurrency" in world.show(uuid)["waits_for"], "the throttle")
    assert history(world, uuid)[-1]["result"] == "throttled"
    assert metric(world.server, "millrace_mapping_waits_for", mapping=uuid, **{"for": "concurrency"})
    world.functions.delete_function_concurrency(FunctionName=world.name)


def test_a_dead_letter_queue_without_destination_is_pointed_out(world):
    arn = world.queue()
    world.functions.update_function_configuration(FunctionName=world.name, DeadLetterConfig={"TargetArn": arn})
    uuid = world.map()
    assert any("dead letter queue" in warning for warning in world.show(uuid)["warnings"])
    assert "never used for stream batches" in world.server.cli("status")
    world.functions.update_event_source_mapping(UUID=uuid, DestinationConfig={"OnFailure": {"Destination": arn}})
    world.server.settle()
    assert world.show(uuid)["warnings"] == []


def test_prices_are_configurable_and_totals_survive_a_kill(recorders, tmp_path, unique):
    server = Server(data=tmp_path / "data", config={"prices": {"currency": "EUR", "per_million_invocations": 1_000_000, "per_gb_second": 0}}).start()
    try:
        world = World(server, recorders, unique)
        world.recorder.behave = fails_on("bad")
        uuid = world.map(BatchSize=1, MaximumRetryAttempts=2)
        world.put("bad", "good")
        world.seen()
        before = world.show(uuid)
        assert before["cost"]["money"] == "4.000000 EUR" and before["retry_cost"]["money"] == "2.000000 EUR"
        server.kill()
        server.start()
        after = world.show(uuid)
        for name in ("invocations", "failures", "records", "records_dropped", "cost", "retry_cost", "last_error"):
            assert after[name] == before[name], name
        assert len(history(world, uuid)) == 5
    finally:
        server.close()


def test_mappings_are_there_for_the_first_request_after_their_creation_and_after_a_start(recorders, tmp_path, unique):
    """Their runners begin on a thread of their own, which must not be seen."""
    server = Server(data=tmp_path / "data").start()
    try:
        world = World(server, recorders, unique)
        for i in range(100):
            server.function(f"{unique}-{i}", handler_zip(), runtime="python3.11")
            assert world.show(world.map(function=f"{unique}-{i}", Enabled=False))["uuid"] == world.uuids[-1]
        for _ in range(5):
            server.kill()
            server.start()
            assert sorted(each["uuid"] for each in server.admin("mappings")["mappings"]) == sorted(world.uuids)
    finally:
        server.close()


def stands_still(server):
    first, *_, last = [server.admin("clock") for _ in range(20)]
    return first["now_ms"] == last["now_ms"] and last["machine_ms"] - first["machine_ms"] > 5


def test_a_kill_in_the_middle_of_a_move_of_the_clock_leaves_it_moved(recorders, tmp_path, unique):
    """What happened on the way is durable, such as rows that expired: time must not fall behind it."""
    server = Server(data=tmp_path / "data").start()
    try:
        world = World(server, recorders, unique)
        world.map()
        world.recorder.hold()
        world.put("a")
        wait_until(lambda: world.recorder.events, "the invocation")
        before = server.admin("clock")["now_ms"]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            move = pool.submit(server.admin, "clock", {"advance": "1h"})
            wait_until(lambda: stands_still(server), "the move to begin")
            server.kill()
            assert move.exception() is not None
        world.recorder.release()
        server.start()
        assert server.admin("clock")["now_ms"] >= before + 3_600_000
        with pytest.raises(RuntimeError, match="time never falls"):
            server.admin("clock", {"set": "2020-01-01T00:00:00Z"})
        server.kill()
        server.start()
        assert before + 3_600_000 <= server.admin("clock")["now_ms"] < before + 2 * 3_600_000
    finally:
        server.close()


def test_bad_prices_are_refused(tmp_path):
    server = Server(data=tmp_path / "data", config={"prices": {"per_gb_second": -1}})
    with pytest.raises(RuntimeError, match="prices must be 0 or more"):
        server.start()
    server.close()


# ---- rewind


def sequences(world):
    """{item id: its last sequence number} of all events so far."""
    return {record["dynamodb"]["Keys"]["id"]["S"]: record["dynamodb"]["SequenceNumber"]
            for event in world.recorder.events for record in event["Records"]}


def blocked(world, uuid):
    wait_until(lambda: world.show(uuid)["blocked"], "the mapping to be blocked")


def cli_json(world, *arguments, status=0):
    """The JSON of a command that may fail with a JSON answer."""
    result = subprocess.run([str(BINARY), "--endpoint", world.server.endpoint, "--json", *arguments], capture_output=True, text=True,
                            timeout=120, check=False)
    assert result.returncode == status, result
    return json.loads(result.stdout)


def test_rewind_to_the_horizon_a_sequence_number_and_a_time(world):
    uuid = world.map(BatchSize=10)
    world.put("a", "b")
    world.server.settle()
    world.server.advance("1h")
    world.put("c")
    world.server.settle()
    assert [i for batch in world.recorder.ids() for i in batch] == ["a", "b", "c"]
    assert "rewound to" in world.server.cli("mappings", "rewind", uuid, "--to", "horizon")
    assert world.seen(None)[-1] == ["a", "b", "c"]
    world.server.cli("mappings", "rewind", uuid, "--to", sequences(world)["b"])
    assert world.seen(None)[-1] == ["b", "c"]
    world.server.cli("mappings", "rewind", uuid, "--to", "30m")
    assert world.seen(None)[-1] == ["c"]
    now = world.server.admin("clock")["now_ms"]
    ago = datetime.datetime.fromtimestamp(now / 1000 - 1800, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    world.server.cli("mappings", "rewind", uuid, "--to", ago)
    assert world.seen(None)[-1] == ["c"]
    assert history(world, uuid)[1]["what"] == "rewind"


def test_rewind_refuses_what_is_no_place(world):
    uuid = world.map()
    world.put("a")
    world.server.settle()
    assert "is no place in a stream" in refusal(world.server, "mappings", "rewind", uuid, "--to", "yesterday")
    assert "still to come" in refusal(world.server, "mappings", "rewind", uuid, "--to", "2190-01-01T00:00:00Z")
    assert "there is no record" in refusal(world.server, "mappings", "rewind", uuid, "--to", "1" + "9".zfill(20))
    assert "nothing to rewind" in refusal(world.server, "mappings", "rewind", uuid, "--to", "now")
    assert "exit 2" in refusal(world.server, "mappings", "rewind", uuid)
    assert world.seen(None) == [["a"]]


def test_rewind_over_a_split_keeps_the_order(world):
    uuid = world.map(BatchSize=1)
    world.put(*range(5))
    world.server.settle()
    world.server.cli("streams", "split", world.table)
    world.put(*range(5, 10))
    world.server.settle()
    first = world.seen(None)
    assert len(first) == 10
    world.server.cli("mappings", "rewind", uuid, "--to", "horizon")
    again = world.seen(None)[10:]
    assert sorted(again) == sorted(first) and again[:5] == first[:5]


def test_rewind_and_skip_survive_a_kill(own_server, recorders, unique):
    world = World(own_server, recorders, unique)
    uuid = world.map(BatchSize=1)
    world.put("a", "b", "c")
    assert len(world.seen(None)) == 3
    own_server.cli("mappings", "pause", uuid)
    own_server.cli("mappings", "rewind", uuid, "--to", "horizon")
    own_server.cli("mappings", "skip", uuid, "--record", sequences(world)["b"], "--reason", "not that one")
    own_server.cli("mappings", "set", uuid, "--payload-in-failures", "on")
    own_server.kill()
    own_server.start()
    own_server.cli("mappings", "resume", uuid)
    assert world.seen(None)[3:] == [["a"], ["c"]]
    assert [entry["what"] for entry in history(world, uuid)[2:4]] == ["skip", "rewind"]
    assert world.show(uuid)["options"]["payload_in_failures"] is True


# ---- skip


def test_skip_lets_a_poison_record_go(world):
    world.recorder.behave = fails_on("b")
    world.put("a", "b", "c")
    uuid = world.map(BatchSize=3)
    blocked(world, uuid)
    number = sequences(world)["b"]
    world.server.cli("mappings", "skip", uuid, "--record", number, "--reason", "price is no number")
    world.server.settle()
    assert world.seen()[-1] == ["a", "c"] and not world.show(uuid)["blocked"]
    shown = world.show(uuid)
    assert shown["records_skipped"] == 1 and shown["backlog"] == 0
    entry = next(entry for entry in history(world, uuid) if entry["what"] == "skip")
    assert entry["message"] == "price is no number" and entry["first"] == number
    assert "is settled already" in refusal(world.server, "mappings", "skip", uuid, "--record", number, "--reason", "again")


def test_skip_refuses_what_it_cannot_find(world):
    uuid = world.map()
    world.put("a")
    world.server.settle()
    assert "is no sequence number" in refusal(world.server, "mappings", "skip", uuid, "--record", "a", "--reason", "x")
    assert "there is no record" in refusal(world.server, "mappings", "skip", uuid, "--record", "1" + "7".zfill(20), "--reason", "x")
    assert "exit 2" in refusal(world.server, "mappings", "skip", uuid, "--record", "1")
    with pytest.raises(RuntimeError, match="reason"):
        world.server.admin(f"mappings/{uuid}", {"action": "skip", "record": sequences(world)["a"]})


# ---- try


def test_try_invokes_once_and_changes_nothing(world):
    world.recorder.behave = fails_on("b")
    uuid = world.map(BatchSize=3)
    assert "nothing to try" in refusal(world.server, "mappings", "try", uuid)
    world.put("a", "b", "c")
    blocked(world, uuid)
    world.server.cli("mappings", "pause", uuid)
    before = world.show(uuid)
    count = len(world.recorder.events)
    tried = cli_json(world, "mappings", "try", uuid, status=1)
    assert tried["ok"] is False and tried["function_error"] == "Unhandled" and "poison b" in tried["answer"] and tried["records"] == len(
        world.recorder.ids()[-1])
    assert len(world.recorder.events) == count + 1
    fixed = world.recorders.function(world.server, world.name + "fixed")
    assert cli_json(world, "mappings", "try", uuid, "--function", world.name + "fixed")["ok"] is True
    assert fixed.ids() == [world.recorder.ids()[-1]]
    after = world.show(uuid)
    for name in ("shards", "invocations", "failures", "records", "backlog", "cost"):
        if name != "shards":
            assert after[name] == before[name], name
    assert [shard["position"] for shard in after["shards"]] == [shard["position"] for shard in before["shards"]]
    assert [entry["result"] for entry in history(world, uuid)[:2]] == ["ok", "failed"]
    assert "there is no function" in refusal(world.server, "mappings", "try", uuid, "--function", "nothing")


# ---- replay


def test_replay_into_another_function_without_moving_the_position(world):
    uuid = world.map(BatchSize=2)
    world.put(*"abcde")
    world.server.settle()
    before = world.show(uuid)["shards"]
    other = world.recorders.function(world.server, world.name + "other")
    numbers = sequences(world)
    done = cli_json(world, "mappings", "replay", uuid, "--from", numbers["b"], "--to", numbers["d"], "--function", world.name + "other")
    assert done["finished"] and done["records"] == 3 and done["batches"] == 2
    assert other.ids() == [["b", "c"], ["d"]]
    count = len(world.recorder.events)
    assert cli_json(world, "mappings", "replay", uuid, "--from", "horizon")["records"] == 5
    assert [i for batch in world.recorder.ids()[count:] for i in batch] == list("abcde")
    assert [shard["position"] for shard in world.show(uuid)["shards"]] == [shard["position"] for shard in before]
    assert {entry["what"] for entry in history(world, uuid)[:5]} == {"replay"}


def test_replay_stops_at_a_batch_that_fails_or_leaves_it_out(world):
    uuid = world.map(BatchSize=1)
    world.put(*"abc")
    world.server.settle()
    world.recorder.behave = fails_on("b")
    stopped = cli_json(world, "mappings", "replay", uuid, "--from", "horizon", "--retries", "1", status=1)
    assert "poison b" in stopped["stopped"] and stopped["records"] == 1 and stopped["position"] == sequences(world)["a"]
    kept = cli_json(world, "mappings", "replay", uuid, "--from", "horizon", "--retries", "0", "--keep-going", status=1)
    assert kept["records"] == 2 and kept["left_out"] == 1 and "stopped" not in kept
    assert "no records between" in refusal(world.server, "mappings", "replay", uuid, "--from", "now")
    assert "no place in a stream" in refusal(world.server, "mappings", "replay", uuid, "--from", "horizon", "--to", "tomorrow")
    assert "there is no function" in refusal(world.server, "mappings", "replay", uuid, "--from", "horizon", "--function", "nothing")


def test_a_replay_can_be_cancelled_and_only_one_runs(world):
    uuid = world.map(BatchSize=1)
    world.put(*"abc")
    world.server.settle()
    world.recorder.hold()
    job = world.server.admin(f"mappings/{uuid}", {"action": "replay", "from": "horizon"})
    assert job["finished"] is False
    assert "is still running" in refusal(world.server, "mappings", "replay", uuid, "--from", "horizon")
    world.server.cli("mappings", "cancel", uuid)
    world.recorder.release()
    ended = wait_until(lambda: (now := world.server.admin(f"mappings/{uuid}/jobs/{job['job']}"))["finished"] and now, "its end")
    assert ended["stopped"] == "it was cancelled" and ended["records"] == 1
    assert "no job of this mapping is running" in refusal(world.server, "mappings", "cancel", uuid)
    with pytest.raises(RuntimeError, match="has no job 99999"):
        world.server.admin(f"mappings/{uuid}/jobs/99999")


# ---- payloads in failure documents, redrive


def failed(world, *ids, payload=False, **options):
    """A mapping whose records of these ids have gone to the queue; the function is mended afterwards."""
    arn = world.queue()
    world.recorder.behave = fails_on(*ids)
    uuid = world.map(MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}}, Enabled=False, **{"BatchSize": 1, **options})
    if payload:
        world.server.cli("mappings", "set", uuid, "--payload-in-failures", "on")
    world.put(*ids)
    world.server.cli("mappings", "resume", uuid)
    world.server.settle()
    world.recorder.behave = lambda event: None
    return uuid


def bodies(world):
    return [json.loads(message["body"]) for message in world.server.admin(f"queues/{world.name}?n=100")["messages"]]


def test_failure_documents_carry_the_payload_when_asked_to(world):
    failed(world, "a", payload=True)
    document, = bodies(world)
    assert list(document) == ["requestContext", "responseContext", "version", "payload", "timestamp", "DDBStreamBatchInfo"]
    assert json.loads(document["payload"]) == world.recorder.events[-1]
    assert "exit 2" in refusal(world.server, "mappings", "set", world.uuids[0], "--payload-in-failures", "perhaps")
    world.server.cli("mappings", "set", world.uuids[0], "--payload-in-failures", "off")
    world.recorder.behave = fail()
    world.put("b")
    world.server.settle()
    assert "payload" not in bodies(world)[-1]


@pytest.mark.parametrize("payload", [True, False])
def test_redrive_sends_oldest_first_and_removes_what_succeeds(world, payload):
    uuid = failed(world, "a", "b", "c", payload=payload)
    count = len(world.recorder.events)
    done = cli_json(world, "mappings", "redrive", uuid)
    assert done["documents"] == 3 and done["removed"] == 3 and done["records"] == 3 and done["left"] == []
    assert world.recorder.ids()[count:] == [["a"], ["b"], ["c"]]
    assert bodies(world) == []
    assert {entry["what"] for entry in history(world, uuid)[:3]} == {"redrive"}
    assert cli_json(world, "mappings", "redrive", uuid)["documents"] == 0


def test_redrive_leaves_what_fails_and_keeps_later_batches_of_its_keys_back(world):
    uuid = failed(world, "a", "b", "a", "c", payload=True)
    world.recorder.behave = fails_on("a")
    count = len(world.recorder.events)
    done = cli_json(world, "mappings", "redrive", uuid, "--retries", "0", status=1)
    assert (done["removed"], done["failed"], done["kept_back"]) == (2, 1, 1)
    assert world.recorder.ids()[count:] == [["a"], ["b"], ["c"]]
    assert "poison a" in done["left"][0] and "an earlier batch with one of its keys was left" in done["left"][1]
    assert len(bodies(world)) == 2  # visible again
    world.recorder.behave = lambda event: None
    assert cli_json(world, "mappings", "redrive", uuid)["removed"] == 2


def test_redrive_leaves_documents_of_others_and_other_messages(world):
    uuid = failed(world, "a", payload=True)
    document = bodies(world)[0]
    document["DDBStreamBatchInfo"]["streamArn"] += "x"
    world.sqs.send_message(QueueUrl=world.url, MessageBody=json.dumps(document))
    world.sqs.send_message(QueueUrl=world.url, MessageBody="hello")
    done = cli_json(world, "mappings", "redrive", uuid)
    assert done["removed"] == 1 and done["of_others"] == 2
    assert len(world.server.admin(f"queues/{world.name}?n=100")["messages"]) == 2


def test_redrive_tells_when_records_have_left_the_stream(world):
    uuid = failed(world, "a")
    world.server.advance("26h")
    done = cli_json(world, "mappings", "redrive", uuid, status=1)
    assert done["unusable"] == 1 and "left the stream" in done["left"][0] and len(bodies(world)) == 1


def test_redrive_from_a_bucket(world):
    uuid = failed(world, "a", "b", payload=True)
    s3 = world.server.client("s3")
    s3.create_bucket(Bucket=world.name)
    for i, document in enumerate(reversed(bodies(world))):
        s3.put_object(Bucket=world.name, Key=f"aws/lambda/{uuid}/shard/2026/01/01/{i}", Body=json.dumps(document).encode())
    s3.put_object(Bucket=world.name, Key="other", Body=b"x")
    count = len(world.recorder.events)
    done = cli_json(world, "mappings", "redrive", uuid, "--from", f"arn:aws:s3:::{world.name}")
    assert done["removed"] == 2 and world.recorder.ids()[count:] == [["a"], ["b"]]
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=world.name)["Contents"]] == ["other"]


def test_redrive_refuses_what_holds_no_documents(world):
    uuid = world.map()
    assert "has no on-failure destination" in refusal(world.server, "mappings", "redrive", uuid)
    assert "there is no queue" in refusal(world.server, "mappings", "redrive", uuid, "--from", "nothing")
    assert "there is no bucket" in refusal(world.server, "mappings", "redrive", uuid, "--from", "arn:aws:s3:::nothing")
    assert "a topic keeps nothing" in refusal(world.server, "mappings", "redrive", uuid, "--from", "arn:aws:sns:us-east-1:000000000000:t")
    assert "exit 2" in refusal(world.server, "mappings", "redrive", uuid, "--retries", "-1")
    with pytest.raises(RuntimeError, match="must be one of: pause, resume, redrive"):
        world.server.admin(f"mappings/{uuid}", {"action": "explode"})


def test_redrive_after_a_kill_in_the_middle_sends_the_rest(own_server, recorders, unique):
    world = World(own_server, recorders, unique)
    uuid = failed(world, "a", "b", "c", payload=True)
    count = len(world.recorder.events)
    world.recorder.hold()
    own_server.admin(f"mappings/{uuid}", {"action": "redrive"})
    world.recorder.wait(count + 1)
    own_server.kill()
    world.recorder.release()
    own_server.start()
    assert cli_json(world, "mappings", "redrive", uuid)["removed"] == 3
    assert bodies(world) == [] and world.recorder.ids()[-3:] == [["a"], ["b"], ["c"]]


# ---- a function that triggers itself

WRITER = b"""
import boto3, os
def handler(event, context):
    for record in event["Records"]:
        if record["eventName"] == "INSERT":
            boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item={**record["dynamodb"]["Keys"], "seen": {"BOOL": True}})
"""


def test_a_function_that_writes_to_its_own_table_is_reported(world, tmp_path):
    (tmp_path / "index.py").write_bytes(WRITER)
    innocent = world.map()
    server, name = world.server, world.name + "writer"
    server.function(name, zip_of(tmp_path / "index.py"), runtime="python3.11", environment={"TABLE": world.table})
    uuid = world.map(function=name)
    world.put("a")
    server.settle()
    assert any("triggers itself" in warning for warning in world.show(uuid)["warnings"])
    assert world.show(innocent)["warnings"] == []
    assert f"mapping {uuid} triggers itself" in server.cli("status")
    assert server.log().count(f"function {name} writes to table {world.table}, whose stream triggers it") == 1


# ---- destinations other than a queue


def destined(world, arn, *ids):
    """A mapping whose records of these ids have gone to that destination; the function is mended afterwards."""
    world.recorder.behave = fails_on(*ids)
    uuid = world.map(BatchSize=1, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}}, Enabled=False)
    world.server.cli("mappings", "set", uuid, "--payload-in-failures", "on")
    world.put(*ids)
    world.server.cli("mappings", "resume", uuid)
    world.server.settle()
    world.recorder.behave = lambda event: None
    return uuid


def test_redrive_from_the_bucket_that_is_the_destination(world):
    s3 = world.server.client("s3")
    s3.create_bucket(Bucket=world.name)
    uuid = destined(world, f"arn:aws:s3:::{world.name}", "a", "b")
    count = len(world.recorder.events)
    done = cli_json(world, "mappings", "redrive", uuid)
    assert done["removed"] == 2 and world.recorder.ids()[count:] == [["a"], ["b"]]
    assert s3.list_objects_v2(Bucket=world.name)["KeyCount"] == 0


def test_redrive_from_the_queue_that_is_subscribed_to_the_topic(world):
    sns = world.server.client("sns")
    topic = sns.create_topic(Name=world.name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=world.queue())
    uuid = destined(world, topic, "a", "b")
    assert len(world.server.admin(f"queues/{world.name}?n=10")["messages"]) == 2
    assert "a topic keeps nothing" in refusal(world.server, "mappings", "redrive", uuid)
    count = len(world.recorder.events)
    done = cli_json(world, "mappings", "redrive", uuid, "--from", world.name)
    assert done["removed"] == 2 and world.recorder.ids()[count:] == [["a"], ["b"]]
