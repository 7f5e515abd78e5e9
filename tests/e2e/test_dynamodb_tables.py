"""DynamoDB's tables through boto3: making and changing them, indexes, queries, scans and their pages, names, namespaces."""
import re

import pytest

from dynamo import code_of, definitions, index, INVALID, key, make, refused, schema, text_of, through_the_generic_path
from world import Server


@pytest.fixture(scope="module", params=["common", "generic"])
def db(server, request):
    """A client whose requests the server reads either way: straight from their text, or with the generic decoder."""
    client = server.client("dynamodb")
    return through_the_generic_path(client) if request.param == "generic" else client


@pytest.fixture(scope="module")
def films(db):
    """A table keyed by `id` and `at` with indexes of every kind and 60 items; for reading only."""
    make(db, "films", keys=("id:S", "at:N"), others=("kind:S", "rank:N"),
         LocalSecondaryIndexes=[index("by-rank", "id", "rank"), index("few", "id", "kind", projection={"ProjectionType": "KEYS_ONLY"})],
         GlobalSecondaryIndexes=[index("by-kind", "kind", "rank"), index("keys", "kind", projection={"ProjectionType": "KEYS_ONLY"}),
                                 index("some", "kind", projection={"ProjectionType": "INCLUDE", "NonKeyAttributes": ["color"]})])
    for n in range(60):
        item = {"id": {"S": "abc"[n % 3]}, "at": {"N": str(n)}, "color": {"S": ("red", "blue")[n % 2]}, "n": {"N": str(n)}}
        if n % 4:  # the others are not in the indexes
            item |= {"kind": {"S": f"k{n % 5}"}, "rank": {"N": str(-n)}}
        db.put_item(TableName="films", Item=item)
    yield "films"
    db.delete_table(TableName="films")


def query(db, condition, values, names=None, table="films", **options):
    return db.query(TableName=table, KeyConditionExpression=condition, ExpressionAttributeValues=values,
                    **({"ExpressionAttributeNames": names} if names else {}), **options)


def at(page):
    return [int(item["at"]["N"]) for item in page["Items"]]


A = {":id": {"S": "a"}}


# -- the catalogue -----------------------------------------------------------------------------------------------------------


