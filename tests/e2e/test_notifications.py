"""Event notifications of buckets to queues, topics and functions, and buckets and topics as destinations of asynchronous invocations."""
import json
import re

import botocore.exceptions
import pytest

from test_sns import queue_of, received
from world import wait_until, zip_of

KIB = 1024


@pytest.fixture(scope="module")
def s3(server):
    return server.client("s3")


@pytest.fixture(scope="module")
def sqs(server):
    return server.client("sqs")


@pytest.fixture
def bucket(s3, unique):
    s3.create_bucket(Bucket=unique)
    return unique


def notify(s3, bucket, arn, *events, **filters):
    rule = {"QueueArn": arn, "Events": list(events)}
    if filters:
        rule["Filter"] = {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in filters.items()]}}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [rule]})


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def events(server, sqs, url):
    """Name and key of every event in the queue, in order; test events are left out."""
    bodies = [json.loads(message["Body"]) for message in received(server, sqs, url)]
    records = [record for body in bodies for record in body.get("Records", [])]
    return [(record["eventName"], record["s3"]["object"]["key"]) for record in sorted(records, key=lambda record: record["s3"]["object"]["sequencer"])]


def test_an_event_has_AWSs_members_in_AWSs_order(server, s3, sqs, bucket, unique):
    url, arn = queue_of(sqs, unique)
    notify(s3, bucket, arn, "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
    (test,) = [json.loads(message["Body"]) for message in received(server, sqs, url)]
    assert list(test) == ["Service", "Event", "Time", "Bucket", "RequestId", "HostId"]
    assert (test["Service"], test["Event"], test["Bucket"]) == ("Amazon S3", "s3:TestEvent", bucket)
    answer = s3.put_object(Bucket=bucket, Key="a folder/ü+1.txt", Body=b"hello")
    (message,) = received(server, sqs, url)
    (record,) = json.loads(message["Body"])["Records"]
    assert list(record) == ["eventVersion", "eventSource", "awsRegion", "eventTime", "eventName", "userIdentity", "requestParameters",
                            "responseElements", "s3"]
    assert (record["eventVersion"], record["eventSource"], record["awsRegion"]) == ("2.1", "aws:s3", s3.meta.region_name)
    assert record["eventName"] == "ObjectCreated:Put" and re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", record["eventTime"])
    assert record["requestParameters"] == {"sourceIPAddress": "127.0.0.1"} and record["userIdentity"]["principalId"].startswith("AWS:")
    assert record["responseElements"]["x-amz-request-id"] == answer["ResponseMetadata"]["RequestId"]
    assert list(record["s3"]) == ["s3SchemaVersion", "configurationId", "bucket", "object"] and record["s3"]["configurationId"]
    assert record["s3"]["bucket"]["name"] == bucket and record["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{bucket}"
    found = record["s3"]["object"]
    assert list(found) == ["key", "size", "eTag", "sequencer"]
    assert (found["key"], found["size"], found["eTag"]) == ("a+folder/%C3%BC%2B1.txt", 5, answer["ETag"].strip('"'))
    s3.delete_object(Bucket=bucket, Key="a folder/ü+1.txt")
    (message,) = received(server, sqs, url)
    (record,) = json.loads(message["Body"])["Records"]
    assert record["eventName"] == "ObjectRemoved:Delete" and list(record["s3"]["object"]) == ["key", "sequencer"]
    assert record["s3"]["object"]["sequencer"] > found["sequencer"]


def test_every_way_of_changing_an_object_is_an_event(server, s3, sqs, bucket, unique):
    url, arn = queue_of(sqs, unique)
    notify(s3, bucket, arn, "s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*")
    s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 100 * KIB)
    s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="c")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="c", UploadId=upload, PartNumber=1, Body=b"p")["ETag"]
    s3.complete_multipart_upload(Bucket=bucket, Key="c", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="a")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "none"}]})
    s3.delete_object(Bucket=bucket, Key="none")
    assert events(server, sqs, url) == [("ObjectCreated:Put", "a"), ("ObjectCreated:Copy", "b"), ("ObjectCreated:CompleteMultipartUpload", "c"),
                                        ("ObjectTagging:Put", "a"), ("ObjectTagging:Delete", "a"), ("ObjectRemoved:Delete", "a")]


