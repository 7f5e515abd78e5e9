"""SNS with boto3: topics, subscriptions of queues and functions, filters, publishing."""
import json
import re

import botocore.exceptions
import pytest

from world import wait_until, zip_of

PREFIX = "arn:aws:sns:us-east-1:000000000000:"
ECHO = "import json\ndef handler(event, context):\n    print('EVENT ' + json.dumps(event))\n"


@pytest.fixture(scope="module")
def sns(server):
    return server.client("sns")


@pytest.fixture(scope="module")
def sqs(server):
    return server.client("sqs")


@pytest.fixture
def topic(sns, unique):
    return sns.create_topic(Name=unique)["TopicArn"]


def queue_of(sqs, name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def received(server, sqs, url):
    """All messages, settled and removed."""
    server.settle()
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages"):
        found += messages
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


# -- topics --------------------------------------------------------------------------------------------------------------------


def test_topics_come_and_go(sns, unique):
    arn = sns.create_topic(Name=unique, Attributes={"DisplayName": "x"}, Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    assert arn.endswith(f":{unique}") and arn.startswith("arn:aws:sns:")
    assert sns.create_topic(Name=unique)["TopicArn"] == arn
    assert refused(sns.create_topic, Name=unique, Attributes={"DisplayName": "y"}) == (
        "InvalidParameter", "Invalid parameter: Attributes Reason: Topic already exists with different attributes")
    assert refused(sns.create_topic, Name=unique, Tags=[{"Key": "a", "Value": "c"}]) == (
        "InvalidParameter", "Invalid parameter: Tags Reason: Topic already exists with different tags")
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert attributes["DisplayName"] == "x" and attributes["TopicArn"] == arn and attributes["SubscriptionsConfirmed"] == "0"
    assert json.loads(attributes["Policy"])["Statement"][0]["Resource"] == arn and json.loads(attributes["EffectiveDeliveryPolicy"])["http"]
    sns.set_topic_attributes(TopicArn=arn, AttributeName="DisplayName", AttributeValue="z")
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["DisplayName"] == "z"
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "c", "Value": "d"}])
    sns.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "c", "Value": "d"}]
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)
    assert refused(sns.get_topic_attributes, TopicArn=arn) == ("NotFound", "Topic does not exist")
    assert refused(sns.list_tags_for_resource, ResourceArn=arn)[0] == "ResourceNotFound"


def test_topics_are_listed_in_pages_and_by_region(server):
    sns = server.client("sns", account="222233334444", region="eu-west-1")
    made = {sns.create_topic(Name=f"page-{number:03}")["TopicArn"] for number in range(101)}
    first = sns.list_topics()
    assert len(first["Topics"]) == 100 and first["NextToken"]
    assert {topic["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for topic in page["Topics"]} == made
    assert server.client("sns", account="222233334444").list_topics()["Topics"] == []


def test_what_is_not_served_is_refused_by_name(sns, topic, unique):
    assert refused(sns.create_topic, Name=unique + ".fifo", Attributes={"FifoTopic": "true"})[1].find("FIFO topics are not supported") > 0
    assert refused(sns.create_topic, Name="no spaces") == ("InvalidParameter", "Invalid parameter: Topic Name")
    for protocol, endpoint in (("http", "http://x"), ("email", "a@b"), ("sms", "+4912345"), ("firehose", "arn:aws:firehose:x")):
        code, text = refused(sns.subscribe, TopicArn=topic, Protocol=protocol, Endpoint=endpoint)
        assert code == "InvalidParameter" and protocol in text and "not supported" in text
    assert refused(sns.subscribe, TopicArn=topic, Protocol="pigeon", Endpoint="x")[1].endswith("does not support this protocol string: pigeon")
    assert "KmsMasterKeyId" in refused(sns.set_topic_attributes, TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue="k")[1]
    assert refused(sns.publish, TopicArn=topic, Message="x", MessageGroupId="g")[0] == "InvalidParameter"
    assert "SMS" in refused(sns.publish, PhoneNumber="+491234", Message="x")[1]
    assert refused(sns.confirm_subscription, TopicArn=topic, Token="x")[0] == "InvalidAction"


# -- subscriptions -------------------------------------------------------------------------------------------------------------


def test_subscriptions_come_and_go(sns, sqs, topic, unique):
    _, queue = queue_of(sqs, unique)
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})["SubscriptionArn"]
    assert re.fullmatch(re.escape(topic) + r":[0-9a-f-]{36}", arn)
    assert sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)["SubscriptionArn"] == arn
    assert "already exists" in refused(sns.subscribe, TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "false"})[1]
    shown = {"SubscriptionArn": arn, "Owner": "000000000000", "Protocol": "sqs", "Endpoint": queue, "TopicArn": topic}
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == [shown] and shown in sns.list_subscriptions()["Subscriptions"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert attributes["RawMessageDelivery"] == "true" and attributes["PendingConfirmation"] == "false"
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicyScope", AttributeValue="MessageBody")
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue='{"a":{"b":["c"]}}')
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert attributes["FilterPolicy"] == '{"a":{"b":["c"]}}' and attributes["FilterPolicyScope"] == "MessageBody"
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsConfirmed"] == "1"
    sns.unsubscribe(SubscriptionArn=arn)
    sns.unsubscribe(SubscriptionArn=arn)
    assert refused(sns.get_subscription_attributes, SubscriptionArn=arn) == ("NotFound", "Subscription does not exist")
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsDeleted"] == "1"


