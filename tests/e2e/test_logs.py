"""CloudWatch Logs: what functions print, and what clients write, read, filter and forget."""
import io
import time
import zipfile

import botocore.exceptions
import pytest

from world import wait_until

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def logs(server):
    return server.client("logs")


@pytest.fixture
def group(logs, unique):
    logs.create_log_group(logGroupName=f"/test/{unique}", tags={"a": "b"})
    return f"/test/{unique}"


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]["Code"]


def now_ms(server):
    return server.admin("clock")["now_ms"]


def put(server, group, stream, *messages, step=1, start=None):
    logs = server.client("logs")
    try:
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    except logs.exceptions.ResourceAlreadyExistsException:
        pass
    start = now_ms(server) - 60_000 if start is None else start
    return logs.put_log_events(logGroupName=group, logStreamName=stream,
                               logEvents=[{"timestamp": start + number * step, "message": message} for number, message in enumerate(messages)])


def python(server, name, body):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", body)
    return server.function(name, buffer.getvalue(), runtime="python3.11")


def messages(answer):
    return [event["message"] for event in answer["events"]]


def test_groups_and_streams(server, logs, group):
    assert refused(logs.create_log_group, logGroupName=group) == "ResourceAlreadyExistsException"
    found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert [one["logGroupName"] for one in found] == [group] and "retentionInDays" not in found[0]
    assert found[0]["arn"] == f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*"
    assert logs.list_tags_for_resource(resourceArn=found[0]["arn"].removesuffix(":*"))["tags"] == {"a": "b"}
    for stream in ("b", "a", "c"):
        put(server, group, stream, stream)
    assert [one["logStreamName"] for one in logs.describe_log_streams(logGroupName=group)["logStreams"]] == ["a", "b", "c"]
    page = logs.describe_log_streams(logGroupName=group, limit=2)
    assert [one["logStreamName"] for one in logs.describe_log_streams(logGroupName=group, limit=2, nextToken=page["nextToken"])["logStreams"]] == ["c"]
    put(server, group, "a", "newest", start=now_ms(server))
    newest = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=1)["logStreams"][0]
    assert newest["logStreamName"] == "a" and newest["firstEventTimestamp"] < newest["lastEventTimestamp"]
    logs.delete_log_stream(logGroupName=group, logStreamName="b")
    assert messages(logs.filter_log_events(logGroupName=group)) == ["a", "c", "newest"]
    logs.delete_log_group(logGroupName=group)
    assert refused(logs.filter_log_events, logGroupName=group) == "ResourceNotFoundException"
    assert refused(logs.describe_log_streams, logGroupName=group) == "ResourceNotFoundException"


def test_get_log_events_forwards_and_backwards(server, logs, group):
    texts = [f"line {number}" for number in range(25)]
    put(server, group, "s", *texts)
    stream = {"logGroupName": group, "logStreamName": "s"}
    page, found = logs.get_log_events(**stream, startFromHead=True, limit=10), []
    while page["events"]:
        found += messages(page)
        token, page = page["nextForwardToken"], logs.get_log_events(**stream, nextToken=page["nextForwardToken"], limit=10)
    assert found == texts and page["nextForwardToken"] == token  # the end: the same token again
    put(server, group, "s", "line 25", start=now_ms(server))
    assert messages(logs.get_log_events(**stream, nextToken=token)) == ["line 25"]
    last = logs.get_log_events(**stream, limit=6)
    assert messages(last) == texts[20:] + ["line 25"]
    before = logs.get_log_events(**stream, nextToken=last["nextBackwardToken"], limit=5)
    assert messages(before) == texts[15:20]
    start = logs.get_log_events(**stream, startFromHead=True, limit=1)["events"][0]["timestamp"]
    assert messages(logs.get_log_events(**stream, startFromHead=True, startTime=start + 3, endTime=start + 6)) == texts[3:6]
    assert refused(logs.get_log_events, **stream, nextToken="f/broken") == "InvalidParameterException"
    assert refused(logs.get_log_events, logGroupName=group, logStreamName="none") == "ResourceNotFoundException"


