"""Every option of an event source mapping, on the real binary: what a function sees, how often, in which order, and what becomes
of records that it never takes. The functions' behaviour is decided here, by a Recorder; time is moved, not waited for."""
import json

import botocore.exceptions
import pytest

from mapping_world import fail, fails_on, recorders, reports, sequence_numbers, world  # noqa: F401


# ---- BatchSize, MaximumBatchingWindowInSeconds


def test_BatchSize(world):
    world.put(1, 2, 3, 4, 5, 6, 7)
    world.map(BatchSize=3)
    assert world.seen(None) == [["1", "2", "3"], ["4", "5", "6"], ["7"]]


def test_BatchSize_is_100_by_default_and_a_batch_closes_before_6_mb(world):
    world.put(*range(130))
    world.map()
    assert [len(batch) for batch in world.seen(None)] == [100, 30]
    world.put(*range(200, 220), blob={"S": "x" * 390_000})
    sizes = [len(batch) for batch in world.seen(None)[2:]]
    assert sum(sizes) == 20
    assert all(len(json.dumps(event, separators=(",", ":"))) < 6 * 1024 * 1024 for event in world.recorder.events)


def test_MaximumBatchingWindowInSeconds(world):
    world.map(MaximumBatchingWindowInSeconds=300, BatchSize=4)
    world.put(1, 2, 3)
    assert world.seen("200s") == []  # nothing before its end
    waiting = world.server.settle()["waiting"]
    assert [wait["why"] for wait in waiting if world.uuids[0] in wait["what"]] == ["batching window"]
    assert world.seen("100s") == [["1", "2", "3"]]  # all after it
    world.put(4, 5, 6, 7, 8)
    assert world.seen(None)[1:] == [["4", "5", "6", "7"]]  # a full batch never waits
    assert world.seen("300s")[2:] == [["8"]]


# ---- StartingPosition, Enabled


def test_StartingPosition(world):
    world.put("before")
    latest = world.recorders.function(world.server, world.name + "latest")
    world.map("TRIM_HORIZON")
    world.map("LATEST", function=world.name + "latest")
    world.put("after")  # at once: what is written after the answer is delivered
    assert [i for batch in world.seen(None) for i in batch] == ["before", "after"]
    assert latest.ids() == [["after"]]


def test_Enabled(world):
    uuid = world.map(Enabled=False)
    assert world.get(uuid)["State"] == "Disabled"
    world.put("a")
    assert world.seen() == []
    assert world.functions.update_event_source_mapping(UUID=uuid, Enabled=True)["State"] == "Enabling"
    assert world.seen(None) == [["a"]]
    assert world.functions.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    world.put("b", "c")
    assert world.seen() == [["a"]]
    world.functions.update_event_source_mapping(UUID=uuid, Enabled=True)
    assert world.seen(None) == [["a"], ["b", "c"]]


# ---- FilterCriteria


FILTERED = [  # (patterns, what is delivered of the items below)
    ([{"eventName": ["INSERT"]}], ["low", "high", "flag", "none"]),
    ([{"eventName": ["REMOVE"]}], ["low"]),
    ([{"dynamodb": {"NewImage": {"level": {"S": ["ERROR"]}}}}], ["high", "flag"]),
    ([{"dynamodb": {"NewImage": {"level": {"S": [{"prefix": "ERR"}]}}}}, {"dynamodb": {"Keys": {"id": {"S": ["none"]}}}}], ["high", "flag", "none"]),
    ([{"dynamodb": {"NewImage": {"level": {"S": [{"anything-but": ["ERROR"]}]}}}}], ["low"]),
    ([{"dynamodb": {"NewImage": {"level": {"S": [{"exists": True}]}, "n": {"N": ["42"]}}}}], ["high"]),
    ([{"dynamodb": {"NewImage": {"n": {"N": [{"numeric": [">", 1]}]}}}}], []),  # numbers are strings on a record
    ([{"dynamodb": {"NewImage": {"level": ["ERROR"]}}}], []),  # the type descriptor belongs into the path
    ([{"dynamodb": {"NewImage": {"on": {"BOOL": [True]}}}}], ["flag"]),
    ([{"$or": [{"eventName": ["REMOVE"]}, {"dynamodb": {"Keys": {"id": {"S": [{"suffix": "gh"}]}}}}]}], ["high", "low"]),
    ([{"dynamodb": {"NewImage": {"level": {"S": [{"equals-ignore-case": "error"}]}}}, "eventSource": ["aws:dynamodb"]}], ["high", "flag"]),
]


