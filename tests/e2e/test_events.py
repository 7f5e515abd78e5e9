"""EventBridge: schedules by the server's clock, patterns, and what targets get of an event."""
import io
import json
import zipfile

import botocore.exceptions
import pytest

from world import wait_until

CODE = "def handler(event, context):\n    print('ran for', event['detail-type'], 'of', event['time'])\n"


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]["Code"]


@pytest.fixture
def queue(own_server):
    sqs = own_server.client("sqs")
    return sqs.create_queue(QueueName="q")["QueueUrl"]


ARN = "arn:aws:sqs:us-east-1:000000000000:q"


def received(server, url):
    sqs = server.client("sqs")
    bodies = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def test_a_schedule_survives_a_kill_and_fires_nothing_twice(own_server, queue):
    events = own_server.client("events")
    rule = events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)", Description="d", Tags=[{"Key": "a", "Value": "b"}])["RuleArn"]
    assert rule == "arn:aws:events:us-east-1:000000000000:rule/hourly"
    assert events.put_targets(Rule="hourly", Targets=[{"Id": "1", "Arn": ARN}])["FailedEntryCount"] == 0
    own_server.advance("59m")
    assert received(own_server, queue) == []
    own_server.advance("3h")
    sent = received(own_server, queue)
    assert len(sent) == 3 and sent[0]["source"] == "aws.events" and sent[0]["resources"] == [rule] and sent[0]["detail"] == {}
    assert len({event["time"] for event in sent}) == len({event["id"] for event in sent}) == 3
    own_server.kill()
    own_server.start()
    events = own_server.client("events")
    assert events.describe_rule(Name="hourly")["ScheduleExpression"] == "rate(1 hour)"
    assert events.list_targets_by_rule(Rule="hourly")["Targets"] == [{"Id": "1", "Arn": ARN}]
    assert events.list_tags_for_resource(ResourceARN=rule)["Tags"] == [{"Key": "a", "Value": "b"}]
    own_server.advance("1h")
    again = received(own_server, queue)
    assert len(again) == 1 and again[0]["time"] not in {event["time"] for event in sent}
    events.disable_rule(Name="hourly")
    own_server.advance("5h")
    assert received(own_server, queue) == [] and events.describe_rule(Name="hourly")["State"] == "DISABLED"
    events.enable_rule(Name="hourly")
    own_server.advance("1h")
    assert len(received(own_server, queue)) == 1
    assert refused(events.delete_rule, Name="hourly") == "ValidationException"
    assert events.remove_targets(Rule="hourly", Ids=["1", "none"])["FailedEntryCount"] == 1
    events.delete_rule(Name="hourly")
    assert refused(events.describe_rule, Name="hourly") == "ResourceNotFoundException"


def test_a_cron_rule_sends_its_input_every_night(own_server, queue):
    events = own_server.client("events")
    events.put_rule(Name="nightly", ScheduleExpression="cron(30 2 * * ? *)")
    events.put_targets(Rule="nightly", Targets=[{"Id": "1", "Arn": ARN, "Input": json.dumps({"job": "clean"})}])
    own_server.advance("3d")
    assert received(own_server, queue) == [{"job": "clean"}] * 3


def test_events_find_the_rules_whose_pattern_they_match(own_server, queue):
    events = own_server.client("events")
    events.put_rule(Name="sold", EventPattern=json.dumps({"source": ["shop"], "detail": {"price": [{"numeric": [">", 100]}]}}))
    events.put_targets(Rule="sold", Targets=[
        {"Id": "all", "Arn": ARN},
        {"Id": "part", "Arn": ARN, "InputPath": "$.detail"},
        {"Id": "text", "Arn": ARN, "InputTransformer": {"InputPathsMap": {"what": "$.detail.what"}, "InputTemplate": '"sold: <what>"'}}])
    answer = events.put_events(Entries=[
        {"Source": "shop", "DetailType": "sale", "Detail": json.dumps({"price": 150, "what": "lamp"}), "Resources": ["r"]},
        {"Source": "shop", "DetailType": "sale", "Detail": json.dumps({"price": 50})},
        {"Source": "shop", "DetailType": "sale", "Detail": "{"},
        {"Source": "aws.shop", "DetailType": "sale", "Detail": "{}"}])
    assert answer["FailedEntryCount"] == 2 and [entry.get("ErrorCode") for entry in answer["Entries"]] == [
        None, None, "MalformedDetail", "NotAuthorizedForSourceException"]
    sent = received(own_server, queue)
    assert len(sent) == 3 and {"price": 150, "what": "lamp"} in sent and "sold: lamp" in sent
    whole = [event for event in sent if isinstance(event, dict) and "source" in event]
    assert whole[0]["detail-type"] == "sale" and whole[0]["resources"] == ["r"] and whole[0]["id"] == answer["Entries"][0]["EventId"]
    assert events.list_rule_names_by_target(TargetArn=ARN)["RuleNames"] == ["sold"]
    event = {"id": "1", "account": "0", "source": "shop", "time": "t", "region": "r", "resources": [], "detail-type": "d", "detail": {}}
    assert events.test_event_pattern(EventPattern='{"source":["shop"]}', Event=json.dumps(event))["Result"] is True


def zip_of_text(text):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.py", text)
    return out.getvalue()


def test_a_scheduled_rule_invokes_a_function(own_server):
    own_server.function("job", zip_of_text(CODE), runtime="python3.11")
    events = own_server.client("events")
    events.put_rule(Name="job", ScheduleExpression="rate(1 day)")
    events.put_targets(Rule="job", Targets=[{"Id": "1", "Arn": "arn:aws:lambda:us-east-1:000000000000:function:job"}])
    own_server.advance("2d")
    own_server.settle()

    def lines():
        found = own_server.client("logs").filter_log_events(logGroupName="/aws/lambda/job", filterPattern='"ran for Scheduled Event"')["events"]
        return found if len(found) == 2 else None

    assert len({event["message"] for event in wait_until(lines, "two runs in the log")}) == 2


@pytest.mark.parametrize("options, code", [
    ({"ScheduleExpression": "rate(1 minutes)"}, "ValidationException"),
    ({"ScheduleExpression": "cron(0 10 * * * *)"}, "ValidationException"),
    ({}, "ValidationException"),
    ({"EventPattern": "{"}, "InvalidEventPatternException"),
    ({"ScheduleExpression": "rate(1 day)", "EventBusName": "other"}, "ResourceNotFoundException"),
    ({"ScheduleExpression": "rate(1 day)", "State": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"}, "ValidationException"),
])
def test_bad_rules_are_refused(server, unique, options, code):
    assert refused(server.client("events").put_rule, Name=unique, **options) == code


@pytest.mark.parametrize("target, message", [
    ({"Arn": "arn:aws:states:us-east-1:000000000000:stateMachine:x"}, "not supported by this server"),
    ({"Arn": ARN, "SqsParameters": {"MessageGroupId": "g"}}, "SqsParameters .* is not supported"),
    ({"Arn": ARN, "Input": "{"}, "JSON syntax error in input for target t"),
    ({"Arn": ARN, "Input": "{}", "InputPath": "$.a"}, "Only one of"),
])
def test_bad_targets_are_refused(server, unique, target, message):
    events = server.client("events")
    events.put_rule(Name=unique, ScheduleExpression="rate(1 day)")
    with pytest.raises(botocore.exceptions.ClientError, match=message):
        events.put_targets(Rule=unique, Targets=[{"Id": "t", **target}])
    assert refused(events.put_targets, Rule=unique + "-none", Targets=[{"Id": "t", "Arn": ARN}]) == "ResourceNotFoundException"
