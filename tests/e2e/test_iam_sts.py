"""IAM roles and STS."""
import datetime
import json
import urllib.parse
import urllib.request

import boto3
import botocore.exceptions
import pytest

from world import Server, wait_until

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
    assert refused(iam.create_saml_provider, Name=unique, SAMLMetadataDocument="x" * 1000) in ("InvalidAction", "NotImplemented")
    assert refused(iam.attach_role_policy, RoleName=unique, PolicyArn="nonsense-of-twenty-characters") == "InvalidInput"


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


def test_a_managed_policy_has_versions_and_knows_who_has_it(server, iam, role, unique):
    policy = iam.create_policy(PolicyName=unique, Path="/team/", PolicyDocument=json.dumps(POLICY), Description="d")["Policy"]
    arn = policy["Arn"]
    assert arn == f"arn:aws:iam::000000000000:policy/team/{unique}" and policy["DefaultVersionId"] == "v1" and policy["AttachmentCount"] == 0
    assert refused(iam.create_policy, PolicyName=unique, PolicyDocument=json.dumps(POLICY)) == "EntityAlreadyExists"
    assert refused(iam.create_policy, PolicyName=unique + "2", PolicyDocument="{}") == "MalformedPolicyDocument"
    changed = {**POLICY, "Statement": [{**POLICY["Statement"][0], "Action": "sqs:*"}]}
    for number in range(2, 6):
        made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(changed), SetAsDefault=number == 5)["PolicyVersion"]
        assert made["VersionId"] == f"v{number}"
    assert refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=json.dumps(changed)) == "LimitExceeded"
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v5")["PolicyVersion"]["Document"] == changed
    assert [each["VersionId"] for each in iam.list_policy_versions(PolicyArn=arn)["Versions"]] == ["v5", "v4", "v3", "v2", "v1"]
    assert refused(iam.delete_policy_version, PolicyArn=arn, VersionId="v5") == "DeleteConflict"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    iam.attach_role_policy(RoleName=unique, PolicyArn=arn)
    assert iam.list_attached_role_policies(RoleName=unique, PathPrefix="/team/")["AttachedPolicies"] == [{"PolicyName": unique, "PolicyArn": arn}]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert [each["RoleName"] for each in iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"]] == [unique]
    assert arn in [each["Arn"] for page in iam.get_paginator("list_policies").paginate(OnlyAttached=True, PaginationConfig={"PageSize": 1})
                   for each in page["Policies"]]
    assert refused(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    iam.detach_role_policy(RoleName=unique, PolicyArn=arn)
    assert refused(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    for number in range(2, 6):
        iam.delete_policy_version(PolicyArn=arn, VersionId=f"v{number}")
    iam.delete_policy(PolicyArn=arn)
    assert refused(iam.get_policy, PolicyArn=arn) == refused(iam.attach_role_policy, RoleName=unique, PolicyArn=arn) == "NoSuchEntity"


def test_policies_of_aws_for_functions_resolve(iam):
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaDynamoDBExecutionRole"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]["Document"]
    assert "dynamodb:GetShardIterator" in document["Statement"][0]["Action"]
    assert arn in [each["Arn"] for each in iam.list_policies(Scope="AWS")["Policies"]]
    assert refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=json.dumps(POLICY)) == "InvalidInput"
    assert refused(iam.get_policy, PolicyArn="arn:aws:iam::aws:policy/NoSuchThing") == "NoSuchEntity"


def test_users_groups_and_their_policies(iam, unique):
    user = iam.create_user(UserName=unique, Path="/team/", Tags=[{"Key": "a", "Value": "b"}])["User"]
    assert user["Arn"] == f"arn:aws:iam::000000000000:user/team/{unique}" and user["UserId"].startswith("AIDA")
    assert refused(iam.create_user, UserName=unique) == "EntityAlreadyExists"
    iam.create_group(GroupName=unique)
    iam.add_user_to_group(UserName=unique, GroupName=unique)
    assert [each["UserName"] for each in iam.get_group(GroupName=unique)["Users"]] == [unique]
    assert [each["GroupName"] for each in iam.list_groups_for_user(UserName=unique)["Groups"]] == [unique]
    iam.put_user_policy(UserName=unique, PolicyName="p", PolicyDocument=json.dumps(POLICY))
    iam.put_group_policy(GroupName=unique, PolicyName="p", PolicyDocument=json.dumps(POLICY))
    assert iam.get_user_policy(UserName=unique, PolicyName="p")["PolicyDocument"] == POLICY
    assert iam.list_group_policies(GroupName=unique)["PolicyNames"] == ["p"]
    managed = "arn:aws:iam::aws:policy/AdministratorAccess"
    iam.attach_user_policy(UserName=unique, PolicyArn=managed)
    iam.attach_group_policy(GroupName=unique, PolicyArn=managed)
    assert refused(iam.attach_user_policy, UserName=unique, PolicyArn=f"arn:aws:iam::000000000000:policy/{unique}") == "NoSuchEntity"
    assert [each["PolicyName"] for each in iam.list_attached_group_policies(GroupName=unique)["AttachedPolicies"]] == ["AdministratorAccess"]
    iam.update_group(GroupName=unique, NewGroupName=unique + "g")
    assert [each["GroupName"] for each in iam.list_groups_for_user(UserName=unique)["Groups"]] == [unique + "g"]
    assert refused(iam.delete_user, UserName=unique) == refused(iam.delete_group, GroupName=unique + "g") == "DeleteConflict"
    iam.detach_user_policy(UserName=unique, PolicyArn=managed)
    iam.detach_group_policy(GroupName=unique + "g", PolicyArn=managed)
    iam.delete_user_policy(UserName=unique, PolicyName="p")
    iam.delete_group_policy(GroupName=unique + "g", PolicyName="p")
    assert refused(iam.delete_user, UserName=unique) == "DeleteConflict"
    iam.remove_user_from_group(UserName=unique, GroupName=unique + "g")
    iam.tag_user(UserName=unique, Tags=[{"Key": "c", "Value": "d"}])
    iam.untag_user(UserName=unique, TagKeys=["a"])
    assert iam.get_user(UserName=unique)["User"]["Tags"] == [{"Key": "c", "Value": "d"}]
    iam.delete_user(UserName=unique)
    iam.delete_group(GroupName=unique + "g")
    assert refused(iam.get_user, UserName=unique) == refused(iam.get_group, GroupName=unique + "g") == "NoSuchEntity"


def test_an_access_key_is_its_user_also_after_a_kill(own_server):
    iam = own_server.client("iam", account="111122223333")
    iam.create_user(UserName="worker")
    key = iam.create_access_key(UserName="worker")["AccessKey"]
    own_server.kill()
    own_server.start()

    def client(service):
        return boto3.client(service, endpoint_url=own_server.endpoint, region_name="us-east-1", aws_access_key_id=key["AccessKeyId"],
                            aws_secret_access_key=key["SecretAccessKey"])

    assert client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::111122223333:user/worker"
    assert client("iam").get_user()["User"]["UserName"] == "worker"
    client("sqs").create_queue(QueueName="q")
    assert own_server.client("sqs", account="111122223333").get_queue_url(QueueName="q")["QueueUrl"].endswith("/111122223333/q")
    trust = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"AWS": "arn:aws:iam::111122223333:user/worker"}}]}
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    assert client("sts").assume_role(RoleArn=role, RoleSessionName="me")["AssumedRoleUser"]["Arn"].endswith(":assumed-role/r/me")
    assert refused(own_server.client("sts", account="111122223333").assume_role, RoleArn=role, RoleSessionName="me") == "AccessDenied"
    session = client("sts").get_session_token()["Credentials"]
    mine = boto3.client("sts", endpoint_url=own_server.endpoint, region_name="us-east-1", aws_access_key_id=session["AccessKeyId"],
                        aws_secret_access_key=session["SecretAccessKey"], aws_session_token=session["SessionToken"])
    assert mine.get_caller_identity()["Arn"] == "arn:aws:iam::111122223333:user/worker"
    iam.create_access_key(UserName="worker")
    assert refused(iam.create_access_key, UserName="worker") == "LimitExceeded"
    iam.update_access_key(UserName="worker", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert "Inactive" in [each["Status"] for each in iam.list_access_keys(UserName="worker")["AccessKeyMetadata"]]
    assert refused(iam.delete_user, UserName="worker") == "DeleteConflict"
    for each in iam.list_access_keys(UserName="worker")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="worker", AccessKeyId=each["AccessKeyId"])
    iam.delete_user(UserName="worker")
    assert client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"


def test_who_asked_for_what_stands_in_the_log_when_it_is_asked_for(tmp_path):
    with Server(data=tmp_path / "data", arguments=["--log-level", "debug"]) as server:
        arn = "arn:aws:iam::111122223333:role/any"
        credentials = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
        sqs = boto3.client("sqs", endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=credentials["AccessKeyId"],
                           aws_secret_access_key=credentials["SecretAccessKey"], aws_session_token=credentials["SessionToken"])
        sqs.create_queue(QueueName="q")
        refused(sqs.get_queue_url, QueueName="none")
        lines = wait_until(lambda: [line for line in server.log().splitlines() if "requests: sqs." in line][1:] and server.log(), "two lines in the log")
    assert "sts.AssumeRole by arn:aws:iam::000000000000:root in 000000000000/us-east-1" in lines
    assert "sqs.CreateQueue by arn:aws:sts::111122223333:assumed-role/any/me in 111122223333/us-east-1" in lines
    assert "sqs.GetQueueUrl by arn:aws:sts::111122223333:assumed-role/any/me" in lines and "QueueDoesNotExist" in lines
