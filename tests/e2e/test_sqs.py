"""SQS with boto3 and with requests made by hand."""
import concurrent.futures
import hashlib
import json
import struct
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

import botocore.exceptions
import pytest

from world import wait_until

KIB = 1024


@pytest.fixture(scope="module")
def sqs(server):
    return server.client("sqs")


@pytest.fixture
def queue(sqs, unique):
    return sqs.create_queue(QueueName=unique)["QueueUrl"]


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]["Code"]


def bodies(sqs, url, **options):
    return [message["Body"] for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **options).get("Messages", [])]


def attributes(sqs, url, *names):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names) or ["All"]).get("Attributes", {})


def counts(sqs, url):
    found = attributes(sqs, url)
    return tuple(int(found["ApproximateNumberOfMessages" + what]) for what in ("", "Delayed", "NotVisible"))


# -- queues --------------------------------------------------------------------------------------------------------------------


def test_queues_come_and_go(server, sqs, unique):
    url = sqs.create_queue(QueueName=unique, Attributes={"DelaySeconds": "5"}, tags={"team": "x"})["QueueUrl"]
    assert url == f"{server.endpoint}/000000000000/{unique}"
    assert sqs.create_queue(QueueName=unique, Attributes={"DelaySeconds": "5"})["QueueUrl"] == url
    assert refused(sqs.create_queue, QueueName=unique, Attributes={"DelaySeconds": "6"}) in ("QueueAlreadyExists", "QueueNameExists")
    assert sqs.get_queue_url(QueueName=unique)["QueueUrl"] == url
    assert sqs.list_queues(QueueNamePrefix=unique)["QueueUrls"] == [url]
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "x"}
    sqs.tag_queue(QueueUrl=url, Tags={"more": "y"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["team"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"more": "y"}
    sqs.delete_queue(QueueUrl=url)
    assert refused(sqs.get_queue_url, QueueName=unique) == "AWS.SimpleQueueService.NonExistentQueue"
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x") == "AWS.SimpleQueueService.NonExistentQueue"
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_attributes(QueueUrl=url)


def test_attributes_and_their_bounds(sqs, queue, unique):
    found = attributes(sqs, queue)
    assert found["QueueArn"] == f"arn:aws:sqs:us-east-1:000000000000:{unique}"
    expected = {"VisibilityTimeout": "30", "DelaySeconds": "0", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
                "MaximumMessageSize": "1048576", "SqsManagedSseEnabled": "true"}
    assert {name: found[name] for name in expected} == expected
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "300", "MaximumMessageSize": "2048"})
    assert attributes(sqs, queue, "VisibilityTimeout", "MaximumMessageSize") == {"VisibilityTimeout": "300", "MaximumMessageSize": "2048"}
    for name, value in (("VisibilityTimeout", "43201"), ("DelaySeconds", "901"), ("MessageRetentionPeriod", "59"), ("MaximumMessageSize", "1023"),
                        ("ReceiveMessageWaitTimeSeconds", "21"), ("VisibilityTimeout", "many"), ("RedrivePolicy", "{")):
        assert refused(sqs.set_queue_attributes, QueueUrl=queue, Attributes={name: value}) in ("InvalidAttributeValue", "InvalidParameterValue"), name
    assert refused(sqs.set_queue_attributes, QueueUrl=queue, Attributes={"Colour": "red"}) == "InvalidAttributeName"
    assert refused(sqs.create_queue, QueueName="bad name") == "InvalidParameterValue"
    assert refused(sqs.create_queue, QueueName="x.fifo") == "InvalidParameterValue"
    assert refused(sqs.start_message_move_task, SourceArn=found["QueueArn"]) in ("InvalidAction", "UnknownOperationException", "UnknownOperation")


