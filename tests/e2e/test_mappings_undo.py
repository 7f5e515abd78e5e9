"""What went wrong with a mapping can be seen and undone: every command of `millrace mappings`, on the real binary, with wrong
input, and over a SIGKILL."""
import json
import urllib.request

import pytest

from mapping_world import World, fail, fails_on, recorders, reports, world  # noqa: F401
from world import Server, wait_until


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


def test_bad_prices_are_refused(tmp_path):
    server = Server(data=tmp_path / "data", config={"prices": {"per_gb_second": -1}})
    with pytest.raises(RuntimeError, match="prices must be 0 or more"):
        server.start()
    server.close()