def test_prefix_suffix_and_event_decide(server, s3, sqs, bucket, unique):
    url, arn = queue_of(sqs, unique)
    notify(s3, bucket, arn, "s3:ObjectCreated:Copy", prefix="in/", suffix=".csv")
    for key in ("in/a.csv", "in/a.txt", "out/a.csv"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    for key in ("in/b.csv", "in/b.txt", "out/b.csv"):
        s3.copy_object(Bucket=bucket, Key=key, CopySource=f"{bucket}/in/a.csv")
    assert events(server, sqs, url) == [("ObjectCreated:Copy", "in/b.csv")]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    s3.copy_object(Bucket=bucket, Key="in/c.csv", CopySource=f"{bucket}/in/a.csv")
    assert events(server, sqs, url) == []


def test_expired_and_moved_objects_are_events(own_server):
    s3, sqs = own_server.client("s3"), own_server.client("sqs")
    url, arn = queue_of(sqs, "q")
    s3.create_bucket(Bucket="bucket")
    notify(s3, "bucket", arn, "s3:LifecycleExpiration:*", "s3:LifecycleTransition")
    s3.put_bucket_lifecycle_configuration(Bucket="bucket", LifecycleConfiguration={"Rules": [
        {"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 60}, "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]}]})
    s3.put_object(Bucket="bucket", Key="old", Body=b"x" * 200 * KIB)
    own_server.advance("32d")
    own_server.settle()
    (record,) = [record for message in received(own_server, sqs, url) for record in json.loads(message["Body"]).get("Records", [])]
    assert record["eventName"] == "LifecycleTransition" and record["eventVersion"] == "2.3"
    assert record["lifecycleEventData"] == {"transitionEventData": {"destinationStorageClass": "GLACIER"}}
    assert record["userIdentity"]["principalId"] == record["requestParameters"]["sourceIPAddress"] == "s3.amazonaws.com"
    own_server.advance("31d")
    assert events(own_server, sqs, url) == [("LifecycleExpiration:Delete", "old")]


def test_configurations_are_shown_and_checked(server, s3, sqs, bucket, unique):
    _, arn = queue_of(sqs, unique)
    notify(s3, bucket, arn, "s3:ObjectCreated:*", prefix="a/")
    shown = s3.get_bucket_notification_configuration(Bucket=bucket)
    (rule,) = shown["QueueConfigurations"]
    assert rule["Id"] and (rule["QueueArn"], rule["Events"]) == (arn, ["s3:ObjectCreated:*"])
    assert rule["Filter"]["Key"]["FilterRules"] == [{"Name": "Prefix", "Value": "a/"}]

    def put(*rules, **more):
        return refused(s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration={"QueueConfigurations": list(rules), **more})

    def rule_of(**change):
        return {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], **change}

    assert put(rule_of(QueueArn=arn + "-none")) == ("InvalidArgument", "Unable to validate the following destination configurations")
    assert "region" in put(rule_of(QueueArn=arn.replace(s3.meta.region_name, "eu-north-1")))[1]
    assert put(rule_of(QueueArn="arn:aws:sns:us-east-1:000000000000:x"))[1] == "The ARN could not be parsed"
    assert put(rule_of(Events=["s3:ObjectRestore:Post"]))[0] == "NotImplemented"
    assert put(rule_of(), rule_of(Events=["s3:ObjectCreated:Put"]))[1].startswith("Configurations overlap")
    overlapping = [rule_of(Filter={"Key": {"FilterRules": [{"Name": "suffix", "Value": value}]}}) for value in ("a.csv", ".csv")]
    assert put(*overlapping)[1].startswith("Configuration is ambiguously defined")
    assert put(EventBridgeConfiguration={})[0] == "NotImplemented"
    twice = [{"Name": "prefix", "Value": "a"}, {"Name": "prefix", "Value": "b"}]
    assert "more than one prefix rule" in put(rule_of(Filter={"Key": {"FilterRules": twice}}))[1]
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"] == [rule]
    s3.put_bucket_notification_configuration(Bucket=bucket, SkipDestinationValidation=True,
                                             NotificationConfiguration={"QueueConfigurations": [rule_of(QueueArn=arn + "-none")]})
    s3.put_object(Bucket=bucket, Key="x", Body=b"x")  # what cannot be told does not stop the write
    assert s3.head_object(Bucket=bucket, Key="x")