def test_FilterCriteria(world):
    names = [f"{world.name}{i}" for i in range(len(FILTERED))]
    recorders = [world.recorders.function(world.server, name) for name in names]
    for name, (patterns, _) in zip(names, FILTERED):
        world.map("LATEST", function=name, FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]})
    world.put("low", level={"S": "INFO"}, n={"N": "7"})
    world.put("high", level={"S": "ERROR"}, n={"N": "42"})
    world.put("flag", level={"S": "ERROR"}, on={"BOOL": True})
    world.put("none")
    world.dynamodb.delete_item(TableName=world.table, Key={"id": {"S": "low"}})
    world.server.settle()
    delivered = [[i for batch in recorder.ids() for i in batch] for recorder in recorders]
    assert delivered == [expected for _, expected in FILTERED]


def test_FilterCriteria_passes_what_does_not_match_and_can_be_changed(world):
    uuid = world.map(FilterCriteria={"Filters": [{"Pattern": '{"dynamodb":{"Keys":{"id":{"S":["x"]}}}}'}]})
    world.put("a", "x", "b")
    assert world.seen(None) == [["x"]]
    assert world.get(uuid)["FilterCriteria"] == {"Filters": [{"Pattern": '{"dynamodb":{"Keys":{"id":{"S":["x"]}}}}'}]}
    assert "FilterCriteria" not in world.functions.update_event_source_mapping(UUID=uuid, FilterCriteria={})
    world.put("c")
    assert world.seen(None) == [["x"], ["c"]]  # a and b were passed for good


# ---- MaximumRetryAttempts, MaximumRecordAgeInSeconds, DestinationConfig


