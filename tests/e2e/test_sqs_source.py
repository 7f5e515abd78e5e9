"""Event source mappings of SQS queues with real functions: every option, failures, order, restarts, refusals."""
import json
import pathlib
import time

import botocore.exceptions
import pytest

from mapping_world import recorders  # noqa: F401  (fixture)
from mapping_world import refused
from world import wait_until


class Queues:
    """A queue, a recorded function, and mappings between them. One of each per test."""

    def __init__(self, server, recorders, name, fifo=False, **attributes):  # noqa: F811
        self.server, self.name = server, name
        self.sqs, self.functions = server.client("sqs"), server.client("lambda")
        if fifo:
            attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true", **attributes}
        self.url = self.sqs.create_queue(QueueName=name + (".fifo" if fifo else ""), Attributes={"VisibilityTimeout": "60", **attributes})["QueueUrl"]
        self.arn = self.attribute("QueueArn")
        self.recorder = recorders.function(server, name, timeout=30)
        self.uuids = []

    def attribute(self, name, url=None):
        return self.sqs.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=[name])["Attributes"][name]

    def left(self):
        return int(self.attribute("ApproximateNumberOfMessages")) + int(self.attribute("ApproximateNumberOfMessagesNotVisible"))

    def map(self, **options):
        self.uuids.append(self.functions.create_event_source_mapping(EventSourceArn=self.arn, FunctionName=self.name, **options)["UUID"])
        self.server.settle()
        return self.uuids[-1]

    def send(self, *bodies, **options):
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **options)

    def seen(self):
        self.server.settle()
        return [[record["body"] for record in event["Records"]] for event in list(self.recorder.events)]

    def close(self):
        self.recorder.release()
        for uuid in self.uuids:
            try:
                self.functions.delete_event_source_mapping(UUID=uuid)
            except botocore.exceptions.ClientError:
                pass  # the test has deleted it


@pytest.fixture
def world(server, recorders, unique):  # noqa: F811
    made = Queues(server, recorders, unique)
    yield made
    made.close()


@pytest.fixture
def fifo(server, recorders, unique):  # noqa: F811
    made = Queues(server, recorders, unique + "f", fifo=True)
    yield made
    made.close()


def bodies(event):
    return [record["body"] for record in event["Records"]]


def fails_on(*bad):
    def behave(event):
        if any(body in bad for body in bodies(event)):
            raise RuntimeError("poison")
    return behave


def reports(*bad):
    def behave(event):
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"] if record["body"] in bad]}
    return behave


