"""IAM roles and STS."""
import datetime
import json
import urllib.parse
import urllib.request

import boto3
import botocore.exceptions
import pytest

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def iam(server):
    return server.client("iam")


@pytest.fixture
def role(iam, unique):
    return iam.create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(TRUST), Description="dür <x>", Tags=[{"Key": "a", "Value": "b"}])["Role"]


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]["Code"]


def test_roles_come_and_go(iam, role, unique):
    assert role["Arn"] == f"arn:aws:iam::000000000000:role/{unique}" and role["RoleId"].startswith("AROA")
    assert abs(role["CreateDate"] - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=5)
    got = iam.get_role(RoleName=unique)["Role"]
    assert got["AssumeRolePolicyDocument"] == TRUST and got["Description"] == "dür <x>" and got["MaxSessionDuration"] == 3600
    assert got["Tags"] == [{"Key": "a", "Value": "b"}]
    assert refused(iam.create_role, RoleName=unique, AssumeRolePolicyDocument=json.dumps(TRUST)) == "EntityAlreadyExists"
    assert unique in [one["RoleName"] for page in iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2}) for one in page["Roles"]]
    iam.delete_role(RoleName=unique)
    assert refused(iam.get_role, RoleName=unique) == "NoSuchEntity" and refused(iam.delete_role, RoleName=unique) == "NoSuchEntity"


def test_bad_roles_are_refused(iam, unique):
    assert refused(iam.create_role, RoleName=unique, AssumeRolePolicyDocument="{") == "MalformedPolicyDocument"
    assert refused(iam.create_role, RoleName="a b", AssumeRolePolicyDocument=json.dumps(TRUST)) == "ValidationError"
    assert refused(iam.create_role, RoleName=unique, Path="x", AssumeRolePolicyDocument=json.dumps(TRUST)) == "ValidationError"
    assert refused(iam.create_user, UserName=unique) in ("InvalidAction", "NotImplemented")


def test_policies_of_a_role(iam, role, unique):
    iam.put_role_policy(RoleName=unique, PolicyName="inline", PolicyDocument=json.dumps(POLICY))
    assert iam.list_role_policies(RoleName=unique)["PolicyNames"] == ["inline"]
    assert iam.get_role_policy(RoleName=unique, PolicyName="inline")["PolicyDocument"] == POLICY
    managed = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    iam.attach_role_policy(RoleName=unique, PolicyArn=managed)
    assert iam.list_attached_role_policies(RoleName=unique)["AttachedPolicies"] == [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": managed}]
    assert refused(iam.delete_role, RoleName=unique) == "DeleteConflict"
    iam.detach_role_policy(RoleName=unique, PolicyArn=managed)
    iam.delete_role_policy(RoleName=unique, PolicyName="inline")
    assert refused(iam.get_role_policy, RoleName=unique, PolicyName="inline") == "NoSuchEntity"
    changed = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"AWS": "*"}}]}
    iam.update_assume_role_policy(RoleName=unique, PolicyDocument=json.dumps(changed))
    assert iam.get_role(RoleName=unique)["Role"]["AssumeRolePolicyDocument"] == changed
    iam.tag_role(RoleName=unique, Tags=[{"Key": "c", "Value": "d"}])
    iam.untag_role(RoleName=unique, TagKeys=["a"])
    assert iam.list_role_tags(RoleName=unique)["Tags"] == [{"Key": "c", "Value": "d"}]
    iam.delete_role(RoleName=unique)


def test_roles_belong_to_an_account_not_to_a_region(server, role, unique):
    assert server.client("iam", region="eu-west-1").get_role(RoleName=unique)["Role"]["Arn"] == role["Arn"]
    other = server.client("iam", account="111122223333")
    assert refused(other.get_role, RoleName=unique) == "NoSuchEntity"


