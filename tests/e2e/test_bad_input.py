"""What no SDK would send: broken bodies, broken HTTP, too much of everything. The server answers in the service's form, and lives."""
import base64
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import re
import resource
import socket
import time
import urllib.request
import zlib

import pytest

from world import Server, wait_until

LIMIT = 20.0
MEMORY_MAX = 600 << 20  # resident bytes after the worst of these


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        running.client("dynamodb").create_table(
            TableName="posts", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
        running.client("s3").create_bucket(Bucket="bucket")
        running.client("sqs").create_queue(QueueName="queue")
        yield running


def memory_of(server):
    status = open(f"/proc/{server.process.pid}/status", encoding="ascii").read()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) << 10


@pytest.fixture(autouse=True)
def lives_on(server):
    """After each test: the same process, healthy, serving, not grown."""
    yield
    assert server.process.poll() is None
    assert server.admin("health")["status"] == "ok"
    item = {"id": {"S": "alive"}, "n": {"N": "1"}}
    server.client("dynamodb").put_item(TableName="posts", Item=item)
    assert server.client("dynamodb").get_item(TableName="posts", Key={"id": {"S": "alive"}})["Item"] == item
    assert memory_of(server) < MEMORY_MAX


def connect(server, timeout=LIMIT):
    return socket.create_connection(("127.0.0.1", server.port), timeout=timeout)


def read_answer(stream, method="POST"):
    """One answer: status, fields (lower case), body."""
    status = stream.readline()
    assert status.startswith(b"HTTP/1."), status
    fields = {}
    while (line := stream.readline().rstrip(b"\r\n")):
        name, value = line.split(b":", 1)
        fields[name.decode().lower()] = value.strip().decode()
    if method == "HEAD":
        return int(status.split()[1]), fields, b""
    if fields.get("transfer-encoding") == "chunked":
        body = b""
        while (size := int(stream.readline().split(b";")[0], 16)):
            body += stream.read(size)
            stream.readline()
        stream.readline()
        return int(status.split()[1]), fields, body
    length = fields.get("content-length")
    return int(status.split()[1]), fields, stream.read(int(length)) if length is not None else stream.read()


def exchange(server, data):
    """Sends bytes; the one answer."""
    with connect(server) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)
        return read_answer(sock.makefile("rb"))


def authorization(service):
    return f"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"


def head(method="POST", path="/", fields=(), length=None, version="1.1"):
    lines = [f"{method} {path} HTTP/{version}", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in fields)]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def json_call(server, target, body, fields=(), service="dynamodb"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, answer, text = exchange(server, head(fields=[
        ("Authorization", authorization(service)), ("X-Amz-Target", target), ("Content-Type", "application/x-amz-json-1.0"), *fields],
        length=len(body)) + body)
    return status, answer, json.loads(text)


def dynamodb(server, operation, body, fields=()):
    return json_call(server, f"DynamoDB_20120810.{operation}", body, fields)


def type_of(document):
    return document["__type"].split("#")[-1]


# -- bodies ---------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"nonsense", b'{"TableName": "posts"', b'{"TableName": "posts"} more', b"\xff\xfe\x00", b"null", b'"text"',
                                  b'{"TableName": "po\xc3\x28sts"}', b'{"a": NaN}', b"[" * 100_000, b'{"Key":' * 5_000 + b"{}" + b"}" * 5_000])
def test_a_body_that_is_no_json_object(server, body):
    status, fields, answer = dynamodb(server, "GetItem", body)
    assert status == 400
    assert type_of(answer) in ("SerializationException", "ValidationException"), answer
    assert fields["x-amzn-requestid"]


@pytest.mark.parametrize("body", [
    {"TableName": 5, "Key": {"id": {"S": "1"}}},
    {"TableName": "posts", "Key": []},
    {"TableName": "posts", "Key": "id"},
    {"TableName": "posts", "Key": {"id": "1"}},
    {"TableName": "posts", "Key": {"id": {"S": 1}}},
    {"TableName": "posts", "Key": {"id": {"S": "1"}}, "ConsistentRead": "maybe"},
    {"TableName": ["posts"], "Key": {"id": {"S": "1"}}},
])
def test_wrong_types(server, body):
    status, _, answer = dynamodb(server, "GetItem", body)
    assert status == 400
    assert type_of(answer) == "SerializationException", answer


