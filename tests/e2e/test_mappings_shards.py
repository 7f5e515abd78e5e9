"""Event source mappings over shards that are split, merged and rolled over, on the real binary."""
from mapping_world import World, fails_on, recorders, world  # noqa: F401
from test_mappings_windows import align, counts, seen


def flat(batches):
    return [i for batch in batches for i in batch]


def reshape(world, action):
    world.server.cli("streams", action, world.table)


def test_StartingPosition_over_splits(world):
    latest = world.recorders.function(world.server, world.name + "latest")
    world.put("closed")
    reshape(world, "split")
    world.put(*(f"old{i}" for i in range(6)))
    world.map("LATEST", function=world.name + "latest")
    world.map("TRIM_HORIZON")
    world.put(*(f"new{i}" for i in range(6)))
    reshape(world, "merge")
    world.put(*(f"merged{i}" for i in range(6)))
    reshape(world, "roll")
    world.put("rolled")
    world.server.settle()
    assert sorted(flat(latest.ids())) == sorted([f"new{i}" for i in range(6)] + [f"merged{i}" for i in range(6)] + ["rolled"])
    delivered = flat(world.recorder.ids())
    assert delivered[0] == "closed" and delivered[-1] == "rolled" and len(delivered) == len(set(delivered)) == 20


def test_a_child_shard_waits_until_its_parent_is_settled(world):
    world.recorder.behave = fails_on("poison")
    uuid = world.map(BatchSize=1, MaximumRetryAttempts=5)
    world.put("poison", "behind")
    reshape(world, "roll")
    world.put("child")
    world.server.settle()
    assert set(flat(world.recorder.ids())) == {"poison"}
    assert "parent" in [shard["waits_for"].split()[0] for shard in world.show(uuid)["shards"]]
    assert flat(world.seen("10m")) == ["poison"] * 6 + ["behind", "child"]


def test_ParallelizationFactor_over_a_split_and_a_kill(own_server, recorders, unique):
    """Versions of each key come in order through lanes, a split, a roll-over, another factor and a kill; after the kill some may come again."""
    world = World(own_server, recorders, unique)
    uuid = world.map(ParallelizationFactor=4, BatchSize=3)
    keys = [f"key{i}" for i in range(8)]

    def versions(first, last):
        for version in range(first, last):
            for key in keys:
                world.dynamodb.put_item(TableName=world.table, Item={"id": {"S": key}, "version": {"N": str(version)}})

    versions(0, 4)
    reshape(world, "split")
    versions(4, 6)
    world.functions.update_event_source_mapping(UUID=uuid, ParallelizationFactor=2)
    versions(6, 8)
    reshape(world, "roll")
    versions(8, 10)
    own_server.kill()
    own_server.start()
    versions(10, 12)
    own_server.settle()
    own_server.advance("1m")
    seen_of = {}
    for event in world.recorder.events:
        for record in event["Records"]:
            seen_of.setdefault(record["dynamodb"]["Keys"]["id"]["S"], []).append(int(record["dynamodb"]["NewImage"]["version"]["N"]))
    for key in keys:
        firsts = list(dict.fromkeys(seen_of[key]))
        assert firsts == list(range(12)), (key, seen_of[key])
    assert own_server.admin(f"mappings/{uuid}")["backlog"] == 0


def test_TumblingWindowInSeconds_ends_with_the_shard(world):
    align(world.server, 600)
    world.recorder.behave = counts
    world.map(TumblingWindowInSeconds=600)
    world.put("a")
    world.server.settle()
    reshape(world, "roll")
    world.put("b")
    world.server.settle()
    assert seen(world.recorder) == [(["a"], {}, False), ([], {"count": 1}, True), (["b"], {}, False)]
    shards = [event["shardId"] for event in world.recorder.events]
    assert shards[0] == shards[1] != shards[2]


def test_a_batching_window_over_a_split_delivers_once(world):
    world.map(MaximumBatchingWindowInSeconds=60)
    world.put("a", "b")
    world.server.settle()
    reshape(world, "split")
    world.put("c")
    world.server.settle()
    assert world.recorder.ids() == []
    world.server.advance("60s")
    assert world.recorder.ids() == [["a", "b"]]
    world.server.advance("60s")
    assert world.recorder.ids() == [["a", "b"], ["c"]]