def test_queues_are_listed_in_pages(server):
    sqs = server.client("sqs", account="777788889999")
    names = [f"page-{number:02}" for number in range(7)]
    for name in names:
        sqs.create_queue(QueueName=name)
    found = [url.rsplit("/", 1)[1] for page in sqs.get_paginator("list_queues").paginate(QueueNamePrefix="page-", PaginationConfig={"PageSize": 3}) for url in page["QueueUrls"]]
    assert found == names
    assert server.client("sqs").list_queues(QueueNamePrefix="page-").get("QueueUrls", []) == []
    assert server.client("sqs", account="777788889999", region="eu-west-1").list_queues().get("QueueUrls", []) == []


# -- messages ------------------------------------------------------------------------------------------------------------------


def md5_of_attributes(attributes):
    """AWS: "Calculating the MD5 message digest for message attributes"."""
    data = b""
    for name in sorted(attributes):
        value = attributes[name]
        binary = value["DataType"].startswith("Binary")
        content = value["BinaryValue"] if binary else value["StringValue"].encode()
        for piece in (name.encode(), value["DataType"].encode()):
            data += struct.pack(">I", len(piece)) + piece
        data += (b"\x02" if binary else b"\x01") + struct.pack(">I", len(content)) + content
    return hashlib.md5(data).hexdigest()


def test_a_message_with_attributes_and_digests(sqs, queue):
    body = "Grüße 🙂 <&>\t\n"
    wanted = {"text": {"DataType": "String", "StringValue": "ü"}, "count": {"DataType": "Number.int", "StringValue": "12"},
              "raw": {"DataType": "Binary.gz", "BinaryValue": b"\x00\xff"}}
    sent = sqs.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes=wanted)
    assert sent["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest() and sent["MD5OfMessageAttributes"] == md5_of_attributes(wanted)
    got = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])["Messages"][0]
    assert got["Body"] == body and got["MessageId"] == sent["MessageId"] and got["MessageAttributes"] == wanted
    assert got["MD5OfBody"] == sent["MD5OfMessageBody"] and got["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    system = got["Attributes"]
    assert system["ApproximateReceiveCount"] == "1" and system["SenderId"] and abs(int(system["SentTimestamp"]) / 1000 - time.time()) < 60
    assert int(system["ApproximateFirstReceiveTimestamp"]) >= int(system["SentTimestamp"])
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=got["ReceiptHandle"])
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=got["ReceiptHandle"])
    assert counts(sqs, queue) == (0, 0, 0)
    assert refused(sqs.delete_message, QueueUrl=queue, ReceiptHandle="nonsense") == "ReceiptHandleIsInvalid"


def test_chosen_attributes_only(sqs, queue):
    given = {name: {"DataType": "String", "StringValue": name} for name in ("order.id", "order.at", "other")}
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=given)
    got = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["order.*"], AttributeNames=["SentTimestamp"], VisibilityTimeout=0)["Messages"][0]
    assert got["MessageAttributes"].keys() == {"order.id", "order.at"} and got["Attributes"].keys() == {"SentTimestamp"}
    assert got["MD5OfMessageAttributes"] == md5_of_attributes(got["MessageAttributes"])
    got = sqs.receive_message(QueueUrl=queue)["Messages"][0]
    assert "MessageAttributes" not in got and "Attributes" not in got


def test_size_limits(sqs, unique):
    url = sqs.create_queue(QueueName=unique, Attributes={"MaximumMessageSize": "2048"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x" * 2048)
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x" * 2049) == "InvalidParameterValue"
    attribute = {"name": {"DataType": "String", "StringValue": "v" * 40}}
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x" * 2000, MessageAttributes=attribute) == "InvalidParameterValue"
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": "1048576"})
    sqs.send_message(QueueUrl=url, MessageBody="x" * 1_048_576)
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x" * 1_048_577) == "InvalidParameterValue"
    assert sorted(map(len, bodies(sqs, url))) == [2048, 1_048_576]
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="") in ("MissingParameter", "InvalidParameterValue")
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="\x01") == "InvalidMessageContents"


