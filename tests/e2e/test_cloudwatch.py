"""CloudWatch: metrics that clients put, and what they ask of them, by every protocol that SDKs speak."""
import datetime
import json
import os
import subprocess

import botocore.config
import botocore.exceptions
import pytest

from world import DEPS, REGION, ROOT


@pytest.fixture(scope="module", params=["smithy-rpc-v2-cbor", "json", "query"])
def cloudwatch(request, server):
    """A client that speaks one of CloudWatch's three protocols."""
    client = server.client("cloudwatch")
    model = client.meta.service_model
    if model.resolved_protocol != request.param:
        import botocore.parsers
        import botocore.serialize
        protocol = request.param
        client._serializer = botocore.serialize.create_serializer(protocol)
        client._endpoint._response_parser_factory = FixedParser(protocol)
    return client


class FixedParser:
    """Answers in the protocol that was asked in, whatever the model prefers."""

    def __init__(self, protocol):
        self.protocol = protocol

    def create_parser(self, _):
        import botocore.parsers
        return botocore.parsers.create_parser(self.protocol)


def now(server):
    return datetime.datetime.fromtimestamp(server.admin("clock")["now_ms"] / 1000, datetime.timezone.utc)


def code_of(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]["Code"]


def test_every_form_of_a_value_is_counted(cloudwatch, server, unique):
    at = now(server).replace(second=0, microsecond=0) - datetime.timedelta(minutes=10)
    cloudwatch.put_metric_data(Namespace=unique, MetricData=[
        {"MetricName": "m", "Timestamp": at, "Value": 4.5, "Unit": "Seconds", "Dimensions": [{"Name": "B", "Value": "2"}, {"Name": "A", "Value": "1"}]},
        {"MetricName": "m", "Timestamp": at, "Values": [1, 2], "Counts": [3, 1], "Unit": "Seconds", "Dimensions": [{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}]},
        {"MetricName": "sets", "Timestamp": at, "StatisticValues": {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 5}},
    ])
    dimensions = [{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}]
    answer = cloudwatch.get_metric_statistics(Namespace=unique, MetricName="m", Dimensions=dimensions, StartTime=at - datetime.timedelta(minutes=5),
                                              EndTime=at + datetime.timedelta(minutes=5), Period=60,
                                              Statistics=["SampleCount", "Sum", "Average", "Minimum", "Maximum"], ExtendedStatistics=["p50", "p100"])
    assert answer["Label"] == "m"
    point, = answer["Datapoints"]
    assert point == {"Timestamp": at, "SampleCount": 5, "Sum": 9.5, "Average": 1.9, "Minimum": 1, "Maximum": 4.5, "Unit": "Seconds",
                     "ExtendedStatistics": {"p50": 1, "p100": 4.5}}
    sets = cloudwatch.get_metric_statistics(Namespace=unique, MetricName="sets", StartTime=at, EndTime=at + datetime.timedelta(minutes=1), Period=60,
                                            Statistics=["Average"])
    assert [each["Average"] for each in sets["Datapoints"]] == [2.5]
    listed = cloudwatch.list_metrics(Namespace=unique)["Metrics"]
    assert listed == [{"Namespace": unique, "MetricName": "m", "Dimensions": dimensions}, {"Namespace": unique, "MetricName": "sets", "Dimensions": []}]
    assert len(cloudwatch.list_metrics(Namespace=unique, Dimensions=[{"Name": "A"}])["Metrics"]) == 1
    assert cloudwatch.list_metrics(Namespace=unique, Dimensions=[{"Name": "A", "Value": "9"}])["Metrics"] == []
    assert len(cloudwatch.list_metrics(Namespace=unique, RecentlyActive="PT3H")["Metrics"]) == 2


def test_expressions_pages_and_order(cloudwatch, server, unique):
    start = now(server).replace(second=0, microsecond=0) - datetime.timedelta(minutes=20)
    for name, factor in (("errors", 1), ("calls", 10)):
        cloudwatch.put_metric_data(Namespace=unique, MetricData=[
            {"MetricName": name, "Timestamp": start + datetime.timedelta(minutes=minute), "Value": factor * (minute + 1)} for minute in range(5)])
    metric = lambda each, name: {"Id": each, "MetricStat": {"Metric": {"Namespace": unique, "MetricName": name}, "Period": 60, "Stat": "Sum"}}  # noqa: E731
    queries = [dict(metric("m1", "errors"), ReturnData=False), dict(metric("m2", "calls"), Label="all calls"),
               {"Id": "rate", "Expression": "100 * m1 / m2", "Label": "error rate"}, {"Id": "total", "Expression": "SUM(METRICS())"}]
    window = {"StartTime": start, "EndTime": start + datetime.timedelta(minutes=5)}
    results = cloudwatch.get_metric_data(MetricDataQueries=queries, ScanBy="TimestampAscending", **window)["MetricDataResults"]
    assert [(each["Id"], each["Label"], each["StatusCode"], each["Values"]) for each in results] == [
        ("m2", "all calls", "Complete", [10, 20, 30, 40, 50]), ("rate", "error rate", "Complete", [10] * 5), ("total", "total", "Complete", [11, 22, 33, 44, 55])]
    assert results[0]["Timestamps"][0] == start
    newest_first = cloudwatch.get_metric_data(MetricDataQueries=queries[1:2], **window)["MetricDataResults"][0]
    assert newest_first["Values"] == [50, 40, 30, 20, 10]
    values, pages = [], 0
    for page in cloudwatch.get_paginator("get_metric_data").paginate(MetricDataQueries=queries, MaxDatapoints=4, **window):
        pages += 1
        values += [value for each in page["MetricDataResults"] for value in each["Values"]]
    assert pages == 4 and len(values) == 15
    assert code_of(cloudwatch.get_metric_data, MetricDataQueries=[{"Id": "e", "Expression": "SEARCH('x', 'Sum', 60)"}], **window) == "ValidationError"


