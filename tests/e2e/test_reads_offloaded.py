"""What is not in memory is read by the pool, and read right: on real files whose pages the system was told to forget."""
import ctypes
import os
import re
import urllib.request

import pytest

from world import Server

ITEMS = 600
RWF_NOWAIT = 8


def body(number):
    """1 KiB that no compression makes small."""
    return "".join(chr(33 + (number * 7919 + at * at * 31 + at * number) % 90) for at in range(1000)).replace("\\", "/")


def offloaded(server):
    with urllib.request.urlopen(server.endpoint + "/metrics", timeout=30) as answer:
        return int(re.search(r"^millrace_reads_offloaded_total (\d+)", answer.read().decode(), re.M)[1])


def forget_pages(server):
    """Takes the table files out of the page cache; False where the file system keeps them."""
    libc = ctypes.CDLL(None, use_errno=True)
    for path in sorted((server.data / "db").glob("*.sst")):
        file = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            buffer = ctypes.create_string_buffer(1)
            piece = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 1)
            middle = ctypes.c_long(os.path.getsize(path) // 2)
            if libc.preadv2(file, piece, 1, middle, RWF_NOWAIT) >= 0:
                return False
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)
    return True


@pytest.fixture(scope="module")
def cold(tmp_path_factory):
    """A server with 600 items, their stream and objects, all of them on the disk only."""
    with Server(data=tmp_path_factory.mktemp("cold") / "data") as running:
        dynamodb = running.client("dynamodb")
        dynamodb.create_table(
            TableName="items", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
        for first in range(0, ITEMS, 25):
            requests = [{"PutRequest": {"Item": item(number)}} for number in range(first, first + 25)]
            assert dynamodb.batch_write_item(RequestItems={"items": requests})["UnprocessedItems"] == {}
        s3 = running.client("s3")
        s3.create_bucket(Bucket="bucket")
        for number in range(40):
            s3.put_object(Bucket="bucket", Key=f"small/{number}", Body=body(number) * 8)
        running.stop()
        running.start()
        yield running


def item(number):
    return {"id": {"S": f"i{number}"}, "body": {"S": body(number)}, "n": {"N": str(number)}}


@pytest.fixture
def moved(cold):
    """How many requests went to the pool since the pages were forgotten."""
    if not forget_pages(cold):
        pytest.skip("this file system keeps its pages")
    before = offloaded(cold)
    return lambda: offloaded(cold) - before


def test_get_item(cold, moved):
    dynamodb = cold.client("dynamodb")
    for number in range(0, ITEMS, 25):
        assert dynamodb.get_item(TableName="items", Key={"id": {"S": f"i{number}"}})["Item"] == item(number)
    assert "Item" not in dynamodb.get_item(TableName="items", Key={"id": {"S": "none"}})
    first = moved()
    assert first > 0
    for number in range(0, ITEMS, 25):
        dynamodb.get_item(TableName="items", Key={"id": {"S": f"i{number}"}})
    assert moved() == first, "what is in memory by now is read where the request arrived"


def test_several_and_writes(cold, moved):
    dynamodb = cold.client("dynamodb")
    keys = [{"id": {"S": f"i{number}"}} for number in range(3, ITEMS, 60)]
    found = dynamodb.batch_get_item(RequestItems={"items": {"Keys": keys}})["Responses"]["items"]
    assert sorted(one["id"]["S"] for one in found) == sorted(key["id"]["S"] for key in keys)
    together = dynamodb.transact_get_items(
        TransactItems=[{"Get": {"TableName": "items", "Key": {"id": {"S": f"i{number}"}}}} for number in (31, 331)])
    assert [one["Item"] for one in together["Responses"]] == [item(31), item(331)]
    assert moved() > 0
    for number in range(7, ITEMS, 100):
        answer = dynamodb.update_item(
            TableName="items", Key={"id": {"S": f"i{number}"}}, UpdateExpression="SET n = n + :one",
            ConditionExpression="body = :body", ReturnValues="UPDATED_NEW",
            ExpressionAttributeValues={":one": {"N": "1000"}, ":body": {"S": body(number)}})
        assert answer["Attributes"] == {"n": {"N": str(number + 1000)}}


def test_writes_of_a_batch_are_done_once(cold, moved):
    dynamodb = cold.client("dynamodb")
    numbers = range(11, ITEMS, 50)
    requests = [{"DeleteRequest": {"Key": {"id": {"S": f"i{number}"}}}} for number in numbers]
    assert dynamodb.batch_write_item(RequestItems={"items": requests})["UnprocessedItems"] == {}
    for number in numbers:
        assert "Item" not in dynamodb.get_item(TableName="items", Key={"id": {"S": f"i{number}"}})
    actions = [{"Put": {"TableName": "items", "Item": item(number),
                        "ConditionExpression": "attribute_not_exists(id)"}} for number in numbers]
    dynamodb.transact_write_items(TransactItems=actions)
    for number in numbers:
        assert dynamodb.get_item(TableName="items", Key={"id": {"S": f"i{number}"}})["Item"] == item(number)


def test_pages(cold, moved):
    dynamodb = cold.client("dynamodb")
    count = sum(page["Count"] for page in dynamodb.get_paginator("scan").paginate(TableName="items"))
    assert count == ITEMS
    found = dynamodb.query(TableName="items", KeyConditionExpression="id = :id",
                           ExpressionAttributeValues={":id": {"S": "i599"}})
    assert found["Items"] == [item(599)]


def test_records(cold, moved):
    streams = cold.client("dynamodbstreams")
    arn = streams.list_streams(TableName="items")["Streams"][0]["StreamArn"]
    ids = set()
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"],
                                              ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator:
            page = streams.get_records(ShardIterator=iterator)
            ids.update(record["dynamodb"]["Keys"]["id"]["S"] for record in page["Records"])
            iterator = page.get("NextShardIterator") if page["Records"] else None
    assert ids == {f"i{number}" for number in range(ITEMS)}
    assert moved() > 0


def test_objects(cold, moved):
    s3 = cold.client("s3")
    for number in range(0, 40, 7):
        assert s3.get_object(Bucket="bucket", Key=f"small/{number}")["Body"].read().decode() == body(number) * 8
    assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == 40
    assert moved() > 0
    assert s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "small/39"}, {"Key": "none"}]})["Deleted"]
    s3.put_object(Bucket="bucket", Key="small/39", Body=body(39) * 8)
    assert s3.get_object(Bucket="bucket", Key="small/39")["Body"].read().decode() == body(39) * 8
