"""Alarms: the errors that nobody noticed all night, noticed in minutes by the movable clock."""
import datetime
import io
import json
import zipfile

import botocore.exceptions
import pytest

from world import wait_until

FAILING = "exports.handler = async event => { throw new Error('analysis is down') }"


def zipped(code):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.js", code)
    return out.getvalue()


@pytest.fixture(scope="module")
def cloudwatch(server):
    return server.client("cloudwatch")


@pytest.fixture
def inbox(server, unique):
    """A topic, and what a queue that subscribes to it has received."""
    sns, sqs = server.client("sns"), server.client("sqs")
    topic = sns.create_topic(Name=unique)["TopicArn"]
    url = sqs.create_queue(QueueName=unique)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def read():
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]

    read.topic = topic
    return read


def alarm(name, topic=None, **changes):
    definition = {"AlarmName": name, "Namespace": "App", "MetricName": name, "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1,
                  "ComparisonOperator": "GreaterThanOrEqualToThreshold", "TreatMissingData": "notBreaching"}
    if topic:
        definition["AlarmActions"] = [topic]
    return {key: value for key, value in {**definition, **changes}.items() if value is not None}


def state(cloudwatch, name):
    return cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]["Code"]


def test_errors_do_not_stay_unnoticed_all_night(server, cloudwatch, inbox, unique):
    """The files pipeline: its stream function fails; the alarm on AWS/Lambda Errors is delivered through a topic."""
    dynamodb = server.client("dynamodb")
    dynamodb.create_table(TableName=unique, AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
                          KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    stream = dynamodb.describe_table(TableName=unique)["Table"]["LatestStreamArn"]
    server.function(unique, zipped(FAILING))
    server.mapping(stream, unique, "TRIM_HORIZON", MaximumRetryAttempts=1, MetricsConfig={"Metrics": ["EventCount"]})
    cloudwatch.put_metric_alarm(**alarm(f"{unique}-errors", inbox.topic, Namespace="AWS/Lambda", MetricName="Errors", EvaluationPeriods=3, DatapointsToAlarm=1,
                                        Dimensions=[{"Name": "FunctionName", "Value": unique}], AlarmDescription="analysis fails"))
    server.advance("5m")
    assert state(cloudwatch, f"{unique}-errors") == "OK"
    dynamodb.put_item(TableName=unique, Item={"id": {"S": "upload"}})
    server.settle()
    server.advance("2m")
    assert state(cloudwatch, f"{unique}-errors") == "ALARM"
    note, = inbox()
    assert note["Type"] == "Notification" and note["TopicArn"] == inbox.topic
    assert note["Subject"] == f'ALARM: "{unique}-errors" in US East (N. Virginia)'
    message = json.loads(note["Message"])
    assert list(message) == ["AlarmName", "AlarmDescription", "AWSAccountId", "AlarmConfigurationUpdatedTimestamp", "NewStateValue", "NewStateReason",
                             "StateChangeTime", "Region", "AlarmArn", "OldStateValue", "OKActions", "AlarmActions", "InsufficientDataActions", "Trigger"]
    assert (message["OldStateValue"], message["NewStateValue"], message["AlarmDescription"]) == ("OK", "ALARM", "analysis fails")
    assert message["NewStateReason"].startswith("Threshold Crossed: 1 out of the last 3 datapoints [")
    assert message["Trigger"] == {
        "MetricName": "Errors", "Namespace": "AWS/Lambda", "StatisticType": "Statistic", "Statistic": "SUM", "Unit": None,
        "Dimensions": [{"value": unique, "name": "FunctionName"}], "Period": 60, "EvaluationPeriods": 3, "DatapointsToAlarm": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold", "Threshold": 1, "TreatMissingData": "notBreaching", "EvaluateLowSampleCountPercentile": ""}
    server.advance("30m")
    assert state(cloudwatch, f"{unique}-errors") == "OK"
    summaries = [each["HistorySummary"] for each in cloudwatch.describe_alarm_history(AlarmName=f"{unique}-errors", ScanBy="TimestampAscending")["AlarmHistoryItems"]]
    assert "Alarm updated from OK to ALARM" in summaries and f"Successfully executed action {inbox.topic}" in summaries

    def total(metric, *dimensions, statistic="Sum", space="AWS/Lambda"):
        end = datetime.datetime.fromtimestamp(server.admin("clock")["now_ms"] / 1000, datetime.timezone.utc)
        points = cloudwatch.get_metric_statistics(Namespace=space, MetricName=metric, Period=86400, Statistics=[statistic], StartTime=end - datetime.timedelta(days=1),
                                                  EndTime=end + datetime.timedelta(minutes=1),
                                                  Dimensions=[dict(zip(("Name", "Value"), each)) for each in dimensions])["Datapoints"]
        return points[0][statistic] if points else None

    function = ("FunctionName", unique)
    assert (total("Invocations", function), total("Errors", function), total("IteratorAge", function, statistic="SampleCount")) == (2, 2, 2)
    assert total("Errors", function, ("Resource", unique)) == 2
    mapping = ("EventSourceMappingUUID", server.client("lambda").list_event_source_mappings(FunctionName=unique)["EventSourceMappings"][0]["UUID"])
    assert [total(f"{name}EventCount", mapping) for name in ("Polled", "Invoked", "FailedInvoke", "Dropped", "FilteredOut")] == [1, 2, 2, None, None]
    table = ("TableName", unique)
    assert total("ConsumedWriteCapacityUnits", table, space="AWS/DynamoDB") == 1
    assert total("SuccessfulRequestLatency", table, ("Operation", "PutItem"), statistic="SampleCount", space="AWS/DynamoDB") == 1


def test_an_alarm_calls_a_function(server, cloudwatch, unique):
    url = server.client("sqs").create_queue(QueueName=unique)["QueueUrl"]
    code = """
const { SQSClient, SendMessageCommand } = require('@aws-sdk/client-sqs')
exports.handler = async event => { await new SQSClient({}).send(new SendMessageCommand({ QueueUrl: process.env.QUEUE, MessageBody: JSON.stringify(event) })) }
"""
    arn = server.function(unique, zipped(code), environment={"QUEUE": url})
    cloudwatch.put_metric_alarm(**alarm(unique, arn))
    cloudwatch.put_metric_data(Namespace="App", MetricData=[{"MetricName": unique, "Value": 3}])
    server.advance("1m")
    received = []
    wait_until(lambda: received.extend(server.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", [])) or received, "the event")
    event = json.loads(received[0]["Body"])
    assert event["source"] == "aws.cloudwatch" and event["alarmData"]["state"]["value"] == "ALARM"
    assert event["alarmData"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert event["alarmData"]["configuration"]["metrics"][0]["metricStat"]["metric"] == {"namespace": "App", "name": unique, "dimensions": {}}


def test_an_alarm_on_an_expression(server, cloudwatch, inbox, unique):
    metric = lambda each, name: {"Id": each, "ReturnData": False, "MetricStat": {"Metric": {"Namespace": unique, "MetricName": name}, "Period": 60, "Stat": "Sum"}}  # noqa: E731
    cloudwatch.put_metric_alarm(AlarmName=unique, EvaluationPeriods=1, Threshold=50, ComparisonOperator="GreaterThanThreshold", AlarmActions=[inbox.topic],
                                Metrics=[metric("errors", "e"), metric("calls", "c"), {"Id": "rate", "Expression": "100 * errors / calls", "Label": "rate"}])
    cloudwatch.put_metric_data(Namespace=unique, MetricData=[{"MetricName": "e", "Value": 6}, {"MetricName": "c", "Value": 10}])
    server.advance("1m")
    assert state(cloudwatch, unique) == "ALARM"
    message = json.loads(inbox()[0]["Message"])
    assert [each["Id"] for each in message["Trigger"]["Metrics"]] == ["errors", "calls", "rate"]


def test_what_is_put_is_described_changed_tagged_and_deleted(cloudwatch, unique):
    cloudwatch.put_metric_alarm(**alarm(unique, Statistic=None, ExtendedStatistic="p90", Tags=[{"Key": "team", "Value": "files"}], Unit="Milliseconds"))
    found, = cloudwatch.describe_alarms(AlarmNamePrefix=unique)["MetricAlarms"]
    assert (found["ExtendedStatistic"], found["StateValue"], found["ActionsEnabled"], found["Dimensions"]) == ("p90", "INSUFFICIENT_DATA", True, [])
    assert found["AlarmArn"].endswith(f":alarm:{unique}") and found["StateReason"] == "Unchecked: Initial alarm creation"
    assert [each["AlarmName"] for each in cloudwatch.describe_alarms_for_metric(Namespace="App", MetricName=unique)["MetricAlarms"]] == [unique]
    assert cloudwatch.describe_alarms_for_metric(Namespace="App", MetricName=unique, Period=300)["MetricAlarms"] == []
    cloudwatch.tag_resource(ResourceARN=found["AlarmArn"], Tags=[{"Key": "b", "Value": "2"}])
    cloudwatch.untag_resource(ResourceARN=found["AlarmArn"], TagKeys=["team"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"] == [{"Key": "b", "Value": "2"}]
    cloudwatch.disable_alarm_actions(AlarmNames=[unique])
    cloudwatch.set_alarm_state(AlarmName=unique, StateValue="ALARM", StateReason="try", StateReasonData='{"a":1}')
    found, = cloudwatch.describe_alarms(StateValue="ALARM", AlarmNames=[unique])["MetricAlarms"]
    assert (found["StateReason"], found["ActionsEnabled"]) == ("try", False)
    cloudwatch.enable_alarm_actions(AlarmNames=[unique])
    cloudwatch.delete_alarms(AlarmNames=[unique, "unknown"])
    assert cloudwatch.describe_alarms(AlarmNames=[unique])["MetricAlarms"] == []
    assert refused(cloudwatch.set_alarm_state, AlarmName=unique, StateValue="OK", StateReason="x") in ("ResourceNotFound", "ResourceNotFoundException")


def test_what_is_not_served_is_refused(cloudwatch, unique):
    put = cloudwatch.put_metric_alarm
    assert refused(put, **alarm(unique, ComparisonOperator="GreaterThanUpperThreshold", Threshold=None, ThresholdMetricId="m1"))
    assert refused(put, **alarm(unique, AlarmActions=["arn:aws:automate:us-east-1:ec2:stop"]))
    assert refused(put, **alarm(unique, EvaluateLowSampleCountPercentile="ignore"))
    assert refused(put, **alarm(unique, Period=61)) in ("ValidationError", "InvalidParameterValue")
    assert refused(put, **alarm(unique, Statistic=None))
    assert refused(put, **alarm(unique, TreatMissingData="perhaps"))
    assert refused(cloudwatch.put_composite_alarm, AlarmName=unique, AlarmRule="TRUE")
    assert cloudwatch.describe_alarms(AlarmNames=[unique])["MetricAlarms"] == []


def test_state_survives_a_kill(own_server, unique):
    cloudwatch = own_server.client("cloudwatch")
    cloudwatch.put_metric_alarm(**alarm(unique, TreatMissingData="ignore"))
    cloudwatch.put_metric_data(Namespace="App", MetricData=[{"MetricName": unique, "Value": 3}])
    own_server.advance("1m")
    assert state(cloudwatch, unique) == "ALARM"
    own_server.kill()
    own_server.start()
    cloudwatch = own_server.client("cloudwatch")
    assert state(cloudwatch, unique) == "ALARM"
    assert len(cloudwatch.describe_alarm_history(AlarmName=unique)["AlarmHistoryItems"]) == 2


def test_metrics_and_alarms_in_the_terminal(server, cloudwatch, unique):
    cloudwatch.put_metric_alarm(**alarm(unique, Namespace=unique))
    cloudwatch.put_metric_data(Namespace=unique, MetricData=[{"MetricName": unique, "Value": 3, "Dimensions": [{"Name": "A", "Value": "1"}]}])
    assert unique in server.cli("metrics", "ls", "--namespace", unique) and "A=1" in server.cli("metrics", "ls", "--namespace", unique)
    assert "3" in server.cli("metrics", "get", unique, unique, "--dimension", "A=1").splitlines()[-1]
    assert json.loads(server.cli("metrics", "get", unique, unique, "--dimension", "A=1", "--statistic", "p50", "--json"))["Datapoints"][0]["ExtendedStatistics"] == {"p50": 3}
    assert "INSUFFICIENT_DATA" in server.cli("alarms", "ls")
    assert f'Alarm "{unique}" created' in server.cli("alarms", "show", unique)