@pytest.mark.parametrize("attempts", [0, 1, 3])
def test_MaximumRetryAttempts(world, attempts):
    world.recorder.behave = fails_on("bad")
    arn = world.queue()
    world.put("bad", "neighbour", "good")
    world.map(MaximumRetryAttempts=attempts, BatchSize=2, DestinationConfig={"OnFailure": {"Destination": arn}})
    assert world.seen() == [["bad", "neighbour"]] * (attempts + 1) + [["good"]]
    [document] = world.documents()
    assert document["requestContext"]["approximateInvokeCount"] == attempts + 1
    assert document["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert document["DDBStreamBatchInfo"]["batchSize"] == 2


def test_MaximumRetryAttempts_is_endless_by_default_and_says_so(world):
    world.recorder.behave = fail("the index is down")
    uuid = world.map()
    world.put("stuck")
    batches = world.seen("8h")
    assert len(batches) > 400 and set(map(tuple, batches)) == {("stuck",)}  # at most 60 s apart
    shown = world.show(uuid)
    assert shown["state"] == "BLOCKED" and "the index is down" in shown["last_error"] and shown["backlog"] == 1
    assert shown["shards"][0]["invocations_of_batch"] == len(batches)
    assert world.get(uuid)["LastProcessingResult"] == "PROBLEM: Function call failed"
    world.recorder.behave = lambda event: None
    world.seen("2m")
    assert world.show(uuid)["backlog"] == 0 and world.get(uuid)["LastProcessingResult"] == "OK"


def test_MaximumRetryAttempts_ends_with_the_stream_s_retention(world):
    world.recorder.behave = fails_on("old")
    arn = world.queue()
    world.map(DestinationConfig={"OnFailure": {"Destination": arn}}, BatchSize=1)
    world.put("old")
    world.seen("25h")
    world.put("new")
    assert world.seen()[-1] == ["new"]
    assert [document["requestContext"]["condition"] for document in world.documents()] == ["RecordAgeExceeded"]


def test_OnFailure_document_in_a_bucket_holds_the_event(world):
    world.recorder.behave = fail()
    s3 = world.server.client("s3")
    s3.create_bucket(Bucket=world.name)
    uuid = world.map(MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{world.name}"}})
    world.put("a")
    assert world.seen() == [["a"]]
    [found] = s3.list_objects_v2(Bucket=world.name)["Contents"]
    answer = s3.get_object(Bucket=world.name, Key=found["Key"])
    text = answer["Body"].read()
    document = json.loads(text)
    assert list(document) == ["requestContext", "responseContext", "version", "payload", "timestamp", "DDBStreamBatchInfo"]
    assert json.loads(document["payload"]) == world.recorder.events[0] and answer["ContentType"] == "application/octet-stream"
    when = document["timestamp"]
    shard = document["DDBStreamBatchInfo"]["shardId"]
    start = f"aws/lambda/{uuid}/{shard}/{when[:4]}/{when[5:7]}/{when[8:10]}/{when[:19].replace(':', '.')}-"
    assert found["Key"].startswith(start) and len(found["Key"]) == len(start) + 36
    world.functions.update_event_source_mapping(UUID=uuid, DestinationConfig={"OnFailure": {"Destination": ""}})
    bucket_gone = "arn:aws:s3:::" + world.name + "-none"
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        world.functions.update_event_source_mapping(UUID=uuid, DestinationConfig={"OnFailure": {"Destination": bucket_gone}})
    assert refused.value.response["Error"]["Message"] == f"The destination ARN {bucket_gone} is invalid."


def test_OnFailure_document_reaches_a_topic(world):
    world.recorder.behave = fail()
    queue, sns = world.queue(), world.server.client("sns")
    topic = sns.create_topic(Name=world.name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    world.map(MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": topic}})
    world.put("a")
    assert world.seen() == [["a"]]
    [message] = world.sqs.receive_message(QueueUrl=world.url)["Messages"]
    envelope = json.loads(message["Body"])
    assert envelope["Type"] == "Notification" and "Subject" not in envelope and envelope["TopicArn"] == topic
    assert list(json.loads(envelope["Message"])) == ["requestContext", "responseContext", "version", "timestamp", "DDBStreamBatchInfo"]


def test_OnFailure_document(world):
    """Members and their order, as recorded on AWS."""
    world.recorder.behave = fail()
    arn = world.queue()
    world.map(MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": arn}})
    world.put("a")
    assert world.seen() == [["a"], ["a"]]
    [message] = world.sqs.receive_message(QueueUrl=world.url)["Messages"]
    pairs = json.loads(message["Body"], object_pairs_hook=lambda pairs: pairs)
    number = sequence_numbers(world.recorder.events[0])[0]
    arrival = dict(dict(pairs)["DDBStreamBatchInfo"])["approximateArrivalOfFirstRecord"]
    assert arrival[10] == "T" and arrival.endswith("Z") and len(arrival) == 20  # whole seconds
    timestamp = dict(pairs)["timestamp"]
    assert timestamp[10] == "T" and timestamp.endswith("Z") and len(timestamp) == 24  # milliseconds
    shard = world.server.client("dynamodbstreams").describe_stream(StreamArn=world.stream)["StreamDescription"]["Shards"][0]["ShardId"]
    assert pairs == [
        ("requestContext", [("requestId", world.recorder.requests[-1]),
                            ("functionArn", f"arn:aws:lambda:us-east-1:000000000000:function:{world.function}"),
                            ("condition", "RetryAttemptsExhausted"), ("approximateInvokeCount", 2)]),
        ("responseContext", [("statusCode", 200), ("executedVersion", "$LATEST"), ("functionError", "Unhandled")]),
        ("version", "1.0"), ("timestamp", timestamp),
        ("DDBStreamBatchInfo", [("shardId", shard), ("startSequenceNumber", number), ("endSequenceNumber", number),
                                ("approximateArrivalOfFirstRecord", arrival), ("approximateArrivalOfLastRecord", arrival),
                                ("batchSize", 1), ("streamArn", world.stream)])]


def test_the_function_s_own_dead_letter_queue_is_never_used_for_batches(world):
    arn = world.queue()
    world.functions.update_function_configuration(FunctionName=world.function, DeadLetterConfig={"TargetArn": arn})
    world.recorder.behave = fail()
    world.map(MaximumRetryAttempts=0)
    world.put("a")
    assert world.seen() == [["a"]]
    assert world.documents() == []


def test_MaximumRecordAgeInSeconds_without_an_invocation(world):
    arn = world.queue()
    uuid = world.map(Enabled=False, MaximumRecordAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": arn}})
    world.put("old", "older")
    world.server.advance("70s")
    world.put("young")
    world.functions.update_event_source_mapping(UUID=uuid, Enabled=True)
    assert world.seen(None) == [["young"]]
    [document] = world.documents()
    assert document["requestContext"]["condition"] == "RecordAgeExceeded" and document["requestContext"]["approximateInvokeCount"] == 1
    assert "responseContext" not in document and document["DDBStreamBatchInfo"]["batchSize"] == 2


def test_MaximumRecordAgeInSeconds_during_retries(world):
    arn = world.queue()
    world.recorder.behave = fail()
    world.map(MaximumRecordAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": arn}})
    world.put("a")
    batches = world.seen("5m")
    assert 7 <= len(batches) <= 9  # AWS: 8
    [document] = world.documents()
    assert document["requestContext"]["condition"] == "RecordAgeExceeded"
    assert document["requestContext"]["approximateInvokeCount"] == len(batches)
    assert document["responseContext"]["functionError"] == "Unhandled"


# ---- BisectBatchOnFunctionError, FunctionResponseTypes: the sequences recorded on AWS


def test_BisectBatchOnFunctionError(world):
    arn = world.queue()
    world.recorder.behave = fails_on("2")
    world.put(1, 2, 3, 4)
    world.map(BisectBatchOnFunctionError=True, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": arn}})
    assert world.seen() == [["1", "2", "3", "4"], ["1", "2"], ["1"], ["2"], ["2"], ["3", "4"]]
    [document] = world.documents()
    assert document["requestContext"]["approximateInvokeCount"] == 2 and document["DDBStreamBatchInfo"]["batchSize"] == 1
    assert document["DDBStreamBatchInfo"]["startSequenceNumber"] == sequence_numbers(world.recorder.events[3])[0]


def test_BisectBatchOnFunctionError_of_an_odd_batch(world):
    world.recorder.behave = fails_on("5")
    world.put(1, 2, 3, 4, 5)
    world.map(BisectBatchOnFunctionError=True, MaximumRetryAttempts=0)
    assert world.seen() == [["1", "2", "3", "4", "5"], ["1", "2"], ["3", "4", "5"], ["3"], ["4", "5"], ["4"], ["5"]]


def test_ReportBatchItemFailures(world):
    arn = world.queue()
    world.recorder.behave = reports("2")
    world.put(1, 2, 3, 4)
    world.map(FunctionResponseTypes=["ReportBatchItemFailures"], MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": arn}})
    assert world.seen() == [["1", "2", "3", "4"], ["2", "3", "4"], ["2", "3", "4"]]
    [document] = world.documents()
    assert document["requestContext"]["approximateInvokeCount"] == 2 and document["DDBStreamBatchInfo"]["batchSize"] == 3
    assert document["responseContext"]["functionError"] is None


def test_ReportBatchItemFailures_of_the_last_record(world):
    arn = world.queue()
    world.recorder.behave = reports("3")
    world.put(1, 2, 3)
    world.map(FunctionResponseTypes=["ReportBatchItemFailures"], MaximumRetryAttempts=3, BatchSize=3, DestinationConfig={"OnFailure": {"Destination": arn}})
    assert world.seen() == [["1", "2", "3"]] + [["3"]] * 4
    [document] = world.documents()
    assert document["requestContext"]["approximateInvokeCount"] == 4 and document["DDBStreamBatchInfo"]["batchSize"] == 1


def test_ReportBatchItemFailures_with_bisect(world):
    arn = world.queue()
    world.recorder.behave = reports("2")
    world.put(1, 2, 3, 4)
    world.map(FunctionResponseTypes=["ReportBatchItemFailures"], BisectBatchOnFunctionError=True, MaximumRetryAttempts=1,
              DestinationConfig={"OnFailure": {"Destination": arn}})
    assert world.seen() == [["1", "2", "3", "4"], ["2", "3", "4"], ["2"], ["2"], ["3", "4"]]
    [document] = world.documents()
    assert document["requestContext"]["approximateInvokeCount"] == 2 and document["DDBStreamBatchInfo"]["batchSize"] == 1


def test_ReportBatchItemFailures_takes_the_lowest_number_of_several(world):
    world.recorder.behave = lambda event: {"batchItemFailures": reports("2", "4")(event)["batchItemFailures"][::-1]} if len(event["Records"]) == 4 else None
    world.put(1, 2, 3, 4)
    world.map(FunctionResponseTypes=["ReportBatchItemFailures"])
    assert world.seen() == [["1", "2", "3", "4"], ["2", "3", "4"]]


SUCCESSES = ([], None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, "")
FAILURES = ([{"itemIdentifier": ""}], [{"itemIdentifier": None}], [{"itemIdentifier": 123}], [{"foo": 1}], [{"foo": None}])


def test_ReportBatchItemFailures_answers_that_are_successes_and_failures(world):
    uuid = world.map(FunctionResponseTypes=["ReportBatchItemFailures"], MaximumRetryAttempts=1, BatchSize=1)
    for number, answer in enumerate(SUCCESSES):
        world.recorder.behave = lambda event, answer=answer: answer
        world.put(f"success{number}")
        assert world.seen() == [[f"success{i}"] for i in range(number + 1)], answer
    before = len(SUCCESSES)
    for number, failures in enumerate(FAILURES):
        world.recorder.behave = lambda event, failures=failures: {"batchItemFailures": failures}
        world.put(f"failure{number}")
        assert world.seen()[before:] == [[f"failure{number}"]] * 2, failures
        before += 2
    world.functions.update_event_source_mapping(UUID=uuid, FunctionResponseTypes=[])
    world.put("ignored")  # without the response type the body means nothing
    assert world.seen()[before:] == [["ignored"]]


# ---- ParallelizationFactor, concurrency


def test_ParallelizationFactor_keeps_the_order_of_each_key(world):
    world.map("LATEST", ParallelizationFactor=4, BatchSize=5)
    world.recorder.hold()
    keys = [f"key{i}" for i in range(16)]
    for version in range(8):
        for key in keys:
            world.dynamodb.put_item(TableName=world.table, Item={"id": {"S": key}, "version": {"N": str(version)}})
    world.recorder.wait(4)
    world.recorder.release()
    world.server.settle()
    seen = {}
    for event in world.recorder.events:
        for record in event["Records"]:
            seen.setdefault(record["dynamodb"]["Keys"]["id"]["S"], []).append(int(record["dynamodb"]["NewImage"]["version"]["N"]))
    assert seen == {key: list(range(8)) for key in keys}
    assert world.recorder.most_running == 4


def test_a_poison_key_blocks_its_lane_only(world):
    world.recorder.behave = fails_on("poison")
    uuid = world.map("LATEST", ParallelizationFactor=10, BatchSize=1)
    world.put("poison", *range(30))
    world.server.settle()
    assert {i for [i] in world.recorder.ids()} >= {"poison"} and len({i for [i] in world.recorder.ids()}) > 15
    assert world.show(uuid)["backlog"] >= 1


def test_reserved_concurrency_0_costs_no_attempt(world):
    arn = world.queue()
    world.functions.put_function_concurrency(FunctionName=world.function, ReservedConcurrentExecutions=0)
    world.map(MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}})
    world.put("a")
    assert world.seen() == [] and world.documents() == []
    world.functions.delete_function_concurrency(FunctionName=world.function)
    assert world.seen("1m") == [["a"]]


def test_reserved_concurrency_1_never_overlaps(world):
    world.functions.put_function_concurrency(FunctionName=world.function, ReservedConcurrentExecutions=1)
    world.map("LATEST", ParallelizationFactor=4, BatchSize=1)
    world.put(*range(12))
    assert sorted(int(i) for [i] in world.seen()) == list(range(12))
    assert world.recorder.most_running == 1
