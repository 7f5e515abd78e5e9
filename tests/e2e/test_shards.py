"""Shards that are split, merged and rolled: lineage, and the order of every item's changes, for readers and for mappings."""
import json
import subprocess

import botocore.exceptions
import pytest

from dynamo import iterator_of, read, shards_of
from mapping_world import make_table, recorders, world  # noqa: F401
from test_cli import BINARY, millrace
from stream_reader import Reader, Writers, check_complete_and_in_order
from world import Server


@pytest.fixture(scope="module")
def db(server):
    return server.client("dynamodb")


@pytest.fixture(scope="module")
def streams(server):
    return server.client("dynamodbstreams")


def reshape(server, table, action, shard=None):
    return server.admin(f"streams/{table}", {"action": action, **({"shard": shard} if shard else {})})


def is_open(shard):
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def put(db, table, *ids, version=0):
    for i in ids:
        db.put_item(TableName=table, Item={"id": {"S": str(i)}, "version": {"N": str(version)}})


def test_a_split_closes_a_shard_and_opens_two_children(server, db, streams, unique):
    arn = make_table(server, unique)
    put(db, unique, "a")
    reshape(server, unique, "split")
    parent, *children = shards_of(streams, arn)
    assert not is_open(parent) and len(children) == 2
    for child in children:
        assert is_open(child) and child["ParentShardId"] == parent["ShardId"]
        assert int(child["SequenceNumberRange"]["StartingSequenceNumber"]) > int(parent["SequenceNumberRange"]["EndingSequenceNumber"])
    put(db, unique, *range(40))
    counts = [len(read(streams, iterator_of(streams, arn, child["ShardId"]))[0]) for child in children]
    assert sum(counts) == 40 and min(counts) > 5


def test_a_merge_names_one_parent_to_readers_and_both_to_the_administrator(server, db, streams, unique):
    arn = make_table(server, unique)
    reshape(server, unique, "split")
    put(db, unique, *range(20))
    reshape(server, unique, "merge")
    shards = shards_of(streams, arn)
    (merged,) = [shard for shard in shards if is_open(shard)]
    parents = sorted(shard["ShardId"] for shard in shards[1:] if shard is not merged)
    assert merged["ParentShardId"] == parents[1]
    (stream,) = server.admin(f"streams/{unique}")["streams"]
    (shown,) = [shard for shard in stream["shards"] if shard["shard"] == merged["ShardId"]]
    assert [shown["second_parent"], shown["parent"]] == parents


def test_a_roll_gives_every_open_shard_one_child(server, db, streams, unique):
    arn = make_table(server, unique)
    reshape(server, unique, "split")
    reshape(server, unique, "roll")
    shards = shards_of(streams, arn)
    opened = [shard for shard in shards if is_open(shard)]
    assert len(shards) == 5 and len({shard["ParentShardId"] for shard in opened}) == len(opened) == 2