def test_topics_and_functions_are_told(server, s3, sqs, bucket, unique, tmp_path):
    url, arn = queue_of(sqs, unique)
    sns = server.client("sns")
    topic = sns.create_topic(Name=unique)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    code = tmp_path / "index.py"
    code.write_text("import json\ndef handler(event, context):\n    print('EVENT ' + json.dumps(event))\n")
    made = server.client("lambda").create_function(FunctionName=unique, Runtime="python3.11", Handler="index.handler",
                                                   Role="arn:aws:iam::000000000000:role/r", Code={"ZipFile": zip_of(code)})["FunctionArn"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
        "TopicConfigurations": [{"Id": "t", "TopicArn": topic, "Events": ["s3:ObjectCreated:Put"]}],
        "LambdaFunctionConfigurations": [{"Id": "f", "LambdaFunctionArn": made, "Events": ["s3:ObjectRemoved:Delete"]}]})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="k")
    test, put = sorted((json.loads(message["Body"]) for message in received(server, sqs, url)), key=lambda envelope: "Records" in envelope["Message"])
    assert test["Subject"] == put["Subject"] == "Amazon S3 Notification" and json.loads(test["Message"])["Event"] == "s3:TestEvent"
    assert json.loads(put["Message"])["Records"][0]["s3"]["configurationId"] == "t"
    logs = server.client("logs")

    def printed():
        server.settle()
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{unique}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return next((event["message"][6:] for event in found if event["message"].startswith("EVENT ")), None)

    (record,) = json.loads(wait_until(printed, "the function's output"))["Records"]
    assert record["eventName"] == "ObjectRemoved:Delete" and record["s3"]["configurationId"] == "f"


def test_configurations_and_events_survive_a_kill(own_server):
    s3, sqs = own_server.client("s3"), own_server.client("sqs")
    url, arn = queue_of(sqs, "q")
    s3.create_bucket(Bucket="bucket")
    notify(s3, "bucket", arn, "s3:ObjectCreated:*")
    s3.put_object(Bucket="bucket", Key="before", Body=b"x")
    own_server.kill()
    own_server.start()
    s3, sqs = own_server.client("s3"), own_server.client("sqs")
    s3.put_object(Bucket="bucket", Key="after", Body=b"x")
    assert events(own_server, sqs, url) == [("ObjectCreated:Put", "before"), ("ObjectCreated:Put", "after")]


def test_failed_asynchronous_events_end_in_buckets_and_topics(server, s3, sqs, bucket, unique, tmp_path):
    url, arn = queue_of(sqs, unique)
    sns, functions = server.client("sns"), server.client("lambda")
    topic = sns.create_topic(Name=unique)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    code = tmp_path / "index.py"
    code.write_text("def handler(event, context):\n    raise ValueError('no')\n")
    functions.create_function(FunctionName=unique, Runtime="python3.11", Handler="index.handler", Role="arn:aws:iam::000000000000:role/r",
                              Code={"ZipFile": zip_of(code)}, DeadLetterConfig={"TargetArn": topic})
    wrong = refused(functions.put_function_event_invoke_config, FunctionName=unique,
                    DestinationConfig={"OnSuccess": {"Destination": f"arn:aws:s3:::{bucket}"}})
    assert wrong == ("InvalidParameterValueException", f"The destination ARN arn:aws:s3:::{bucket} is invalid.")
    functions.put_function_event_invoke_config(FunctionName=unique, MaximumRetryAttempts=0,
                                               DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}})
    functions.invoke(FunctionName=unique, InvocationType="Event", Payload=b'{"n":1.50}')
    (found,) = wait_until(lambda: s3.list_objects_v2(Bucket=bucket).get("Contents"), "the failure document")
    assert re.fullmatch(rf"aws/lambda/async/{unique}/\d{{4}}/\d\d/\d\d/[\d-]{{10}}T\d\d\.\d\d\.\d\d-[0-9a-f-]{{36}}", found["Key"])
    document = s3.get_object(Bucket=bucket, Key=found["Key"])
    assert document["ContentType"] == "application/octet-stream"
    text = document["Body"].read()
    assert b'"requestPayload":{"n":1.50}' in text and json.loads(text)["requestContext"]["condition"] == "RetriesExhausted"
    (letter,) = received(server, sqs, url)
    assert letter["Body"] == '{"n":1.50}' and letter["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no"
