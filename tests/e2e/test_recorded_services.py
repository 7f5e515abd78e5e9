"""Services whose records are all that matters here: KMS, ECR, CloudTrail; bucket policies; what CDK finds from the start."""
import json

import botocore.exceptions
import pytest

DENY = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::NAME/*",
                                                "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]["Code"]


def test_a_bucket_policy_is_kept_and_locks_nobody_out(server, unique):
    s3 = server.client("s3")
    s3.create_bucket(Bucket=unique)
    assert refused(s3.get_bucket_policy, Bucket=unique) == "NoSuchBucketPolicy"
    policy = json.dumps(DENY).replace("NAME", unique)
    s3.put_bucket_policy(Bucket=unique, Policy=policy)
    assert s3.get_bucket_policy(Bucket=unique)["Policy"] == policy
    assert s3.get_bucket_policy_status(Bucket=unique)["PolicyStatus"] == {"IsPublic": False}
    s3.put_object(Bucket=unique, Key="k", Body=b"x")
    assert refused(s3.put_bucket_policy, Bucket=unique, Policy=policy.replace(unique, "another")) == "MalformedPolicy"
    assert refused(s3.put_bucket_policy, Bucket=unique + "-none", Policy=policy) == "NoSuchBucket"
    s3.delete_bucket_policy(Bucket=unique)
    assert refused(s3.get_bucket_policy, Bucket=unique) == "NoSuchBucketPolicy"


def test_what_cdk_needs_is_there_from_the_start(own_server):
    name = "cdk-hnb659fds-assets-000000000000-eu-west-1"
    s3 = own_server.client("s3", region="eu-west-1")
    assert s3.list_buckets()["Buckets"] == []
    role = "arn:aws:iam::000000000000:role/cdk-hnb659fds-file-publishing-role-000000000000-eu-west-1"
    assert own_server.client("sts").assume_role(RoleArn=role, RoleSessionName="aws-cdk-root")["Credentials"]["SessionToken"]
    assert own_server.client("ssm").get_parameter(Name="/cdk-bootstrap/hnb659fds/version")["Parameter"]["Value"] == "33"
    assert s3.list_objects_v2(Bucket=name, Prefix="a.zip", MaxKeys=1)["KeyCount"] == 0
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-west-1"
    s3.put_object(Bucket=name, Key="a.zip", Body=b"x", ChecksumAlgorithm="SHA256")
    own_server.kill()
    own_server.start()
    s3 = own_server.client("s3", region="eu-west-1")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [name]
    for other in ["cdk-hnb659fds-assets-111111111111-eu-west-1", "cdk-other-assets-000000000000-eu-west-1", "cdk-hnb659fds-assets-000000000000-here"]:
        assert refused(s3.list_objects_v2, Bucket=other) == "NoSuchBucket"


def test_keys_and_aliases(own_server, unique):
    kms = own_server.client("kms")
    key = kms.create_key(Description="d", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    assert key["KeyState"] == "Enabled" and key["Arn"].endswith(":key/" + key["KeyId"]) and key["EncryptionAlgorithms"] == ["SYMMETRIC_DEFAULT"]
    kms.create_alias(AliasName="alias/" + unique, TargetKeyId=key["Arn"])
    assert kms.describe_key(KeyId="alias/" + unique)["KeyMetadata"]["KeyId"] == key["KeyId"]
    assert [each["AliasName"] for each in kms.list_aliases(KeyId=key["KeyId"])["Aliases"]] == ["alias/" + unique]
    kms.enable_key_rotation(KeyId=key["KeyId"], RotationPeriodInDays=90)
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["RotationPeriodInDays"] == 90
    assert json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"])["Statement"][0]["Action"] == "kms:*"
    assert kms.list_resource_tags(KeyId=key["KeyId"])["Tags"] == [{"TagKey": "a", "TagValue": "b"}]
    with pytest.raises(botocore.exceptions.ClientError, match="Encrypt"):
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")
    own_server.kill()
    own_server.start()
    kms = own_server.client("kms")
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    assert refused(kms.enable_key, KeyId=key["KeyId"]) == "KMSInvalidStateException"
    own_server.advance("7d")
    assert refused(kms.describe_key, KeyId=key["KeyId"]) == "NotFoundException" and kms.list_aliases()["Aliases"] == []


def test_repositories(server, unique):
    ecr = server.client("ecr")
    made = ecr.create_repository(repositoryName=unique, imageTagMutability="IMMUTABLE", tags=[{"Key": "a", "Value": "b"}])["repository"]
    assert made["repositoryUri"] == f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{unique}"
    assert refused(ecr.create_repository, repositoryName=unique) == "RepositoryAlreadyExistsException"
    assert ecr.describe_repositories(repositoryNames=[unique])["repositories"] == [made]
    rules = json.dumps({"rules": [{"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
                                   "action": {"type": "expire"}}]})
    assert refused(ecr.get_lifecycle_policy, repositoryName=unique) == "LifecyclePolicyNotFoundException"
    assert refused(ecr.put_lifecycle_policy, repositoryName=unique, lifecyclePolicyText="{}" + " " * 100) == "InvalidParameterException"
    ecr.put_lifecycle_policy(repositoryName=unique, lifecyclePolicyText=rules)
    assert ecr.get_lifecycle_policy(repositoryName=unique)["lifecyclePolicyText"] == rules
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    ecr.set_repository_policy(repositoryName=unique, policyText=policy)
    assert ecr.get_repository_policy(repositoryName=unique)["policyText"] == policy
    ecr.tag_resource(resourceArn=made["repositoryArn"], tags=[{"Key": "c", "Value": "d"}])
    ecr.untag_resource(resourceArn=made["repositoryArn"], tagKeys=["a"])
    assert ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == [{"Key": "c", "Value": "d"}]
    with pytest.raises(botocore.exceptions.ClientError, match="GetAuthorizationToken"):
        ecr.get_authorization_token()
    ecr.delete_repository(repositoryName=unique)
    assert refused(ecr.describe_repositories, repositoryNames=[unique]) == "RepositoryNotFoundException"
    assert refused(ecr.delete_repository, repositoryName=unique) == "RepositoryNotFoundException"


def test_there_is_no_trail(server):
    assert server.client("cloudtrail").lookup_events()["Events"] == []
