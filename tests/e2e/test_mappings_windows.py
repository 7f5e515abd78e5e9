"""Tumbling and batching windows of event source mappings on the real binary: what a function is handed, when, and that a kill changes
nothing about it."""
import datetime
import json

from mapping_world import World, recorders, refused, world  # noqa: F401


def align(server, seconds):
    """Moves time to one second after the begin of a window, and says when that window begins."""
    now = datetime.datetime.fromisoformat(server.admin("clock")["now"].replace("Z", "+00:00")).timestamp()
    start = (int(now) // seconds + 1) * seconds
    server.admin("clock", {"set": iso(start + 1)})
    return start


def iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def counts(event):
    """The example of AWS's documentation: the number of records so far."""
    return {"state": {"count": event["state"].get("count", 0) + len(event["Records"])}}


def seen(recorder):
    return [([r["dynamodb"]["Keys"]["id"]["S"] for r in e["Records"]], e["state"], e["isFinalInvokeForWindow"]) for e in recorder.events]


def test_TumblingWindowInSeconds(world):
    """The sequence recorded on AWS: four records one by one, the final invocation with their state, then the next window."""
    start = align(world.server, 600)
    world.recorder.behave = counts
    uuid = world.map(TumblingWindowInSeconds=600, BatchSize=1)
    assert world.get(uuid)["TumblingWindowInSeconds"] == 600
    world.put(1, 2, 3, 4)
    world.server.settle()
    assert seen(world.recorder) == [([str(i)], {"count": i - 1} if i > 1 else {}, False) for i in (1, 2, 3, 4)]
    shown = world.show(uuid)
    assert "tumbling window" in shown["waits_for"]
    world.server.advance("10m")
    world.put(5)
    world.server.settle()
    assert seen(world.recorder)[4:] == [([], {"count": 4}, True), (["5"], {}, False)]
    first, final, fifth = world.recorder.events[0], world.recorder.events[4], world.recorder.events[5]
    assert list(first) == ["Records", "window", "state", "shardId", "eventSourceARN", "isFinalInvokeForWindow", "isWindowTerminatedEarly"]
    assert first["window"] == final["window"] == {"start": iso(start), "end": iso(start + 600)}
    assert fifth["window"] == {"start": iso(start + 600), "end": iso(start + 1200)}
    assert first["eventSourceARN"] == world.stream and first["shardId"].startswith("shardId-") and not final["isWindowTerminatedEarly"]


def test_TumblingWindowInSeconds_without_a_state_fails_and_tells_the_destination(world):
    start = align(world.server, 600)
    arn = world.queue()
    world.recorder.behave = lambda event: {"state": {}} if event["Records"] and event["Records"][0]["dynamodb"]["Keys"]["id"]["S"] == "good" else None
    world.map(TumblingWindowInSeconds=600, BatchSize=1, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": arn}})
    world.put("bad", "good")
    world.server.advance("9m")
    assert [event["Records"] == [] for event in world.recorder.events] == [False] * 3
    world.server.advance("2m")
    assert seen(world.recorder) == [(["bad"], {}, False)] * 2 + [(["good"], {}, False)] + [([], {}, True)] * 2
    window = {"start": iso(start), "end": iso(start + 600)}
    final, record = sorted(world.documents(), key=lambda document: len(document["DDBStreamBatchInfo"]))
    assert record["timeWindowInfo"] == {"window": window, "isFinalInvokeForWindow": False, "isWindowTerminatedEarly": False}
    assert final["timeWindowInfo"] == {"window": window, "isFinalInvokeForWindow": True, "isWindowTerminatedEarly": False}
    assert list(final["DDBStreamBatchInfo"]) == ["shardId", "streamArn"] and final["requestContext"]["approximateInvokeCount"] == 2


def test_TumblingWindowInSeconds_with_ReportBatchItemFailures_and_bisect(world):
    align(world.server, 600)

    def behave(event):
        bad = [r["dynamodb"]["SequenceNumber"] for r in event["Records"] if r["dynamodb"]["Keys"]["id"]["S"] == "2"]
        return {"state": {"count": event["state"].get("count", 0) + 1}, "batchItemFailures": [{"itemIdentifier": number} for number in bad]}

    world.put(1, 2, 3, 4)
    world.recorder.behave = behave
    world.map(TumblingWindowInSeconds=600, FunctionResponseTypes=["ReportBatchItemFailures"], BisectBatchOnFunctionError=True, MaximumRetryAttempts=1)
    world.server.settle()
    world.server.advance("10m")
    assert seen(world.recorder) == [
        (["1", "2", "3", "4"], {}, False), (["2", "3", "4"], {"count": 1}, False), (["2"], {"count": 1}, False), (["2"], {"count": 1}, False),
        (["3", "4"], {"count": 1}, False), ([], {"count": 2}, True)]


def test_TumblingWindowInSeconds_is_ended_early_by_a_state_over_1_mb(world):
    align(world.server, 600)
    world.recorder.behave = lambda event: {"state": {"big": "x" * (1 << 20) if len(world.recorder.events) == 1 else ""}}
    world.map(TumblingWindowInSeconds=600, BatchSize=1)
    world.put("a", "b")
    world.server.settle()
    events = [(len(e["Records"]), len(json.dumps(e["state"])) > (1 << 20), e["isFinalInvokeForWindow"], e["isWindowTerminatedEarly"]) for e in world.recorder.events]
    assert events == [(1, False, False, False), (0, True, True, True), (1, False, False, False)]


def test_TumblingWindowInSeconds_excludes_filters_and_lanes_also_in_updates(world):
    uuid = world.map(TumblingWindowInSeconds=30)
    update = world.functions.update_event_source_mapping
    pattern = {"Filters": [{"Pattern": '{"eventName":["INSERT"]}'}]}
    assert refused(update, UUID=uuid, ParallelizationFactor=2) == (
        "InvalidParameterValueException", "Parallelization factor must be equal to 1 when tumbling window period is configured")
    assert refused(update, UUID=uuid, FilterCriteria=pattern) == (
        "InvalidParameterValueException", "Tumbling window period should be zero when FilterCriteria is configured")
    assert update(UUID=uuid, FilterCriteria={"Filters": []})["TumblingWindowInSeconds"] == 30
    assert update(UUID=uuid, TumblingWindowInSeconds=0, ParallelizationFactor=2, FilterCriteria=pattern)["ParallelizationFactor"] == 2
    for change in (dict(TumblingWindowInSeconds=30), dict(TumblingWindowInSeconds=30, ParallelizationFactor=1)):
        assert refused(update, UUID=uuid, **change)[0] == "InvalidParameterValueException"
    assert world.get(uuid)["TumblingWindowInSeconds"] == 0


def test_a_kill_keeps_the_tumbling_window_and_its_state(own_server, recorders, unique):
    world = World(own_server, recorders, unique)
    align(own_server, 600)
    world.recorder.behave = counts
    world.map(TumblingWindowInSeconds=600)
    world.put("a")
    own_server.settle()
    own_server.kill()
    own_server.start()
    world.put("b")
    own_server.settle()
    own_server.kill()
    own_server.start()
    own_server.advance("10m")
    assert seen(world.recorder) == [(["a"], {}, False), (["b"], {"count": 1}, False), ([], {"count": 2}, True)]


def test_a_kill_keeps_the_end_of_an_open_batching_window(own_server, recorders, unique):
    world = World(own_server, recorders, unique)
    uuid = world.map(MaximumBatchingWindowInSeconds=300)
    world.put("a")
    own_server.settle()
    until = own_server.admin(f"mappings/{uuid}")["waits_for"]
    assert "batching window until" in until
    own_server.advance("200s")
    own_server.kill()
    own_server.start()
    own_server.settle()
    assert own_server.admin(f"mappings/{uuid}")["waits_for"] == until
    world.put("b")
    own_server.settle()
    assert world.recorder.ids() == []
    own_server.advance("100s")
    assert world.recorder.ids() == [["a", "b"]]


def test_an_advance_right_after_a_write_ends_its_window(world):
    """Without settling before: the window opens a moment after the write is answered, and ends with the move all the same."""
    world.map(MaximumBatchingWindowInSeconds=300)
    world.server.settle()
    for number in range(5):
        world.put(number)
        world.server.advance("300s")
        assert world.recorder.ids() == [[str(i)] for i in range(number + 1)]