def test_a_table_is_described_as_it_was_made(db, unique):
    made = make(db, unique, keys=("id:S", "at:N"), others=("kind:S",), BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
                GlobalSecondaryIndexes=[{**index("glo", "kind", "at"), "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2}}],
                LocalSecondaryIndexes=[index("loc", "id", "kind", projection={"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]})],
                Tags=[{"Key": "team", "Value": "a"}], SSESpecification={"Enabled": False})
    table = db.describe_table(TableName=unique)["Table"]
    assert made["TableArn"] == table["TableArn"] == f"arn:aws:dynamodb:us-east-1:000000000000:table/{unique}"
    assert table["TableStatus"] == "ACTIVE" and table["ItemCount"] == 0 and table["TableSizeBytes"] == 0
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", table["TableId"]) and table["CreationDateTime"].year >= 2024
    assert table["KeySchema"] == schema("id", "at")
    assert sorted(one["AttributeName"] for one in table["AttributeDefinitions"]) == ["at", "id", "kind"]
    assert table["ProvisionedThroughput"]["ReadCapacityUnits"] == 5 and table["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 0
    (global_index,), (local,) = table["GlobalSecondaryIndexes"], table["LocalSecondaryIndexes"]
    assert global_index["IndexStatus"] == "ACTIVE" and global_index["ProvisionedThroughput"]["WriteCapacityUnits"] == 2
    assert global_index["IndexArn"] == table["TableArn"] + "/index/glo" and local["IndexArn"] == table["TableArn"] + "/index/loc"
    assert local["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]} and "IndexStatus" not in local
    assert db.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"] == [{"Key": "team", "Value": "a"}]
    assert db.get_waiter("table_exists").wait(TableName=unique) is None


def test_what_the_catalogue_refuses(db, unique):
    make(db, unique)
    create = lambda **options: refused(make, db=db, name=unique + "x", **options)["Error"]["Message"]
    assert refused(make, db=db, name=unique)["Error"] == {"Code": "ResourceInUseException", "Message": f"Table already exists: {unique}"}
    assert create(others=("spare:S",)) == INVALID + "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"
    assert create(GlobalSecondaryIndexes=[index("glo", "undefined")]).startswith(INVALID + "Some index key attributes are not defined in AttributeDefinitions.")
    assert create(BillingMode="PROVISIONED") == INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"
    assert create(ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}) == INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
    assert create(LocalSecondaryIndexes=[index("loc", "id", "at")], others=("at:S",)) == INVALID + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex"
    assert create(GlobalSecondaryIndexes=[]) == INVALID + "List of GlobalSecondaryIndexes is empty"
    duplicate = create(keys=("id:S", "at:N"), others=("k:S",), GlobalSecondaryIndexes=[index("same", "k"), index("same", "k", "at")])
    assert duplicate == INVALID + "Duplicate index name: same"
    for call in (db.describe_table, db.delete_table):
        assert refused(call, TableName=unique + "gone")["Error"] == {"Code": "ResourceNotFoundException", "Message": f"Requested resource not found: Table: {unique}gone not found"}
    for call, options in ((db.get_item, {"Key": key("a")}), (db.put_item, {"Item": key("a")}), (db.scan, {}), (db.delete_item, {"Key": key("a")})):
        assert refused(call, TableName=unique + "gone", **options)["Error"] == {"Code": "ResourceNotFoundException", "Message": "Requested resource not found"}


def test_names_are_checked(server):
    db = server.client("dynamodb", parameter_validation=False)
    assert text_of(db.create_table, TableName="no", KeySchema=schema("id"), AttributeDefinitions=definitions("id:S"), BillingMode="PAY_PER_REQUEST") == \
        "TableName must be at least 3 characters long and at most 255 characters long"
    bad = text_of(db.describe_table, TableName="bad name")
    assert bad == "1 validation error detected: Value 'bad name' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    assert text_of(db.create_table, TableName="fine", KeySchema=schema("id"), BillingMode="NEVER", AttributeDefinitions=definitions("id:X")).startswith("2 validation errors detected: ")


def test_listing_pages(server, unique):
    db = server.client("dynamodb", account="333344445555")
    names = sorted(f"{unique}{n:02}" for n in range(12))
    for name in names:
        make(db, name)
    pages = list(db.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 5}))
    assert [page["TableNames"] for page in pages] == [names[:5], names[5:10], names[10:]] and "LastEvaluatedTableName" not in pages[-1]
    assert db.list_tables(ExclusiveStartTableName=names[3] + "a", Limit=2)["TableNames"] == names[4:6]


def test_accounts_and_regions_are_namespaces(server, unique):
    clients = [server.client("dynamodb", account=account, region=region) for account in ("test", "444455556666") for region in ("us-east-1", "eu-central-1")]
    arns = []
    for number, client in enumerate(clients):
        arns.append(make(client, unique)["TableArn"])
        client.put_item(TableName=unique, Item={**key("a"), "n": {"N": str(number)}})
    assert [client.get_item(TableName=unique, Key=key("a"))["Item"]["n"]["N"] for client in clients] == ["0", "1", "2", "3"]
    assert [arn.split(":")[3:5] for arn in arns] == [["us-east-1", "000000000000"], ["eu-central-1", "000000000000"], ["us-east-1", "444455556666"], ["eu-central-1", "444455556666"]]
    clients[0].delete_table(TableName=unique)
    assert clients[0].list_tables(ExclusiveStartTableName=unique[:-1])["TableNames"][:1] != [unique] and clients[1].describe_table(TableName=unique)


def test_an_arn_is_as_good_as_a_name(db, unique):
    arn = make(db, unique, others=("kind:S",), GlobalSecondaryIndexes=[index("glo", "kind")])["TableArn"]
    db.put_item(TableName=arn, Item={**key("a"), "kind": {"S": "k"}})
    db.update_item(TableName=arn, Key=key("a"), UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": {"N": "1"}})
    assert db.get_item(TableName=arn, Key=key("a"))["Item"]["n"] == {"N": "1"}
    assert db.query(TableName=arn, IndexName="glo", KeyConditionExpression="kind = :k", ExpressionAttributeValues={":k": {"S": "k"}})["Count"] == 1
    assert db.scan(TableName=arn)["Count"] == 1
    db.batch_write_item(RequestItems={arn: [{"PutRequest": {"Item": key("b")}}]})
    answer = db.batch_get_item(RequestItems={arn: {"Keys": [key("b")]}})["Responses"]
    assert list(answer.values()) == [[key("b")]]
    db.transact_write_items(TransactItems=[{"Delete": {"TableName": arn, "Key": key("b")}}, {"Put": {"TableName": unique, "Item": key("c")}}])
    assert db.transact_get_items(TransactItems=[{"Get": {"TableName": arn, "Key": key("c")}}])["Responses"] == [{"Item": key("c")}]
    assert db.describe_table(TableName=arn)["Table"]["TableName"] == unique
    assert db.update_table(TableName=arn, DeletionProtectionEnabled=True)["TableDescription"]["DeletionProtectionEnabled"] is True
    db.update_table(TableName=arn, DeletionProtectionEnabled=False)
    db.delete_item(TableName=arn, Key=key("a"))
    db.delete_table(TableName=arn)
    assert code_of(db.describe_table, TableName=arn) == "ResourceNotFoundException"


def test_changing_a_table(db, unique):
    make(db, unique)
    change = lambda **options: db.update_table(TableName=unique, **options)["TableDescription"]
    assert change(BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 4})["ProvisionedThroughput"]["WriteCapacityUnits"] == 4
    assert change(BillingMode="PAY_PER_REQUEST")["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert change(TableClass="STANDARD_INFREQUENT_ACCESS")["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert change(DeletionProtectionEnabled=True)["DeletionProtectionEnabled"] is True
    assert "deletion protection" in text_of(db.delete_table, TableName=unique).lower()
    change(DeletionProtectionEnabled=False)
    assert text_of(db.update_table, TableName=unique).startswith("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required")
    gone = db.delete_table(TableName=unique)["TableDescription"]
    assert gone["TableStatus"] == "DELETING" and gone["TableName"] == unique
    db.get_waiter("table_not_exists").wait(TableName=unique)
    make(db, unique)
    assert db.scan(TableName=unique)["Count"] == 0


def test_a_new_table_of_an_old_name_is_empty(db, unique):
    for _ in range(2):
        make(db, unique, others=("kind:S",), GlobalSecondaryIndexes=[index("glo", "kind")])
        assert db.scan(TableName=unique)["Count"] == db.scan(TableName=unique, IndexName="glo")["Count"] == 0
        for n in range(10):
            db.put_item(TableName=unique, Item={**key(f"{n}"), "kind": {"S": "k"}})
        table = db.describe_table(TableName=unique)["Table"]
        assert table["ItemCount"] == 10 and table["TableSizeBytes"] == 10 * (2 + 1 + 4 + 1) and table["GlobalSecondaryIndexes"][0]["ItemCount"] == 10
        db.delete_table(TableName=unique)


def test_tags(db, unique):
    arn = make(db, unique)["TableArn"]
    db.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    db.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}])
    assert db.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": ""}]
    db.untag_resource(ResourceArn=arn, TagKeys=["a", "never"])
    assert db.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": ""}]
    assert code_of(db.list_tags_of_resource, ResourceArn=arn + "gone") == "ResourceNotFoundException"


def test_limits_and_endpoints(server, db):
    assert db.describe_limits()["AccountMaxReadCapacityUnits"] == 80000
    (endpoint,) = db.describe_endpoints()["Endpoints"]
    assert endpoint["Address"] and endpoint["CachePeriodInMinutes"] == 1440


def test_what_is_not_served_is_refused_by_name(db, unique):
    make(db, unique)
    assert "ResourcePolicy" in text_of(make, db=db, name=unique + "x", ResourcePolicy="{}")
    assert "ReplicaUpdates" in text_of(db.update_table, TableName=unique, ReplicaUpdates=[{"Create": {"RegionName": "eu-west-1"}}])
    error = refused(db.execute_statement, Statement="SELECT * FROM x")
    assert error["ResponseMetadata"]["HTTPStatusCode"] in (400, 501) and "ExecuteStatement" in error["Error"]["Message"]


def test_an_index_is_built_while_the_table_is_used(db, server, unique):
    make(db, unique)
    for i in range(300):
        db.put_item(TableName=unique, Item={"id": {"S": f"i{i}"}, "k": {"S": f"k{i % 3}"}})
    answer = db.update_table(TableName=unique, AttributeDefinitions=definitions("id:S", "k:S"), GlobalSecondaryIndexUpdates=[{"Create": index("glo", "k")}])
    (described,) = answer["TableDescription"]["GlobalSecondaryIndexes"]
    assert described["IndexStatus"] == "CREATING" and described["Backfilling"] is True
    db.put_item(TableName=unique, Item={"id": {"S": "late"}, "k": {"S": "k0"}})
    server.settle()
    (described,) = db.describe_table(TableName=unique)["Table"]["GlobalSecondaryIndexes"]
    assert described["IndexStatus"] == "ACTIVE" and "Backfilling" not in described and described["ItemCount"] == 301
    query = {"TableName": unique, "IndexName": "glo", "KeyConditionExpression": "k = :k", "ExpressionAttributeValues": {":k": {"S": "k0"}}}
    assert db.query(**query)["Count"] == 101
    db.update_table(TableName=unique, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "glo"}}])
    table = db.describe_table(TableName=unique)["Table"]
    assert "GlobalSecondaryIndexes" not in table and len(table["AttributeDefinitions"]) == 1
    assert "does not have the specified index" in text_of(db.query, **query)


