"""DynamoDB's items through boto3: values, conditions, updates, expressions and their texts, batches, transactions."""
import decimal
import json
import threading
import urllib.request
import zlib

import boto3
import pytest

from dynamo import index, INVALID, key, make, refused, text_of, through_the_generic_path


@pytest.fixture(scope="module", params=["common", "generic"])
def db(server, request):
    """A client whose requests the server reads either way: straight from their text, or with the generic decoder."""
    client = server.client("dynamodb")
    return through_the_generic_path(client) if request.param == "generic" else client


@pytest.fixture
def table(db, unique):
    """A table keyed by `id` alone."""
    make(db, unique)
    return unique


@pytest.fixture
def ranged(db, unique):
    """A table keyed by `id` and the number `at`, with an index of each kind."""
    make(db, unique, keys=("id:S", "at:N"), others=("kind:S", "rank:N"),
         LocalSecondaryIndexes=[index("by-rank", "id", "rank")],
         GlobalSecondaryIndexes=[index("by-kind", "kind", "rank"),
                                 index("kinds", "kind", projection={"ProjectionType": "KEYS_ONLY"}),
                                 index("some", "kind", projection={"ProjectionType": "INCLUDE", "NonKeyAttributes": ["color"]})])
    return unique


def get(db, table, identity="a", **options):
    return db.get_item(TableName=table, Key=key(identity), **options).get("Item")


# -- values ----------------------------------------------------------------------------------------------------------------


def test_every_type_comes_back_as_it_went(db, table):
    item = {**key("a"), "text": {"S": "żółw 🐢 \u0000 \"quoted\" \\"}, "empty": {"S": ""}, "bytes": {"B": bytes(range(256))},
            "no bytes": {"B": b""}, "yes": {"BOOL": True}, "no": {"BOOL": False}, "nothing": {"NULL": True},
            "list": {"L": [{"N": "1"}, {"S": ""}, {"L": []}, {"M": {}}]}, "doc": {"M": {"ż": {"M": {"deep": {"SS": ["x"]}}}}},
            "numbers": {"NS": ["3", "1", "2.5"]}, "strings": {"SS": ["b", "a"]}, "binaries": {"BS": [b"\x00", b"\xff"]}}
    db.put_item(TableName=table, Item=item)
    back = get(db, table)
    for name in ("numbers", "strings", "binaries"):
        (kind, values), = back.pop(name).items()
        assert sorted(values) == sorted(item.pop(name)[kind])
    assert back == item


@pytest.mark.parametrize("given, kept", [
    ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    ("0.00000000000000000000000000000000000001", "0.00000000000000000000000000000000000001"),
    ("-9.9999999999999999999999999999999999999E+125", "-99999999999999999999999999999999999999" + "0" * 88),
    ("1E-130", "0." + "0" * 129 + "1"), ("1e3", "1000"), ("007.50", "7.5"), ("-0", "0"), ("+5", "5"), ("1.000", "1")])
def test_numbers_are_exact(db, table, given, kept):
    db.put_item(TableName=table, Item={**key("a"), "n": {"N": given}})
    assert get(db, table)["n"]["N"] == kept


