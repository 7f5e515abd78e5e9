"""Something of everything: written once by an old version, read by this one.

    MILLRACE_BINARY=/path/to/that/millrace .deps/venv/bin/python tests/e2e/old_directory.py tests/e2e/data/format-N.tar.gz

format-1.tar.gz was made with a release build of 22 November 2026, 12:50, about commit 81f6f46: format 1, before there were backups.
format-3.tar.gz was made with the present version, for those that come: before the data format is changed, make it again with the last build.
An archive holds data/ as a kill has left it, with changes in its write-ahead log only, backup/, and expected.json, which is what read() said."""
import hashlib
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FUNCTION = b"""
import json
def handler(event, context):
    print("ran with", json.dumps(event))
    if "fails" in event:
        raise ValueError("to be tried again in a minute")
    return event
"""


def write(server, zip_bytes):
    """Everything but what comes after the backup."""
    db, s3, sqs, functions = (server.client(name) for name in ("dynamodb", "s3", "sqs", "lambda"))
    stream = db.create_table(
        TableName="items", BillingMode="PAY_PER_REQUEST", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in (("id", "S"), ("at", "N"), ("city", "S"), ("rank", "N"))],
        GlobalSecondaryIndexes=[{"IndexName": "by_city", "KeySchema": [{"AttributeName": "city", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}],
        LocalSecondaryIndexes=[{"IndexName": "by_rank", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "rank", "KeyType": "RANGE"}],
                                "Projection": {"ProjectionType": "KEYS_ONLY"}}])["TableDescription"]["LatestStreamArn"]
    db.update_time_to_live(TableName="items", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    for i in range(24):
        db.put_item(TableName="items", Item={"id": {"S": f"k{i % 8}"}, "at": {"N": str(i)}, "city": {"S": f"c{i % 3}"}, "rank": {"N": str(100 - i)}, "until": {"N": "4102444800"},
                                             "all": {"M": {"b": {"B": b"\0\xff"}, "n": {"N": "1.5E-7"}, "t": {"BOOL": True}, "x": {"NULL": True}, "s": {"SS": ["a", "b"]}, "l": {"L": [{"S": "é"}]}}}})
    db.update_item(TableName="items", Key={"id": {"S": "k1"}, "at": {"N": "1"}}, UpdateExpression="SET city = :c REMOVE #r", ExpressionAttributeNames={"#r": "rank"},
                   ExpressionAttributeValues={":c": {"S": "moved"}})
    db.delete_item(TableName="items", Key={"id": {"S": "k2"}, "at": {"N": "2"}})
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="small", Body=b"s" * 100, Metadata={"a": "b"}, ContentType="text/plain")
    s3.put_object(Bucket="bucket", Key="folder/large", Body=b"0123456789" * 10_000)
    upload = s3.create_multipart_upload(Bucket="bucket", Key="unfinished")["UploadId"]
    s3.upload_part(Bucket="bucket", Key="unfinished", UploadId=upload, PartNumber=1, Body=b"part")
    url = sqs.create_queue(QueueName="queue", Attributes={"VisibilityTimeout": "77"})["QueueUrl"]
    for i in range(4):
        sqs.send_message(QueueUrl=url, MessageBody=f"message {i}", MessageAttributes={"n": {"DataType": "Number", "StringValue": str(i)}})
    server.function("function", zip_bytes, runtime="python3.11", environment={"NAME": "value"})
    server.mapping(stream, "function", "LATEST", Enabled=False, BatchSize=7)
    # An accepted event that waits for its second attempt.
    functions.invoke(FunctionName="function", InvocationType="Event", Payload=b'{"fails": "in the old version"}')
    server.settle()


def printed(server):
    """What the function has printed."""
    logs = server.client("logs")
    try:
        return "".join(event["message"] for event in logs.filter_log_events(logGroupName="/aws/lambda/function")["events"])
    except Exception:  # noqa: BLE001: an old server without such an operation, or nothing was printed
        return ""