# -- queries -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition, values, expected", [
    ("id = :id", {}, list(range(0, 60, 3))), ("id = :id AND #at = :x", {":x": "9"}, [9]), ("id = :id AND #at < :x", {":x": "7"}, [0, 3, 6]),
    ("id = :id AND #at <= :x", {":x": "6"}, [0, 3, 6]), ("id = :id AND #at > :x", {":x": "51"}, [54, 57]), ("#at >= :x AND id = :id", {":x": "54"}, [54, 57]),
    ("id = :id AND #at BETWEEN :x AND :y", {":x": "10", ":y": "18.0"}, [12, 15, 18]), ("(id = :id) and (#at = :x)", {":x": "1"}, [])])
def test_key_conditions(db, films, condition, values, expected):
    values = {**A, **{name: {"N": value} for name, value in values.items()}}
    names = {"#at": "at"} if "#at" in condition else None
    forward, backward = query(db, condition, values, names), query(db, condition, values, names, ScanIndexForward=False)
    assert at(forward) == expected and at(backward) == expected[::-1] and forward["Count"] == forward["ScannedCount"] == len(expected)


def test_numbers_and_texts_sort_as_they_should(db, unique):
    make(db, unique, keys=("id:S", "at:N"))
    numbers = ["-1e20", "-10", "-9.5", "-0.001", "0", "1e-100", "0.5", "2", "10", "99999999999999999999999999999999999999", "1e125"]
    for number in reversed(numbers):
        db.put_item(TableName=unique, Item={**key("a"), "at": {"N": number}})
    assert [float(item["at"]["N"]) for item in query(db, "id = :id", A, table=unique)["Items"]] == [float(number) for number in numbers]
    make(db, unique + "s", keys=("id:S", "at:S"))
    texts = ["A", "B", "a", "a\u0000", "a b", "ab", "z", "é", "ż", "\uffff", "🐢"]
    for text in reversed(texts):
        db.put_item(TableName=unique + "s", Item={**key("a"), "at": {"S": text}})
    assert [item["at"]["S"] for item in query(db, "id = :id", A, table=unique + "s")["Items"]] == sorted(texts, key=str.encode)
    found = query(db, "id = :id AND begins_with(#at, :a)", {**A, ":a": {"S": "a"}}, {"#at": "at"}, table=unique + "s")
    assert [item["at"]["S"] for item in found["Items"]] == ["a", "a\u0000", "a b", "ab"]


