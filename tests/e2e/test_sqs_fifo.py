"""FIFO queues with real clients: groups, deduplication, attempts, dead letters, both forms of queue URLs."""
import json

import botocore.exceptions
import pytest


@pytest.fixture
def sqs(server):
    return server.client("sqs", read_timeout=60)


def make(sqs, name, **attributes):
    return sqs.create_queue(QueueName=name + ".fifo", Attributes={"FifoQueue": "true", **attributes})["QueueUrl"]


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def send(sqs, url, group, *bodies):
    return [sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=f"{group}-{body}") for body in bodies]


def receive(sqs, url, count=10, **options):
    return sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=count, MessageSystemAttributeNames=["All"], **options).get("Messages", [])


def bodies(messages):
    return [message["Body"] for message in messages]


def test_a_group_comes_in_order_and_is_blocked_while_in_flight(sqs, unique):
    url = make(sqs, unique)
    send(sqs, url, "a", "1", "2", "3")
    send(sqs, url, "b", "1")
    first = receive(sqs, url, 1)
    assert bodies(first) == ["1"] and first[0]["Attributes"]["MessageGroupId"] == "a"
    rest = receive(sqs, url)
    assert [message["Attributes"]["MessageGroupId"] for message in rest] == ["b"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])
    assert bodies(receive(sqs, url)) == ["2", "3"]


def test_sequence_numbers_grow_and_are_shown_at_both_ends(sqs, unique):
    url = make(sqs, unique)
    sent = [answer["SequenceNumber"] for answer in send(sqs, url, "g", "1", "2", "3")]
    assert sent == sorted(set(sent)) and all(len(number) == 20 for number in sent)
    assert [message["Attributes"]["SequenceNumber"] for message in receive(sqs, url)] == sent


def test_duplicates_within_five_minutes_are_taken_once(server, sqs, unique):
    url = make(sqs, unique, ContentBasedDeduplication="true")
    first = sqs.send_message(QueueUrl=url, MessageBody="same", MessageGroupId="g")
    again = sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "x", "MessageBody": "same", "MessageGroupId": "g"}])["Successful"][0]
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    assert len(receive(sqs, url)) == 1
    server.advance("5m")
    assert sqs.send_message(QueueUrl=url, MessageBody="same", MessageGroupId="g")["MessageId"] != first["MessageId"]


def test_an_attempt_can_be_repeated(sqs, unique):
    url = make(sqs, unique)
    send(sqs, url, "g", "1", "2")
    first = receive(sqs, url, 1, ReceiveRequestAttemptId="attempt")
    assert receive(sqs, url, 1, ReceiveRequestAttemptId="attempt") == first
    assert receive(sqs, url) == []


def test_refusals_have_the_texts_of_aws(sqs, unique):
    url = make(sqs, unique)
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x") == ("MissingParameter", "The request must contain the parameter MessageGroupId.")
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x", MessageGroupId="g") == (
        "InvalidParameterValue", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
    assert "The request include parameter that is not valid for this queue type." in refused(
        sqs.send_message, QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="d", DelaySeconds=1)[1]
    assert refused(sqs.create_queue, QueueName=unique, Attributes={"FifoQueue": "true"})[1].startswith("The name of a FIFO queue can only include")
    assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={"FifoQueue": "false"}) == (
        "InvalidAttributeValue", "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.")
    messages = [{"Id": str(i), "MessageBody": "x", "MessageGroupId": group, "MessageDeduplicationId": "b"} for i, group in enumerate(["good", "not good"])]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=messages)
    assert [entry["Id"] for entry in answer["Successful"]] == ["0"] and answer["Failed"][0]["Code"] == "InvalidParameterValue"


def test_poison_goes_to_a_queue_of_the_same_kind(server, sqs, unique):
    dead = make(sqs, unique + "-dead")
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    assert "must be same type of queue as the source" in refused(sqs.create_queue, QueueName=unique + "-plain", Attributes={"RedrivePolicy": policy})[1]
    url = make(sqs, unique, RedrivePolicy=policy, VisibilityTimeout="10")
    send(sqs, url, "g", "poison", "next")
    for _ in range(2):
        assert bodies(receive(sqs, url, 1)) == ["poison"]
        server.advance("10s")
    assert bodies(receive(sqs, url, 1)) == ["next"]
    assert [(message["Body"], message["Attributes"]["MessageGroupId"]) for message in receive(sqs, dead)] == [("poison", "g")]


def test_order_and_deduplication_survive_sigkill(own_server, unique):
    sqs = own_server.client("sqs")
    url = make(sqs, unique, VisibilityTimeout="600")
    sent = send(sqs, url, "g", "1", "2")
    held = receive(sqs, url, 1)
    send(sqs, url, "other", "x")  # durable, and with it what was written behind before
    own_server.kill()
    own_server.start()
    sqs = own_server.client("sqs")
    assert send(sqs, url, "g", "1")[0]["MessageId"] == sent[0]["MessageId"]
    assert bodies(receive(sqs, url)) == ["x"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=held[0]["ReceiptHandle"])
    assert bodies(receive(sqs, url)) == ["2"]


def test_queue_urls_of_aws_are_taken(server, unique):
    sqs = server.client("sqs", region="eu-west-1")
    ours = make(sqs, unique)
    theirs = f"https://sqs.eu-west-1.amazonaws.com/000000000000/{unique}.fifo"
    send(sqs, ours, "g", "1")
    elsewhere = server.client("sqs", region="us-east-1")  # the URL says the region
    send(elsewhere, theirs, "g", "2")
    messages = receive(elsewhere, theirs)
    assert bodies(messages) == ["1", "2"]
    for url, message in zip((ours, theirs), messages, strict=True):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert sqs.get_queue_attributes(QueueUrl=theirs, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "0"