def test_batches_and_their_partial_failures(sqs, queue):
    answer = sqs.send_message_batch(QueueUrl=queue, Entries=[
        {"Id": "good", "MessageBody": "1"}, {"Id": "bad", "MessageBody": "2", "DelaySeconds": 901},
        {"Id": "late", "MessageBody": "3", "DelaySeconds": 900}])
    assert [entry["Id"] for entry in answer["Successful"]] == ["good", "late"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]] == [("bad", "InvalidParameterValue", True)]
    assert answer["Successful"][0]["MD5OfMessageBody"] == hashlib.md5(b"1").hexdigest() and counts(sqs, queue) == (1, 1, 0)
    got = sqs.receive_message(QueueUrl=queue)["Messages"][0]
    answer = sqs.change_message_visibility_batch(QueueUrl=queue, Entries=[
        {"Id": "a", "ReceiptHandle": got["ReceiptHandle"], "VisibilityTimeout": 600}, {"Id": "b", "ReceiptHandle": "nonsense", "VisibilityTimeout": 1}])
    assert [entry["Id"] for entry in answer["Successful"]] == ["a"] and answer["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"
    answer = sqs.delete_message_batch(QueueUrl=queue, Entries=[{"Id": "a", "ReceiptHandle": got["ReceiptHandle"]}, {"Id": "b", "ReceiptHandle": "nonsense"}])
    assert [entry["Id"] for entry in answer["Successful"]] == ["a"] and [entry["Id"] for entry in answer["Failed"]] == ["b"]
    assert counts(sqs, queue) == (0, 1, 0)


def test_batches_refused_whole(sqs, queue):
    def send(entries):
        return refused(sqs.send_message_batch, QueueUrl=queue, Entries=entries)

    prefix = "AWS.SimpleQueueService."
    assert send([]) == prefix + "EmptyBatchRequest"
    assert send([{"Id": str(number), "MessageBody": "x"} for number in range(11)]) == prefix + "TooManyEntriesInBatchRequest"
    assert send([{"Id": "a", "MessageBody": "x"}] * 2) == prefix + "BatchEntryIdsNotDistinct"
    assert send([{"Id": "a b", "MessageBody": "x"}]) == prefix + "InvalidBatchEntryId"
    assert send([{"Id": str(number), "MessageBody": "x" * 600 * KIB} for number in range(2)]) == prefix + "BatchRequestTooLong"
    assert counts(sqs, queue) == (0, 0, 0)


def test_purge(sqs, queue):
    for number in range(5):
        sqs.send_message(QueueUrl=queue, MessageBody=str(number), DelaySeconds=number)
    sqs.receive_message(QueueUrl=queue)
    sqs.purge_queue(QueueUrl=queue)
    assert counts(sqs, queue) == (0, 0, 0)


# -- time ----------------------------------------------------------------------------------------------------------------------


def test_delay_visibility_and_retention_follow_the_clock(own_server):
    sqs = own_server.client("sqs")
    url = sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "10", "VisibilityTimeout": "300", "MessageRetentionPeriod": "86400"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="delayed")
    sqs.send_message(QueueUrl=url, MessageBody="at once", DelaySeconds=0)
    assert bodies(sqs, url) == ["at once"] and counts(sqs, url) == (0, 1, 1)
    own_server.advance("11s")
    first = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"][0]
    assert first["Body"] == "delayed"
    own_server.advance("290s")
    assert bodies(sqs, url) == ["at once"]
    own_server.advance("11s")
    again = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"][0]
    assert again["Body"] == "delayed" and again["Attributes"]["ApproximateReceiveCount"] == "2"
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"], VisibilityTimeout=0)
    third = sqs.receive_message(QueueUrl=url)["Messages"][0]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=third["ReceiptHandle"], VisibilityTimeout=4000)
    own_server.advance("1h")
    assert bodies(sqs, url) == ["at once"]
    own_server.advance("10m")
    assert sorted(bodies(sqs, url)) == ["at once", "delayed"]
    own_server.advance("23h")
    assert counts(sqs, url) == (0, 0, 0) and bodies(sqs, url) == []


