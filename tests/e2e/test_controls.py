"""What tests and the command line use: the clock, settle, faults, reset, health, metrics, the record of requests; and the log."""
import json
import re
import threading
import time
import urllib.request

import botocore.exceptions
import pytest

from world import REGION, wait_until, zip_of


def make_table(server, name, **client):
    return server.client("dynamodb", **client).create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})["TableDescription"]


def python(server, tmp_path, name, body, **options):
    (tmp_path / "index.py").write_text(f"import json, time\ndef handler(event, context):\n    {body}\n")
    return server.function(name, zip_of(tmp_path / "index.py"), runtime="python3.11", **options)


def code_of(call):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call()
    return raised.value.response["Error"]["Code"]


# -- clock ----------------------------------------------------------------------------------------------------------------------

def test_the_clock_moves_forward_only(server):
    before = server.admin("clock")
    after = server.advance("90s")
    assert after["complete"] is True
    assert 90_000 <= after["now_ms"] - before["now_ms"] < 150_000
    assert abs(after["offset_ms"] - before["offset_ms"] - 90_000) < 1000
    target = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(after["now_ms"] / 1000 + 3600))
    assert server.admin("clock", {"set": target})["now"][:16] == target[:16]
    for body in ({"set": "2001-01-01T00:00:00Z"}, {"advance": "soon"}, {"advance": "-5s"}, {"set": "tomorrow"}, {}, {"advance": "999999999999999d"}):
        with pytest.raises(RuntimeError, match="400"):
            server.admin("clock", body)


@pytest.mark.parametrize("body", [b"[]", b"5", b"null", b"{", b'{"advance": 5}', b'{"advance": null}'])
def test_odd_bodies_are_refused(server, body):
    request = urllib.request.Request(f"{server.endpoint}/_millrace/clock", data=body)
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=10)
    assert raised.value.code == 400
    assert json.loads(raised.value.read())["error"]


def test_what_falls_due_happens_in_order(server, unique):
    """Delays of 60, 30 and 45 s, and a time to live: one advance, each at its own time."""
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName=unique)["QueueUrl"]
    for delay in (60, 30, 45):
        sqs.send_message(QueueUrl=url, MessageBody=str(delay), DelaySeconds=delay)
    table = make_table(server, unique)
    dynamodb = server.client("dynamodb")
    dynamodb.update_time_to_live(TableName=unique, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    now = server.admin("clock")["now_ms"] // 1000
    for key, after in (("late", 7200), ("soon", 600), ("later", 86400 * 40)):
        dynamodb.put_item(TableName=unique, Item={"id": {"S": key}, "ttl": {"N": str(now + after)}})
    assert server.advance("3h")["complete"]
    server.settle()
    order = []
    wait_until(lambda: order.extend(message["Body"] for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])) or
               len(order) == 3, "three messages")
    assert sorted(order) == ["30", "45", "60"]
    assert [item["id"]["S"] for item in dynamodb.scan(TableName=unique)["Items"]] == ["later"]
    records = server.admin(f"streams/{unique}/records?after=horizon")["records"]
    removed = [record["dynamodb"]["Keys"]["id"]["S"] for record in records if record["eventName"] == "REMOVE"]
    assert removed == ["soon", "late"], table


def test_the_clock_stays_where_it_was_moved_to(own_server):
    moved = own_server.advance("31d")
    own_server.kill()
    own_server.start()
    again = own_server.admin("clock")
    assert again["offset_ms"] == moved["offset_ms"]
    assert abs(moved["offset_ms"] - 31 * 86_400_000) < 1000
    assert again["now_ms"] >= moved["now_ms"]


# -- settle ---------------------------------------------------------------------------------------------------------------------

def test_settle_waits_for_what_was_started(server, unique, tmp_path):
    python(server, tmp_path, unique, "time.sleep(0.5); return 1")
    server.client("lambda").invoke(FunctionName=unique, InvocationType="Event", Payload=b"{}")
    result = server.settle()
    assert result["settled"] is True and result["busy"] == []
    assert len(server.admin(f"invocations?function={unique}")["invocations"]) == 1


