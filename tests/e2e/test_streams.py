"""DynamoDB Streams through boto3: what is recorded, in which order, for how long, and how it is read."""
import datetime
import json
import random
import re
import threading
import time
import urllib.request

import botocore.exceptions
import pytest

from dynamo import code_of, INVALID, iterator_of, key, make, read, records_of, refused, shards_of, text_of
from world import Server, wait_until

LABEL = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}"
LAST = "shardId-99999999999999999999-ffffffff"


@pytest.fixture(scope="module")
def db(server):
    return server.client("dynamodb")


@pytest.fixture(scope="module")
def streams(server):
    return server.client("dynamodbstreams")


def spec(view="NEW_AND_OLD_IMAGES"):
    return {"StreamEnabled": True, "StreamViewType": view}


def streamed(db, name, view="NEW_AND_OLD_IMAGES"):
    """A new table with a stream: its ARN."""
    return make(db, name, StreamSpecification=spec(view))["LatestStreamArn"]


def put(db, table, identity, **attributes):
    db.put_item(TableName=table, Item={**key(identity), **attributes})


def changes(db, table):
    """An insert, a change and a delete of one item."""
    put(db, table, "a", n={"N": "1"})
    db.update_item(TableName=table, Key=key("a"), UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}})
    db.delete_item(TableName=table, Key=key("a"))


# -- what is in a record -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view, images", [
    ("KEYS_ONLY", [(None, None), (None, None), (None, None)]), ("NEW_IMAGE", [("1", None), ("2", None), (None, None)]),
    ("OLD_IMAGE", [(None, None), (None, "1"), (None, "2")]), ("NEW_AND_OLD_IMAGES", [("1", None), ("2", "1"), (None, "2")])])