def test_bad_subscriptions_are_refused(sns, sqs, topic, unique):
    _, queue = queue_of(sqs, unique)

    def subscribe(protocol="sqs", endpoint=queue, **attributes):
        return refused(sns.subscribe, TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes)[1]

    assert subscribe(endpoint="nonsense") == "Invalid parameter: SQS endpoint ARN"
    assert subscribe(endpoint=queue + ".fifo").endswith("FIFO SQS Queues can not be subscribed to standard SNS topics")
    assert subscribe("lambda", queue) == "Invalid parameter: Lambda endpoint ARN"
    assert subscribe(FilterPolicy="{").startswith("Invalid parameter: Attributes Reason: FilterPolicy: failed to parse JSON")
    assert "does not support nested filter policy" in subscribe(FilterPolicy='{"a":{"b":["c"]}}')
    assert "FilterPolicy" in subscribe(FilterPolicy='{"a":[{"unknown":1}]}') and "more than 5 keys" in subscribe(
        FilterPolicy=json.dumps({str(number): ["x"] for number in range(6)}))
    assert "FilterPolicyScope" in subscribe(FilterPolicyScope="Body") and "RawMessageDelivery" in subscribe(RawMessageDelivery="yes")
    assert "RedrivePolicy" in subscribe(RedrivePolicy='{"deadLetterTargetArn":"x"}') and "DeliveryPolicy" in subscribe(DeliveryPolicy="{}")
    function = "arn:aws:lambda:us-east-1:000000000000:function:f"
    assert "does not support raw message delivery" in subscribe("lambda", function, RawMessageDelivery="true")
    assert refused(sns.subscribe, TopicArn=topic + "-none", Protocol="sqs", Endpoint=queue) == ("NotFound", "Topic does not exist")
    assert refused(sns.subscribe, TopicArn="nonsense", Protocol="sqs", Endpoint=queue)[1].endswith("An ARN must have at least 6 elements, not 1")


# -- publishing ----------------------------------------------------------------------------------------------------------------