def test_a_long_poll_is_woken_by_a_send(server, sqs, queue):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(bodies, server.client("sqs", read_timeout=40), queue, WaitTimeSeconds=20)
        begin = time.monotonic()
        sqs.send_message(QueueUrl=queue, MessageBody="woken")
        assert waiting.result(timeout=10) == ["woken"] and time.monotonic() - begin < 5


def test_a_long_poll_ends_with_the_clock(own_server):
    sqs = own_server.client("sqs", read_timeout=40)
    url = sqs.create_queue(QueueName="q", Attributes={"ReceiveMessageWaitTimeSeconds": "20"})["QueueUrl"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(bodies, sqs, url)

        def moved_past():
            own_server.advance("20s")
            return waiting.done()

        begin = time.monotonic()
        wait_until(moved_past, "the poll to end", limit=15)
        assert waiting.result() == [] and time.monotonic() - begin < 15


def test_one_message_goes_to_one_of_many_pollers(server, sqs, queue):
    got, lock = [], threading.Lock()

    def poll():
        client = server.client("sqs", read_timeout=40)
        while True:
            found = client.receive_message(QueueUrl=queue, WaitTimeSeconds=20, MaxNumberOfMessages=2).get("Messages", [])
            with lock:
                got.extend(message["Body"] for message in found if message["Body"] != "stop")
            for message in found:
                client.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            if any(message["Body"] == "stop" for message in found):
                for message in found[1:]:
                    if message["Body"] == "stop":
                        client.send_message(QueueUrl=queue, MessageBody="stop")
                return

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        pollers = [pool.submit(poll) for _ in range(6)]
        for start in range(0, 200, 10):
            sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(number), "MessageBody": str(number)} for number in range(start, start + 10)])
        wait_until(lambda: len(got) >= 200, "all messages")
        for _ in range(6):
            sqs.send_message(QueueUrl=queue, MessageBody="stop")
        for poller in pollers:
            poller.result(timeout=30)
    assert sorted(got, key=int) == [str(number) for number in range(200)]


# -- redrive -------------------------------------------------------------------------------------------------------------------


def test_redrive_to_a_dead_letter_queue(own_server):
    sqs = own_server.client("sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    dead_arn = attributes(sqs, dead)["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    url = sqs.create_queue(QueueName="work", Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "30"})["QueueUrl"]
    assert json.loads(attributes(sqs, url)["RedrivePolicy"]) == json.loads(policy)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sent = sqs.send_message(QueueUrl=url, MessageBody="poison", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}})
    assert bodies(sqs, url) == ["poison"]
    own_server.advance("31s")
    own_server.kill()  # the count survives
    own_server.start()
    sqs = own_server.client("sqs")
    assert bodies(sqs, url) == ["poison"] and bodies(sqs, dead) == []
    own_server.advance("31s")
    assert bodies(sqs, url) == []
    got = sqs.receive_message(QueueUrl=dead, AttributeNames=["All"], MessageAttributeNames=["All"])["Messages"][0]
    assert got["MessageId"] == sent["MessageId"] and got["Body"] == "poison" and got["MessageAttributes"]["a"]["StringValue"] == "b"
    assert got["Attributes"]["DeadLetterQueueSourceArn"].endswith(":work")


def test_redrive_policies_are_checked(sqs, queue):
    def put(**policy):
        return refused(sqs.set_queue_attributes, QueueUrl=queue, Attributes={"RedrivePolicy": json.dumps(policy)})

    arn = attributes(sqs, queue)["QueueArn"]
    assert put(deadLetterTargetArn=arn + "-none", maxReceiveCount=1) in ("InvalidParameterValue", "AWS.SimpleQueueService.NonExistentQueue")
    assert put(deadLetterTargetArn=arn, maxReceiveCount=0) == "InvalidParameterValue"
    assert put(maxReceiveCount=1) == "InvalidParameterValue"


# -- restart -------------------------------------------------------------------------------------------------------------------