def test_mistakes_are_refused_as_cloudwatch_words_them(cloudwatch, server, unique):
    put = lambda **datum: dict(Namespace=unique, MetricData=[dict({"MetricName": "m"}, **datum)])  # noqa: E731
    wrong = cloudwatch.put_metric_data
    assert code_of(wrong, **put()) in ("MissingParameter", "MissingRequiredParameterException")
    assert code_of(wrong, **put(Value=1, Values=[1])) in ("InvalidParameterCombination", "InvalidParameterCombinationException")
    assert code_of(wrong, **put(Value=1e300)) in ("InvalidParameterValue", "InvalidParameterValueException")
    assert code_of(wrong, **put(Values=[1, 2], Counts=[1])) in ("InvalidParameterValue", "InvalidParameterValueException")
    assert code_of(wrong, **put(Value=1, Timestamp=now(server) - datetime.timedelta(days=15))) in ("InvalidParameterValue", "InvalidParameterValueException")
    assert code_of(wrong, **put(Value=1, Timestamp=now(server) + datetime.timedelta(hours=3))) in ("InvalidParameterValue", "InvalidParameterValueException")
    assert code_of(wrong, Namespace="AWS/Lambda", MetricData=[{"MetricName": "m", "Value": 1}]) in ("InvalidParameterValue", "InvalidParameterValueException")
    assert cloudwatch.list_metrics(Namespace=unique)["Metrics"] == []
    with pytest.raises(cloudwatch.exceptions.InvalidParameterValueException):
        cloudwatch.get_metric_statistics(Namespace=unique, MetricName="m", StartTime=now(server) - datetime.timedelta(hours=1), EndTime=now(server), Period=61,
                                         Statistics=["Sum"])


def test_data_survive_a_restart_and_are_rolled_up(own_server, unique):
    cloudwatch = own_server.client("cloudwatch")
    cloudwatch.put_metric_data(Namespace=unique, MetricData=[{"MetricName": "m", "Value": 3}])
    own_server.stop()
    own_server.start()
    cloudwatch = own_server.client("cloudwatch")
    ask = lambda: cloudwatch.get_metric_statistics(Namespace=unique, MetricName="m", StartTime=now(own_server) - datetime.timedelta(days=50),  # noqa: E731
                                                   EndTime=now(own_server) + datetime.timedelta(minutes=1), Period=86400, Statistics=["Sum"])["Datapoints"]
    assert [each["Sum"] for each in ask()] == [3]
    own_server.advance("20d")
    assert [each["Sum"] for each in ask()] == [3]
    assert cloudwatch.list_metrics(Namespace=unique)["Metrics"] == []  # nothing for two weeks


def aws(server, *arguments):
    environment = {**os.environ, "AWS_ENDPOINT_URL": server.endpoint, "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "test",
                   "AWS_SECRET_ACCESS_KEY": "test", "AWS_PAGER": ""}
    result = subprocess.run([str(arguments[0]), *arguments[1:]], capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout) if result.stdout.strip() else {}


@pytest.mark.parametrize("version", [1, 2])
def test_the_aws_cli(server, unique, version):
    tool = ROOT / ".deps/venv/bin/aws" if version == 1 else ROOT / ".deps/aws-cli/dist/aws"
    if not tool.exists():
        pytest.skip(f"AWS CLI v{version} is not installed: ./x setup")
    aws(server, tool, "cloudwatch", "put-metric-data", "--namespace", unique, "--metric-name", "m", "--value", "2", "--unit", "Count", "--dimensions", "A=1")
    listed = aws(server, tool, "cloudwatch", "list-metrics", "--namespace", unique)
    assert listed["Metrics"] == [{"Namespace": unique, "MetricName": "m", "Dimensions": [{"Name": "A", "Value": "1"}]}]