def test_settle_gives_up_and_names_what_is_busy(server, unique, tmp_path):
    python(server, tmp_path, unique, "time.sleep(6); return 1")
    server.client("lambda").invoke(FunctionName=unique, InvocationType="Event", Payload=b"{}")
    wait_until(lambda: any(f["running"] for f in server.admin("functions")["functions"] if f["name"] == unique), "the invocation")
    started = time.monotonic()
    result = server.settle("300ms")
    assert result["settled"] is False and time.monotonic() - started < 5
    assert any(unique in text for text in result["busy"]), result
    assert server.settle()["settled"] is True


def test_settle_names_what_waits_and_why(server, unique, tmp_path):
    table = make_table(server, unique)
    python(server, tmp_path, unique, "raise RuntimeError('poison')")
    mapping = server.mapping(table["LatestStreamArn"], unique, "TRIM_HORIZON")
    server.client("dynamodb").put_item(TableName=unique, Item={"id": {"S": "1"}})

    def waits():
        return [wait for wait in server.settle()["waiting"] if mapping in wait["what"]]
    wait = wait_until(waits, "the mapping to back off")[0]
    assert "back-off" in wait["why"] and "poison" in wait["why"] and wait["until"] > "2"
    server.client("lambda").delete_event_source_mapping(UUID=mapping)
    with pytest.raises(RuntimeError, match="limit must be a duration"):
        server.settle("forever")


# -- faults ---------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def faults(server):
    yield lambda **fault: server.admin("faults", fault)
    server.admin("faults", method="DELETE")


def test_throttling_for_the_next_calls(server, faults, unique):
    make_table(server, unique)
    dynamodb = server.client("dynamodb")
    faults(service="dynamodb", operation="GetItem", resource=unique, kind="throttle", count=2)
    get = lambda: dynamodb.get_item(TableName=unique, Key={"id": {"S": "1"}})  # noqa: E731
    assert [code_of(get), code_of(get)] == ["ProvisionedThroughputExceededException"] * 2
    get()
    dynamodb.describe_table(TableName=unique)
    listed = server.admin("faults")["faults"]
    assert [fault["hits"] for fault in listed] in ([], [2])


@pytest.mark.parametrize("service, call, code", [
    ("s3", lambda c: c.list_buckets(), "SlowDown"), ("sqs", lambda c: c.list_queues(), "RequestThrottled"),
    ("lambda", lambda c: c.list_functions(), "TooManyRequestsException"), ("iam", lambda c: c.list_roles(), "Throttling")])
def test_each_service_throttles_in_its_own_words(server, faults, service, call, code):
    faults(service=service, kind="throttle", count=1)
    assert code_of(lambda: call(server.client(service))) == code
    call(server.client(service))


def test_errors_at_a_rate(server, faults, unique):
    s3 = server.client("s3")
    s3.create_bucket(Bucket=unique)
    faults(service="s3", operation="PutObject", kind="error", rate=0.25)
    failed = 0
    for number in range(40):
        try:
            s3.put_object(Bucket=unique, Key=str(number), Body=b"x")
        except botocore.exceptions.ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 500
            failed += 1
    assert failed == 10
    assert s3.list_objects_v2(Bucket=unique)["KeyCount"] == 30


def test_delays_are_of_the_servers_clock(server, faults, unique):
    url = server.client("sqs").create_queue(QueueName=unique)["QueueUrl"]
    faults(service="sqs", operation="SendMessage", kind="delay", delay_ms=3_600_000, count=1)
    sender = threading.Thread(target=lambda: server.client("sqs", read_timeout=60).send_message(QueueUrl=url, MessageBody="late"))
    sender.start()
    wait_until(lambda: [fault for fault in server.admin("faults")["faults"] if fault["hits"] == 1] or not server.admin("faults")["faults"], "the fault")
    assert "Messages" not in server.client("sqs").receive_message(QueueUrl=url)
    server.advance("2h")
    sender.join(20)
    assert not sender.is_alive()
    assert server.client("sqs").receive_message(QueueUrl=url)["Messages"][0]["Body"] == "late"


