"""The administration endpoints: reset, downloads of code."""
import hashlib
import base64
import json
import urllib.error
import urllib.request

import botocore.exceptions
import pytest

from world import zip_of

SERVICES = ("dynamodb", "lambda", "s3", "sqs", "iam", "logs")
TRUST = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    file = tmp_path_factory.mktemp("code") / "index.py"
    file.write_text("def handler(event, context):\n    return event\n")
    return zip_of(file)


def fill(server, code, account="test", region="us-east-1"):
    """One of everything; returns the names for `remaining`."""
    clients = {name: server.client(name, account=account, region=region) for name in SERVICES}
    clients["dynamodb"].create_table(
        TableName="table", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], DeletionProtectionEnabled=True,
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    clients["dynamodb"].put_item(TableName="table", Item={"id": {"S": "1"}})
    stream = clients["dynamodb"].describe_table(TableName="table")["Table"]["LatestStreamArn"]
    clients["lambda"].create_function(FunctionName="f", Runtime="python3.11", Role="arn:aws:iam::000000000000:role/x", Handler="index.handler", Code={"ZipFile": code})
    clients["lambda"].create_event_source_mapping(EventSourceArn=stream, FunctionName="f", StartingPosition="LATEST")
    bucket = f"bucket-{account}-{region}"
    if region == "us-east-1":
        clients["s3"].create_bucket(Bucket=bucket)
    else:
        clients["s3"].create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    clients["s3"].put_object(Bucket=bucket, Key="small", Body=b"1")
    clients["s3"].put_object(Bucket=bucket, Key="large", Body=b"1" * 100_000)
    clients["s3"].create_multipart_upload(Bucket=bucket, Key="parts")
    url = clients["sqs"].create_queue(QueueName="q")["QueueUrl"]
    clients["sqs"].send_message(QueueUrl=url, MessageBody="1")
    try:
        clients["iam"].create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    except clients["iam"].exceptions.EntityAlreadyExistsException:
        pass
    clients["logs"].create_log_group(logGroupName="/g")


def remaining(server, account="test", region="us-east-1"):
    client = {name: server.client(name, account=account, region=region) for name in SERVICES}
    left = {
        "dynamodb": client["dynamodb"].list_tables()["TableNames"],
        "lambda": client["lambda"].list_functions()["Functions"] + client["lambda"].list_event_source_mappings()["EventSourceMappings"],
        "s3": client["s3"].list_buckets()["Buckets"],
        "sqs": client["sqs"].list_queues().get("QueueUrls", []),
        "iam": client["iam"].list_roles()["Roles"],
        "logs": client["logs"].describe_log_groups()["logGroups"],
    }
    return {name for name, found in left.items() if found}


def reset(server, service=None, account="000000000000"):
    body = {} if service is None else {"service": service}
    return server.admin(f"reset?account={account}", body)


@pytest.mark.parametrize("service", SERVICES)
def test_reset_of_one_service_leaves_the_others(own_server, code, service):
    fill(own_server, code)
    assert remaining(own_server) == set(SERVICES)
    assert reset(own_server, service) == {"reset": True}
    assert remaining(own_server) == set(SERVICES) - {service}


def test_reset_empties_an_account_in_all_regions_and_no_other(own_server, code):
    fill(own_server, code)
    fill(own_server, code, region="eu-west-1")
    fill(own_server, code, account="111122223333")
    reset(own_server)
    assert remaining(own_server) == remaining(own_server, region="eu-west-1") == set()
    assert remaining(own_server, account="111122223333") == set(SERVICES)
    fill(own_server, code)  # every name is free again, and what comes is new
    assert own_server.client("dynamodb").scan(TableName="table")["Count"] == 1
    assert own_server.client("s3").list_objects_v2(Bucket="bucket-test-us-east-1")["KeyCount"] == 2
    own_server.kill()
    own_server.start()
    assert remaining(own_server, region="eu-west-1") == {"s3", "iam"} and remaining(own_server) == set(SERVICES)  # no regions there
    own_server.cli("reset")
    assert remaining(own_server) == set()
    own_server.kill()
    own_server.start()
    assert remaining(own_server) == set() and remaining(own_server, account="111122223333") == set(SERVICES)
    assert [file for file in (own_server.data / "objects").rglob("*") if file.is_file()].__len__() == 1


def test_reset_forgets_stacks(own_server):
    body = json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "of-a-stack"}}}})
    cloudformation, other = own_server.client("cloudformation"), own_server.client("cloudformation", account="111122223333")
    for each in (cloudformation, other):
        each.create_stack(StackName="s", TemplateBody=body)
        each.get_waiter("stack_create_complete").wait(StackName="s")
    reset(own_server, "cloudformation")
    assert cloudformation.list_stacks()["StackSummaries"] == [] and own_server.client("sqs").list_queues()["QueueUrls"]
    reset(own_server)
    cloudformation.create_stack(StackName="s", TemplateBody=body)  # the name and the queue's are free
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s")
    reset(own_server)
    own_server.kill()
    own_server.start()
    names = {account: [each["StackName"] for each in own_server.client("cloudformation", account=account).list_stacks()["StackSummaries"]] for account in ("test", "111122223333")}
    assert names == {"test": [], "111122223333": ["s"]}


def test_reset_refuses_what_it_does_not_know(server):
    with pytest.raises(RuntimeError, match="400.*dynamodb, lambda, s3"):
        reset(server, "ec2")
    with pytest.raises(RuntimeError, match="400.*POST"):
        server.admin("reset")


def test_the_code_of_a_function_can_be_downloaded(server, code, unique):
    for region in ("us-east-1", "eu-west-1"):
        functions = server.client("lambda", region=region)
        functions.create_function(FunctionName=unique, Runtime="python3.11", Role="arn:aws:iam::000000000000:role/x", Handler="index.handler", Code={"ZipFile": code})
        answer = functions.get_function(FunctionName=unique)
        with urllib.request.urlopen(answer["Code"]["Location"], timeout=30) as response:
            assert response.headers["content-type"] == "application/zip"
            data = response.read()
        assert data == code
        assert base64.b64encode(hashlib.sha256(data).digest()).decode() == answer["Configuration"]["CodeSha256"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(answer["Code"]["Location"].replace(unique, "none"), timeout=30)
    functions.delete_function(FunctionName=unique)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(answer["Code"]["Location"], timeout=30)


def test_faults_are_added_listed_hit_and_removed(server, unique):
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName=unique)["QueueUrl"]
    server.admin("faults", {"service": "sqs", "operation": "SendMessage", "resource": unique, "kind": "throttle", "count": 1})
    with pytest.raises(botocore.exceptions.ClientError):
        sqs.send_message(QueueUrl=url, MessageBody="1")
    sqs.send_message(QueueUrl=url, MessageBody="1")
    for fault in server.admin("faults")["faults"]:
        server.admin(f"faults/{fault['id']}", method="DELETE")
    assert server.admin("faults")["faults"] == []