def test_binary_keys(db, unique):
    make(db, unique, keys=("id:B", "at:B"))
    rows = [b"\x00", b"\x00\x00", b"\x00\xff", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xff\x00"]
    for row in rows:
        db.put_item(TableName=unique, Item={"id": {"B": b"\x00\xffid"}, "at": {"B": row}})
    everything = db.query(TableName=unique, KeyConditionExpression="id = :id", ExpressionAttributeValues={":id": {"B": b"\x00\xffid"}})
    assert [item["at"]["B"] for item in everything["Items"]] == sorted(rows)
    zero = db.query(TableName=unique, KeyConditionExpression="id = :id AND begins_with(#at, :z)", ExpressionAttributeNames={"#at": "at"}, ExpressionAttributeValues={":id": {"B": b"\x00\xffid"}, ":z": {"B": b"\x00"}})
    assert [item["at"]["B"] for item in zero["Items"]] == rows[:3]


def test_indexes(db, films):
    kind = {":k": {"S": "k1"}}
    expected = [n for n in range(60) if n % 5 == 1 and n % 4]
    answer = query(db, "kind = :k", kind, IndexName="by-kind")
    assert at(answer) == expected[::-1]  # its sort key is -n
    assert set(answer["Items"][0]) == {"id", "at", "kind", "rank", "color", "n"}
    assert set(query(db, "kind = :k", kind, IndexName="keys")["Items"][0]) == {"id", "at", "kind"}
    assert set(query(db, "kind = :k", kind, IndexName="some")["Items"][0]) == {"id", "at", "kind", "color"}
    assert sorted(at(query(db, "kind = :k", kind, IndexName="some"))) == expected
    assert at(query(db, "kind = :k AND #r > :r", {**kind, ":r": {"N": "-20"}}, {"#r": "rank"}, IndexName="by-kind")) == [n for n in expected[::-1] if n < 20]
    local = query(db, "id = :id", A, IndexName="by-rank", ConsistentRead=True)
    assert at(local) == [n for n in range(57, -1, -3) if n % 4]
    few = query(db, "id = :id AND kind = :k", {**A, **kind}, IndexName="few")
    assert set(few["Items"][0]) == {"id", "at", "kind"}
    whole = query(db, "id = :id AND kind = :k", {**A, **kind}, IndexName="few", Select="ALL_ATTRIBUTES")
    assert set(whole["Items"][0]) == {"id", "at", "kind", "rank", "color", "n"}
    fetched = query(db, "id = :id AND kind = :k", {**A, **kind}, IndexName="few", ProjectionExpression="n, color")
    assert set(fetched["Items"][0]) == {"n", "color"}
    assert db.scan(TableName=films, IndexName="keys")["Count"] == 45


def test_index_entries_follow_their_items(db, unique):
    make(db, unique, others=("kind:S",), GlobalSecondaryIndexes=[index("glo", "kind")])
    kinds = lambda kind: sorted(item["id"]["S"] for item in query(db, "kind = :k", {":k": {"S": kind}}, table=unique, IndexName="glo")["Items"])
    for name in "ab":
        db.put_item(TableName=unique, Item={**key(name), "kind": {"S": "x"}})
    db.update_item(TableName=unique, Key=key("a"), UpdateExpression="SET kind = :k", ExpressionAttributeValues={":k": {"S": "y"}})
    assert kinds("x") == ["b"] and kinds("y") == ["a"]
    db.update_item(TableName=unique, Key=key("a"), UpdateExpression="REMOVE kind")
    db.delete_item(TableName=unique, Key=key("b"))
    assert kinds("x") == kinds("y") == [] and db.scan(TableName=unique)["Count"] == 1


@pytest.mark.parametrize("options", [{}, {"ScanIndexForward": False}, {"FilterExpression": "color = :red"}, {"IndexName": "by-rank"}])
def test_pages_of_a_query_make_up_the_whole(db, films, options):
    values = {**A, **({":red": {"S": "red"}} if "FilterExpression" in options else {})}
    whole = query(db, "id = :id", values, **options)
    pages = list(db.get_paginator("query").paginate(TableName=films, KeyConditionExpression="id = :id", ExpressionAttributeValues=values, PaginationConfig={"PageSize": 3}, **options))
    assert [item for page in pages for item in page["Items"]] == whole["Items"] and sum(page["ScannedCount"] for page in pages) == whole["ScannedCount"]
    assert all(page["ScannedCount"] == 3 for page in pages[:-1]) and "LastEvaluatedKey" not in pages[-1]
    if "IndexName" in options:
        assert set(pages[0]["LastEvaluatedKey"]) == {"id", "at", "rank"}


def test_a_page_ends_at_1_mb(db, unique):
    make(db, unique, keys=("id:S", "at:N"))
    for n in range(12):
        db.put_item(TableName=unique, Item={**key("a"), "at": {"N": str(n)}, "v": {"S": "x" * 250_000}})
    for call in (lambda **options: query(db, "id = :id", A, table=unique, **options), lambda **options: db.scan(TableName=unique, **options)):
        seen, options, pages = [], {}, 0
        while True:
            page = call(**options)
            seen, pages = seen + at(page), pages + 1
            if "LastEvaluatedKey" not in page:
                break
            assert 4 <= page["Count"] <= 5
            options = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        assert seen == list(range(12)) and pages == 3
    # What is counted is what was read, not what is shown.
    counted = db.scan(TableName=unique, Select="COUNT")
    assert "Items" not in counted and counted["Count"] == 5 and "LastEvaluatedKey" in counted
    assert query(db, "id = :id", A, table=unique, ProjectionExpression="id")["Count"] == 5


def test_parallel_scans_make_up_the_table(db, films):
    segments = [db.scan(TableName=films, Segment=n, TotalSegments=4) for n in range(4)]
    assert sorted(n for page in segments for n in at(page)) == list(range(60))
    pages = list(db.get_paginator("scan").paginate(TableName=films, FilterExpression="n < :n", ExpressionAttributeValues={":n": {"N": "30"}}, PaginationConfig={"PageSize": 7}))
    assert sorted(n for page in pages for n in at(page)) == list(range(30))


def test_what_queries_refuse(db, films):
    text = lambda condition, values=None, names=None, **options: text_of(query, db=db, condition=condition, values={**A, **(values or {})}, names=names, **options)
    x = {":x": {"N": "1"}}
    assert text("n = :id") == "Query condition missed key schema element: id"
    assert text("id > :id") == "Query key condition not supported"
    assert text("id = :id AND n = :x", x) == "Query condition missed key schema element: at"
    assert text("id = :id OR #at = :x", x, {"#at": "at"}) == "Invalid operator used in KeyConditionExpression: OR"
    assert text("id = :id AND #at <> :x", x, {"#at": "at"}) in ("Invalid operator used in KeyConditionExpression: <>", "Unsupported operator on KeyCondition")
    assert text("id = :id", x) == "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x}"
    assert text("id = :id AND #at = :s", {":s": {"S": "1"}}, {"#at": "at"}) == INVALID + "Condition parameter type does not match schema type"
    assert text("id = :id", x, FilterExpression="#at = :x", names={"#at": "at"}) == "Filter Expression can only contain non-primary key attributes: Primary key attribute: at"
    assert text("id = :id", IndexName="nope") == "The table does not have the specified index: nope"
    assert text("kind = :id", IndexName="by-kind", ConsistentRead=True) == "Consistent reads are not supported on global secondary indexes"
    assert text("kind = :id", IndexName="keys", Select="ALL_ATTRIBUTES") == INVALID + "Select type ALL_ATTRIBUTES is not supported for global secondary index keys because its projection type is not ALL"
    assert text("id = :id", ExclusiveStartKey={"id": {"S": "a"}}) == "The provided starting key is invalid: The provided key element does not match the schema"
    assert text("id = :id", ExclusiveStartKey={"id": {"S": "b"}, "at": {"N": "1"}}) == "The provided starting key is outside query boundaries based on provided conditions"
    assert text_of(db.query, TableName=films) == "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
    assert text_of(db.scan, TableName=films, Segment=4, TotalSegments=4) == "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 4 is not less than TotalSegments: 4"
    assert text_of(db.scan, TableName=films, Segment=0).startswith("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")


def test_the_legacy_parameters(db, films, unique):
    conditions = {"id": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}, "at": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "3"}, {"N": "9"}]}}
    assert at(db.query(TableName=films, KeyConditions=conditions)) == [3, 6, 9]
    assert at(db.query(TableName=films, KeyConditions=conditions, QueryFilter={"color": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "red"}]}})) == [6]
    assert db.scan(TableName=films, ScanFilter={"kind": {"ComparisonOperator": "NULL"}, "n": {"ComparisonOperator": "LT", "AttributeValueList": [{"N": "20"}]}}, ConditionalOperator="AND")["Count"] == 5
    make(db, unique)
    db.put_item(TableName=unique, Item={**key("a"), "n": {"N": "1"}}, Expected={"id": {"Exists": False}})
    assert code_of(db.put_item, TableName=unique, Item=key("a"), Expected={"id": {"Exists": False}}) == "ConditionalCheckFailedException"
    new = db.update_item(TableName=unique, Key=key("a"), AttributeUpdates={"n": {"Action": "ADD", "Value": {"N": "4"}}, "s": {"Action": "PUT", "Value": {"S": "x"}}, "gone": {"Action": "DELETE"}},
                         Expected={"n": {"Value": {"N": "1"}}}, ReturnValues="ALL_NEW")["Attributes"]
    assert new == {**key("a"), "n": {"N": "5"}, "s": {"S": "x"}}