def test_a_lost_answer_is_done_all_the_same(server, faults, unique):
    make_table(server, unique)
    dynamodb = server.client("dynamodb")
    faults(service="dynamodb", operation="PutItem", resource=unique, kind="lost", count=1)
    with pytest.raises(botocore.exceptions.HTTPClientError):
        dynamodb.put_item(TableName=unique, Item={"id": {"S": "1"}})
    assert "Item" in dynamodb.get_item(TableName=unique, Key={"id": {"S": "1"}})


def test_faults_are_listed_removed_and_checked(server, faults):
    one, two = faults(service="s3", kind="throttle")["id"], faults(service="sqs", operation="Send*", kind="throttle")["id"]
    assert [fault["id"] for fault in server.admin("faults")["faults"]] == [one, two]
    server.admin(f"faults/{one}", method="DELETE")
    assert [fault["id"] for fault in server.admin("faults")["faults"]] == [two]
    for wrong, said in [({"service": "dynamo"}, "no service 'dynamo'"), ({"service": "s3", "operation": "PutItem"}, "no operation 'PutItem'"),
                        ({"service": "s3", "kind": "explode"}, "kind must be"), ({"service": "s3", "rate": 2}, "rate must be"),
                        ({"service": "s3", "count": 0}, "count must be"), ({"service": "s3", "kind": "delay"}, "delay_ms")]:
        with pytest.raises(RuntimeError, match=said):
            faults(**wrong)
    with pytest.raises(RuntimeError, match="404"):
        server.admin("faults/4711", method="DELETE")


# -- reset ----------------------------------------------------------------------------------------------------------------------

def test_reset_empties_an_account_in_milliseconds(own_server, tmp_path):
    dynamodb, s3, sqs = (own_server.client(name) for name in ("dynamodb", "s3", "sqs"))
    table = make_table(own_server, "posts")
    for batch in range(20):
        dynamodb.batch_write_item(RequestItems={"posts": [{"PutRequest": {"Item": {"id": {"S": f"{batch}-{n}"}}}} for n in range(25)]})
    s3.create_bucket(Bucket="bucket")
    for n in range(50):
        s3.put_object(Bucket="bucket", Key=str(n), Body=b"x")
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    python(own_server, tmp_path, "function", "return 1")
    own_server.mapping(table["LatestStreamArn"], "function", "TRIM_HORIZON")
    make_table(own_server, "others", account="111122223333")
    make_table(own_server, "posts", region="eu-west-1")
    own_server.settle()
    own_server.admin("reset", {"service": "sqs"})
    assert sqs.list_queues().get("QueueUrls", []) == [] and dynamodb.list_tables()["TableNames"] == ["posts"]
    started = time.monotonic()
    own_server.admin("reset", {})
    assert time.monotonic() - started < 3  # milliseconds when nothing else runs
    assert dynamodb.list_tables()["TableNames"] == []
    assert s3.list_buckets()["Buckets"] == []
    assert own_server.client("lambda").list_functions()["Functions"] == []
    assert own_server.client("lambda").list_event_source_mappings()["EventSourceMappings"] == []
    assert own_server.client("dynamodb", region="eu-west-1").list_tables()["TableNames"] == []
    assert own_server.client("dynamodb", account="111122223333").list_tables()["TableNames"] == ["others"]
    make_table(own_server, "posts")  # the name is free again, and empty
    assert dynamodb.scan(TableName="posts")["Count"] == 0
    own_server.kill()
    own_server.start()
    assert dynamodb.list_tables()["TableNames"] == ["posts"]
    with pytest.raises(RuntimeError, match="service must be"):
        own_server.admin("reset", {"service": "dynamo"})


# -- what is going on ------------------------------------------------------------------------------------------------------------

def test_health_and_status(server, unique):
    health = server.admin("health")
    assert health["status"] == "ok" and re.fullmatch(r"\d+\.\d+\.\d+", health["version"]) and health["uptime_ms"] >= 0
    before = server.admin("status")["queues"]
    server.client("sqs").create_queue(QueueName=unique)
    status = server.admin("status")
    assert status["queues"] == before + 1 and status["pid"] == server.process.pid and status["endpoint"] == server.endpoint
    with pytest.raises(RuntimeError, match="there are: .*health"):
        server.admin("nothing")