@pytest.mark.parametrize("body, member", [
    ({"Key": {"id": {"S": "1"}}}, "tableName"),
    ({"TableName": "posts"}, "key"),
    ({"TableName": None, "Key": None}, "tableName"),
])
def test_missing_members_are_named(server, body, member):
    status, _, answer = dynamodb(server, "GetItem", body)
    assert (status, type_of(answer)) == (400, "ValidationException")
    assert f"Value null at '{member}' failed to satisfy constraint: Member must not be null" in (answer.get("message") or answer["Message"])


def test_oversized_members_are_named(server):
    status, _, answer = dynamodb(server, "GetItem", {"TableName": "t" * 2000, "Key": {"id": {"S": "1"}}})
    assert (status, type_of(answer)) == (400, "ValidationException")
    assert "ableName" in (answer.get("message") or answer["Message"])
    status, _, answer = dynamodb(server, "PutItem", {"TableName": "posts", "Item": {"id": {"S": "1"}, "x": {"S": "y" * 500_000}}})
    assert (status, type_of(answer)) == (400, "ValidationException")
    assert (answer.get("message") or answer["Message"]) == "Item size has exceeded the maximum allowed size"


def test_unknown_operation_is_named(server):
    status, _, answer = dynamodb(server, "MakeCoffee", {})
    assert (status, type_of(answer)) == (400, "UnknownOperationException")
    assert "MakeCoffee" in json.dumps(answer)
    status, _, answer = dynamodb(server, "RestoreTableFromBackup", {"TargetTableName": "x", "BackupArn": "y" * 50})
    assert (status, type_of(answer)) == (400, "UnknownOperationException")
    assert "RestoreTableFromBackup" in json.dumps(answer)


def test_unknown_services_are_named(server):
    status, _, answer = json_call(server, "AWSGlue.GetTables", {}, service="glue")
    assert 400 <= status < 502 and "GetTables" in json.dumps(answer)
    body = b"Action=Frobnicate&Version=2010-03-31"
    status, _, text = exchange(server, head(fields=[("Authorization", authorization("sns")), ("Content-Type", "application/x-www-form-urlencoded")],
                                            length=len(body)) + body)
    assert 400 <= status < 502 and b"Frobnicate" in text and b"<Error>" in text
    status, _, text = exchange(server, head("GET", "/2099-01-01/frobs", [("Authorization", authorization("lambda"))]))
    assert status == 404 and b"frobs" in text


def test_missing_action(server):
    body = b"Version=2010-05-08&RoleName=x"
    status, _, text = exchange(server, head(fields=[("Authorization", authorization("iam")), ("Content-Type", "application/x-www-form-urlencoded")],
                                            length=len(body)) + body)
    assert status == 400 and b"MissingAction" in text


@pytest.mark.parametrize("body", [b"", b"<", b"<Delete>", b"<Delete><Object></Delete>", b"\x00\x01", b"<Delete/>", b"{}",
                                  b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>',
                                  b"<a>" * 50_000])
def test_a_body_that_is_no_delete_list(server, body):
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    status, fields, text = exchange(server, head("POST", "/bucket?delete", [("Authorization", authorization("s3")), ("Content-MD5", digest)],
                                                 length=len(body)) + body)
    assert status == 400, text
    assert re.search(rb"<Code>(MalformedXML|MissingRequestBodyError|InvalidRequest)</Code>", text), text
    assert fields["x-amz-request-id"]


def test_an_upload_with_a_wrong_digest_leaves_nothing(server):
    body = b"x" * 100_000
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    crc = base64.b64encode(zlib.crc32(b"other").to_bytes(4, "big")).decode()
    for field, value, code in [("Content-MD5", wrong, b"BadDigest"), ("Content-MD5", "no md5", b"InvalidDigest"),
                               ("x-amz-checksum-crc32", crc, b"BadDigest"), ("x-amz-checksum-crc32", "zzz", b"InvalidRequest"),
                               ("x-amz-checksum-sha256", base64.b64encode(hashlib.sha256(b"o").digest()).decode(), b"BadDigest"),
                               ("x-amz-content-sha256", hashlib.sha256(b"other").hexdigest(), b"XAmzContentSHA256Mismatch")]:
        status, _, text = exchange(server, head("PUT", "/bucket/damaged", [("Authorization", authorization("s3")), (field, value)], length=len(body)) + body)
        assert status == 400 and code in text, (field, value, text)
    listing = server.client("s3").list_objects_v2(Bucket="bucket", Prefix="damaged")
    assert listing["KeyCount"] == 0