def test_the_event_is_that_of_aws_and_the_message_is_deleted(world):
    world.map()
    sent = world.sqs.send_message(QueueUrl=world.url, MessageBody='{"a": "ü"}', MessageAttributes={
        "text": {"DataType": "String", "StringValue": "v"}, "bytes": {"DataType": "Binary", "BinaryValue": b"\0\1"}},
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}})
    world.server.settle()
    (event,) = world.recorder.events
    (record,) = event["Records"]
    assert list(record) == ["messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfMessageAttributes", "md5OfBody", "eventSource",
                            "eventSourceARN", "awsRegion"]
    assert (record["messageId"], record["body"], record["md5OfBody"]) == (sent["MessageId"], '{"a": "ü"}', sent["MD5OfMessageBody"])
    assert record["md5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == ("aws:sqs", world.arn, "us-east-1")
    assert list(record["attributes"]) == ["ApproximateReceiveCount", "AWSTraceHeader", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"]
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["text"] == {"stringValue": "v", "stringListValues": [], "binaryListValues": [], "dataType": "String"}
    assert record["messageAttributes"]["bytes"]["binaryValue"] == "AAE="
    assert world.left() == 0


def test_batch_size_and_window(world):
    world.map(BatchSize=20, MaximumBatchingWindowInSeconds=40)
    world.send(*map(str, range(5)))
    assert world.seen() == []
    world.server.advance("30s")
    assert world.seen() == []
    world.server.advance("10s")
    assert [len(batch) for batch in world.seen()] == [5]
    world.send(*map(str, range(20)))
    assert [len(batch) for batch in world.seen()] == [5, 20]  # a full batch does not wait


def test_a_backlog_comes_in_full_batches(world):
    world.send(*map(str, range(25)))
    world.map(BatchSize=10)
    assert sorted(map(len, world.seen())) == [5, 10, 10]
    assert world.left() == 0


def test_what_fails_comes_back_after_its_visibility_and_ends_in_the_dead_letter_queue(world):
    dead = world.sqs.create_queue(QueueName=world.name + "-dead")["QueueUrl"]
    world.sqs.set_queue_attributes(QueueUrl=world.url, Attributes={"RedrivePolicy": json.dumps(
        {"deadLetterTargetArn": world.attribute("QueueArn", dead), "maxReceiveCount": 3})})
    world.recorder.behave = fails_on("poison")
    uuid = world.map(BatchSize=1)
    world.send("good", "poison")
    assert sorted(world.seen()) == [["good"], ["poison"]]
    world.server.advance("50s")
    assert len(world.seen()) == 2
    world.server.advance("10s")
    assert len(world.seen()) == 3
    world.server.advance("1h")
    assert world.seen().count(["poison"]) == 3
    assert world.left() == 0
    assert [message["Body"] for message in world.sqs.receive_message(QueueUrl=dead)["Messages"]] == ["poison"]
    status = world.server.admin(f"mappings/{uuid}")
    assert (status["invocations"], status["failures"], status["records"]) == (4, 3, 1)
    assert "poison" in status["last_error"]


def test_report_batch_item_failures_deletes_the_rest(world):
    world.recorder.behave = reports("b")
    world.send("a", "b", "c")
    world.map(FunctionResponseTypes=["ReportBatchItemFailures"])
    assert world.seen() == [["a", "b", "c"]]
    assert world.left() == 1
    world.recorder.behave = lambda event: None
    world.server.advance("60s")
    assert world.seen() == [["a", "b", "c"], ["b"]]
    assert world.left() == 0


@pytest.mark.parametrize("answer", [{"batchItemFailures": [{"itemIdentifier": ""}]}, {"batchItemFailures": [{"itemIdentifier": "unknown"}]},
                                    {"batchItemFailures": [{"wrong": "x"}]}, {"batchItemFailures": "x"}])
def test_an_answer_that_cannot_be_understood_fails_the_batch(world, answer):
    world.recorder.behave = lambda event: answer
    world.send("a", "b")
    world.map(FunctionResponseTypes=["ReportBatchItemFailures"])
    assert world.seen() == [["a", "b"]] and world.left() == 2


def test_without_the_response_type_the_answer_is_ignored(world):
    world.recorder.behave = reports("a")
    world.send("a")
    world.map()
    assert world.seen() == [["a"]] and world.left() == 0


def test_maximum_concurrency(world):
    world.recorder.hold()
    world.send(*map(str, range(8)))
    uuid = world.functions.create_event_source_mapping(EventSourceArn=world.arn, FunctionName=world.name, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})["UUID"]
    world.uuids.append(uuid)
    world.recorder.wait(2)
    assert world.server.admin(f"mappings/{uuid}")["queue"]["concurrency_now"] == 2
    world.recorder.release()
    assert len(world.seen()) == 8 and world.recorder.most_running == 2


def test_throttling_consumes_no_receive(world):
    world.functions.put_function_concurrency(FunctionName=world.name, ReservedConcurrentExecutions=0)
    uuid = world.map()
    world.send("a")
    world.server.settle()
    world.server.advance("20s")
    shown = world.server.admin(f"mappings/{uuid}")
    assert shown["refusals"] > 1 and shown["invocations"] == 0
    world.functions.put_function_concurrency(FunctionName=world.name, ReservedConcurrentExecutions=5)
    world.server.advance("10s")
    assert world.seen() == [["a"]]
    assert world.recorder.events[0]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"


def test_throttled_messages_return_when_their_visibility_ends(world):
    world.functions.put_function_concurrency(FunctionName=world.name, ReservedConcurrentExecutions=0)
    world.map()
    world.send("a")
    world.server.settle()
    world.server.advance("90s")
    world.functions.put_function_concurrency(FunctionName=world.name, ReservedConcurrentExecutions=5)
    world.server.advance("30s")
    assert world.seen() == [["a"]]
    assert world.recorder.events[0]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2"


@pytest.mark.parametrize("pattern,matching", [
    ({"body": {"kind": ["x"]}}, ['{"kind": "x", "n": 1}']),
    ({"body": ["plain"]}, ["plain"]),
    ({"messageAttributes": {"colour": {"stringValue": ["red"]}}}, ["plain", '{"kind": "x", "n": 1}', '{"kind": "y"}']),
    ({"body": {"n": [{"numeric": [">", 0]}]}}, ['{"kind": "x", "n": 1}']),
])
def test_filters_and_what_they_refuse_is_deleted(world, pattern, matching):
    uuid = world.map(FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    for body in ("plain", '{"kind": "x", "n": 1}', '{"kind": "y"}'):
        world.send(body, MessageAttributes={"colour": {"DataType": "String", "StringValue": "red"}})
    assert sorted(body for batch in world.seen() for body in batch) == sorted(matching)
    assert world.left() == 0
    assert world.server.admin(f"mappings/{uuid}")["records_filtered"] == 3 - len(matching)


def test_a_disabled_mapping_leaves_messages_alone_and_states_follow(world):
    uuid = world.map(Enabled=False)
    assert world.functions.get_event_source_mapping(UUID=uuid)["State"] == "Disabled"
    world.send("a")
    assert world.seen() == [] and int(world.attribute("ApproximateNumberOfMessages")) == 1
    assert world.functions.update_event_source_mapping(UUID=uuid, Enabled=True)["State"] == "Enabling"
    assert world.seen() == [["a"]]
    assert world.functions.update_event_source_mapping(UUID=uuid, BatchSize=1)["State"] == "Updating"
    world.send("b", "c")
    assert sorted(world.seen()) == [["a"], ["b"], ["c"]]
    assert world.functions.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    world.send("d")
    assert len(world.seen()) == 3


def test_disabling_gives_back_what_waits_for_the_window(world):
    uuid = world.map(BatchSize=100, MaximumBatchingWindowInSeconds=50)
    world.send("a")
    assert world.seen() == [] and world.attribute("ApproximateNumberOfMessagesNotVisible") == "1"
    world.functions.update_event_source_mapping(UUID=uuid, Enabled=False)
    world.server.settle()
    assert world.attribute("ApproximateNumberOfMessages") == "1"


def test_the_configuration_is_shown_as_aws_shows_it(world):
    made = world.functions.create_event_source_mapping(EventSourceArn=world.arn, FunctionName=world.name)
    world.uuids.append(made["UUID"])
    assert set(made) - {"ResponseMetadata"} == {"UUID", "BatchSize", "MaximumBatchingWindowInSeconds", "EventSourceArn", "FunctionArn", "LastModified", "State",
                                                "StateTransitionReason", "FunctionResponseTypes", "EventSourceMappingArn"}
    assert (made["BatchSize"], made["MaximumBatchingWindowInSeconds"], made["State"], made["StateTransitionReason"]) == (10, 0, "Creating", "USER_INITIATED")
    changed = world.functions.update_event_source_mapping(UUID=made["UUID"], ScalingConfig={"MaximumConcurrency": 7}, FunctionResponseTypes=["ReportBatchItemFailures"])
    assert (changed["ScalingConfig"], changed["FunctionResponseTypes"]) == ({"MaximumConcurrency": 7}, ["ReportBatchItemFailures"])
    assert "ScalingConfig" not in world.functions.update_event_source_mapping(UUID=made["UUID"], ScalingConfig={})
    listed = world.functions.list_event_source_mappings(EventSourceArn=world.arn)["EventSourceMappings"]
    assert [mapping["UUID"] for mapping in listed] == [made["UUID"]]


def test_refusals_have_the_texts_of_aws(world, fifo):
    functions = world.server.client("lambda", parameter_validation=False)

    def create(**options):
        return refused(functions.create_event_source_mapping, **{"EventSourceArn": world.arn, "FunctionName": world.name, **options})

    invalid = "InvalidParameterValueException"
    assert create(BatchSize=11) == (invalid, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
    assert create(BatchSize=10001)[0] == "ValidationException"
    assert create(StartingPosition="LATEST") == (invalid, "StartingPosition is not valid for SQS event sources.")
    for name, value in {"ParallelizationFactor": 2, "MaximumRetryAttempts": 1, "MaximumRecordAgeInSeconds": 60, "BisectBatchOnFunctionError": True,
                        "TumblingWindowInSeconds": 1, "DestinationConfig": {"OnFailure": {"Destination": world.arn}}}.items():
        assert create(**{name: value}) == (invalid, f"Unsupported {name} parameter for given event source mapping type."), name
    assert create(ScalingConfig={"MaximumConcurrency": 1})[0] == "ValidationException"
    assert "NonExistentQueue" in create(EventSourceArn=world.arn + "-missing")[1]
    assert create(FunctionName="missing") == (invalid, "Function does not exist")
    assert create(FilterCriteria={"Filters": [{"Pattern": "[]"}]}) == (invalid, "Invalid filter pattern definition.")
    assert create(EventSourceArn=fifo.arn, BatchSize=11, MaximumBatchingWindowInSeconds=0)[0] == invalid
    assert create(EventSourceArn=fifo.arn, MaximumBatchingWindowInSeconds=1) == (invalid, "Batching window is not supported for FIFO queues")
    world.sqs.set_queue_attributes(QueueUrl=world.url, Attributes={"VisibilityTimeout": "29"})
    assert create() == (invalid, "Queue visibility timeout: 29 seconds is less than Function timeout: 30 seconds")
    world.sqs.set_queue_attributes(QueueUrl=world.url, Attributes={"VisibilityTimeout": "30"})
    uuid = world.map()
    assert create() == ("ResourceConflictException", f'An event source mapping with SQS arn (" {world.arn} ") and function (" {world.name} ") already exists. '
                        f"Please update or delete the existing mapping with UUID {uuid}")


def test_a_fifo_queue_keeps_the_order_of_a_group(fifo):
    attempts = {}

    def behave(event):
        for body in bodies(event):
            attempts[body] = attempts.get(body, 0) + 1
            if body == "b1" and attempts[body] < 3:
                raise RuntimeError("not yet")

    fifo.recorder.behave = behave
    fifo.map(BatchSize=1)
    for number in range(3):
        for group in "abc":
            fifo.send(f"{group}{number}", MessageGroupId=group)
    fifo.server.settle()
    assert "b2" not in attempts  # behind b1, which failed
    fifo.server.advance("10m")
    order = [body for batch in fifo.seen() for body in batch]
    for group in "abc":
        assert [body for body in dict.fromkeys(body for body in order if body[0] == group)] == [f"{group}{number}" for number in range(3)]
    assert order.count("b1") == 3 and order.index("b2") > max(i for i, body in enumerate(order) if body == "b1")
    assert fifo.left() == 0
    record = fifo.recorder.events[0]["Records"][0]
    assert list(record["attributes"]) == ["ApproximateReceiveCount", "SentTimestamp", "SequenceNumber", "MessageGroupId", "SenderId", "MessageDeduplicationId",
                                          "ApproximateFirstReceiveTimestamp"]


def test_groups_run_beside_each_other_and_a_group_never_does(fifo):
    fifo.recorder.hold()
    fifo.map(BatchSize=1)
    for number in range(2):
        for group in "ab":
            fifo.send(f"{group}{number}", MessageGroupId=group)
    fifo.recorder.wait(2)
    assert sorted(body for event in fifo.recorder.events for body in bodies(event)) == ["a0", "b0"]
    fifo.recorder.release()
    assert len(fifo.seen()) == 4


def test_a_queue_that_is_deleted_and_made_again_goes_on(world):
    world.map()
    world.sqs.delete_queue(QueueUrl=world.url)
    world.sqs.create_queue(QueueName=world.name, Attributes={"VisibilityTimeout": "60"})
    world.send("a")
    assert world.seen() == [["a"]]


def test_messages_in_flight_come_again_after_sigkill(own_server, recorders, unique):  # noqa: F811
    world = Queues(own_server, recorders, unique, RedrivePolicy="")
    dead = world.sqs.create_queue(QueueName=unique + "-dead")["QueueUrl"]
    world.sqs.set_queue_attributes(QueueUrl=world.url, Attributes={"RedrivePolicy": json.dumps(
        {"deadLetterTargetArn": world.attribute("QueueArn", dead), "maxReceiveCount": 5})})
    world.recorder.hold()
    uuid = world.functions.create_event_source_mapping(EventSourceArn=world.arn, FunctionName=unique)["UUID"]
    world.send("a")
    world.recorder.wait(1)
    world.send("b")  # its own invocation; what was written behind before it is durable now
    world.recorder.wait(2)
    own_server.kill()
    world.recorder.release()
    own_server.start()
    world.sqs, world.functions = own_server.client("sqs"), own_server.client("lambda")
    own_server.advance("60s")
    own_server.settle()
    assert sorted(body for event in world.recorder.events[2:] for body in bodies(event)) == ["a", "b"]
    assert world.left() == 0
    assert world.functions.get_event_source_mapping(UUID=uuid)["State"] == "Enabled"


def cpu_seconds(server):
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_idle_mappings_cost_nothing_and_a_message_wakes_exactly_its_own(own_server, recorders, unique):  # noqa: F811
    world = Queues(own_server, recorders, unique)
    for number in range(50):
        url = world.sqs.create_queue(QueueName=f"{unique}-{number}", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
        world.functions.create_event_source_mapping(EventSourceArn=world.attribute("QueueArn", url), FunctionName=unique)
    world.map()
    before, started = cpu_seconds(own_server), time.monotonic()
    wait_until(lambda: time.monotonic() - started > 1, "a second of idling")
    assert cpu_seconds(own_server) - before < 0.1
    world.send("a")
    assert world.seen() == [["a"]]


def test_ls_and_show_and_history(world):
    world.recorder.behave = fails_on("bad")
    uuid = world.map(BatchSize=1)
    world.send("good", "bad")
    world.server.settle()
    listing = world.server.cli("mappings", "ls")
    assert world.name in listing
    shown = world.server.admin(f"mappings/{uuid}")
    assert (shown["backlog"], shown["queue"]["in_flight"], shown["options"]["batch_size"]) == (1, 1, 1)
    assert "poison" in world.server.cli("mappings", "show", uuid)
    assert "poison" in world.server.cli("mappings", "history", uuid)