def test_aws_timing_makes_tables_take_their_time(tmp_path):
    """With --aws-timing tables are CREATING, UPDATING and DELETING for a while; the clock moves past that."""
    with Server(data=tmp_path / "data", config={"server": {"aws_timing": True}}) as server:
        db = server.client("dynamodb")
        status = lambda: db.describe_table(TableName="slow")["Table"]["TableStatus"]
        made = make(db, "slow", others=("kind:S",), GlobalSecondaryIndexes=[index("glo", "kind")])
        assert made["TableStatus"] == status() == "CREATING" and made["GlobalSecondaryIndexes"][0]["IndexStatus"] == "CREATING"
        assert db.list_tables()["TableNames"] == ["slow"]
        assert refused(db.put_item, TableName="slow", Item=key("a"))["Error"] == {"Code": "ResourceNotFoundException", "Message": "Requested resource not found"}
        assert code_of(db.scan, TableName="slow") == "ResourceNotFoundException"
        busy = {"Code": "ResourceInUseException", "Message": "Attempt to change a resource which is still in use: Table is being created: slow"}
        assert refused(db.delete_table, TableName="slow")["Error"] == busy
        assert refused(db.update_table, TableName="slow", DeletionProtectionEnabled=True)["Error"] == busy
        assert text_of(db.describe_time_to_live, TableName="slow") == "Cannot describe time to live while table is in CREATING state: Current table state is CREATING"
        server.advance("5s")
        assert status() == "ACTIVE"
        db.put_item(TableName="slow", Item=key("a"))
        stream = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
        updated = db.update_table(TableName="slow", StreamSpecification=stream)["TableDescription"]
        assert updated["TableStatus"] == status() == "UPDATING" and updated["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE" and updated["LatestStreamArn"]
        assert db.get_item(TableName="slow", Key=key("a"))["Item"] == key("a")
        db.update_time_to_live(TableName="slow", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
        assert refused(db.delete_table, TableName="slow")["Error"]["Message"] == "Attempt to change a resource which is still in use: Table is being updated: slow"
        assert code_of(db.update_table, TableName="slow", StreamSpecification={"StreamEnabled": False}) == "ResourceInUseException"
        server.advance("5s")
        assert db.delete_table(TableName="slow")["TableDescription"]["TableStatus"] == status() == "DELETING"
        assert db.list_tables()["TableNames"] == ["slow"] and code_of(db.get_item, TableName="slow", Key=key("a")) == "ResourceNotFoundException"
        assert refused(make, db=db, name="slow")["Error"] == {"Code": "ResourceInUseException", "Message": "Table already exists: slow"}
        assert refused(db.delete_table, TableName="slow")["Error"]["Message"] == "Attempt to change a resource which is still in use: Table is being deleted: slow"
        server.advance("5s")
        assert code_of(db.describe_table, TableName="slow") == "ResourceNotFoundException" and db.list_tables()["TableNames"] == []
        make(db, "slow")
        server.admin("reset", {})
        make(db, "slow")