@pytest.mark.parametrize("given, text", [
    ("abc", "The parameter cannot be converted to a numeric value: abc"),
    ("", "The parameter cannot be converted to a numeric value"),
    ("NaN", "The parameter cannot be converted to a numeric value: NaN"),
    ("123456789012345678901234567890123456789", "Attempting to store more than 38 significant digits in a Number"),
    ("1E126", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
    ("1E-131", "Number underflow. Attempting to store a number with magnitude smaller than supported range")])
def test_numbers_out_of_range(db, table, given, text):
    assert text_of(db.put_item, TableName=table, Item={**key("a"), "n": {"N": given}}) == text


def test_arithmetic_is_exact(db, table):
    db.put_item(TableName=table, Item={**key("a"), "n": {"N": "0.1"}, "big": {"N": "99999999999999999999999999999999999998"}})
    db.update_item(TableName=table, Key=key("a"), UpdateExpression="SET n = n + :x, big = big + :one",
                   ExpressionAttributeValues={":x": {"N": "0.2"}, ":one": {"N": "1"}})
    assert get(db, table) == {**key("a"), "n": {"N": "0.3"}, "big": {"N": "99999999999999999999999999999999999999"}}


def test_resource_layer_uses_decimals(server, table):
    mine = boto3.resource("dynamodb", endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id="test",
                          aws_secret_access_key="test").Table(table)
    mine.put_item(Item={"id": "a", "price": decimal.Decimal("19.990000000000000000000000000000000001"), "tags": {"x", "y"}, "raw": b"\x01"})
    item = mine.get_item(Key={"id": "a"})["Item"]
    assert item["price"] == decimal.Decimal("19.990000000000000000000000000000000001") and item["tags"] == {"x", "y"} and item["raw"].value == b"\x01"


@pytest.mark.parametrize("value, text", [
    ({"SS": []}, INVALID + "An string set  may not be empty"),
    ({"NS": []}, INVALID + "An number set  may not be empty"),
    ({"BS": []}, INVALID + "Binary sets should not be empty"),
    ({"SS": ["a", "a"]}, INVALID + "Input collection [a, a] contains duplicates."),
    ({"SS": [""]}, INVALID + "An string set may not have a empty string as a member"),
    ({"NULL": False}, INVALID + "Null attribute value types must have the value of true")])
def test_values_that_are_none(db, table, value, text):
    assert text_of(db.put_item, TableName=table, Item={**key("a"), "v": value}) == text


def test_the_largest_item(db, table):
    # AWS: names and values count, in UTF-8 bytes.
    room = 400 * 1024 - len("id") - len("a") - len("v")
    db.put_item(TableName=table, Item={**key("a"), "v": {"S": "x" * room}})
    assert len(get(db, table)["v"]["S"]) == room
    assert text_of(db.put_item, TableName=table, Item={**key("a"), "v": {"S": "x" * (room + 1)}}) == "Item size has exceeded the maximum allowed size"
    assert text_of(db.update_item, TableName=table, Key=key("a"), UpdateExpression="SET w = :w",
                   ExpressionAttributeValues={":w": {"S": "x"}}) == "Item size to update has exceeded the maximum allowed size"
    assert text_of(db.put_item, TableName=table, Item={**key("a"), "v": {"S": "ż" * (room // 2 + 1)}}) == "Item size has exceeded the maximum allowed size"


def test_nesting_has_32_levels(db, table):
    value = {"S": "x"}
    for _ in range(31):
        value = {"L": [value]}
    db.put_item(TableName=table, Item={**key("a"), "v": value})
    assert get(db, table)["v"] == value
    assert "Nesting Levels have exceeded supported limits" in text_of(db.put_item, TableName=table, Item={**key("a"), "v": {"L": [{"L": [value]}]}})


# -- keys ------------------------------------------------------------------------------------------------------------------


def test_texts_of_wrong_keys(db, table):
    put = lambda **item: text_of(db.put_item, TableName=table, Item=item)
    assert put(other={"S": "x"}) == INVALID + "Missing the key id in the item"
    assert put(id={"N": "1"}) == INVALID + "Type mismatch for key id expected: S actual: N"
    assert put(id={"S": ""}) == "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: id"
    assert put(id={"S": "x" * 2049}) == INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes"
    for wrong in ({"id": {"N": "1"}}, {"other": {"S": "x"}}, {**key("a"), "more": {"S": "x"}}):
        assert text_of(db.get_item, TableName=table, Key=wrong) == "The provided key element does not match the schema"
    assert text_of(db.update_item, TableName=table, Key=key("a"), UpdateExpression="SET id = :x",
                   ExpressionAttributeValues={":x": {"S": "b"}}) == INVALID + "Cannot update attribute id. This attribute is part of the key"


def test_index_keys_are_checked(db, ranged):
    item = {**key("a"), "at": {"N": "1"}}
    assert text_of(db.put_item, TableName=ranged, Item={**item, "kind": {"N": "1"}}).startswith(INVALID + "Type mismatch for Index Key kind Expected: S Actual: N")
    assert "IndexName: " in text_of(db.put_item, TableName=ranged, Item={**item, "kind": {"S": ""}})
    db.put_item(TableName=ranged, Item=item)
    assert "Type mismatch for Index Key kind Expected: S Actual: N IndexName: " in text_of(
        db.update_item, TableName=ranged, Key=item, UpdateExpression="SET kind = :k", ExpressionAttributeValues={":k": {"N": "1"}})


# -- writing ---------------------------------------------------------------------------------------------------------------


def test_update_creates_what_is_absent_and_delete_does_not_mind(db, table):
    answer = db.update_item(TableName=table, Key=key("new"), UpdateExpression="SET n = if_not_exists(n, :zero) + :one",
                            ExpressionAttributeValues={":zero": {"N": "0"}, ":one": {"N": "1"}}, ReturnValues="ALL_NEW")
    assert answer["Attributes"] == {**key("new"), "n": {"N": "1"}}
    db.update_item(TableName=table, Key=key("bare"))
    assert get(db, table, "bare") == key("bare")
    db.update_item(TableName=table, Key=key("never"), UpdateExpression="REMOVE x")
    assert "Attributes" not in db.delete_item(TableName=table, Key=key("absent"), ReturnValues="ALL_OLD")
    assert "Item" not in db.get_item(TableName=table, Key=key("absent"))


def test_return_values(db, table):
    assert "Attributes" not in db.put_item(TableName=table, Item={**key("a"), "x": {"N": "1"}, "y": {"N": "1"}}, ReturnValues="ALL_OLD")
    old = db.put_item(TableName=table, Item={**key("a"), "x": {"N": "2"}, "y": {"N": "2"}, "m": {"M": {"p": {"N": "1"}, "q": {"N": "2"}}}}, ReturnValues="ALL_OLD")["Attributes"]
    assert old["x"] == {"N": "1"}
    update = lambda returned, expression="SET x = x + :one, m.p = :one": db.update_item(
        TableName=table, Key=key("a"), UpdateExpression=expression, ExpressionAttributeValues={":one": {"N": "1"}}, ReturnValues=returned).get("Attributes")
    assert update("NONE") is None
    assert update("UPDATED_OLD") == {"x": {"N": "3"}, "m": {"M": {"p": {"N": "1"}}}}
    assert update("UPDATED_NEW") == {"x": {"N": "5"}, "m": {"M": {"p": {"N": "1"}}}}
    assert update("ALL_OLD")["x"] == {"N": "5"}
    assert update("ALL_NEW")["x"] == {"N": "7"}
    assert db.update_item(TableName=table, Key=key("a"), UpdateExpression="REMOVE y", ReturnValues="UPDATED_OLD")["Attributes"] == {"y": {"N": "2"}}
    assert db.delete_item(TableName=table, Key=key("a"), ReturnValues="ALL_OLD")["Attributes"]["x"] == {"N": "7"}
    assert text_of(db.put_item, TableName=table, Item=key("a"), ReturnValues="ALL_NEW") == "ReturnValues can only be ALL_OLD or NONE"


def test_conditional_writes(db, table):
    once = dict(TableName=table, Item={**key("a"), "n": {"N": "1"}}, ConditionExpression="attribute_not_exists(id)")
    db.put_item(**once)
    answer = refused(db.put_item, **once, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert answer["Error"] == {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}
    assert answer["Item"] == {**key("a"), "n": {"N": "1"}} and answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "Item" not in refused(db.put_item, **once)
    version = dict(TableName=table, Key=key("a"), UpdateExpression="SET n = :next", ConditionExpression="n = :seen")
    db.update_item(**version, ExpressionAttributeValues={":seen": {"N": "1"}, ":next": {"N": "2"}})
    assert refused(db.update_item, **version, ExpressionAttributeValues={":seen": {"N": "1"}, ":next": {"N": "2"}})["Error"]["Code"] == "ConditionalCheckFailedException"
    assert refused(db.update_item, TableName=table, Key=key("absent"), UpdateExpression="SET n = :n", ConditionExpression="attribute_exists(id)",
                   ExpressionAttributeValues={":n": {"N": "1"}})["Error"]["Code"] == "ConditionalCheckFailedException"
    assert get(db, table, "absent") is None
    assert refused(db.delete_item, TableName=table, Key=key("a"), ConditionExpression="n = :n", ExpressionAttributeValues={":n": {"N": "1"}})["Error"]["Code"] == "ConditionalCheckFailedException"
    db.delete_item(TableName=table, Key=key("a"), ConditionExpression="n = :n", ExpressionAttributeValues={":n": {"N": "2"}})
    assert get(db, table) is None


ITEM = {**key("a"), "n": {"N": "5"}, "s": {"S": "hello"}, "list": {"L": [{"S": "x"}, {"N": "2"}, {"M": {"y": {"N": "9"}}}]},
        "doc": {"M": {"in": {"M": {"ner": {"S": "deep"}}}, "nums": {"NS": ["1", "2"]}}}, "tags": {"SS": ["red", "blue"]},
        "raw": {"B": b"abc"}, "yes": {"BOOL": True}, "blank": {"NULL": True}}
VALUES = {":five": {"N": "5"}, ":one": {"N": "1"}, ":nine": {"N": "9"}, ":he": {"S": "he"}, ":ell": {"S": "ell"}, ":red": {"S": "red"},
          ":x": {"S": "x"}, ":S": {"S": "S"}, ":SS": {"S": "SS"}, ":ab": {"B": b"ab"}, ":deep": {"S": "deep"}, ":true": {"BOOL": True},
          ":three": {"N": "3"}, ":four": {"N": "4"}, ":list": {"L": [{"S": "x"}, {"N": "2.0"}, {"M": {"y": {"N": "9"}}}]},
          ":tags": {"SS": ["blue", "red"]}, ":nothing": {"NULL": True}, ":two": {"N": "2"}}


@pytest.mark.parametrize("expression, holds", [
    ("n = :five", True), ("n <> :five", False), ("n < :nine", True), ("n <= :five", True), ("n > :five", False), ("n >= :five", True),
    ("n BETWEEN :one AND :nine", True), ("n IN (:one, :nine, :five)", True), ("n IN (:one, :nine)", False), ("NOT n = :one", True),
    ("n = :one OR n = :five AND s = :x", False), ("(n = :one OR n = :five) AND NOT s = :x", True), ("n = :one or not n = :one", True),
    ("attribute_exists(doc.#in.ner)", True), ("attribute_not_exists(doc.#in.nope)", True), ("attribute_exists(#list[2].y)", True), ("attribute_exists(#list[3])", False),
    ("attribute_type(s, :S)", True), ("attribute_type(tags, :SS)", True), ("attribute_type(n, :S)", False), ("begins_with(s, :he)", True), ("begins_with(#raw, :ab)", True),
    ("begins_with(n, :he)", False), ("contains(s, :ell)", True), ("contains(tags, :red)", True), ("contains(tags, :x)", False), ("contains(#list, :x)", True),
    ("contains(#list, :five)", False), ("contains(doc.nums, :two)", True), ("contains(#raw, :ab)", True), ("contains(n, :five)", False), ("size(s) = :five", True), ("size(#list) = :three", True),
    ("size(tags) < :three", True), ("size(doc) = :two", True), ("size(#raw) = :three", True), ("size(absent) = :one", False), ("size(n) = :one", False),
    ("absent <> :one", True), ("absent = :one", False), ("n = s", False), ("n <> s", True), ("s < :five", False),
    ("#list = :list", True), ("tags = :tags", True), ("yes = :true", True), ("blank = :nothing", True), ("#list[2].y = :nine", True), ("doc.#in.ner = :deep", True),
    ("#list[1] = doc.nums", False), (":five = n", True), ("size(s) > size(tags)", True), ("n BETWEEN :nine AND :nine", False)])
def test_condition(db, table, expression, holds):
    """One expression as condition of a write and as filter of a scan."""
    db.put_item(TableName=table, Item=ITEM)
    named = {name: plain for name, plain in (("#in", "in"), ("#list", "list"), ("#raw", "raw")) if name in expression}
    used = {name: value for name, value in VALUES.items() if name in expression.replace("(", " ").replace(")", " ").replace(",", " ").split()}
    options = {**({"ExpressionAttributeNames": named} if named else {}), **({"ExpressionAttributeValues": used} if used else {})}
    try:
        db.update_item(TableName=table, Key=key("a"), ConditionExpression=expression, **options)
        passed = True
    except db.exceptions.ConditionalCheckFailedException:
        passed = False
    assert passed == holds
    assert db.scan(TableName=table, FilterExpression=expression, **options)["Count"] == int(holds)


@pytest.mark.parametrize("expression, expected", [
    ("SET n = n - :one", {"n": {"N": "4"}}), ("SET n = :one - n", {"n": {"N": "-4"}}), ("SET s = :x, n = n", {"s": {"S": "x"}}),
    ("SET c = if_not_exists(c, n)", {"c": {"N": "5"}}), ("SET n = if_not_exists(n, :one)", {}), ("SET q.#in = :one", None),
    ("SET #list[0] = :one", {"list": {"L": [{"N": "1"}, *ITEM["list"]["L"][1:]]}}), ("SET #list[9] = :one", {"list": {"L": [*ITEM["list"]["L"], {"N": "1"}]}}),
    ("SET #list = list_append(#list, :more)", {"list": {"L": [*ITEM["list"]["L"], {"N": "7"}]}}),
    ("SET #list = list_append(:more, #list)", {"list": {"L": [{"N": "7"}, *ITEM["list"]["L"]]}}),
    ("SET fresh = list_append(if_not_exists(fresh, :none), :more)", {"fresh": {"L": [{"N": "7"}]}}),
    ("SET doc.#in.extra = :one", {"doc": {"M": {**ITEM["doc"]["M"], "in": {"M": {"ner": {"S": "deep"}, "extra": {"N": "1"}}}}}}),
    ("SET #list[2].y = #list[2].y + :one", {"list": {"L": [*ITEM["list"]["L"][:2], {"M": {"y": {"N": "10"}}}]}}),
    ("REMOVE s, doc.#in, #list[0], #list[1]", {"s": None, "doc": {"M": {"nums": {"NS": ["1", "2"]}}}, "list": {"L": [ITEM["list"]["L"][2]]}}),
    ("REMOVE nothing, #list[7]", {}), ("ADD n :one, fresh :one", {"n": {"N": "6"}, "fresh": {"N": "1"}}),
    ("ADD tags :set", {"tags": {"SS": ["blue", "green", "red"]}}), ("DELETE tags :set", {"tags": {"SS": ["blue"]}}), ("DELETE tags :all", {"tags": None}),
    ("ADD doc.nums :num", {"doc": {"M": {**ITEM["doc"]["M"], "nums": {"NS": ["1", "2", "3"]}}}}),
    ("SET a = n REMOVE n ADD fresh :one DELETE tags :set", {"a": {"N": "5"}, "n": None, "fresh": {"N": "1"}, "tags": {"SS": ["blue"]}}),
    ("set n = s, s = n", {"n": {"S": "hello"}, "s": {"N": "5"}})])
def test_update(db, table, expression, expected):
    db.put_item(TableName=table, Item=ITEM)
    values = {":one": {"N": "1"}, ":x": {"S": "x"}, ":more": {"L": [{"N": "7"}]}, ":none": {"L": []}, ":set": {"SS": ["red", "green"]}, ":all": {"SS": ["red", "blue", "green"]}, ":num": {"NS": ["3"]}}
    used = {name: value for name, value in values.items() if name in expression.replace(")", " ").replace("(", " ").replace(",", " ").split()}
    named = {name: plain for name, plain in (("#in", "in"), ("#list", "list")) if name in expression}
    options = dict(TableName=table, Key=key("a"), UpdateExpression=expression, ReturnValues="ALL_NEW",
                   **({"ExpressionAttributeNames": named} if named else {}), **({"ExpressionAttributeValues": used} if used else {}))
    if expected is None:
        assert text_of(db.update_item, **options) == "The document path provided in the update expression is invalid for update"
        assert sets_sorted(get(db, table)) == sets_sorted(ITEM)
        return
    wanted = {name: value for name, value in {**ITEM, **expected}.items() if value is not None}
    assert sets_sorted(db.update_item(**options)["Attributes"]) == sets_sorted(wanted)


def sets_sorted(value):
    if isinstance(value, dict):
        return {name: sorted(inner) if name in ("SS", "NS", "BS") else sets_sorted(inner) for name, inner in value.items()}
    return [sets_sorted(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("expression, values, text", [
    ("SET name = :v", {":v": {"S": "x"}}, "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: name"),
    ("SET a = :v", None, "Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute value: :v"),
    ("SET #a = :v", {":v": {"S": "x"}}, "Invalid UpdateExpression: An expression attribute name used in the document path is not defined; attribute name: #a"),
    ("SET a = :v", {":v": {"S": "x"}, ":w": {"S": "x"}}, "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}"),
    ("SET a = :v, a = :v", {":v": {"S": "x"}}, "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]"),
    ("SET a = :v, a.b = :v", {":v": {"S": "x"}}, "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]"),
    ("SET a = :v SET b = :v", {":v": {"S": "x"}}, 'Invalid UpdateExpression: The "SET" section can only be used once in an update expression;'),
    ("SET a = b", None, "The provided expression refers to an attribute that does not exist in the item"),
    ("SET s = s + :v", {":v": {"N": "1"}}, "An operand in the update expression has an incorrect data type"),
    ("SET n = n + :v", {":v": {"S": "x"}}, "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: +, operand type: S"),
    ("ADD s :v", {":v": {"N": "1"}}, "An operand in the update expression has an incorrect data type"),
    ("ADD a :v", {":v": {"S": "x"}}, "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"),
    ("DELETE tags :v", {":v": {"N": "1"}}, "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"),
    ("SET a = list_append(s, :v)", {":v": {"L": []}}, "An operand in the update expression has an incorrect data type"),
    ("SET a = nope(s)", None, "Invalid UpdateExpression: Invalid function name; function: nope"),
    ("SET a = size(s)", None, "Invalid UpdateExpression: The function is not allowed in an update expression; function: size"),
    ("SET a := b", None, 'Invalid UpdateExpression: Syntax error; token: ":=", near: "a := b"'),
    ("", None, "Invalid UpdateExpression: The expression can not be empty;"),
    ("SET s.x = :v", {":v": {"S": "x"}}, "The document path provided in the update expression is invalid for update")])
def test_texts_of_update_expressions(db, table, expression, values, text):
    db.put_item(TableName=table, Item=ITEM)
    options = {"ExpressionAttributeValues": values} if values else {}
    given = text_of(db.update_item, TableName=table, Key=key("a"), UpdateExpression=expression, **options)
    if "Syntax error" in text:
        assert given.startswith("Invalid UpdateExpression: Syntax error; token: ")
    else:
        assert given == text


@pytest.mark.parametrize("expression, options, text", [
    ("status = :v", {"values": {":v": {"S": "x"}}}, "Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: status"),
    ("a = :v", {}, "Invalid ConditionExpression: An expression attribute value used in expression is not defined; attribute value: :v"),
    ("#a = :v", {"values": {":v": {"S": "x"}}}, "Invalid ConditionExpression: An expression attribute name used in the document path is not defined; attribute name: #a"),
    ("a = :v", {"values": {":v": {"S": "x"}}, "names": {"#z": "z"}}, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#z}"),
    ("attribute_exists(a) AND", {}, 'Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "AND"'),
    ("", {}, "Invalid ConditionExpression: The expression can not be empty;"),
    ("a BETWEEN :v AND :w", {"values": {":v": {"N": "2"}, ":w": {"N": "1"}}}, "Invalid ConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}"),
    ("begins_with(a, :v)", {"values": {":v": {"N": "2"}}}, "Invalid ConditionExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"),
    ("size(a)", {}, "Invalid ConditionExpression: The function is not allowed to be used this way in an expression; function: size"),
    ("attribute_exists(:v)", {"values": {":v": {"N": "2"}}}, "Invalid ConditionExpression: Operator or function requires a document path; operator or function: attribute_exists"),
    ("contains(a)", {}, "Invalid ConditionExpression: Incorrect number of operands for operator or function; operator or function: contains, number of operands: 1"),
    ("attribute_type(a, :v)", {"values": {":v": {"S": "Z"}}}, "Invalid ConditionExpression: Invalid attribute type name found; type: Z, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"),
    ("a < :v", {"values": {":v": {"BOOL": True}}}, "Invalid ConditionExpression: Incorrect operand type for operator or function; operator: <, operand type: BOOL")])
def test_texts_of_conditions(db, table, expression, options, text):
    call = dict(TableName=table, Item=key("a"), ConditionExpression=expression)
    if "values" in options:
        call["ExpressionAttributeValues"] = options["values"]
    if "names" in options:
        call["ExpressionAttributeNames"] = options["names"]
    assert text_of(db.put_item, **call) == text


def test_values_without_an_expression(db, table):
    assert text_of(db.put_item, TableName=table, Item=key("a"), ExpressionAttributeValues={":v": {"S": "x"}}) == \
        "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"
    assert text_of(db.update_item, TableName=table, Key=key("a"), ExpressionAttributeNames={"#v": "x"}) == \
        "ExpressionAttributeNames can only be specified when using expressions"
    assert text_of(db.get_item, TableName=table, Key=key("a"), ExpressionAttributeNames={"#v": "x"}) == \
        "ExpressionAttributeNames can only be specified when using expressions"


def test_projections(db, table):
    db.put_item(TableName=table, Item=ITEM)
    names = {"#in": "in", "#list": "list"}
    assert get(db, table, ProjectionExpression="doc.#in.ner, #list[2].y, #list[0], absent", ExpressionAttributeNames=names) == \
        {"doc": {"M": {"in": {"M": {"ner": {"S": "deep"}}}}}, "list": {"L": [{"S": "x"}, {"M": {"y": {"N": "9"}}}]}}
    assert get(db, table, ProjectionExpression="absent") == {}
    assert get(db, table, AttributesToGet=["n"]) == {"n": {"N": "5"}}
    assert text_of(db.get_item, TableName=table, Key=key("a"), ProjectionExpression="n, n").startswith("Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [n], path two: [n]")
    assert text_of(db.get_item, TableName=table, Key=key("a"), ProjectionExpression="n", AttributesToGet=["n"]) == \
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"


# -- capacity, checksums, several at once ------------------------------------------------------------------------------------


def test_consumed_capacity(db, ranged):
    item = {**key("a"), "at": {"N": "1"}, "kind": {"S": "k"}, "rank": {"N": "1"}, "v": {"S": "x" * 1500}}
    used = db.put_item(TableName=ranged, Item=item, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert used["TableName"] == ranged and used["Table"] == {"CapacityUnits": 2.0}
    assert used["GlobalSecondaryIndexes"] == {"by-kind": {"CapacityUnits": 2.0}, "kinds": {"CapacityUnits": 1.0}, "some": {"CapacityUnits": 1.0}}
    assert used["LocalSecondaryIndexes"] == {"by-rank": {"CapacityUnits": 2.0}} and used["CapacityUnits"] == 8.0
    wanted = {name: item[name] for name in ("id", "at")}
    assert db.get_item(TableName=ranged, Key=wanted, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"] == {"TableName": ranged, "CapacityUnits": 0.5}
    assert db.get_item(TableName=ranged, Key=wanted, ConsistentRead=True, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]["CapacityUnits"] == 1.0
    assert "ConsumedCapacity" not in db.get_item(TableName=ranged, Key=wanted)
    transaction = db.transact_write_items(TransactItems=[{"Delete": {"TableName": ranged, "Key": wanted}}], ReturnConsumedCapacity="TOTAL")
    assert transaction["ConsumedCapacity"][0]["CapacityUnits"] >= 4.0


def test_answers_carry_their_checksum(server, table):
    request = urllib.request.Request(server.endpoint, data=json.dumps({"TableName": table, "Key": key("a")}).encode(), headers={
        "X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0",
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"})
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
        assert int(answer.headers["x-amz-crc32"]) == zlib.crc32(body) and answer.headers["Content-Type"] == "application/x-amz-json-1.0"
        assert len(answer.headers["x-amzn-RequestId"]) >= 36


def test_batches(db, table):
    requests = [{"PutRequest": {"Item": {**key(f"{n}"), "n": {"N": str(n)}}}} for n in range(25)]
    assert db.batch_write_item(RequestItems={table: requests})["UnprocessedItems"] == {}
    found = db.batch_get_item(RequestItems={table: {"Keys": [key(f"{n}") for n in range(30)], "ProjectionExpression": "#n", "ExpressionAttributeNames": {"#n": "n"}}})
    assert sorted(int(item["n"]["N"]) for item in found["Responses"][table]) == list(range(25)) and found["UnprocessedKeys"] == {}
    mixed = db.batch_write_item(RequestItems={table: [{"DeleteRequest": {"Key": key("0")}}, {"PutRequest": {"Item": key("new")}}]}, ReturnConsumedCapacity="TOTAL")
    assert mixed["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 2.0}]
    assert get(db, table, "0") is None and get(db, table, "new") == key("new")
    assert refused(db.batch_write_item, RequestItems={table: requests + [{"PutRequest": {"Item": key("26")}}]})["Error"]["Code"] == "ValidationException"
    assert text_of(db.batch_write_item, RequestItems={table: [{"DeleteRequest": {"Key": key("1")}}, {"PutRequest": {"Item": key("1")}}]}) == "Provided list of item keys contains duplicates"
    assert text_of(db.batch_get_item, RequestItems={table: {"Keys": [key("1"), key("1")]}}) == "Provided list of item keys contains duplicates"
    assert refused(db.batch_get_item, RequestItems={table: {"Keys": [key(f"{n}") for n in range(101)]}})["Error"]["Code"] == "ValidationException"
    assert refused(db.batch_write_item, RequestItems={"nobody": requests[:1]})["Error"]["Code"] == "ResourceNotFoundException"
    assert refused(db.batch_write_item, RequestItems={})["Error"]["Code"] == "ValidationException"


def test_a_batch_get_over_16_mb_leaves_keys_for_later(db, table):
    for n in range(50):
        db.put_item(TableName=table, Item={**key(f"{n}"), "v": {"S": "x" * 380_000}})
    wanted, calls, seen = {table: {"Keys": [key(f"{n}") for n in range(50)]}}, 0, set()
    while wanted:
        answer = db.batch_get_item(RequestItems=wanted)
        seen |= {item["id"]["S"] for item in answer["Responses"].get(table, [])}
        wanted, calls = answer["UnprocessedKeys"], calls + 1
    assert calls == 2 and len(seen) == 50


# -- transactions ------------------------------------------------------------------------------------------------------------


def test_a_transaction_is_all_or_nothing(db, table):
    db.put_item(TableName=table, Item={**key("stock"), "n": {"N": "1"}})
    buy = lambda order: dict(TransactItems=[
        {"Update": {"TableName": table, "Key": key("stock"), "UpdateExpression": "SET n = n - :one", "ConditionExpression": "n >= :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
        {"Put": {"TableName": table, "Item": key(order), "ConditionExpression": "attribute_not_exists(id)"}},
        {"ConditionCheck": {"TableName": table, "Key": key("closed"), "ConditionExpression": "attribute_not_exists(id)"}}])
    db.transact_write_items(**buy("first"))
    answer = refused(db.transact_write_items, **buy("second"))
    assert answer["Error"]["Code"] == "TransactionCanceledException"
    assert answer["Error"]["Message"] == "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed, None, None]"
    assert answer["CancellationReasons"] == [{"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": {**key("stock"), "n": {"N": "0"}}},
                                             {"Code": "None"}, {"Code": "None"}]
    assert get(db, table, "second") is None and get(db, table, "stock")["n"] == {"N": "0"}
    both = db.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": key(name)}} for name in ("first", "absent")])["Responses"]
    assert both == [{"Item": key("first")}, {}]


def test_what_a_transaction_may_not_contain(db, table):
    put = lambda name: {"Put": {"TableName": table, "Item": key(name)}}
    assert text_of(db.transact_write_items, TransactItems=[put("a"), {"Delete": {"TableName": table, "Key": key("a")}}]) == "Transaction request cannot include multiple operations on one item"
    assert refused(db.transact_write_items, TransactItems=[put(f"{n}") for n in range(101)])["Error"]["Code"] == "ValidationException"
    db.transact_write_items(TransactItems=[put(f"{n}") for n in range(100)])
    answer = refused(db.transact_write_items, TransactItems=[put("a"), {"Update": {"TableName": table, "Key": key("b"), "UpdateExpression": "SET x = y"}}])
    assert [reason["Code"] for reason in answer["CancellationReasons"]] == ["None", "ValidationError"]
    assert answer["CancellationReasons"][1]["Message"] == "The provided expression refers to an attribute that does not exist in the item"
    assert get(db, table, "a") is None
    assert text_of(db.transact_write_items, TransactItems=[{}]) == \
        "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request"


def test_a_token_makes_a_transaction_happen_once(server, db, table, unique):
    add = lambda by, token=unique: db.transact_write_items(ClientRequestToken=token, TransactItems=[{"Update": {
        "TableName": table, "Key": key("a"), "UpdateExpression": "ADD n :by", "ExpressionAttributeValues": {":by": {"N": by}}}}])
    add("1")
    add("1")
    assert get(db, table)["n"] == {"N": "1"}
    assert refused(add, by="2")["Error"]["Code"] == "IdempotentParameterMismatchException"
    add("1", unique + "2")
    server.advance("11m")
    add("1")
    assert get(db, table)["n"] == {"N": "3"}


# -- many at once ------------------------------------------------------------------------------------------------------------


def in_threads(count, work):
    failures = []

    def guarded(number):
        try:
            work(number)
        except Exception as failure:  # told to the test below
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


def test_32_threads_lose_no_increment(db, table):
    in_threads(32, lambda _: [db.update_item(TableName=table, Key=key("a"), UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}}) for _ in range(10)])
    assert get(db, table)["n"] == {"N": "320"}


def test_optimistic_locking_admits_one_winner_per_version(db, table):
    db.put_item(TableName=table, Item={**key("a"), "version": {"N": "0"}})
    wins = []

    def work(_):
        for version in range(5):
            try:
                db.update_item(TableName=table, Key=key("a"), UpdateExpression="SET version = :next", ConditionExpression="version = :seen",
                               ExpressionAttributeValues={":seen": {"N": str(version)}, ":next": {"N": str(version + 1)}})
                wins.append(version)
            except db.exceptions.ConditionalCheckFailedException:
                pass

    in_threads(16, work)
    assert sorted(wins) == list(range(len(wins))) and get(db, table)["version"]["N"] == str(len(wins))


def test_transactions_on_the_same_items_keep_the_sum(db, table):
    for name in ("a", "b", "c"):
        db.put_item(TableName=table, Item={**key(name), "n": {"N": "100"}})

    def move(number):
        for step in range(8):
            source, target = ("a", "b", "c")[(number + step) % 3], ("a", "b", "c")[(number + step + 1) % 3]
            try:
                db.transact_write_items(TransactItems=[{"Update": {
                    "TableName": table, "Key": key(name), "UpdateExpression": "ADD n :by", "ExpressionAttributeValues": {":by": {"N": by}}}} for name, by in ((source, "-1"), (target, "1"))])
            except db.exceptions.TransactionCanceledException as conflict:
                assert "TransactionConflict" in str(conflict)
            rows = db.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": key(name)}} for name in ("a", "b", "c")])["Responses"]
            assert sum(int(row["Item"]["n"]["N"]) for row in rows) == 300

    in_threads(16, move)