def write_more(server):
    """After the backup, not flushed: the write-ahead log has it."""
    for i in range(3):
        server.client("dynamodb").put_item(TableName="items", Item={"id": {"S": "late"}, "at": {"N": str(i)}, "city": {"S": "c0"}, "rank": {"N": "1"}})
    server.client("s3").put_object(Bucket="bucket", Key="late", Body=b"late")


def records(server):
    streams = server.client("dynamodbstreams")
    (stream,) = streams.list_streams(TableName="items")["Streams"]
    found = []
    for shard in streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        for record in streams.get_records(ShardIterator=iterator)["Records"]:
            change = record["dynamodb"]
            found.append([record["eventName"], change["SequenceNumber"], change["Keys"], change.get("OldImage"), change.get("NewImage")])
    return sorted(found, key=lambda each: int(each[1]))


def read(server):
    """All of it, as JSON has it. Takes nothing out."""
    db, s3, sqs, functions = (server.client(name) for name in ("dynamodb", "s3", "sqs", "lambda"))
    scan = db.scan(TableName="items")["Items"]
    table = db.describe_table(TableName="items")["Table"]
    ordered = lambda items: sorted(items, key=lambda item: (item["id"]["S"], int(item["at"]["N"])))  # noqa: E731
    by_city = {city: ordered(db.query(TableName="items", IndexName="by_city", KeyConditionExpression="city = :c", ExpressionAttributeValues={":c": {"S": city}})["Items"])
               for city in ("c0", "c1", "c2", "moved")}
    by_rank = {key: db.query(TableName="items", IndexName="by_rank", KeyConditionExpression="id = :i", ExpressionAttributeValues={":i": {"S": key}})["Items"] for key in ("k1", "k3", "late")}
    objects = {each["Key"]: hashlib.md5(s3.get_object(Bucket="bucket", Key=each["Key"])["Body"].read()).hexdigest() for each in s3.list_objects_v2(Bucket="bucket")["Contents"]}
    small = s3.head_object(Bucket="bucket", Key="small")
    (upload,) = s3.list_multipart_uploads(Bucket="bucket")["Uploads"]
    parts = [[each["PartNumber"], each["ETag"]] for each in s3.list_parts(Bucket="bucket", Key="unfinished", UploadId=upload["UploadId"])["Parts"]]
    queue = sqs.get_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName="queue")["QueueUrl"], AttributeNames=["ApproximateNumberOfMessages", "QueueArn", "VisibilityTimeout"])["Attributes"]
    function = functions.get_function(FunctionName="function")["Configuration"]
    (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
    found = {"items": ordered(scan), "count": table["ItemCount"], "table": [table["TableId"], table["LatestStreamArn"]], "by_city": by_city, "by_rank": by_rank, "records": records(server),
             "objects": objects, "small": [small["Metadata"], small["ContentType"]], "parts": parts, "queue": queue,
             "function": [function["CodeSha256"], function["Environment"], function["Runtime"]],
             "mapping": [mapping["UUID"], mapping["State"], mapping["BatchSize"]]}
    return json.loads(json.dumps(found, default=lambda value: value.hex()))


def main(target):
    sys.path.insert(0, str(ROOT / "examples/demo"))
    from world import BINARY, Server, zip_of
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "index.py").write_bytes(FUNCTION)
        with Server(data=place / "data") as server:
            write(server, zip_of(place / "index.py"))
            expected = {"written": time.time(), "backup": read(server), "attempts": printed(server).count("in the old version")}
            if "backup" in subprocess.run([str(BINARY), "--help"], capture_output=True, text=True, check=True).stdout:
                server.cli("backup", str(place / "backup"))
            write_more(server)
            expected["data"] = read(server)
            server.kill()
        (place / "expected.json").write_text(json.dumps(expected))
        with tarfile.open(target, "w:gz", compresslevel=9) as archive:
            for name in filter(lambda each: (place / each).exists(), ("data", "backup", "expected.json")):
                archive.add(place / name, name, filter=lambda entry: None if entry.name in ("data/lock", "data/run", "data/cache") else entry)


if __name__ == "__main__":
    main(*sys.argv[1:])