def test_the_children_of_one_shard_can_be_asked_for(server, db, streams, unique):
    arn = make_table(server, unique)
    (root,) = shards_of(streams, arn)
    reshape(server, unique, "split")
    reshape(server, unique, "roll")
    children = streams.describe_stream(StreamArn=arn, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": root["ShardId"]})["StreamDescription"]["Shards"]
    assert [child["ParentShardId"] for child in children] == [root["ShardId"]] * 2
    for child in children:
        found = streams.describe_stream(StreamArn=arn, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": child["ShardId"]})["StreamDescription"]["Shards"]
        assert len(found) == 1
        leaf = streams.describe_stream(StreamArn=arn, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": found[0]["ShardId"]})
        assert leaf["StreamDescription"]["Shards"] == []


@pytest.mark.parametrize("arguments, text", [
    (["merge"], "nothing to merge"), (["split", "--shard", "shardId-00000000000000000000-00000000"], "has no open shard")])
def test_what_cannot_be_done_is_refused(server, unique, arguments, text):
    make_table(server, unique)
    ran = millrace(server.endpoint, "streams", *arguments, unique)
    assert ran.returncode == 1 and text in ran.stderr


def test_an_unknown_action_and_a_table_without_a_stream_are_refused(server, unique):
    with pytest.raises(Exception, match="400|action must be"):
        reshape(server, unique, "explode")
    ran = millrace(server.endpoint, "streams", "roll", unique)
    assert ran.returncode == 1 and unique in ran.stderr


def test_the_command_line_shows_the_shards(server, unique):
    make_table(server, unique)
    shown = json.loads(server.cli("--json", "streams", "split", unique))
    assert [shard["state"] for shard in shown["shards"]] == ["closed", "open", "open"]
    assert "PARENT" in server.cli("streams", "merge", unique)
    assert "streams roll posts" in server.cli("streams", "roll", "--help")


def storm(server, table, writers):
    for action in ("split", "roll", "split", "merge", "roll", "split", "merge", "merge", "roll"):
        writers.wait_for(60)
        reshape(server, table, action)
    writers.wait_for(60)


def test_a_reader_gets_every_change_in_order_while_shards_come_and_go(server, db, streams, unique):
    arn = make_table(server, unique)
    reader = Reader(streams, arn).start()
    writers = Writers(db, unique).start()
    storm(server, unique, writers)
    written = writers.finish()
    check_complete_and_in_order(reader.finish(), written)
    assert len(reader.finished) > 12
    late = Reader(streams, arn)  # from the beginning, when all is over
    late.step()
    check_complete_and_in_order(late.start().finish(), written)


@pytest.mark.parametrize("factor", [1, 4])
def test_a_mapping_delivers_every_change_in_order_while_shards_come_and_go(server, world, factor):  # noqa: F811
    world.map(BatchSize=20, ParallelizationFactor=factor)
    writers = Writers(world.dynamodb, world.table).start()
    storm(server, world.table, writers)
    written = writers.finish()
    world.server.settle()
    versions = {}
    for record in (record for event in world.recorder.events for record in event["Records"]):
        versions.setdefault(record["dynamodb"]["Keys"]["id"]["S"], []).append(int(record["dynamodb"]["NewImage"]["version"]["N"]))
    assert versions == {item: list(range(count)) for item, count in written.items()}


def test_a_server_killed_amid_reshaping_loses_and_repeats_nothing(own_server):
    db, streams = own_server.client("dynamodb"), own_server.client("dynamodbstreams")
    arn = make_table(own_server, "Tab")
    written = {}
    for round_ in range(4):
        for version in range(5):
            for item in range(10):
                name = f"{round_}-{item}"
                db.put_item(TableName="Tab", Item={"id": {"S": name}, "version": {"N": str(version)}})
                written[name] = version + 1
        # Not waited for: the kill comes before, amid or after the commit of the split.
        racing = subprocess.Popen([str(BINARY), "--endpoint", own_server.endpoint, "streams", "split" if round_ % 2 == 0 else "roll", "Tab"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        own_server.kill()
        racing.wait()
        own_server.start()
        db, streams = own_server.client("dynamodb"), own_server.client("dynamodbstreams")
    opened = [shard for shard in own_server.admin("streams/Tab")["streams"][0]["shards"] if shard["state"] == "open"]
    assert opened
    put(db, "Tab", "last")
    written["last"] = 1
    check_complete_and_in_order(Reader(streams, arn).start().finish(), written)


# -- by themselves ---------------------------------------------------------------------------------------------------------


def test_a_shard_with_records_rolls_after_four_hours(server, db, streams, unique):
    arn = make_table(server, unique)
    put(db, unique, "a")
    server.advance("239m")
    assert len(shards_of(streams, arn)) == 1
    server.advance("1m")
    old, new = shards_of(streams, arn)
    assert not is_open(old) and is_open(new) and new["ParentShardId"] == old["ShardId"]
    server.advance("12h")
    assert len(shards_of(streams, arn)) == 2, "the child has no record"
    server.advance("12h")
    assert [shard["ShardId"] for shard in shards_of(streams, arn)] == [new["ShardId"]], "closed shards go after the retention"


def test_a_busy_shard_splits_and_quiet_ones_merge_again(tmp_path):
    with Server(data=tmp_path / "data", config={"streams": {"split_records_per_second": 2, "roll_after": "0s", "shards_max": 2}}) as own:
        db, streams = own.client("dynamodb"), own.client("dynamodbstreams")
        arn = make_table(own, "Busy")
        put(db, "Busy", *range(200))
        own.advance("1m")
        assert sum(is_open(shard) for shard in shards_of(streams, arn)) == 2
        put(db, "Busy", *range(200), version=1)
        own.advance("1m")
        assert sum(is_open(shard) for shard in shards_of(streams, arn)) == 2, "shards_max"
        own.advance("24h")
        put(db, "Busy", "once")
        own.advance("1m")
        shards = shards_of(streams, arn)
        assert sum(is_open(shard) for shard in shards) == 1
        (merged,) = [shard for shard in shards if is_open(shard)]
        put(db, "Busy", "twice")
        reader = Reader(streams, arn)
        reader.start()
        assert [record["dynamodb"]["Keys"]["id"]["S"] for _, record in reader.finish()] == ["once", "twice"]
        assert merged["ShardId"] in reader.iterators


@pytest.mark.parametrize("streams, text", [({"roll_after": "3s"}, "roll_after"), ({"shards_max": 0}, "shards_max"), ({"split_records_per_second": "many"}, "wrong kind")])
def test_impossible_settings_are_refused(tmp_path, streams, text):
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"streams": streams}))
    ran = subprocess.run([str(BINARY), "serve", "--ephemeral", "--port", "0", "--config", str(config)], capture_output=True, text=True, timeout=20, check=False)
    assert ran.returncode != 0 and text in ran.stderr


# -- retention, and trouble on purpose -------------------------------------------------------------------------------------


def test_a_stream_can_keep_its_records_longer(server, db, streams, unique):
    arn = make_table(server, unique)
    put(db, unique, "a")
    assert "72h" in server.cli("streams", "retention", unique, "72h").replace("3d", "72h")
    server.advance("71h")
    assert [record["dynamodb"]["Keys"]["id"]["S"] for _, record in Reader(streams, arn).start().finish()] == ["a"]
    server.cli("streams", "retention", unique, "default")
    assert Reader(streams, arn).start().finish() == []
    ran = millrace(server.endpoint, "streams", "retention", unique, "5m")
    assert ran.returncode == 1 and "between 1h and 365d" in ran.stderr


def chaos(server, table, **what):
    return server.admin(f"streams/{table}/chaos", what)


def test_duplicates_come_in_order_and_nothing_is_missing(server, db, streams, unique):
    arn = make_table(server, unique)
    put(db, unique, *range(300))
    server.cli("streams", "chaos", unique, "--duplicates", "0.5")
    (stream,) = server.admin(f"streams/{unique}")["streams"]
    assert stream["chaos"]["duplicates"] == 0.5
    assert any(unique in text for text in server.admin("status")["streams_with_chaos"])
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for _, record in Reader(streams, arn).start().finish()]
    assert len(numbers) > len(set(numbers)) == 300
    server.cli("streams", "chaos", unique)
    assert "streams_with_chaos" not in server.admin("status")
    assert len(Reader(streams, arn).start().finish()) == 300


@pytest.mark.parametrize("kind, code", [("throttles", "LimitExceededException"), ("expired_iterators", "ExpiredIteratorException")])
def test_readers_are_refused(server, db, streams, unique, kind, code):
    arn = make_table(server, unique)
    put(db, unique, "a")
    iterator = iterator_of(streams, arn)
    chaos(server, unique, **{kind: 1})
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        streams.get_records(ShardIterator=iterator)
    assert caught.value.response["Error"]["Code"] == code
    chaos(server, unique, **{kind: 0})
    assert len(streams.get_records(ShardIterator=iterator)["Records"]) == 1


def test_children_are_shown_later(server, db, streams, unique):
    arn = make_table(server, unique)
    chaos(server, unique, delayed_children="30s")
    reshape(server, unique, "roll")
    put(db, unique, "a")
    (root,) = shards_of(streams, arn)
    assert not is_open(root) and Reader(streams, arn).start().finish() == []
    server.advance("30s")
    assert len(shards_of(streams, arn)) == 2
    assert len(Reader(streams, arn).start().finish()) == 1


def test_a_mapping_never_sees_chaos(server, world):  # noqa: F811
    chaos(server, world.table, duplicates=0.9, throttles=1, expired_iterators=1, delayed_children="10h")
    reshape(server, world.table, "split")
    world.map(BatchSize=10)
    world.put(*range(30))
    assert sorted(sum(world.seen(moved=None), [])) == sorted(str(i) for i in range(30))


@pytest.mark.parametrize("what", [{"duplicates": 0.95}, {"throttles": 2}, {"delayed_children": "soon"}, {"mayhem": 1}])
def test_impossible_chaos_is_refused(server, unique, what):
    make_table(server, unique)
    with pytest.raises(Exception, match="400"):
        chaos(server, unique, **what)


def test_a_mapping_that_retention_overtakes_is_warned_about(server, world):  # noqa: F811
    uuid = world.map(BatchSize=1)
    world.put("delivered")
    world.seen(moved=None)
    server.cli("mappings", "pause", uuid)
    world.put("lost")
    reshape(server, world.table, "roll")
    server.advance("25h")
    server.cli("mappings", "resume", uuid)
    server.settle()
    assert world.recorder.ids() == [["delivered"]]
    assert world.show(uuid)["records_lost"] >= 1
    assert any(uuid in warning and "lost" in warning for warning in server.admin("status")["warnings"])