def test_filter_log_events(server, logs, group):
    base = now_ms(server) - 100_000
    put(server, group, "one/a", "INFO start ü", "ERROR disk full", "INFO end", start=base, step=10)
    put(server, group, "one/b", "ERROR net down", "info quiet", start=base + 5, step=10)
    put(server, group, "two", "ERROR elsewhere", start=base + 7)

    def find(**options):
        return messages(logs.filter_log_events(logGroupName=group, **options))

    assert find() == ["INFO start ü", "ERROR net down", "ERROR elsewhere", "ERROR disk full", "info quiet", "INFO end"]
    assert find(filterPattern="ERROR") == ["ERROR net down", "ERROR elsewhere", "ERROR disk full"]
    assert find(filterPattern="ERROR -disk") == ["ERROR net down", "ERROR elsewhere"]
    assert find(filterPattern="?disk ?net") == ["ERROR net down", "ERROR disk full"]
    assert find(filterPattern='"disk full"') == ["ERROR disk full"]
    assert find(logStreamNamePrefix="one/", filterPattern="ERROR") == ["ERROR net down", "ERROR disk full"]
    assert find(logStreamNames=["two", "one/b"]) == ["ERROR net down", "ERROR elsewhere", "info quiet"]
    assert find(startTime=base + 10, endTime=base + 15) == ["ERROR disk full", "info quiet"]
    event = logs.filter_log_events(logGroupName=group, limit=1)["events"][0]
    assert event["logStreamName"] == "one/a" and event["timestamp"] == base and event["ingestionTime"] > base and event["eventId"]
    pages = [messages(page) for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, PaginationConfig={"PageSize": 4})]
    assert sum(pages, []) == find() and len(pages) == 2
    assert refused(logs.filter_log_events, logGroupName=group, filterPattern="{ $.level = %5% }") == "InvalidParameterException"