def test_a_queue_gets_the_envelope_or_the_raw_message(server, sns, sqs, topic, unique):
    plain, raw = queue_of(sqs, unique + "-plain"), queue_of(sqs, unique + "-raw")
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=plain[1])["SubscriptionArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=raw[1], Attributes={"RawMessageDelivery": "true"})
    given = {"kind": {"DataType": "String", "StringValue": "new"}, "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}}
    sent = sns.publish(TopicArn=topic, Message='say "hi"\n', Subject="greeting", MessageAttributes=given)["MessageId"]
    (message,) = received(server, sqs, plain[0])
    envelope = json.loads(message["Body"])
    assert list(envelope) == ["Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL",
                              "UnsubscribeURL", "MessageAttributes"]
    assert message["Body"].startswith('{\n  "Type" : "Notification",\n  "MessageId" : "') and message["Body"].endswith('\n  }\n}')
    assert (envelope["Type"], envelope["MessageId"], envelope["TopicArn"]) == ("Notification", sent, topic)
    assert (envelope["Subject"], envelope["Message"], envelope["SignatureVersion"]) == ("greeting", 'say "hi"\n', "1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", envelope["Timestamp"]) and envelope["UnsubscribeURL"].endswith(subscription)
    assert envelope["MessageAttributes"] == {"kind": {"Type": "String", "Value": "new"}, "bytes": {"Type": "Binary", "Value": "AAE="}}
    assert "MessageAttributes" not in message
    (message,) = received(server, sqs, raw[0])
    assert message["Body"] == 'say "hi"\n' and message["MessageAttributes"] == given
    sns.publish(TargetArn=topic, Message="bare")
    envelope = json.loads(received(server, sqs, plain[0])[0]["Body"])
    assert "Subject" not in envelope and "MessageAttributes" not in envelope


def test_a_function_gets_the_event(server, sns, topic, unique, tmp_path):
    code = tmp_path / "index.py"
    code.write_text(ECHO)
    function = server.client("lambda").create_function(FunctionName=unique, Runtime="python3.11", Handler="index.handler",
                                                       Role="arn:aws:iam::000000000000:role/r", Code={"ZipFile": zip_of(code)})["FunctionArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)["SubscriptionArn"]
    sns.publish(TopicArn=topic, Message="m", MessageAttributes={"n": {"DataType": "Number", "StringValue": "7"}})
    logs = server.client("logs")

    def printed():
        server.settle()
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{unique}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return next((event["message"][6:] for event in events if event["message"].startswith("EVENT ")), None)

    (record,) = json.loads(wait_until(printed, "the function's output"))["Records"]
    assert list(record) == ["EventSource", "EventVersion", "EventSubscriptionArn", "Sns"]
    assert (record["EventSource"], record["EventVersion"], record["EventSubscriptionArn"]) == ("aws:sns", "1.0", subscription)
    assert list(record["Sns"]) == ["Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature",
                                   "SigningCertUrl", "UnsubscribeUrl", "MessageAttributes"]
    assert record["Sns"]["Subject"] is None and record["Sns"]["Message"] == "m"
    assert record["Sns"]["MessageAttributes"] == {"n": {"Type": "Number", "Value": "7"}}


@pytest.mark.parametrize("policy,scope,attributes,body,passes", [
    ({"a": ["x"]}, None, {"a": ("String", "x")}, "m", True),
    ({"a": ["x"]}, None, {}, "m", False),
    ({"a": [{"numeric": [">", 5]}]}, None, {"a": ("Number", "6.5")}, "m", True),
    ({"a": [{"numeric": [">", 5]}]}, None, {"a": ("String", "6.5")}, "m", False),
    ({"a": [{"anything-but": ["x"]}]}, None, {"a": ("String", "y")}, "m", True),
    ({"a": ["x"]}, None, {"a": ("String.Array", '["w","x"]')}, "m", True),
    ({"a": [{"prefix": "w"}], "b": [{"exists": False}]}, None, {"a": ("String.Array", '["w","x"]')}, "m", True),
    ({"a": {"b": ["x"]}}, "MessageBody", {}, '{"a":{"b":"x"}}', True),
    ({"a": {"b": ["x"]}}, "MessageBody", {}, '{"a":{"b":"y"}}', False),
    ({"a": ["x"]}, "MessageBody", {"a": ("String", "x")}, "no JSON", False),
])
def test_filters_decide_who_gets_a_message(server, sns, sqs, topic, unique, policy, scope, attributes, body, passes):
    url, arn = queue_of(sqs, unique)
    settings = {"FilterPolicy": json.dumps(policy), "RawMessageDelivery": "true", **({"FilterPolicyScope": scope} if scope else {})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=settings)
    sns.publish(TopicArn=topic, Message=body, MessageAttributes={name: {"DataType": kind, "StringValue": value} for name, (kind, value) in attributes.items()})
    assert [message["Body"] for message in received(server, sqs, url)] == ([body] if passes else [])


def test_a_message_can_differ_by_protocol(server, sns, sqs, topic, unique):
    url, arn = queue_of(sqs, unique)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, MessageStructure="json", Message='{"default":"d","sqs":"q"}')
    sns.publish(TopicArn=topic, MessageStructure="json", Message='{"default":"d","email":"e"}')
    assert sorted(message["Body"] for message in received(server, sqs, url)) == ["d", "q"]
    assert refused(sns.publish, TopicArn=topic, MessageStructure="json", Message="{}")[1] == (
        "Invalid parameter: Message Structure - No default entry in JSON message body")
    assert refused(sns.publish, TopicArn=topic, MessageStructure="json", Message="x")[1] == (
        "Invalid parameter: Message Structure - JSON message body failed to parse")


def test_batches_report_each_entry(server, sns, sqs, topic, unique):
    url, arn = queue_of(sqs, unique)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[
        {"Id": "a", "Message": "one"}, {"Id": "b", "Message": "two", "Subject": "line\nbreak"}, {"Id": "c", "Message": "three"}])
    assert [entry["Id"] for entry in answer["Successful"]] == ["a", "c"] and all(entry["MessageId"] for entry in answer["Successful"])
    assert answer["Failed"] == [{"Id": "b", "Code": "InvalidParameter", "Message": "Invalid parameter: Subject", "SenderFault": True}]
    assert sorted(message["Body"] for message in received(server, sqs, url)) == ["one", "three"]

    def batch(*ids, message="m"):
        return refused(sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=[{"Id": each, "Message": message} for each in ids])[0]

    assert batch() == "EmptyBatchRequest" and batch(*map(str, range(11))) == "TooManyEntriesInBatchRequest"
    assert batch("a", "a") == "BatchEntryIdsNotDistinct" and batch("a b") == "InvalidBatchEntryId"
    assert batch("a", "b", message="m" * 140_000) == "BatchRequestTooLong"


def test_bad_messages_are_refused(sns, topic):
    def text(**options):
        return refused(sns.publish, **{"TopicArn": topic, "Message": "m", **options})[1]

    assert text(Message="") == "Invalid parameter: Empty message" and text(Message="m" * 262_145) == "Invalid parameter: Message too long"
    assert text(Subject="a\nb") == text(Subject="x" * 101) == "Invalid parameter: Subject"
    assert "number" in text(MessageAttributes={"n": {"DataType": "Number", "StringValue": "x"}})
    assert refused(sns.publish, TopicArn=topic + "-none", Message="m") == ("NotFound", "Topic does not exist")
    assert "MessageStructure" in text(MessageStructure="xml")


def test_what_cannot_be_delivered_goes_to_the_dead_letter_queue(server, sns, sqs, topic, unique):
    gone, dead = queue_of(sqs, unique + "-gone"), queue_of(sqs, unique + "-dead")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=gone[1],
                  Attributes={"RawMessageDelivery": "true", "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead[1]})})
    sqs.delete_queue(QueueUrl=gone[0])
    sns.publish(TopicArn=topic, Message="kept")
    assert [message["Body"] for message in received(server, sqs, dead[0])] == ["kept"]


def test_topics_subscriptions_and_messages_survive_a_kill(own_server):
    sns, sqs = own_server.client("sns"), own_server.client("sqs")
    topic = sns.create_topic(Name="kept", Attributes={"DisplayName": "x"}, Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    url, queue = queue_of(sqs, "q")
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue,
                                 Attributes={"FilterPolicyScope": "MessageBody", "FilterPolicy": '{"a":[1]}'})["SubscriptionArn"]
    sns.delete_topic(TopicArn=sns.create_topic(Name="gone")["TopicArn"])
    sns.publish(TopicArn=topic, Message='{"a":1}')
    own_server.kill()
    own_server.start()
    sns, sqs = own_server.client("sns"), own_server.client("sqs")
    assert [each["TopicArn"] for each in sns.list_topics()["Topics"]] == [topic]
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] == "x" and sns.list_tags_for_resource(ResourceArn=topic)["Tags"]
    assert sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]["FilterPolicyScope"] == "MessageBody"
    assert len(received(own_server, sqs, url)) == 1
    sns.publish(TopicArn=topic, Message='{"a":2}')
    assert received(own_server, sqs, url) == []


def test_the_command_line_shows_and_publishes(server, sns, sqs, topic, unique):
    url, arn = queue_of(sqs, unique)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    assert re.search(rf"{unique} +1 ", server.cli("topics", "ls")) and arn in server.cli("topics", "show", unique)
    shown = json.loads(server.cli("topics", "publish", unique, "hello", "--attribute", "k=v", "--json"))
    (message,) = received(server, sqs, url)
    assert message["Body"] == "hello" and message["MessageAttributes"]["k"]["StringValue"] == "v" and shown["message_id"]


def test_reset_empties_topics_of_one_account(server):
    sns = server.client("sns", account="333344445555")
    sns.create_topic(Name="x")
    server.admin("reset?account=333344445555", {"service": "sns"})
    assert sns.list_topics()["Topics"] == []
