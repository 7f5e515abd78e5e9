"""A table with a stream, a recorded function and mappings between them, for the tests of event source mappings."""
import json
import time

import botocore.exceptions
import pytest

from recorder import RecorderServer


class World:
    """A table with a stream, a recorded function, a queue for failures, and mappings between them. One of each per test."""

    def __init__(self, server, recorders, name):
        self.server, self.recorders, self.name = server, recorders, name
        self.dynamodb, self.functions, self.sqs = (server.client(service) for service in ("dynamodb", "lambda", "sqs"))
        self.table = name
        self.stream = make_table(server, name)
        self.recorder = recorders.function(server, name)
        self.function = name
        self.uuids = []

    def put(self, *ids, **attributes):
        for i in ids:
            self.dynamodb.put_item(TableName=self.table, Item={"id": {"S": str(i)}, "at": {"N": str(time.time_ns())}, **attributes})

    def map(self, position="TRIM_HORIZON", function=None, stream=None, **options):
        uuid = self.functions.create_event_source_mapping(EventSourceArn=stream or self.stream, FunctionName=function or self.function,
                                                          **({"StartingPosition": position} if position else {}), **options)["UUID"]
        self.uuids.append(uuid)
        return uuid

    def queue(self):
        self.url = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        return self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def documents(self):
        """The failure documents that are in the queue by now, oldest first."""
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=600).get("Messages"):
            found += [json.loads(message["Body"]) for message in messages]
        return sorted(found, key=lambda document: document["DDBStreamBatchInfo"].get("startSequenceNumber", "").zfill(40))

    def seen(self, moved="1h"):
        """All batches in order of arrival, once everything that waits for a back-off or a window has had its time."""
        self.server.settle()
        if moved:
            self.server.advance(moved)
            self.server.settle()
        return self.recorder.ids()

    def get(self, uuid):
        return self.functions.get_event_source_mapping(UUID=uuid)

    def show(self, uuid):
        return self.server.admin(f"mappings/{uuid}")

    def close(self):
        self.recorder.release()
        for uuid in self.uuids:
            try:
                self.functions.delete_event_source_mapping(UUID=uuid)
            except botocore.exceptions.ClientError:
                pass  # the test has deleted it


def make_table(server, name, view="NEW_AND_OLD_IMAGES"):
    return server.client("dynamodb").create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view})["TableDescription"]["LatestStreamArn"]


@pytest.fixture(scope="module")
def recorders():
    running = RecorderServer()
    yield running
    running.close()


@pytest.fixture
def world(server, recorders, unique):
    made = World(server, recorders, unique)
    yield made
    made.close()


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def fail(text="boom"):
    def behave(_event):
        raise RuntimeError(text)
    return behave


def fails_on(*bad):
    """A function that throws when the batch holds one of these items."""
    def behave(event):
        for record in event["Records"]:
            if record["dynamodb"]["Keys"]["id"]["S"] in bad:
                raise RuntimeError("poison " + record["dynamodb"]["Keys"]["id"]["S"])
    return behave


def reports(*bad):
    """A function that reports these items by their sequence numbers."""
    def behave(event):
        return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]} for record in event["Records"]
                                      if record["dynamodb"]["Keys"]["id"]["S"] in bad]}
    return behave


def sequence_numbers(event):
    return [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]
