"""Event source mappings as they are created, listed, changed and refused, and what happens around them: functions, streams and tables
that go away, updates and restarts in the middle of a delivery, neighbours that hang."""
import os
import time

import pytest

from mapping_world import World, fail, make_table, recorders, refused, world  # noqa: F401
from world import wait_until


# ---- what happens around a mapping


def test_the_function_is_deleted_under_the_mapping(world):
    uuid = world.map(MaximumRetryAttempts=0)
    world.functions.delete_function(FunctionName=world.function)
    assert world.get(uuid)["State"] == "Enabled"
    world.put("a")
    assert world.seen() == []
    assert "does not exist" in world.show(uuid)["last_error"] or "not found" in world.show(uuid)["last_error"]
    world.recorders.function(world.server, world.function)
    assert world.seen("2m") == [["a"]]


def test_the_stream_is_disabled_under_the_mapping(world):
    uuid = world.map(Enabled=False)
    world.put("a", "b")
    world.dynamodb.update_table(TableName=world.table, StreamSpecification={"StreamEnabled": False})
    world.put("unseen")
    world.functions.update_event_source_mapping(UUID=uuid, Enabled=True)
    assert world.seen() == [["a", "b"]]  # what is in the stream is still delivered
    again = world.dynamodb.update_table(TableName=world.table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    world.put("c")
    assert again["TableDescription"]["LatestStreamArn"] != world.stream
    assert world.seen() == [["a", "b"]]  # a mapping never switches over
    assert world.get(uuid)["State"] == "Enabled"


def test_the_table_is_deleted_under_the_mapping(world):
    uuid = world.map()
    world.put("a")
    assert world.seen(None) == [["a"]]
    world.dynamodb.delete_table(TableName=world.table)
    world.server.settle()
    assert world.get(uuid)["State"] == "Enabled"
    world.functions.delete_event_source_mapping(UUID=uuid)
    assert refused(world.functions.get_event_source_mapping, UUID=uuid) == ("ResourceNotFoundException", "The resource you requested does not exist.")


def test_a_table_created_again_is_not_followed(world):
    """What the old stream holds is delivered after the table is gone; the new table's stream has another ARN."""
    uuid = world.map(Enabled=False)
    world.put("a", "b")
    world.dynamodb.delete_table(TableName=world.table)
    world.server.settle()
    again = make_table(world.server, world.name)
    assert again != world.stream
    world.put("c")
    world.functions.update_event_source_mapping(UUID=uuid, Enabled=True)
    assert world.seen() == [["a", "b"]]
    world.map(stream=again)
    assert world.seen() == [["a", "b"], ["c"]]
    assert world.get(uuid)["State"] == "Enabled" and world.get(uuid)["LastProcessingResult"] == "OK"


def test_every_updatable_member_changes_while_a_batch_is_in_flight(world):
    """The batch in flight is finished under the old settings; each later one follows all of the new ones."""
    arn = world.queue()
    world.put("first")
    world.recorder.hold()
    uuid = world.map(BatchSize=1)
    world.recorder.wait(1)
    pattern = '{"dynamodb":{"Keys":{"id":{"S":[{"prefix":"x"}]}}}}'
    for change in (dict(BatchSize=2), dict(MaximumBatchingWindowInSeconds=1), dict(MaximumRetryAttempts=0), dict(MaximumRecordAgeInSeconds=3600),
                   dict(BisectBatchOnFunctionError=True), dict(FunctionResponseTypes=["ReportBatchItemFailures"]), dict(ParallelizationFactor=2),
                   dict(DestinationConfig={"OnFailure": {"Destination": arn}}), dict(FilterCriteria={"Filters": [{"Pattern": pattern}]}),
                   dict(MetricsConfig={"Metrics": ["EventCount"]}), dict(FunctionName=world.function + ":$LATEST"), dict(Enabled=False), dict(Enabled=True)):
        assert world.functions.update_event_source_mapping(UUID=uuid, **change)["UUID"] == uuid
    world.put("x1", "no", "x2", "x3")
    world.recorder.behave = lambda event: {"batchItemFailures": [{"itemIdentifier": "nonsense"}]}
    world.recorder.release()
    batches = world.seen("1m")
    assert batches[0] == ["first"] and "no" not in [i for batch in batches for i in batch]
    assert {i for batch in batches for i in batch} == {"first", "x1", "x2", "x3"} and all(len(batch) <= 2 for batch in batches)
    documents = world.documents()
    assert {document["DDBStreamBatchInfo"]["batchSize"] for document in documents} == {1}
    assert all(document["requestContext"]["functionArn"].endswith(":$LATEST") for document in documents)
    assert len(documents) == 3  # the answer to the batch in flight is read as the settings were when it began


def test_an_update_while_a_batch_is_in_flight(world):
    other = world.recorders.function(world.server, world.name + "other")
    world.put(1, 2, 3, 4, 5)
    world.recorder.hold()
    uuid = world.map(BatchSize=1)
    world.recorder.wait(1)
    answer = world.functions.update_event_source_mapping(UUID=uuid, BatchSize=3, FunctionName=world.name + "other")
    assert answer["State"] == "Updating" and answer["BatchSize"] == 3 and answer["FunctionArn"].endswith(world.name + "other")
    world.recorder.release()
    assert world.seen(None) == [["1"]]
    assert [i for batch in other.ids() for i in batch] == ["2", "3", "4", "5"]


def test_a_deletion_while_a_batch_is_in_flight(world):
    world.put(1, 2)
    world.recorder.hold()
    uuid = world.map(BatchSize=1)
    world.recorder.wait(1)
    assert world.functions.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    world.recorder.release()
    assert world.seen() == [["1"]]


def test_a_slow_function_delays_no_other_mapping(world):
    """One function that does not answer, and another on the same stream, one on another table: measured."""
    quick = world.recorders.function(world.server, world.name + "quick")
    elsewhere = make_table(world.server, world.name + "elsewhere")
    world.map()
    world.map(function=world.name + "quick")
    world.map(function=world.name + "quick", stream=elsewhere)
    world.put("warm")
    world.seen(None)
    world.recorder.hold()
    world.put("slow")
    world.recorder.wait(2)
    delays = []
    for number in range(10):
        started, before = time.monotonic(), len(quick.events)
        world.dynamodb.put_item(TableName=(world.table, world.name + "elsewhere")[number % 2], Item={"id": {"S": f"quick{number}"}})
        quick.wait(before + 1)
        delays.append(time.monotonic() - started)
    assert len(world.recorder.events) == 2  # it still hangs
    assert sorted(delays)[5] < 1 and max(delays) < 8, delays


# ---- the control plane


def test_states_and_the_response_document(world):
    created = world.functions.create_event_source_mapping(EventSourceArn=world.stream, FunctionName=world.function, StartingPosition="TRIM_HORIZON")
    uuid = created["UUID"]
    world.uuids.append(uuid)
    modified = created.pop("LastModified")
    del created["ResponseMetadata"]
    assert created == {
        "UUID": uuid, "StartingPosition": "TRIM_HORIZON", "BatchSize": 100, "MaximumBatchingWindowInSeconds": 0, "ParallelizationFactor": 1,
        "EventSourceArn": world.stream, "FunctionArn": f"arn:aws:lambda:us-east-1:000000000000:function:{world.function}",
        "LastProcessingResult": "No records processed", "State": "Creating", "StateTransitionReason": "User action",
        "DestinationConfig": {"OnFailure": {}}, "MaximumRecordAgeInSeconds": -1, "BisectBatchOnFunctionError": False, "MaximumRetryAttempts": -1,
        "TumblingWindowInSeconds": 0, "FunctionResponseTypes": [],
        "EventSourceMappingArn": f"arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}"}
    settled = world.get(uuid)
    assert settled["State"] == "Enabled" and settled["LastModified"] == modified.replace(second=0, microsecond=0)
    update = world.functions.update_event_source_mapping
    assert update(UUID=uuid, BatchSize=7)["State"] == "Updating" and world.get(uuid)["State"] == "Enabled"
    assert update(UUID=uuid, Enabled=False)["State"] == "Disabling" and world.get(uuid)["State"] == "Disabled"
    assert update(UUID=uuid, BatchSize=8)["State"] == "Updating" and world.get(uuid)["State"] == "Disabled"
    assert update(UUID=uuid, Enabled=True)["State"] == "Enabling" and world.get(uuid)["BatchSize"] == 8
    assert world.functions.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    for call in (world.functions.get_event_source_mapping, world.functions.delete_event_source_mapping, update):
        assert refused(call, UUID=uuid) == ("ResourceNotFoundException", "The resource you requested does not exist.")


def test_every_setting_is_shown_updated_and_cleared(world):
    arn = world.queue()
    settings = dict(BatchSize=9, MaximumBatchingWindowInSeconds=5, ParallelizationFactor=2, MaximumRecordAgeInSeconds=600, MaximumRetryAttempts=4,
                    BisectBatchOnFunctionError=True, FunctionResponseTypes=["ReportBatchItemFailures"], MetricsConfig={"Metrics": ["EventCount"]},
                    DestinationConfig={"OnFailure": {"Destination": arn}}, FilterCriteria={"Filters": [{"Pattern": '{"eventName":["INSERT"]}'}]})
    uuid = world.map()
    changed = world.functions.update_event_source_mapping(UUID=uuid, **settings)
    for shown in (changed, world.get(uuid)):
        assert {name: shown[name] for name in settings} == settings
    kept = world.functions.update_event_source_mapping(UUID=uuid, BatchSize=10)
    assert kept["MaximumRetryAttempts"] == 4 and kept["DestinationConfig"] == {"OnFailure": {"Destination": arn}}
    cleared = world.functions.update_event_source_mapping(UUID=uuid, FilterCriteria={"Filters": []}, FunctionResponseTypes=[],
                                                          DestinationConfig={"OnFailure": {"Destination": ""}}, MaximumRecordAgeInSeconds=-1, MaximumRetryAttempts=-1)
    assert "FilterCriteria" not in cleared and cleared["FunctionResponseTypes"] == [] and cleared["DestinationConfig"] == {"OnFailure": {}}
    assert cleared["MaximumRecordAgeInSeconds"] == -1 and cleared["MaximumRetryAttempts"] == -1


CONSTRAINTS = [
    ({"BatchSize": 10001}, "1 validation error detected: Value '10001' at 'batchSize' failed to satisfy constraint: Member must have value less than or equal to 10000"),
    ({"BatchSize": 0}, "1 validation error detected: Value '0' at 'batchSize' failed to satisfy constraint: Member must have value greater than or equal to 1"),
    ({"ParallelizationFactor": 11}, "1 validation error detected: Value '11' at 'parallelizationFactor' failed to satisfy constraint: Member must have value less than or equal to 10"),
    ({"MaximumBatchingWindowInSeconds": 301}, "1 validation error detected: Value '301' at 'maximumBatchingWindowInSeconds' failed to satisfy constraint: Member must have value less than or equal to 300"),
    ({"TumblingWindowInSeconds": 901}, "1 validation error detected: Value '901' at 'tumblingWindowInSeconds' failed to satisfy constraint: Member must have value less than or equal to 900"),
    ({"StartingPosition": "BOGUS"}, "1 validation error detected: Value 'BOGUS' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]"),
    ({"MetricsConfig": {"Metrics": ["Bad"]}}, "1 validation error detected: Value '[Bad]' at 'metricsConfig.metrics' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [EventCount, ErrorCount, KafkaMetrics], Member must not be null]"),
    ({"FunctionResponseTypes": ["Bad"]}, "1 validation error detected: Value '[Bad]' at 'functionResponseTypes' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [ReportBatchItemFailures], Member must not be null]"),
]
RULES = [
    ({"EventSourceArn": None}, "Unrecognized event source."),
    ({"FunctionName": "nobody"}, "Function does not exist"),
    ({"EventSourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/none/stream/2020-01-01T00:00:00.000"},
     "Stream not found: arn:aws:dynamodb:us-east-1:000000000000:table/none/stream/2020-01-01T00:00:00.000"),
    ({"StartingPosition": None}, "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null."),
    ({"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1}, "Unsupported starting position for arn type: {stream}"),
    ({"StartingPositionTimestamp": 1}, "Timestamp only valid with StartingPosition AT_TIMESTAMP"),
    ({"MaximumRecordAgeInSeconds": 59}, "MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)"),
    ({"MaximumRecordAgeInSeconds": 0}, "MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)"),
    ({"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "Invalid filter pattern definition."),
    ({"FilterCriteria": {"Filters": [{"Pattern": '{"eventName":"INSERT"}'}]}}, "Invalid filter pattern definition."),
    ({"FilterCriteria": {"Filters": [{"Pattern": '{"eventName":[{"bogus":1}]}'}]}}, "Invalid filter pattern definition."),
    ({"ParallelizationFactor": 2, "TumblingWindowInSeconds": 5}, "Parallelization factor must be equal to 1 when tumbling window period is configured"),
    ({"FilterCriteria": {"Filters": [{"Pattern": '{"eventName":["INSERT"]}'}]}, "TumblingWindowInSeconds": 5}, "Tumbling window period should be zero when FilterCriteria is configured"),
    ({"ScalingConfig": {"MaximumConcurrency": 2}}, "Unsupported ScalingConfig parameter for given event source mapping type."),
    ({"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:sqs:us-east-1:000000000000:q"}}}, "OnSuccess configuration is not supported for event source mappings."),
]


def test_refusals_have_the_recorded_texts(world):
    client = world.server.client("lambda", parameter_validation=False)

    def create(options):
        request = {"EventSourceArn": world.stream, "FunctionName": world.function, "StartingPosition": "LATEST", **options}
        return refused(client.create_event_source_mapping, **{name: value for name, value in request.items() if value is not None})

    for options, text in CONSTRAINTS:
        assert create(options) == ("ValidationException", text)
    for options, text in RULES:
        assert create(options) == ("InvalidParameterValueException", text.replace("{stream}", world.stream))
    assert world.functions.list_event_source_mappings(EventSourceArn=world.stream)["EventSourceMappings"] == []
    uuid = world.map()
    for options, text in RULES[6:]:
        assert refused(client.update_event_source_mapping, UUID=uuid, **options) == ("InvalidParameterValueException", text)


@pytest.mark.parametrize("options", [
    {"KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/1"}, 
    {"ProvisionedPollerConfig": {"MinimumPollers": 1}}, {"SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "arn:aws:secretsmanager:us-east-1:000000000000:secret:s"}]},
    {"Topics": ["topic"]}, {"Queues": ["queue"]}, {"MetricsConfig": {"Metrics": ["ErrorCount"]}}])
def test_what_is_not_supported_is_refused_by_name(world, options):
    code, message = refused(world.functions.create_event_source_mapping, EventSourceArn=world.stream, FunctionName=world.function, StartingPosition="LATEST", **options)
    assert code == "InvalidParameterValueException" and next(iter(options)) in message


def test_conflicts_name_the_mapping(world):
    uuid = world.map()
    code, message = refused(world.functions.create_event_source_mapping, EventSourceArn=world.stream, FunctionName=world.function, StartingPosition="LATEST")
    assert code == "ResourceConflictException"
    assert message == (f'The event source arn (" {world.stream} ") and function (" {world.function} ") provided mapping already exists. '
                       f"Please update or delete the existing mapping with UUID {uuid}")


def test_FunctionName_in_every_form(world):
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{world.function}"
    forms = {world.function: arn, f"000000000000:function:{world.function}": arn, arn: arn, f"{world.function}:$LATEST": f"{arn}:$LATEST", f"{arn}:$LATEST": f"{arn}:$LATEST"}
    for form, expected in forms.items():
        uuid = world.map(function=form)
        assert world.get(uuid)["FunctionArn"] == expected
        world.functions.delete_event_source_mapping(UUID=uuid)


def test_Tags(world):
    uuid = world.map(Tags={"team": "a", "stage": "dev"})
    arn = world.get(uuid)["EventSourceMappingArn"]
    assert "Tags" not in world.get(uuid)
    assert world.functions.list_tags(Resource=arn)["Tags"] == {"team": "a", "stage": "dev"}
    modified = world.get(uuid)["LastModified"]
    world.functions.tag_resource(Resource=arn, Tags={"team": "b", "cost": "1"})
    world.functions.untag_resource(Resource=arn, TagKeys=["stage", "none"])
    assert world.functions.list_tags(Resource=arn)["Tags"] == {"team": "b", "cost": "1"}
    assert world.get(uuid)["LastModified"] == modified
    world.functions.delete_event_source_mapping(UUID=uuid)
    for call, options in ((world.functions.list_tags, {}), (world.functions.tag_resource, {"Tags": {"a": "b"}}), (world.functions.untag_resource, {"TagKeys": ["a"]})):
        assert refused(call, Resource=arn, **options) == ("ResourceNotFoundException", "The resource you requested does not exist.")
    function = f"arn:aws:lambda:us-east-1:000000000000:function:{world.function}"
    world.functions.tag_resource(Resource=function, Tags={"still": "served"})
    assert world.functions.list_tags(Resource=function)["Tags"] == {"still": "served"}


def test_lists_filter_and_page(world):
    streams = [world.stream] + [make_table(world.server, f"{world.name}{i}") for i in range(4)]
    made = {world.map(stream=stream) for stream in streams}
    listing = world.functions.list_event_source_mappings
    assert {found["UUID"] for found in listing(FunctionName=world.function)["EventSourceMappings"]} == made
    [one] = listing(FunctionName=world.function, EventSourceArn=streams[2])["EventSourceMappings"]
    assert one["EventSourceArn"] == streams[2] and one["State"] == "Enabled"
    assert listing(FunctionName="nobody")["EventSourceMappings"] == [] == listing(EventSourceArn=world.stream + "0")["EventSourceMappings"]
    assert listing(FunctionName=world.function + ":$LATEST")["EventSourceMappings"] == []
    pages = list(world.functions.get_paginator("list_event_source_mappings").paginate(FunctionName=world.function, PaginationConfig={"PageSize": 2}))
    assert [len(page["EventSourceMappings"]) for page in pages] == [2, 2, 1]
    assert {found["UUID"] for page in pages for found in page["EventSourceMappings"]} == made


# ---- restarts, and what idle mappings cost


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_in_the_middle_of_a_delivery(own_server, recorders, unique, end):
    world = World(own_server, recorders, unique)
    world.put(1, 2, 3, 4)
    world.map(BatchSize=2, MaximumRetryAttempts=0)
    world.recorder.behave = lambda event: world.recorder.hold() if len(world.recorder.events) == 1 else None
    world.recorder.wait(2)  # the second batch hangs
    if end == "kill":
        own_server.kill()
    else:
        assert own_server.stop() == 0
    world.recorder.release()
    own_server.start()
    batches = World.seen(world)
    assert batches[:2] == [["1", "2"], ["3", "4"]] and batches[-1] == ["3", "4"]
    assert batches[2:] == [["3", "4"]]  # once more, and the first batch never again
    world.server = own_server
    assert own_server.admin(f"mappings/{world.uuids[0]}")["backlog"] == 0


def test_a_stop_lets_the_delivery_in_flight_finish(own_server, recorders, unique):
    """The function still reaches the server while it drains, and its batch does not come again."""
    world = World(own_server, recorders, unique)
    world.put(1, 2)
    world.recorder.hold()
    world.recorder.behave = lambda event: world.put("3")  # a call to the server in the middle of its stop
    world.map(BatchSize=2)
    world.recorder.wait(1)
    own_server.process.terminate()
    wait_until(lambda: "stopping" in own_server.log(), "the server to be stopping")
    world.recorder.release()
    assert own_server.process.wait(20) == 0
    world.recorder.behave = lambda event: None
    own_server.start()
    assert world.seen() == [["1", "2"], ["3"]]


def test_a_restart_keeps_attempts_and_the_window(own_server, recorders, unique):
    world = World(own_server, recorders, unique)
    arn = world.queue()
    world.recorder.behave = fail()
    world.put("bad")
    world.map(MaximumRetryAttempts=2, DestinationConfig={"OnFailure": {"Destination": arn}})
    world.recorder.wait(1)
    own_server.settle()
    made = len(world.recorder.events)
    own_server.kill()
    own_server.start()
    world.seen()
    assert made <= len(world.recorder.events) and 3 <= len(world.recorder.events) <= 4  # the attempt in flight may come twice
    assert len(world.documents()) == 1


def test_three_hundred_idle_mappings_cost_nothing(own_server, recorders, unique):
    functions = [f"{unique}f{i}" for i in range(15)]
    streams = [make_table(own_server, f"{unique}t{i}") for i in range(20)]
    for function in functions:
        recorders.function(own_server, function)
    client = own_server.client("lambda")
    for stream in streams:
        for function in functions:
            client.create_event_source_mapping(EventSourceArn=stream, FunctionName=function, StartingPosition="LATEST", MaximumBatchingWindowInSeconds=5)
    own_server.settle()

    def ticks():
        fields = open(f"/proc/{own_server.process.pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(2)  # the measurement itself
    assert (ticks() - before) / os.sysconf("SC_CLK_TCK") < 0.1
    own_server.client("dynamodb").put_item(TableName=f"{unique}t7", Item={"id": {"S": "1"}})
    own_server.settle()  # all windows are open
    own_server.advance("5s")
    assert all(recorders.recorder(function).ids() == [["1"]] for function in functions)