def test_queues_and_messages_survive_a_kill(own_server):
    sqs = own_server.client("sqs")
    url = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "77"}, tags={"a": "b"})["QueueUrl"]
    gone = sqs.create_queue(QueueName="gone")["QueueUrl"]
    sqs.send_message(QueueUrl=gone, MessageBody="x")
    sqs.delete_queue(QueueUrl=gone)
    given = {"a": {"DataType": "Binary", "BinaryValue": b"\x00"}}
    sqs.send_message(QueueUrl=url, MessageBody="deleted")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=sqs.receive_message(QueueUrl=url)["Messages"][0]["ReceiptHandle"])
    sent = sqs.send_message(QueueUrl=url, MessageBody="kept", MessageAttributes=given)
    sqs.send_message(QueueUrl=url, MessageBody="delayed", DelaySeconds=900)
    sqs.send_message(QueueUrl=url, MessageBody="long" * 50_000)
    own_server.kill()
    own_server.start()
    sqs = own_server.client("sqs")
    assert [one.rsplit("/", 1)[1] for one in sqs.list_queues()["QueueUrls"]] == ["q"]
    assert attributes(sqs, url, "VisibilityTimeout") == {"VisibilityTimeout": "77"} and sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "b"}
    assert counts(sqs, url) == (2, 1, 0)
    got = {message["Body"][:8]: message for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])["Messages"]}
    assert got.keys() == {"kept", "longlong"} and got["kept"]["MessageId"] == sent["MessageId"] and got["kept"]["MessageAttributes"] == given
    own_server.advance("15m")
    assert "delayed" in bodies(sqs, url)


def test_a_kill_in_the_middle_of_work_loses_no_message(own_server):
    url = own_server.client("sqs").create_queue(QueueName="q", Attributes={"VisibilityTimeout": "43200"})["QueueUrl"]
    sent, maybe_deleted, deleted = set(), set(), set()
    gone = (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError)

    def send(worker):
        client = own_server.client("sqs")
        try:
            for number in range(100_000):
                client.send_message(QueueUrl=url, MessageBody=f"{worker}-{number}")
                sent.add(f"{worker}-{number}")
        except gone:
            pass

    def consume():
        client = own_server.client("sqs")
        try:
            while True:
                for message in client.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=3).get("Messages", []):
                    maybe_deleted.add(message["Body"])
                    client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    deleted.add(message["Body"])
        except gone:
            pass

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        workers = [pool.submit(send, worker) for worker in range(3)] + [pool.submit(consume) for _ in range(2)]
        wait_until(lambda: len(sent) > 300 and len(deleted) > 50, "some messages")
        own_server.kill()
        for worker in workers:
            worker.result()
    own_server.start()
    sqs, left = own_server.client("sqs"), []
    while found := bodies(sqs, url):
        left += found
    assert len(left) == len(set(left))
    assert not deleted & set(left), "deleted messages came back"
    assert sent - maybe_deleted <= set(left), "acknowledged messages are lost"


# -- the query protocol --------------------------------------------------------------------------------------------------------