def test_view_types(server, db, streams, unique, view, images):
    started = datetime.datetime.fromtimestamp(server.admin("clock")["now_ms"] // 1000, datetime.timezone.utc)
    arn = streamed(db, unique, view)
    changes(db, unique)
    records = records_of(streams, arn)
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    assert [tuple(record["dynamodb"].get(image, {}).get("n", {}).get("N") for image in ("NewImage", "OldImage")) for record in records] == images
    for record, (new, old) in zip(records, images):
        assert record["eventVersion"] == "1.1" and record["eventSource"] == "aws:dynamodb" and record["awsRegion"] == "us-east-1"
        assert re.fullmatch(r"[0-9a-f]{32}", record["eventID"]) and "userIdentity" not in record
        change = record["dynamodb"]
        assert change["Keys"] == key("a") and change["StreamViewType"] == view and change["SizeBytes"] > 0
        assert ("NewImage" in change) == (new is not None) and ("OldImage" in change) == (old is not None)
        assert re.fullmatch(r"\d{21,40}", change["SequenceNumber"])
        assert change["ApproximateCreationDateTime"] <= datetime.datetime.fromtimestamp(server.admin("clock")["now_ms"] / 1000, datetime.timezone.utc)
        assert change["ApproximateCreationDateTime"] >= started
    assert len({record["eventID"] for record in records}) == 3
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
    assert numbers == sorted(numbers)


def test_a_record_counts_bytes_of_its_keys_and_images(db, streams, unique):
    arn = streamed(db, unique, "NEW_IMAGE")
    put(db, unique, "a", text={"S": "ż" * 10})
    (record,) = records_of(streams, arn)
    assert record["dynamodb"]["SizeBytes"] == len("id" + "a") + len("id" + "a") + len("text") + 20


def test_every_type_is_in_the_images(db, streams, unique):
    arn = streamed(db, unique)
    item = {**key("a"), "n": {"N": "12345678901234567890123456789012345678"}, "b": {"B": b"\x00\xff"}, "l": {"L": [{"NULL": True}, {"BOOL": False}]},
            "m": {"M": {"ż": {"S": ""}}}, "ss": {"SS": ["one"]}, "ns": {"NS": ["1"]}, "bs": {"BS": [b"\x01"]}}
    db.put_item(TableName=unique, Item=item)
    assert records_of(streams, arn)[0]["dynamodb"]["NewImage"] == item


def test_writes_without_change_leave_no_record(db, streams, unique):
    item = {**key("a"), "n": {"N": "1.0"}, "tags": {"SS": ["x", "y"]}, "m": {"M": {"p": {"N": "1"}, "q": {"N": "2"}}}}
    arn = streamed(db, unique)
    db.put_item(TableName=unique, Item=item)
    reordered = {**item, "n": {"N": "1"}, "tags": {"SS": ["y", "x"]}, "m": {"M": {"q": {"N": "2"}, "p": {"N": "1"}}}}
    update = lambda text, identity="a", **values: db.update_item(
        TableName=unique, Key=key(identity), UpdateExpression=text, **({"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}))
    db.put_item(TableName=unique, Item=item)
    db.put_item(TableName=unique, Item=reordered)
    update("SET n = :v", v={"N": "1"})
    update("ADD n :zero", zero={"N": "0"})
    update("ADD tags :t", t={"SS": ["x"]})
    update("REMOVE nothing")
    update("DELETE tags :t", t={"SS": ["z"]})
    update("REMOVE nothing", identity="nobody")
    db.update_item(TableName=unique, Key=key("a"))
    db.delete_item(TableName=unique, Key=key("nobody"))
    db.batch_write_item(RequestItems={unique: [{"PutRequest": {"Item": item}}, {"DeleteRequest": {"Key": key("nobody")}}]})
    db.transact_write_items(TransactItems=[{"Put": {"TableName": unique, "Item": item}}, {"Delete": {"TableName": unique, "Key": key("nobody")}}])
    refused(db.put_item, TableName=unique, Item=key("a"), ConditionExpression="attribute_not_exists(id)")
    refused(db.transact_write_items, TransactItems=[
        {"Put": {"TableName": unique, "Item": key("b")}},
        {"ConditionCheck": {"TableName": unique, "Key": key("a"), "ConditionExpression": "attribute_not_exists(id)"}}])
    assert [record["eventName"] for record in records_of(streams, arn)] == ["INSERT"]
    db.update_item(TableName=unique, Key=key("bare"))  # makes an item of its key
    assert [record["eventName"] for record in records_of(streams, arn)] == ["INSERT", "INSERT"]


def test_batches_and_transactions_record_each_item(db, streams, unique):
    arn = streamed(db, unique)
    db.batch_write_item(RequestItems={unique: [{"PutRequest": {"Item": key(f"{n}")}} for n in range(5)]})
    db.transact_write_items(TransactItems=[
        {"Delete": {"TableName": unique, "Key": key("0")}}, {"Put": {"TableName": unique, "Item": key("new")}},
        {"Update": {"TableName": unique, "Key": key("1"), "UpdateExpression": "SET x = :x", "ExpressionAttributeValues": {":x": {"S": "x"}}}},
        {"ConditionCheck": {"TableName": unique, "Key": key("2"), "ConditionExpression": "attribute_exists(id)"}}])
    seen = sorted((record["eventName"], record["dynamodb"]["Keys"]["id"]["S"]) for record in records_of(streams, arn))
    assert seen == sorted([("INSERT", f"{n}") for n in range(5)] + [("REMOVE", "0"), ("INSERT", "new"), ("MODIFY", "1")])


def test_time_in_the_record_is_a_number_on_the_wire(server, db, streams, unique):
    arn = streamed(db, unique)
    put(db, unique, "a")
    request = urllib.request.Request(server.endpoint, data=json.dumps({"ShardIterator": iterator_of(streams, arn)}).encode(), headers={
        "X-Amz-Target": "DynamoDBStreams_20120810.GetRecords", "Content-Type": "application/x-amz-json-1.0",
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"})
    with urllib.request.urlopen(request) as answer:
        (record,) = json.load(answer)["Records"]
    assert isinstance(record["dynamodb"]["ApproximateCreationDateTime"], (int, float))


# -- enabling and disabling --------------------------------------------------------------------------------------------------


def test_enable_disable_enable(db, streams, unique):
    made = make(db, unique)
    assert "StreamSpecification" not in made and "LatestStreamArn" not in made
    set_stream = lambda **specification: db.update_table(TableName=unique, StreamSpecification=specification)["TableDescription"]
    first = set_stream(**spec())
    assert first["StreamSpecification"] == spec() and re.fullmatch(LABEL, first["LatestStreamLabel"])
    assert first["LatestStreamArn"] == f"arn:aws:dynamodb:us-east-1:000000000000:table/{unique}/stream/{first['LatestStreamLabel']}"
    put(db, unique, "first")
    off = set_stream(StreamEnabled=False)
    assert "StreamSpecification" not in off and off["LatestStreamArn"] == first["LatestStreamArn"]
    put(db, unique, "unseen")
    second = set_stream(**spec("KEYS_ONLY"))
    assert second["LatestStreamArn"] != first["LatestStreamArn"]
    put(db, unique, "second")
    described = streams.describe_stream(StreamArn=first["LatestStreamArn"])["StreamDescription"]
    assert described["StreamStatus"] == "DISABLED" and all("EndingSequenceNumber" in shard["SequenceNumberRange"] for shard in described["Shards"])
    described = streams.describe_stream(StreamArn=second["LatestStreamArn"])["StreamDescription"]
    assert described["StreamStatus"] == "ENABLED" and described["StreamViewType"] == "KEYS_ONLY" and described["TableName"] == unique
    assert described["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}] and described["StreamLabel"] == second["LatestStreamLabel"]
    keys = lambda arn: [record["dynamodb"]["Keys"]["id"]["S"] for record in records_of(streams, arn)]
    assert keys(first["LatestStreamArn"]) == ["first"] and keys(second["LatestStreamArn"]) == ["second"]
    # A closed shard, read to its end, has no next iterator.
    assert read(streams, iterator_of(streams, first["LatestStreamArn"]))[1] is None
    assert read(streams, iterator_of(streams, second["LatestStreamArn"]))[1] is not None
    listed = streams.list_streams(TableName=unique)["Streams"]
    assert [stream["StreamArn"] for stream in listed] == [first["LatestStreamArn"], second["LatestStreamArn"]]
    assert listed[0] == {"StreamArn": first["LatestStreamArn"], "TableName": unique, "StreamLabel": first["LatestStreamLabel"]}


def test_a_deleted_table_leaves_its_stream_readable(server, db, streams, unique):
    arn = streamed(db, unique)
    put(db, unique, "a")
    gone = db.delete_table(TableName=unique)["TableDescription"]
    assert gone["LatestStreamArn"] == arn
    again = streamed(db, unique)
    assert again != arn
    assert streams.describe_stream(StreamArn=arn)["StreamDescription"]["StreamStatus"] == "DISABLED"
    assert [record["eventName"] for record in records_of(streams, arn)] == ["INSERT"]
    assert records_of(streams, again) == []
    server.advance("25h")
    assert code_of(streams.describe_stream, StreamArn=arn) == "ResourceNotFoundException"
    assert [stream["StreamArn"] for stream in streams.list_streams(TableName=unique)["Streams"]] == [again]


def test_texts_of_stream_specifications(db, unique):
    make(db, unique)
    update = lambda **options: text_of(db.update_table, TableName=unique, **options)
    stream = lambda **specification: update(StreamSpecification=specification)
    assert stream(StreamEnabled=False) == f"Table has no stream to disable: TableName: {unique}"
    assert stream(StreamEnabled=True) == INVALID + "If stream is being enabled then UpdateViewType is required"
    assert stream(StreamEnabled=False, StreamViewType="NEW_IMAGE") == INVALID + "If stream is being disabled, then UpdateViewType must not be specified"
    assert stream(StreamEnabled=True, StreamViewType="new_image") == \
        "1 validation error detected: Value 'new_image' at 'streamSpecification.streamViewType' failed to satisfy constraint: Member must satisfy enum value set: [OLD_IMAGE, KEYS_ONLY, NEW_AND_OLD_IMAGES, NEW_IMAGE]"
    db.update_table(TableName=unique, StreamSpecification=spec())
    for view in ("NEW_AND_OLD_IMAGES", "KEYS_ONLY"):
        assert stream(**spec(view)) == f"Table already has an enabled stream: TableName: {unique}"
    assert update(StreamSpecification={"StreamEnabled": False}, BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}) == \
        INVALID + "You cannot modify stream status while updating table IOPS"
    create = lambda **specification: text_of(db.create_table, TableName=unique + "x", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
                                             AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], StreamSpecification=specification)
    assert create(StreamEnabled=True) == INVALID + "Table is being created with a stream enabled, UpdateViewType is required"
    assert create(StreamEnabled=False, StreamViewType="NEW_IMAGE") == INVALID + "Table is being created with a stream disabled, UpdateViewType should not be specified"
    assert "StreamSpecification" not in make(db, unique + "y", StreamSpecification={"StreamEnabled": False})


def test_stream_enabled_is_required(server, unique):
    """boto3 would not send this."""
    unchecked = server.client("dynamodb", parameter_validation=False)
    make(unchecked, unique)
    assert text_of(unchecked.update_table, TableName=unique, StreamSpecification={"StreamViewType": "NEW_IMAGE"}) == \
        "1 validation error detected: Value null at 'streamSpecification.streamEnabled' failed to satisfy constraint: Member must not be null"


def test_other_changes_of_the_table_keep_the_stream(db, unique):
    arn = streamed(db, unique)
    table = db.describe_table(TableName=unique)["Table"]
    db.tag_resource(ResourceArn=table["TableArn"], Tags=[{"Key": "a", "Value": "b"}])
    db.update_table(TableName=unique, DeletionProtectionEnabled=False)
    after = db.describe_table(TableName=unique)["Table"]
    assert after["LatestStreamArn"] == arn and after["StreamSpecification"] == spec()


# -- listing and describing --------------------------------------------------------------------------------------------------


def test_listing_pages(server, unique):
    account = "111122223333"
    db, streams = server.client("dynamodb", account=account), server.client("dynamodbstreams", account=account)
    arns = sorted(streamed(db, f"{unique}{n}") for n in range(3))
    seen, options = [], {}
    while True:
        page = streams.list_streams(Limit=2, **options)
        seen += [stream["StreamArn"] for stream in page["Streams"]]
        if "LastEvaluatedStreamArn" not in page:
            break
        assert page["LastEvaluatedStreamArn"] == page["Streams"][-1]["StreamArn"]
        options = {"ExclusiveStartStreamArn": page["LastEvaluatedStreamArn"]}
    assert sorted(seen) == arns and all(f":{account}:" in arn for arn in arns)
    assert streams.list_streams(TableName="no-such-table")["Streams"] == []
    assert server.client("dynamodbstreams", account=account, region="eu-west-1").list_streams()["Streams"] == []
    unchecked = server.client("dynamodbstreams", account=account, parameter_validation=False)
    assert code_of(unchecked.list_streams, Limit=0) == "ValidationException"
    assert code_of(streams.list_streams, ExclusiveStartStreamArn="x" * 40) == "ValidationException"


def test_describing_what_is_not_there(server, db, streams, unique):
    arn = f"arn:aws:dynamodb:us-east-1:000000000000:table/{unique}/stream/2026-01-01T00:00:00.000"
    assert refused(streams.describe_stream, StreamArn=arn)["Error"] == {"Code": "ResourceNotFoundException", "Message": f"Requested resource not found: Stream: {arn} not found"}
    assert code_of(streams.describe_stream, StreamArn="x" * 40) == "ValidationException"
    own = streamed(db, unique)
    other = server.client("dynamodbstreams", account="222233334444")
    assert code_of(other.describe_stream, StreamArn=own) in ("ResourceNotFoundException", "AccessDeniedException")


def test_several_shards(tmp_path):
    """With four shards every key keeps its order, and children and paging are as AWS shows them."""
    with Server(data=tmp_path / "data", config={"streams": {"shards": 4}}) as server:
        db, streams = server.client("dynamodb"), server.client("dynamodbstreams")
        arn = streamed(db, "wide")
        shards = shards_of(streams, arn)
        names = [shard["ShardId"] for shard in shards]
        assert len(shards) == 4 and names == sorted(names) and all(re.fullmatch(r"shardId-\d{20}-[0-9a-f]{8}", name) for name in names)

        def work(thread):
            client = server.client("dynamodb")
            for step in range(12):
                client.update_item(TableName="wide", Key=key(f"k{(thread + step) % 16}"), UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}})

        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        per_shard = {name: read(streams, iterator_of(streams, arn, name))[0] for name in names}
        assert sum(map(len, per_shard.values())) == 96 and sum(1 for records in per_shard.values() if records) > 1
        where, last = {}, {}
        for name, records in per_shard.items():
            for record in records:
                identity = record["dynamodb"]["Keys"]["id"]["S"]
                assert where.setdefault(identity, name) == name  # a key never leaves its shard
                now = int(record["dynamodb"]["NewImage"]["n"]["N"])
                assert now == last.get(identity, 0) + 1
                last[identity] = now
        for identity, value in last.items():
            assert db.get_item(TableName="wide", Key=key(identity))["Item"]["n"]["N"] == str(value)
        page = streams.describe_stream(StreamArn=arn, Limit=3)["StreamDescription"]
        assert [shard["ShardId"] for shard in page["Shards"]] == names[:3] and page["LastEvaluatedShardId"] == names[2]
        rest = streams.describe_stream(StreamArn=arn, ExclusiveStartShardId=names[2])["StreamDescription"]
        assert [shard["ShardId"] for shard in rest["Shards"]] == names[3:] and "LastEvaluatedShardId" not in rest
        assert streams.describe_stream(StreamArn=arn, ExclusiveStartShardId=LAST)["StreamDescription"]["Shards"] == []
        children = streams.describe_stream(StreamArn=arn, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": names[0]})["StreamDescription"]
        assert children["Shards"] == [] and children["StreamStatus"] == "ENABLED"
        assert "shardFilter.shardId" in text_of(streams.describe_stream, StreamArn=arn, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": "malformed-" + "x" * 30})
        assert code_of(streams.describe_stream, StreamArn=arn, ShardFilter={"Type": "BOGUS", "ShardId": names[0]}) == "ValidationException"


# -- iterators ---------------------------------------------------------------------------------------------------------------


def test_iterator_types(db, streams, unique):
    arn = streamed(db, unique)
    for n in range(3):
        put(db, unique, f"{n}")
    latest = iterator_of(streams, arn, kind="LATEST")
    shard = shards_of(streams, arn)[0]
    records, _ = read(streams, iterator_of(streams, arn))
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    assert int(shard["SequenceNumberRange"]["StartingSequenceNumber"]) <= int(numbers[0])
    keys = lambda **options: [record["dynamodb"]["Keys"]["id"]["S"] for record in read(streams, iterator_of(streams, arn, **options))[0]]
    assert keys() == ["0", "1", "2"]
    assert keys(kind="AT_SEQUENCE_NUMBER", SequenceNumber=numbers[1]) == ["1", "2"]
    assert keys(kind="AFTER_SEQUENCE_NUMBER", SequenceNumber=numbers[1]) == ["2"]
    assert keys(kind="AFTER_SEQUENCE_NUMBER", SequenceNumber=numbers[2]) == []
    page = streams.get_records(ShardIterator=latest)
    assert page["Records"] == [] and page["NextShardIterator"]
    put(db, unique, "new")
    for iterator in (latest, page["NextShardIterator"], latest):  # the same iterator again: the same records again
        assert [record["dynamodb"]["Keys"]["id"]["S"] for record in read(streams, iterator)[0]] == ["new"]


def test_limits_of_get_records(db, streams, unique):
    arn = streamed(db, unique)
    for start in range(0, 1100, 25):
        db.batch_write_item(RequestItems={unique: [{"PutRequest": {"Item": key(f"{n}")}} for n in range(start, start + 25)]})
    first = streams.get_records(ShardIterator=iterator_of(streams, arn))
    assert len(first["Records"]) == 1000
    assert len(streams.get_records(ShardIterator=first["NextShardIterator"])["Records"]) == 100
    two = streams.get_records(ShardIterator=iterator_of(streams, arn), Limit=2)
    assert len(two["Records"]) == 2
    one = streams.get_records(ShardIterator=two["NextShardIterator"], Limit=1)
    assert one["Records"] == first["Records"][2:3]
    for number in range(4):
        put(db, unique, f"big{number}", v={"S": "x" * 390_000})
    sizes = []
    iterator = iterator_of(streams, arn, kind="AFTER_SEQUENCE_NUMBER", SequenceNumber=streams.get_records(ShardIterator=first["NextShardIterator"])["Records"][99]["dynamodb"]["SequenceNumber"])
    while len(sizes) < 2 or sizes[-1]:
        page = streams.get_records(ShardIterator=iterator)
        sizes.append(len(page["Records"]))
        iterator = page["NextShardIterator"]
    assert sum(sizes) == 4 and max(sizes) < 4  # a page holds 1 MB


def test_texts_of_iterators(server, db, streams, unique):
    arn = streamed(db, unique)
    put(db, unique, "a")
    shard = shards_of(streams, arn)[0]["ShardId"]
    number = records_of(streams, arn)[0]["dynamodb"]["SequenceNumber"]
    ask = lambda **options: code_of(streams.get_shard_iterator, **{"StreamArn": arn, "ShardId": shard, **options})
    assert ask(ShardIteratorType="AT_SEQUENCE_NUMBER") == "ValidationException"
    assert ask(ShardIteratorType="LATEST", SequenceNumber=number) == "ValidationException"
    assert ask(ShardIteratorType="BOGUS") == "ValidationException"
    assert ask(ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber="not-a-number-of-any-kind") == "ValidationException"
    assert ask(ShardIteratorType="LATEST", ShardId=LAST) == "ResourceNotFoundException"
    assert ask(ShardIteratorType="LATEST", StreamArn=arn[:-3] + "999" if not arn.endswith("999") else arn[:-3] + "998") == "ResourceNotFoundException"
    assert code_of(streams.get_records, ShardIterator="nonsense") == "ValidationException"
    assert code_of(streams.get_records, ShardIterator=iterator_of(streams, arn)[:-4] + "AAAA") == "ValidationException"
    unchecked = server.client("dynamodbstreams", parameter_validation=False)
    for limit in (0, -1, 1001):
        assert code_of(unchecked.get_records, ShardIterator=iterator_of(streams, arn), Limit=limit) == "ValidationException"


def test_iterators_expire_after_15_minutes(server, db, streams, unique):
    arn = streamed(db, unique)
    iterator = iterator_of(streams, arn)
    server.advance("14m")
    following = streams.get_records(ShardIterator=iterator)["NextShardIterator"]
    server.advance("2m")
    assert refused(streams.get_records, ShardIterator=iterator)["Error"]["Code"] == "ExpiredIteratorException"
    assert streams.get_records(ShardIterator=following)["Records"] == []


def test_records_are_trimmed_after_24_hours(server, db, streams, unique):
    arn = streamed(db, unique)
    put(db, unique, "old")
    number = records_of(streams, arn)[0]["dynamodb"]["SequenceNumber"]
    server.advance("23h")
    put(db, unique, "young")
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in records_of(streams, arn)] == ["old", "young"]
    server.advance("2h")
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in records_of(streams, arn)] == ["young"]
    error = refused(streams.get_shard_iterator, StreamArn=arn, ShardId=shards_of(streams, arn)[0]["ShardId"], ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber=number)["Error"]
    assert error["Code"] == "TrimmedDataAccessException" and "beyond the trim" in error["Message"].lower() or "trimmed" in error["Message"]
    server.advance("25h")
    assert records_of(streams, arn) == [] and shards_of(streams, arn)
    put(db, unique, "after")
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in records_of(streams, arn)] == ["after"]


def test_concurrent_writers_leave_one_record_per_change_in_order(server, db, streams, unique):
    arn = streamed(db, unique)

    def work(_):
        for _ in range(8):
            db.update_item(TableName=unique, Key=key("a"), UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [(record["dynamodb"].get("OldImage", {}).get("n", {}).get("N"), record["dynamodb"]["NewImage"]["n"]["N"]) for record in records_of(streams, arn)]
    assert seen == [(str(n - 1) if n > 1 else None, str(n)) for n in range(1, 257)]


def test_streams_survive_a_restart(own_server):
    db, streams = own_server.client("dynamodb"), own_server.client("dynamodbstreams")
    arn = streamed(db, "kept")
    put(db, "kept", "a")
    before = records_of(streams, arn)
    iterator = iterator_of(streams, arn, kind="LATEST")
    own_server.kill()
    own_server.start()
    db, streams = own_server.client("dynamodb"), own_server.client("dynamodbstreams")
    assert records_of(streams, arn) == before
    put(db, "kept", "b")
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in read(streams, iterator)[0]] == ["b"]


def replay(records):
    """The items that a stream's records lead to; every old image must be what the records before made."""
    items = {}
    for record in records:
        change = record["dynamodb"]
        identity = change["Keys"]["id"]["S"]
        assert change.get("OldImage") == items.get(identity), (record, items.get(identity))
        assert record["eventName"] == {(False, True): "INSERT", (True, True): "MODIFY", (True, False): "REMOVE"}["OldImage" in change, "NewImage" in change]
        if "NewImage" in change:
            items[identity] = change["NewImage"]
        else:
            del items[identity]
    return items


def test_the_stream_replays_to_the_table_whatever_happens(tmp_path):
    """Writers of every kind at once, items that expire, and a kill in the middle: stream, table and index agree."""
    with Server(data=tmp_path / "data", config={"streams": {"shards": 4}}) as server:
        db = server.client("dynamodb")
        arn = make(db, "busy", others=("kind:S",), StreamSpecification=spec(),
                   GlobalSecondaryIndexes=[{"IndexName": "by-kind", "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}])["LatestStreamArn"]
        db.update_time_to_live(TableName="busy", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
        acknowledged = [0] * 6

        def work(thread, client, until):
            rng = random.Random(thread * 1000 + until)
            item = lambda: {**key(f"k{rng.randrange(20)}"), "n": {"N": str(rng.randrange(3))}, **({"kind": {"S": f"kind{rng.randrange(3)}"}} if rng.random() < 0.7 else {}),
                            **({"expires": {"N": str(int(time.time()) + rng.choice([-20, 3600]))}} if rng.random() < 0.1 else {})}
            for _ in range(until):
                chosen = [{"id": one["id"], "item": one} for one in {one["id"]["S"]: one for one in (item() for _ in range(4))}.values()]
                one = chosen[0]["item"]
                only = {"id": one["id"]}
                try:
                    kind = rng.randrange(6)
                    if kind == 0:
                        client.put_item(TableName="busy", Item=one)
                    elif kind == 1:
                        client.delete_item(TableName="busy", Key=only)
                    elif kind == 2:
                        client.update_item(TableName="busy", Key=only, UpdateExpression="SET kind = :k ADD c :one", ExpressionAttributeValues={":k": {"S": f"kind{rng.randrange(3)}"}, ":one": {"N": "1"}})
                    elif kind == 3:
                        client.batch_write_item(RequestItems={"busy": [{"PutRequest": {"Item": each["item"]}} if rng.random() < 0.6 else {"DeleteRequest": {"Key": {"id": each["id"]}}} for each in chosen]})
                    elif kind == 4:
                        client.transact_write_items(TransactItems=[{"Put": {"TableName": "busy", "Item": each["item"]}} for each in chosen])
                    else:
                        client.update_item(TableName="busy", Key=only, UpdateExpression="REMOVE kind, expires", ConditionExpression="attribute_exists(id)")
                except client.exceptions.ConditionalCheckFailedException:
                    pass
                except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                    if not killed:
                        raise
                    return
                acknowledged[thread] += 1

        def run(until, then=lambda: None):
            failures = []

            def guarded(thread):
                try:
                    work(thread, server.client("dynamodb"), until)
                except BaseException as failure:  # told below
                    failures.append(failure)

            threads = [threading.Thread(target=guarded, args=(thread,)) for thread in range(6)]
            for thread in threads:
                thread.start()
            then()
            for thread in threads:
                thread.join()
            assert not failures, failures[0]

        def kill():
            wait_until(lambda: sum(acknowledged) > 150, "some writes")
            killed.append(True)
            server.kill()

        def check():
            server.settle()
            streams, client = server.client("dynamodbstreams"), server.client("dynamodb")
            table = {item["id"]["S"]: item for item in client.scan(TableName="busy")["Items"]}
            assert replay(records_of(streams, arn)) == table
            indexed = {item["id"]["S"]: item for item in client.scan(TableName="busy", IndexName="by-kind")["Items"]}
            assert indexed == {identity: item for identity, item in table.items() if "kind" in item}
            assert client.describe_table(TableName="busy")["Table"]["ItemCount"] == len(table)

        killed = []
        run(1000, then=kill)
        server.start()
        killed.clear()
        check()
        run(40)
        check()
        server.advance("2h")
        check()
