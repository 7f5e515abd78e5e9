"""What the tests of DynamoDB share: making tables, reading streams, catching errors."""
import json

import botocore.exceptions
import pytest

INVALID = "One or more parameter values were invalid: "


def refused(call, **options):
    """The whole answer of a call that must fail."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response


def code_of(call, **options):
    return refused(call, **options)["Error"]["Code"]


def text_of(call, **options):
    """The text of the ValidationException that this call ends with."""
    error = refused(call, **options)["Error"]
    assert error["Code"] == "ValidationException", error
    return error["Message"]


def schema(*names):
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"))]


def definitions(*pairs):
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in (pair.split(":") for pair in pairs)]


def index(name, *keys, projection=None):
    return {"IndexName": name, "Projection": projection or {"ProjectionType": "ALL"}, "KeySchema": schema(*keys)}


def make(db, name, keys=("id:S",), others=(), **options):
    """Creates a table; `keys` and `others` are like "id:S"."""
    options.setdefault("BillingMode", "PAY_PER_REQUEST")
    return db.create_table(TableName=name, KeySchema=schema(*[pair.split(":")[0] for pair in keys]),
                           AttributeDefinitions=definitions(*keys, *others), **options)["TableDescription"]


def key(identity):
    return {"id": {"S": identity}}


def shards_of(streams, arn):
    """Every shard of a stream, over all pages."""
    shards, options = [], {}
    while True:
        description = streams.describe_stream(StreamArn=arn, **options)["StreamDescription"]
        shards += description["Shards"]
        if "LastEvaluatedShardId" not in description:
            return shards
        options = {"ExclusiveStartShardId": description["LastEvaluatedShardId"]}


def iterator_of(streams, arn, shard=None, kind="TRIM_HORIZON", **options):
    shard = shard or shards_of(streams, arn)[0]["ShardId"]
    return streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType=kind, **options)["ShardIterator"]


def read(streams, iterator, **options):
    """Everything from an iterator to the end of what is there: (records, last NextShardIterator or None)."""
    records = []
    while iterator:
        page = streams.get_records(ShardIterator=iterator, **options)
        records += page["Records"]
        iterator = page.get("NextShardIterator")
        if not page["Records"]:
            break
    return records, iterator


def records_of(streams, arn):
    """Every record of a stream: parents before children, in order within a shard."""
    return [record for shard in shards_of(streams, arn) for record in read(streams, iterator_of(streams, arn, shard["ShardId"]))[0]]


# A member that no fast path of the server knows; null means that it is not there.
UNCOMMON = {"PutItem": "Expected", "UpdateItem": "Expected", "DeleteItem": "Expected", "GetItem": "AttributesToGet", "Query": "AttributesToGet", "Scan": "AttributesToGet"}


def through_the_generic_path(client):
    """A client whose requests carry a null member, so that the server reads them with the generic decoder and validator."""

    def add_null(params, model, **_):
        if model.name in UNCOMMON:
            body = json.loads(params["body"])
            body.setdefault(UNCOMMON[model.name], None)
            params["body"] = json.dumps(body).encode()
        elif model.name == "BatchWriteItem":
            params["body"] = json.dumps({**json.loads(params["body"]), "ReturnItemCollectionMetrics": "SIZE"}).encode()

    client.meta.events.register("before-call.dynamodb", add_null)
    return client