def test_put_log_events_is_checked(server, logs, group):
    now = now_ms(server)
    logs.create_log_stream(logGroupName=group, logStreamName="s")

    def write(*events):
        return logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": at, "message": text} for at, text in events])

    assert refused(write_of(write), events=[(now, "b"), (now - 1, "a")]) == "InvalidParameterException"
    assert write((now - 15 * DAY_MS, "too old"))["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    answer = write((now, "kept"), (now + DAY_MS // 2, "too new"))
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    assert refused(write_of(write), events=[(now - DAY_MS - 1, "a"), (now, "b")]) == "InvalidParameterException"
    assert messages(logs.filter_log_events(logGroupName=group)) == ["kept"]
    assert refused(logs.put_log_events, logGroupName=group, logStreamName="none", logEvents=[{"timestamp": now, "message": "x"}]) == "ResourceNotFoundException"
    big = [(now, "x" * 200_000)] * 6
    assert refused(write_of(write), events=big) == "InvalidParameterException"


def write_of(write):
    return lambda events: write(*events)


def test_retention_by_the_clock(own_server):
    logs = own_server.client("logs")
    for name in ("kept", "short"):
        logs.create_log_group(logGroupName=name)
        put(own_server, name, "s", "old")
    logs.put_retention_policy(logGroupName="short", retentionInDays=3)
    assert refused(logs.put_retention_policy, logGroupName="short", retentionInDays=4) == "InvalidParameterException"
    assert logs.describe_log_groups(logGroupNamePrefix="short")["logGroups"][0]["retentionInDays"] == 3
    own_server.advance("2d")
    put(own_server, "short", "s", "new")
    assert messages(logs.filter_log_events(logGroupName="short")) == ["old", "new"]
    own_server.advance("2d")
    assert messages(logs.filter_log_events(logGroupName="short")) == ["new"] and messages(logs.filter_log_events(logGroupName="kept")) == ["old"]
    logs.delete_retention_policy(logGroupName="short")
    own_server.advance("30d")
    assert messages(logs.filter_log_events(logGroupName="short")) == ["new"]


def test_a_functions_output_is_there(server, logs, unique):
    python(server, unique, "def handler(event, context):\n    print('grüße', event['n'])\n    print('zwei\\nzeilen')\n")
    for number in range(3):
        server.client("lambda").invoke(FunctionName=unique, Payload=b'{"n": %d}' % number)
    group = f"/aws/lambda/{unique}"
    found = wait_until(lambda: (lambda events: events if sum("REPORT" in text for text in events) == 3 else None)(messages(logs.filter_log_events(logGroupName=group))), "three reports")
    assert [text.strip() for text in found if "grüße" in text] == ["grüße 0", "grüße 1", "grüße 2"]
    assert len([text for text in found if text.startswith("START RequestId: ")]) == len([text for text in found if text.startswith("END RequestId: ")]) == 3
    assert "\tDuration: " in [text for text in found if text.startswith("REPORT")][0]
    streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert len(streams) == 1 and "[$LATEST]" in streams[0]["logStreamName"]
    assert "grüße 2" in server.cli("functions", "logs", unique)


def test_the_calls_of_aws_logs_tail_follow(server, logs, unique):
    """What AWS CLI v2 does: FilterLogEvents from the last timestamp on, again and again, leaving out event ids it has seen."""
    python(server, unique, "def handler(event, context):\n    print('call', event['n'])\n")
    server.client("lambda").invoke(FunctionName=unique, Payload=b'{"n": -1}')
    group, seen, shown = f"/aws/lambda/{unique}", set(), []
    options = {"logGroupName": group, "startTime": int(time.time() * 1000) - 600_000, "interleaved": True}

    def follow():
        token = {}
        while True:
            page = logs.filter_log_events(**options, **token)
            for event in page["events"]:
                if event["eventId"] not in seen:
                    seen.add(event["eventId"])
                    shown.append(event["message"].strip())
                    options["startTime"] = max(options["startTime"], event["timestamp"])
            if "nextToken" not in page:
                return shown
            token = {"nextToken": page["nextToken"]}

    for number in range(10):
        server.client("lambda").invoke(FunctionName=unique, Payload=b'{"n": %d}' % number)
        wait_until(lambda: f"call {number}" in follow(), f"call {number}")
    wait_until(lambda: sum(text.startswith("REPORT") for text in follow()) == 11, "the last report")
    assert [text for text in shown if text.startswith("call")] == [f"call {number}" for number in range(-1, 10)]
    assert len(shown) == 1 + 4 * 11 and logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["storedBytes"] > 0


def test_events_survive_a_kill(own_server):
    logs = own_server.client("logs")
    logs.create_log_group(logGroupName="g")
    put(own_server, "g", "s", *[f"{number} " + "x" * 100 for number in range(2000)])
    own_server.kill()
    own_server.start()
    logs = own_server.client("logs")
    found = [text.split()[0] for page in logs.get_paginator("filter_log_events").paginate(logGroupName="g") for text in messages(page)]
    assert found == [str(number) for number in range(2000)]
    put(own_server, "g", "s", "after")
    assert messages(logs.filter_log_events(logGroupName="g", filterPattern="after")) == ["after"]


def test_metric_filters_make_metrics_of_events(server, logs, group, unique):
    cloudwatch = server.client("cloudwatch")
    logs.put_metric_filter(logGroupName=group, filterName="errors", filterPattern="ERROR",
                           metricTransformations=[{"metricName": "errors", "metricNamespace": unique, "metricValue": "1", "defaultValue": 0}])
    logs.put_metric_filter(logGroupName=group, filterName="slow", filterPattern="{ $.ms > 100 && $.user.name = a* }",
                           metricTransformations=[{"metricName": "slow", "metricNamespace": unique, "metricValue": "$.ms", "unit": "Milliseconds",
                                                   "dimensions": {"User": "$.user.name"}}])
    found = logs.describe_metric_filters(logGroupName=group)["metricFilters"]
    assert [(each["filterName"], each["metricTransformations"][0]["metricValue"]) for each in found] == [("errors", "1"), ("slow", "$.ms")]
    assert [each["filterName"] for each in logs.describe_metric_filters(metricName="slow", metricNamespace=unique)["metricFilters"]] == ["slow"]
    put(server, group, "s", "all well", "ERROR: one", "ERROR: two", '{"ms": 150, "user": {"name": "ann"}}', '{"ms": 50, "user": {"name": "ann"}}')
    end = now_ms(server) / 1000 + 60

    def total(metric, **dimensions):
        points = cloudwatch.get_metric_statistics(Namespace=unique, MetricName=metric, Statistics=["Sum", "SampleCount"], Period=3600, StartTime=end - 3600, EndTime=end,
                                                  Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()])["Datapoints"]
        return [(each["Sum"], each["Unit"]) for each in points]

    assert total("errors") == [(2, "None")]
    assert total("slow", User="ann") == [(150, "Milliseconds")]
    logs.delete_metric_filter(logGroupName=group, filterName="errors")
    assert refused(logs.delete_metric_filter, logGroupName=group, filterName="errors") == "ResourceNotFoundException"
    assert refused(logs.put_metric_filter, logGroupName=group, filterName="x", filterPattern="{ $.a", metricTransformations=found[0]["metricTransformations"]) == \
        "InvalidParameterException"


def test_patterns_are_tried_and_filter_events(server, logs, group):
    matches = logs.test_metric_filter(filterPattern="[ip, ..., status = 4*]", logEventMessages=["10.0.0.1 GET / 404", "10.0.0.2 GET / 200"])["matches"]
    assert matches == [{"eventNumber": 1, "eventMessage": "10.0.0.1 GET / 404", "extractedValues": {"$ip": "10.0.0.1", "$status": "404"}}]
    put(server, group, "s", '{"level": "error", "code": 7}', '{"level": "info", "code": 7}', "level error")
    events = logs.filter_log_events(logGroupName=group, filterPattern='{ $.level = "error" && $.code = 7 }')["events"]
    assert [each["message"] for each in events] == ['{"level": "error", "code": 7}']