def test_roles_survive_a_kill(own_server):
    own_server.client("iam").create_role(RoleName="kept", Path="/team/", AssumeRolePolicyDocument=json.dumps(TRUST))
    own_server.kill()
    own_server.start()
    assert own_server.client("iam").get_role(RoleName="kept")["Role"]["Arn"] == "arn:aws:iam::000000000000:role/team/kept"


@pytest.mark.parametrize("access_key, account", [("test", "000000000000"), ("AKIAIOSFODNN7EXAMPLE", "000000000000"), ("123456789012", "123456789012")])
def test_caller_identity(server, access_key, account):
    identity = server.client("sts", account=access_key).get_caller_identity()
    assert identity["Account"] == account and identity["Arn"].startswith(f"arn:aws:iam::{account}:") and identity["UserId"]


def test_caller_identity_by_a_form(server):
    data = urllib.parse.urlencode({"Action": "GetCallerIdentity", "Version": "2011-06-15"}).encode()
    with urllib.request.urlopen(server.endpoint, data, timeout=30) as response:
        text = response.read().decode()
    assert "<GetCallerIdentityResponse" in text and "<Account>000000000000</Account>" in text


def test_an_assumed_role_is_who_one_is_and_where_one_works(server, unique):
    trust = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"AWS": "000000000000"}}]}
    server.client("iam", account="123456789012").create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(trust))
    arn = f"arn:aws:iam::123456789012:role/{unique}"
    answer = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=900)
    credentials = answer["Credentials"]
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::123456789012:assumed-role/{unique}/me"
    assert credentials["AccessKeyId"].startswith("ASIA")

    def client(service):
        return boto3.client(service, endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=credentials["AccessKeyId"],
                            aws_secret_access_key=credentials["SecretAccessKey"], aws_session_token=credentials["SessionToken"])

    assert client("sts").get_caller_identity()["Arn"] == answer["AssumedRoleUser"]["Arn"]
    client("sqs").create_queue(QueueName=unique)
    assert server.client("sqs", account="123456789012").get_queue_url(QueueName=unique)["QueueUrl"].endswith(f"/123456789012/{unique}")
    assert refused(server.client("sts").assume_role, RoleArn=arn, RoleSessionName="a b") == "ValidationError"
    assert refused(server.client("sts").assume_role, RoleArn=arn, RoleSessionName="me", DurationSeconds=43_201) == "ValidationError"


def test_a_function_acts_as_its_role(server, unique):
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", "import boto3\ndef handler(event, context):\n    return boto3.client('sts').get_caller_identity()['Arn']\n")
    functions = server.client("lambda", account="123456789012", region="eu-west-1", read_timeout=60)
    functions.create_function(FunctionName=unique, Runtime="python3.11", Role="arn:aws:iam::123456789012:role/worker", Handler="index.handler",
                              Code={"ZipFile": buffer.getvalue()}, Timeout=30)
    answer = functions.invoke(FunctionName=unique)
    assert json.loads(answer["Payload"].read()) == f"arn:aws:sts::123456789012:assumed-role/worker/{unique}"


def test_a_role_is_assumed_only_by_whom_it_trusts(server, unique):
    iam, sts = server.client("iam"), server.client("sts")
    arn = iam.create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    assert refused(sts.assume_role, RoleArn=arn, RoleSessionName="me") == "AccessDenied"
    condition = {"StringEquals": {"sts:ExternalId": "42"}}
    trust = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"AWS": "*"}, "Condition": condition}]}
    iam.update_assume_role_policy(RoleName=unique, PolicyDocument=json.dumps(trust))
    assert refused(sts.assume_role, RoleArn=arn, RoleSessionName="me") == "AccessDenied"
    assert sts.assume_role(RoleArn=arn, RoleSessionName="me", ExternalId="42")["Credentials"]["AccessKeyId"].startswith("ASIA")


def test_a_session_token_is_the_account_s_own(server):
    credentials = server.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    assert credentials["AccessKeyId"].startswith("ASIA")
