"""Parameter Store with boto3."""
import botocore.exceptions
import pytest


@pytest.fixture(scope="module")
def ssm(server):
    return server.client("ssm")


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]["Code"]


def test_a_parameter_is_put_read_overwritten_and_deleted(ssm, unique):
    name = f"/{unique}/a"
    assert ssm.put_parameter(Name=name, Value="1", Type="String", Tags=[{"Key": "k", "Value": "v"}])["Version"] == 1
    assert refused(ssm.put_parameter, Name=name, Value="2", Type="String") == "ParameterAlreadyExists"
    assert ssm.put_parameter(Name=name, Value="2", Overwrite=True)["Version"] == 2
    found = ssm.get_parameter(Name=name)["Parameter"]
    assert (found["Value"], found["Version"], found["Type"], found["DataType"]) == ("2", 2, "String", "text")
    assert found["ARN"].endswith(f":parameter{name}")
    assert [one["Value"] for one in ssm.get_parameter_history(Name=name)["Parameters"]] == ["1", "2"]
    assert ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"] == [{"Key": "k", "Value": "v"}]
    answer = ssm.get_parameters(Names=[name, "none"])
    assert [one["Name"] for one in answer["Parameters"]] == [name] and answer["InvalidParameters"] == ["none"]
    ssm.delete_parameter(Name=name)
    assert refused(ssm.get_parameter, Name=name) == "ParameterNotFound"


def test_paths_are_paged_and_described(ssm, unique):
    names = [f"/{unique}/{i:02}" for i in range(25)]
    for name in names:
        ssm.put_parameter(Name=name, Value="x", Type="SecureString")
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=f"/{unique}", WithDecryption=True)
    assert [(one["Name"], one["Value"]) for page in pages for one in page["Parameters"]] == [(name, "x") for name in names]
    described = ssm.describe_parameters(ParameterFilters=[{"Key": "Path", "Values": [f"/{unique}"]}])["Parameters"]
    assert [one["KeyId"] for one in described] == ["alias/aws/ssm"] * 25
    assert ssm.delete_parameters(Names=names[:10])["DeletedParameters"] == names[:10]


def test_the_bootstrap_version_is_there_from_the_start(ssm, server):
    name = "/cdk-bootstrap/hnb659fds/version"
    assert int(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]) >= 6


def test_parameters_survive_a_restart(own_server):
    own_server.client("ssm").put_parameter(Name="kept", Value="1", Type="String")
    own_server.kill()
    own_server.start()
    assert own_server.client("ssm").get_parameter(Name="kept")["Parameter"]["Value"] == "1"
