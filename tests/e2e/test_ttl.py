"""Time to live through boto3: its settings and their texts, what expires, when, and what the stream says about it."""
import time

import pytest

from dynamo import code_of, index, key, make, records_of, refused, text_of
from world import Server

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
YEAR = 365 * 24 * 3600


@pytest.fixture(scope="module")
def db(server):
    return server.client("dynamodb")


def specify(db, table, attribute="expires", enabled=True):
    return db.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": enabled, "AttributeName": attribute})["TimeToLiveSpecification"]


def refusal(db, table, **specification):
    return text_of(db.update_time_to_live, TableName=table, TimeToLiveSpecification=specification)


def now(server):
    """The server's time in whole seconds."""
    return int(server.admin("clock")["now_ms"]) // 1000


def ids(db, table, **options):
    return sorted(item["id"]["S"] for item in db.scan(TableName=table, **options)["Items"])


def test_settings(db, unique):
    make(db, unique)
    describe = lambda: db.describe_time_to_live(TableName=unique)["TimeToLiveDescription"]
    assert describe() == {"TimeToLiveStatus": "DISABLED"}
    assert specify(db, unique) == {"Enabled": True, "AttributeName": "expires"}
    assert describe() == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    assert refusal(db, unique, Enabled=True, AttributeName="expires") == "TimeToLive is already enabled"
    for enabled in (True, False):
        assert refusal(db, unique, Enabled=enabled, AttributeName="other") == "TimeToLive is active on a different AttributeName: current AttributeName is expires"
    assert specify(db, unique, enabled=False) == {"Enabled": False, "AttributeName": "expires"}
    assert describe() == {"TimeToLiveStatus": "DISABLED"}
    assert refusal(db, unique, Enabled=False, AttributeName="expires") == "TimeToLive is already disabled"
    arn = db.describe_table(TableName=unique)["Table"]["TableArn"]
    specify(db, arn, "other")
    assert db.describe_time_to_live(TableName=arn)["TimeToLiveDescription"]["AttributeName"] == "other"


def test_texts_of_settings(server, unique):
    db = server.client("dynamodb", parameter_validation=False)
    make(db, unique)
    null = "1 validation error detected: Value null at 'timeToLiveSpecification.%s' failed to satisfy constraint: Member must not be null"
    assert refusal(db, unique, Enabled=True) == null % "attributeName"
    assert refusal(db, unique, AttributeName="x") == null % "enabled"
    assert refusal(db, unique, Enabled=True, AttributeName="x" * 256).endswith("Member must have length less than or equal to 255")
    assert refusal(db, unique, Enabled=True, AttributeName="").endswith("Member must have length greater than or equal to 1")
    for call, options in ((db.describe_time_to_live, {}), (db.update_time_to_live, {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "x"}})):
        error = refused(call, TableName=unique + "gone", **options)["Error"]
        assert error == {"Code": "ResourceNotFoundException", "Message": f"Requested resource not found: Table: {unique}gone not found"}


def test_aws_timing_has_a_cool_down(tmp_path):
    with Server(data=tmp_path / "data", config={"server": {"aws_timing": True}}) as server:
        db = server.client("dynamodb")
        make(db, "cool")
        server.advance("10s")
        specify(db, "cool")
        text = "Time to live has been modified multiple times within a fixed interval"
        assert refusal(db, "cool", Enabled=False, AttributeName="expires") == text
        assert refusal(db, "cool", Enabled=True, AttributeName="expires") == "TimeToLive is already enabled"
        server.advance("32m")
        specify(db, "cool", enabled=False)


def test_what_expires_and_what_does_not(server, db, unique):
    make(db, unique)
    start = now(server)
    soon = start + 3600
    values = {"soon": {"N": str(soon)}, "fraction": {"N": f"{soon}.5"}, "exponent": {"N": f"{soon / 1e9:.9f}e9"}, "later": {"N": str(start + 30 * 24 * 3600)},
              "text": {"S": str(soon)}, "milliseconds": {"N": str(soon * 1000)}, "nested": {"M": {"expires": {"N": str(soon)}}}, "ancient": {"N": str(start - 5 * YEAR - 10 * 24 * 3600)},
              "set": {"NS": [str(soon)]}, "null": {"NULL": True}, "negative": {"N": "-1"}, "zero": {"N": "0"}, "huge": {"N": "9e125"}, "past": {"N": str(start - 100)}}
    for name, value in values.items():
        db.put_item(TableName=unique, Item={**key(name), "expires": value})
    db.put_item(TableName=unique, Item=key("without"))
    specify(db, unique)  # items that were there before expire as well
    server.settle()
    assert ids(db, unique) == sorted({*values, "without"} - {"past"})
    server.advance("2h")
    left = {*values, "without"} - {"past", "soon", "fraction", "exponent"}
    assert ids(db, unique) == sorted(left)
    server.advance("31d")
    assert ids(db, unique) == sorted(left - {"later"})