# -- sizes ----------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("announced", [18 << 20, 1 << 40, (1 << 63) - 1])
def test_a_body_over_the_limit_is_refused_in_the_services_form(server, announced):
    """By its announced length: nothing needs to be sent."""
    with connect(server) as sock:
        sock.sendall(head(fields=[("Authorization", authorization("dynamodb")), ("X-Amz-Target", "DynamoDB_20120810.GetItem"),
                                  ("Expect", "100-continue")], length=announced))
        status, fields, text = read_answer(sock.makefile("rb"))
    assert status == 413, text
    assert "RequestEntityTooLarge" in json.loads(text)["__type"]
    assert fields["x-amzn-requestid"]


def test_a_client_that_sends_everything_first_still_reads_the_refusal(server):
    """No Expect, a large body, an answer that is known from the head: SDKs without Expect must see the error, not a broken pipe."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT)
    client.request("PUT", "/no-such-bucket/key", body=b"x" * (12 << 20), headers={"Authorization": authorization("s3")})
    answer = client.getresponse()
    assert answer.status == 404 and b"NoSuchBucket" in answer.read()
    client.close()


def test_a_chunked_body_over_the_limit_is_refused(server):
    piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with connect(server) as sock:
        sock.sendall(head(fields=[("Authorization", authorization("sqs")), ("X-Amz-Target", "AmazonSQS.SendMessage"), ("Transfer-Encoding", "chunked")]))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(8):
                sock.sendall(piece)
            sock.sendall(b"0\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):  # the answer may be lost when we were still sending
            status, _, text = read_answer(sock.makefile("rb"))
            assert status == 413 and "RequestEntityTooLarge" in json.loads(text)["__type"]


def test_huge_heads(server):
    for fields in ([("X-Big", "y" * 100_000)], [(f"X-{n}", "y") for n in range(1000)]):
        status, _, _ = exchange(server, head(fields=fields, length=0))
        assert status == 431
    status, _, _ = exchange(server, head("GET", "/bucket/" + "k" * 100_000))
    assert status in (414, 431)
    status, _, text = exchange(server, head("PUT", "/bucket/" + "k" * 2000, [("Authorization", authorization("s3"))], length=1) + b"x")
    assert status == 400 and b"KeyTooLong" in text


def test_gzip_bodies(server):
    plain = json.dumps({"TableName": "posts", "Item": {"id": {"S": "zipped"}, "text": {"S": "z" * 10_000}}}).encode()
    status, _, answer = dynamodb(server, "PutItem", gzip.compress(plain), [("Content-Encoding", "gzip")])
    assert (status, answer) == (200, {})
    assert server.client("dynamodb").get_item(TableName="posts", Key={"id": {"S": "zipped"}})["Item"]["text"]["S"] == "z" * 10_000
    for broken in (gzip.compress(plain)[:-20], b"no gzip at all", gzip.compress(plain)[:5], b""):
        status, _, answer = dynamodb(server, "PutItem", broken, [("Content-Encoding", "gzip")])
        assert status == 400, answer


def test_a_gzip_bomb_does_not_explode(server):
    before = memory_of(server)
    bomb = gzip.compress(b" " * (512 << 20), compresslevel=9)
    status, _, answer = dynamodb(server, "PutItem", bomb, [("Content-Encoding", "gzip")])
    assert status in (400, 413), answer
    assert memory_of(server) - before < 64 << 20


# -- HTTP ----------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500), b"\x00" * 1000, os.urandom(4000), b"\r\n\r\n\r\n",
                                     b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
                                     b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: minus\r\n\r\n",
                                     b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
                                     b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                                     b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                                     b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
                                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], ids=range(13))
def test_garbage_is_refused_or_cut(server, garbage):
    with connect(server) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(garbage)
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                answer += piece
    assert answer == b"" or re.match(rb"HTTP/1\.[01] (4\d\d|50[15])", answer), answer[:200]


def test_half_sent_requests_leave_nothing(server):
    body = json.dumps({"TableName": "posts", "Item": {"id": {"S": "half"}}}).encode()
    whole = head(fields=[("Authorization", authorization("dynamodb")), ("X-Amz-Target", "DynamoDB_20120810.PutItem")], length=len(body)) + body
    upload = head("PUT", "/bucket/half", [("Authorization", authorization("s3"))], length=200_000) + b"x" * 100_000
    for sent in (whole[:10], whole[:-1], whole[:len(whole) - len(body)], upload):
        with connect(server) as sock:
            sock.sendall(sent)
    assert "Item" not in server.client("dynamodb").get_item(TableName="posts", Key={"id": {"S": "half"}})
    assert server.client("s3").list_objects_v2(Bucket="bucket", Prefix="half")["KeyCount"] == 0


def test_slow_clients_do_not_hold_up_others(server):
    slow = [connect(server) for _ in range(50)]
    try:
        for sock in slow:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{")
        started = time.monotonic()
        for number in range(50):
            slow[number].sendall(b" ")
            assert server.admin("health")["status"] == "ok"
        assert time.monotonic() - started < 10
    finally:
        for sock in slow:
            sock.close()


@pytest.mark.long
def test_a_client_that_never_finishes_its_head_is_told(server):
    with connect(server, timeout=60) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost:")
        assert read_answer(sock.makefile("rb"))[0] == 408


def test_thousands_of_idle_connections(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 5000
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 500), hard))
    idle = []
    try:
        for _ in range(wanted):
            idle.append(connect(server))
        started = time.monotonic()
        for _ in range(20):
            assert server.admin("health")["status"] == "ok"
        assert time.monotonic() - started < 10
        idle[0].sendall(head("GET", "/_millrace/health"))  # the oldest still works
        assert read_answer(idle[0].makefile("rb"))[0] == 200
        assert memory_of(server) < MEMORY_MAX
    finally:
        for sock in idle:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert wanted >= 1000


def test_more_connections_than_allowed_are_refused_and_told():
    with Server(config={"server": {"connections": 20}}) as small:
        kept = [connect(small) for _ in range(20)]
        try:
            refused = connect(small)
            answer = refused.makefile("rb").read()
            assert answer == b"" or answer.startswith(b"HTTP/1.1 503")
            refused.close()
        finally:
            for sock in kept:
                sock.close()

        def is_back():
            with contextlib.suppress(Exception):
                return small.admin("health")["status"] == "ok"
        wait_until(is_back, "the server to take connections again")


@pytest.mark.parametrize("fields", [[("Host", "evil.example")], [("Host", "127.0.0.1.evil.example")], [("Host", "127.0.0.1"), ("Origin", "http://evil.example")],
                                    [("Host", "127.0.0.1"), ("Origin", "null")], [("Host", "127.0.0.1"), ("Sec-Fetch-Site", "cross-site")],
                                    [("Host", "localhost:1"), ("Origin", "http://localhost:2")]])
@pytest.mark.parametrize("path", ["/", "/_millrace/reset", "/metrics", "/bucket/key"])
def test_web_pages_are_refused(server, path, fields):
    data = "\r\n".join([f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "Content-Length: 2"]).encode() + b"\r\n\r\n{}"
    status, _, _ = exchange(server, data)
    assert status == 403


def test_known_hosts_are_served(server):
    for host in (f"127.0.0.1:{server.port}", "localhost", "dynamodb.us-east-1.amazonaws.com", "[::1]:4566", "bucket.s3.us-east-1.amazonaws.com"):
        data = f"GET /_millrace/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        assert exchange(server, data)[0] == 200, host


def test_http_1_0(server):
    with connect(server) as sock:
        sock.sendall(b"GET /_millrace/health HTTP/1.0\r\n\r\n")
        answer = sock.makefile("rb").read()  # closed by the server
    assert b" 200 " in answer.split(b"\r\n")[0]
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["status"] == "ok"


def test_pipelined_requests_are_answered_in_order(server):
    requests = b""
    for number in range(50):
        body = json.dumps({"TableName": "posts", "Item": {"id": {"S": "piped"}, "n": {"N": str(number)}}, "ReturnValues": "ALL_OLD"}).encode()
        requests += head(fields=[("Authorization", authorization("dynamodb")), ("X-Amz-Target", "DynamoDB_20120810.PutItem")], length=len(body)) + body
    with connect(server) as sock:
        sock.sendall(requests)
        stream = sock.makefile("rb")
        answers = [read_answer(stream) for _ in range(50)]
    assert [status for status, _, _ in answers] == [200] * 50
    assert [json.loads(text).get("Attributes", {}).get("n", {}).get("N") for _, _, text in answers] == [None, *map(str, range(49))]


def test_chunked_bodies(server):
    body = json.dumps({"TableName": "posts", "Item": {"id": {"S": "chunked"}}}).encode()
    pieces = b"".join(b"%x;extension=1\r\n%s\r\n" % (len(body[at:at + 7]), body[at:at + 7]) for at in range(0, len(body), 7))
    status, _, text = exchange(server, head(fields=[("Authorization", authorization("dynamodb")), ("X-Amz-Target", "DynamoDB_20120810.PutItem"),
                                                    ("Transfer-Encoding", "chunked")]) + pieces + b"0\r\nX-Trailer: yes\r\n\r\n")
    assert (status, text) == (200, b"{}")
    assert "Item" in server.client("dynamodb").get_item(TableName="posts", Key={"id": {"S": "chunked"}})


def test_expect_100_continue(server):
    body = b"expected" * 1000
    with connect(server) as sock:
        sock.sendall(head("PUT", "/bucket/expected", [("Authorization", authorization("s3")), ("Expect", "100-continue")], length=len(body)))
        stream = sock.makefile("rb")
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.readline() == b"\r\n"
        sock.sendall(body)
        assert read_answer(stream)[0] == 200
    with connect(server) as sock:  # refused before the body is sent
        sock.sendall(head("PUT", "/no-such-bucket/key", [("Authorization", authorization("s3")), ("Expect", "100-continue")], length=len(body)))
        stream = sock.makefile("rb")
        status = int(stream.readline().split()[1])
        assert status in (100, 404)
    assert server.client("s3").get_object(Bucket="bucket", Key="expected")["Body"].read() == body


def test_answers_carry_ids_and_checksums(server):
    status, fields, _ = exchange(server, head(fields=[("Authorization", authorization("dynamodb")), ("X-Amz-Target", "DynamoDB_20120810.ListTables")],
                                              length=2) + b"{}")
    assert status == 200 and fields["x-amzn-requestid"]
    body = json.dumps({"TableName": "posts", "Key": {"id": {"S": "nobody"}}}).encode()
    for operation in ("GetItem", "Scan", "PutItem"):  # well-formed or not: the checksum is of what was answered
        status, fields, text = exchange(server, head(fields=[("Authorization", authorization("dynamodb")), ("X-Amz-Target", f"DynamoDB_20120810.{operation}")],
                                                     length=len(body)) + body)
        assert int(fields["x-amz-crc32"]) == zlib.crc32(text), operation
    _, fields, _ = exchange(server, head("GET", "/bucket", [("Authorization", authorization("s3"))]))
    assert fields["x-amz-request-id"] and fields["x-amz-id-2"]
    _, fields, _ = exchange(server, head("GET", "/2015-03-31/functions", [("Authorization", authorization("lambda"))]))
    assert fields["x-amzn-requestid"]
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    status, fields, text = exchange(server, head(fields=[("Authorization", authorization("sts")), ("Content-Type", "application/x-www-form-urlencoded")],
                                                 length=len(body)) + body)
    assert status == 200 and fields["x-amzn-requestid"].encode() in text


def test_a_thousand_broken_requests_are_not_remembered(server):
    before = memory_of(server)
    for number in range(1000):
        with connect(server) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\n\r\n" + b"{" * (number % 50))
    assert memory_of(server) - before < 64 << 20
    with urllib.request.urlopen(f"{server.endpoint}/metrics", timeout=LIMIT) as answer:
        assert answer.status == 200