def test_metrics_are_prometheus_text(server):
    with urllib.request.urlopen(f"{server.endpoint}/metrics", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        text = answer.read().decode()
    assert text.endswith("\n")
    types, seen = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind in ("counter", "gauge", "histogram", "summary") and name not in types
            types[name] = kind
        elif line.startswith("#"):
            assert line.startswith("# HELP ")
        else:
            match = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)', line)
            assert match, line
            float(match.group(3))
            base = re.sub(r"_(bucket|sum|count)$", "", match.group(1))
            assert match.group(1) in types or types.get(base) in ("histogram", "summary"), line
            assert (match.group(1), match.group(2)) not in seen, line
            seen.add((match.group(1), match.group(2)))
    assert types


def test_requests_are_counted_by_operation(server, unique):
    def count(service, operation):
        return server.admin("requests").get(service, {}).get(operation, {"count": 0, "errors": 0})
    before = count("sqs", "GetQueueUrl")
    server.client("sqs").create_queue(QueueName=unique)
    server.client("sqs").get_queue_url(QueueName=unique)
    assert code_of(lambda: server.client("sqs").get_queue_url(QueueName="none")) == "AWS.SimpleQueueService.NonExistentQueue"
    after = count("sqs", "GetQueueUrl")
    assert (after["count"] - before["count"], after["errors"] - before["errors"]) == (2, 1)


def test_a_functions_package_is_where_get_function_says(server, unique, tmp_path):
    python(server, tmp_path, unique, "return 1")
    location = server.client("lambda").get_function(FunctionName=unique)["Code"]["Location"]
    with urllib.request.urlopen(location, timeout=10) as answer:
        assert answer.read() == zip_of(tmp_path / "index.py")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(location.replace(unique, "nobody"), timeout=10)


# -- the log ---------------------------------------------------------------------------------------------------------------------

def test_what_is_somewhere_else_is_logged_with_where(own_server, tmp_path):
    elsewhere = {"region": "eu-west-1"}
    make_table(own_server, "posts", **elsewhere)
    own_server.client("sqs", **elsewhere).create_queue(QueueName="work")
    (tmp_path / "index.py").write_text("def handler(event, context):\n    return 1\n")
    own_server.client("lambda", **elsewhere).create_function(
        FunctionName="worker", Runtime="python3.11", Role="arn:aws:iam::000000000000:role/r", Handler="index.handler",
        Code={"ZipFile": zip_of(tmp_path / "index.py")})
    own_server.client("s3", account="111122223333").create_bucket(Bucket="theirs")
    dynamodb = own_server.client("dynamodb")
    for _ in range(3):
        assert code_of(lambda: dynamodb.get_item(TableName="posts", Key={"id": {"S": "1"}})) == "ResourceNotFoundException"
    assert code_of(lambda: dynamodb.describe_table(TableName="nowhere")) == "ResourceNotFoundException"
    code_of(lambda: own_server.client("sqs").get_queue_url(QueueName="work"))
    code_of(lambda: own_server.client("lambda").invoke(FunctionName="worker"))
    code_of(lambda: own_server.client("lambda", account="444455556666").get_function(FunctionName=f"arn:aws:lambda:{REGION}:000000000000:function:worker"))
    code_of(lambda: own_server.client("s3").put_object(Bucket="theirs", Key="k", Body=b"x"))
    log = own_server.log()
    assert log.count("table posts was not found in 000000000000/us-east-1; it exists in 000000000000/eu-west-1") == 1
    for line in ("queue work was not found in 000000000000/us-east-1; it exists in 000000000000/eu-west-1",
                 "function worker was not found in 000000000000/us-east-1; it exists in 000000000000/eu-west-1",
                 "bucket theirs was not found in 000000000000/us-east-1; it exists in 111122223333/us-east-1"):
        assert line in log, log
    assert "nowhere" not in log