def test_the_stream_names_the_service(server, db, unique):
    streams = server.client("dynamodbstreams")
    arn = make(db, unique, StreamSpecification=STREAM)["LatestStreamArn"]
    specify(db, unique)
    item = {**key("a"), "expires": {"N": str(now(server) + 3600)}, "v": {"S": "kept in the record"}}
    db.put_item(TableName=unique, Item=item)
    db.put_item(TableName=unique, Item=key("b"))
    db.delete_item(TableName=unique, Key=key("b"))
    server.advance("61m")
    *ordinary, expired = records_of(streams, arn)
    assert [record["eventName"] for record in ordinary] == ["INSERT", "INSERT", "REMOVE"] and not any("userIdentity" in record for record in ordinary)
    assert expired["eventName"] == "REMOVE" and expired["dynamodb"]["OldImage"] == item and "NewImage" not in expired["dynamodb"]
    assert expired["userIdentity"] == {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}


def test_a_later_time_saves_the_item(server, db, unique):
    make(db, unique)
    specify(db, unique)
    soon = now(server) + 3600
    for name in ("raised", "removed", "lowered", "rewritten"):
        db.put_item(TableName=unique, Item={**key(name), "expires": {"N": str(soon if name != "lowered" else soon + YEAR)}})
    set_to = lambda name, value: db.update_item(TableName=unique, Key=key(name), UpdateExpression="SET expires = :v", ExpressionAttributeValues={":v": {"N": str(value)}})
    set_to("raised", soon + 7200)
    set_to("lowered", soon)
    db.update_item(TableName=unique, Key=key("removed"), UpdateExpression="REMOVE expires")
    db.put_item(TableName=unique, Item=key("rewritten"))
    server.advance("90m")
    assert ids(db, unique) == ["raised", "removed", "rewritten"]
    server.advance("2h")
    assert ids(db, unique) == ["removed", "rewritten"]


def test_nothing_expires_once_it_is_disabled(server, db, unique):
    make(db, unique)
    specify(db, unique)
    db.put_item(TableName=unique, Item={**key("a"), "expires": {"N": str(now(server) + 60)}})
    specify(db, unique, enabled=False)
    server.advance("1h")
    assert ids(db, unique) == ["a"]
    specify(db, unique, "other")
    server.advance("1h")
    assert ids(db, unique) == ["a"]
    specify(db, unique, "other", enabled=False)
    specify(db, unique)
    server.settle()
    assert ids(db, unique) == []


def test_expired_items_leave_the_indexes_and_the_counts(server, db, unique):
    make(db, unique, keys=("id:S", "at:N"), others=("kind:S", "expires:N"), LocalSecondaryIndexes=[index("local", "id", "expires")],
         GlobalSecondaryIndexes=[index("global", "kind", "expires")])
    specify(db, unique)  # a key of an index may be the attribute
    for n in range(30):
        db.put_item(TableName=unique, Item={**key(f"{n % 3}"), "at": {"N": str(n)}, "kind": {"S": "k"}, "expires": {"N": str(now(server) + 3600 * (1 + n % 2))}})
    server.advance("61m")
    assert len(ids(db, unique)) == 15 and len(ids(db, unique, IndexName="global")) == 15 and len(ids(db, unique, IndexName="local")) == 15
    server.advance("61m")
    assert ids(db, unique) == ids(db, unique, IndexName="global") == ids(db, unique, IndexName="local") == []
    assert db.describe_table(TableName=unique)["Table"]["ItemCount"] == 0


def test_many_items_expire_in_one_go(server, db, unique):
    streams = server.client("dynamodbstreams")
    arn = make(db, unique, StreamSpecification={**STREAM, "StreamViewType": "KEYS_ONLY"})["LatestStreamArn"]
    specify(db, unique)
    when = now(server) + 3600
    for start in range(0, 2500, 25):
        db.batch_write_item(RequestItems={unique: [{"PutRequest": {"Item": {**key(f"{n}"), "expires": {"N": str(when)}}}} for n in range(start, start + 25)]})
    server.advance("2h")
    assert db.scan(TableName=unique, Select="COUNT")["Count"] == 0
    removed = [record["dynamodb"]["Keys"]["id"]["S"] for record in records_of(streams, arn) if record["eventName"] == "REMOVE"]
    assert sorted(removed) == sorted(f"{n}" for n in range(2500))


def test_items_that_expire_while_the_server_is_down_go_when_it_is_back(own_server):
    db = own_server.client("dynamodb")
    make(db, "kept")
    specify(db, "kept")
    db.put_item(TableName="kept", Item={**key("a"), "expires": {"N": str(int(time.time()) + 2)}})
    own_server.kill()
    own_server.start()
    own_server.advance("1m")
    assert ids(own_server.client("dynamodb"), "kept") == []
    assert own_server.client("dynamodb").describe_time_to_live(TableName="kept")["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
    assert code_of(db.describe_time_to_live, TableName="nobody") == "ResourceNotFoundException"