def form(server, path, host=None, **parameters):
    """Status and XML root of an Action as older SDKs send it."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
               "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=x"}
    if host:
        headers["Host"] = host
    request = urllib.request.Request(server.endpoint + path, urllib.parse.urlencode(parameters).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            status, data = response.status, response.read()
    except urllib.error.HTTPError as error:
        status, data = error.code, error.read()
    root = xml.etree.ElementTree.fromstring(data)
    for element in root.iter():
        element.tag = element.tag.rsplit("}", 1)[-1]
    return status, root


def test_the_query_protocol(server, sqs, unique):
    status, root = form(server, "/", Action="CreateQueue", Version="2012-11-05", QueueName=unique, **{"Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": "0"})
    assert status == 200 and root.tag == "CreateQueueResponse"
    url = root.findtext(".//QueueUrl")
    path = urllib.parse.urlparse(url).path
    status, root = form(server, path, Action="SendMessage", MessageBody="<ü&>", **{
        "MessageAttribute.1.Name": "a", "MessageAttribute.1.Value.DataType": "String", "MessageAttribute.1.Value.StringValue": "b"})
    assert status == 200 and root.findtext(".//MD5OfMessageBody") == hashlib.md5("<ü&>".encode()).hexdigest()
    assert root.findtext(".//MD5OfMessageAttributes") == md5_of_attributes({"a": {"DataType": "String", "StringValue": "b"}})
    status, root = form(server, "/", Action="ReceiveMessage", QueueUrl=url, VisibilityTimeout="60", **{"AttributeName.1": "All", "MessageAttributeName.1": "All"})
    message = root.find(".//Message")
    assert message.findtext("Body") == "<ü&>" and message.findtext("MessageAttribute/Value/StringValue") == "b"
    names = {one.findtext("Name") for one in message.findall("Attribute")}
    assert {"SentTimestamp", "ApproximateReceiveCount"} <= names
    status, _ = form(server, path, Action="DeleteMessage", ReceiptHandle=message.findtext("ReceiptHandle"))
    assert status == 200 and counts(sqs, url) == (0, 0, 0)
    status, root = form(server, path, Action="SendMessageBatch", **{
        "SendMessageBatchRequestEntry.1.Id": "a", "SendMessageBatchRequestEntry.1.MessageBody": "1",
        "SendMessageBatchRequestEntry.2.Id": "b", "SendMessageBatchRequestEntry.2.MessageBody": "2", "SendMessageBatchRequestEntry.2.DelaySeconds": "901"})
    assert status == 200 and root.findtext(".//SendMessageBatchResultEntry/Id") == "a" and root.findtext(".//BatchResultErrorEntry/Id") == "b"
    status, root = form(server, path, Action="GetQueueAttributes", **{"AttributeName.1": "ApproximateNumberOfMessages"})
    assert (root.findtext(".//Attribute/Name"), root.findtext(".//Attribute/Value")) == ("ApproximateNumberOfMessages", "1")
    status, root = form(server, "/", Action="ListQueues", QueueNamePrefix=unique)
    assert [element.text for element in root.iter("QueueUrl")] == [url]


def test_errors_of_the_query_protocol(server, queue):
    status, root = form(server, "/", Action="GetQueueUrl", QueueName="none")
    assert (status, root.findtext(".//Code"), root.findtext(".//Type")) == (400, "AWS.SimpleQueueService.NonExistentQueue", "Sender")
    status, root = form(server, "/", Action="Dance")
    assert (status, root.findtext(".//Code")) == (400, "InvalidAction")
    status, root = form(server, urllib.parse.urlparse(queue).path, Action="ReceiveMessage", MaxNumberOfMessages="many")
    assert (status, root.findtext(".//Code")) == (404, "MalformedQueryString")


def test_old_queue_urls_and_hosts_are_taken(server, sqs, queue, unique):
    sqs.send_message(QueueUrl=f"https://sqs.us-east-1.amazonaws.com/000000000000/{unique}", MessageBody="1")
    status, _ = form(server, f"/000000000000/{unique}", "sqs.us-east-1.amazonaws.com", Action="SendMessage", MessageBody="2")
    assert status == 200 and sorted(bodies(sqs, queue) + bodies(sqs, queue)) == ["1", "2"]


def test_bad_json_is_answered(server, sqs, queue):
    for body, code in ((b"{", "SerializationException"), (b"[]", "SerializationException"), (b'{"QueueUrl": 1}', "SerializationException"), (b"{}", "")):
        request = urllib.request.Request(server.endpoint, body, {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)
        assert caught.value.code == 400 and code in json.loads(caught.value.read())["__type"], body
    assert counts(sqs, queue) == (0, 0, 0)


def test_peek_changes_nothing(server, sqs, queue, unique):
    sqs.send_message(QueueUrl=queue, MessageBody="ready")
    sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=900)
    found = server.admin(f"queues/{unique}")
    assert [(one["body"], one["state"]) for one in found["messages"]] == [("ready", "ready"), ("later", "delayed")]
    assert found["ready"] == 1 and found["delayed"] == 1 and counts(sqs, queue) == (1, 1, 0)
    assert "later" in server.cli("queues", "peek", unique)
