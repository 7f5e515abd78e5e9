"""Published versions, aliases and qualifiers: what is frozen, what runs, and which version a mapping invokes."""
import collections
import io
import json
import os
import subprocess
import zipfile

import botocore.exceptions
import pytest

from conftest import ROOT
from world import wait_until

CODE = "def handler(event, context):\n    return ['%s', context.function_version, context.invoked_function_arn.split(':', 6)[6]]\n"


def archive(text):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        out.writestr("index.py", text)
    return buffer.getvalue()


def refused(call, *arguments, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(*arguments, **options)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def run(client, name, qualifier=None):
    answer = client.invoke(FunctionName=name, **({"Qualifier": qualifier} if qualifier else {}))
    assert "FunctionError" not in answer, answer["Payload"].read()
    return answer["ExecutedVersion"], json.loads(answer["Payload"].read())


@pytest.fixture
def two(server, unique):
    """A function whose version 1 has the code "one", whose version 2 and $LATEST have "two"."""
    client = server.client("lambda")
    server.function(unique, archive(CODE % "one"), runtime="python3.11")
    assert client.publish_version(FunctionName=unique)["Version"] == "1"
    assert client.update_function_code(FunctionName=unique, ZipFile=archive(CODE % "two"), Publish=True)["Version"] == "2"
    return unique


def test_a_version_is_frozen_and_invoked_by_every_form_of_name(server, two):
    client = server.client("lambda")
    arn = client.get_function(FunctionName=two)["Configuration"]["FunctionArn"]
    assert run(client, two, "1") == ("1", ["one", "1", f"{two}:1"])
    assert run(client, f"{arn}:1") == ("1", ["one", "1", f"{two}:1"])
    assert run(client, f"{two}:2") == ("2", ["two", "2", f"{two}:2"])
    assert run(client, two, "$LATEST") == ("$LATEST", ["two", "$LATEST", f"{two}:$LATEST"])
    assert run(client, two) == ("$LATEST", ["two", "$LATEST", two])
    assert [v["Version"] for v in client.list_versions_by_function(FunctionName=two)["Versions"]] == ["$LATEST", "1", "2"]
    assert refused(client.invoke, FunctionName=two, Qualifier="9") == f"ResourceNotFoundException: Function not found: {arn}:9"
    assert "already" not in refused(client.invoke, FunctionName=f"{two}:1", Qualifier="2")
    import urllib.request
    location = client.get_function(FunctionName=two, Qualifier="1")["Code"]["Location"]
    with zipfile.ZipFile(io.BytesIO(urllib.request.urlopen(location).read())) as old:
        assert b"one" in old.read("index.py")


def test_unchanged_code_gives_no_new_version(server, two):
    client = server.client("lambda")
    sha = client.get_function_configuration(FunctionName=two)["CodeSha256"]
    assert client.publish_version(FunctionName=two, CodeSha256=sha)["Version"] == "2"
    assert client.update_function_code(FunctionName=two, ZipFile=archive(CODE % "three"))["Version"] == "$LATEST"
    assert "is different from current CodeSHA256 in $LATEST" in refused(client.publish_version, FunctionName=two, CodeSha256=sha)
    assert refused(client.publish_version, FunctionName=two, RevisionId="x").startswith("PreconditionFailedException")
    assert client.publish_version(FunctionName=two)["Version"] == "3"
    client.delete_function(FunctionName=two, Qualifier="3")
    assert [v["Version"] for v in client.list_versions_by_function(FunctionName=two)["Versions"]] == ["$LATEST", "1", "2"]


def test_a_weighted_alias_shares_invocations(server, two):
    client = server.client("lambda")
    client.create_alias(FunctionName=two, Name="live", FunctionVersion="1", Description="d")
    assert run(client, two, "live") == ("1", ["one", "1", f"{two}:live"])
    alias = client.update_alias(FunctionName=two, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    assert alias["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.5}} and alias["Description"] == "d"
    counts = collections.Counter(run(client, two, "live")[0] for _ in range(60))
    assert set(counts) == {"1", "2"} and min(counts.values()) > 8
    assert client.list_aliases(FunctionName=two, FunctionVersion="2")["Aliases"][0]["Name"] == "live"
    assert refused(client.delete_function, FunctionName=two, Qualifier="1") == (
        "ResourceConflictException: Unable to delete version because the following aliases reference it: [live]")
    client.update_alias(FunctionName=two, Name="live", FunctionVersion="2", RoutingConfig={})
    assert run(client, two, "live")[0] == "2"
    client.delete_alias(FunctionName=two, Name="live")
    client.delete_alias(FunctionName=two, Name="live")
    assert refused(client.get_alias, FunctionName=two, Name="live").startswith("ResourceNotFoundException: Cannot find alias arn:")


def test_versions_and_aliases_survive_kill(own_server, unique):
    client = own_server.client("lambda")
    own_server.function(unique, archive(CODE % "one"), runtime="python3.11")
    client.publish_version(FunctionName=unique)
    client.create_alias(FunctionName=unique, Name="live", FunctionVersion="1")
    client.update_function_code(FunctionName=unique, ZipFile=archive(CODE % "two"))
    own_server.kill()
    own_server.start()
    client = own_server.client("lambda")
    assert run(client, unique, "live")[1][0] == "one" and run(client, unique)[1][0] == "two"


def test_a_mapping_of_an_alias_invokes_what_the_alias_means(server, two):
    client, tables = server.client("lambda"), server.client("dynamodb")
    stream = tables.create_table(
        TableName=two, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})["TableDescription"]["LatestStreamArn"]
    client.create_alias(FunctionName=two, Name="live", FunctionVersion="1")
    mapping = client.create_event_source_mapping(EventSourceArn=stream, FunctionName=f"{two}:live", StartingPosition="TRIM_HORIZON")
    assert mapping["FunctionArn"].endswith(f":{two}:live")

    def versions():
        return [one["version"] for one in server.admin(f"/invocations?function={two}")["invocations"] if one["source"] == "mapping"]

    tables.put_item(TableName=two, Item={"k": {"S": "1"}})
    server.settle()
    assert versions() == ["1"]
    client.update_alias(FunctionName=two, Name="live", FunctionVersion="2")
    tables.put_item(TableName=two, Item={"k": {"S": "2"}})
    server.settle()
    assert versions() == ["1", "2"]
    client.delete_alias(FunctionName=two, Name="live")
    tables.put_item(TableName=two, Item={"k": {"S": "3"}})
    assert client.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Enabled"
    assert versions() == ["1", "2"]
    client.create_alias(FunctionName=two, Name="live", FunctionVersion="1")  # the record was not lost
    server.advance("2m")
    wait_until(lambda: versions() == ["1", "2", "1"], "the record that waited for its alias")


def test_permissions_are_kept_per_qualifier(server, two):
    client = server.client("lambda")
    client.create_alias(FunctionName=two, Name="live", FunctionVersion="1")
    added = client.add_permission(FunctionName=two, Qualifier="live", StatementId="s", Action="lambda:InvokeFunction",
                                  Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::b")
    statement = json.loads(added["Statement"])
    assert statement["Resource"].endswith(f":{two}:live") and statement["Condition"] == {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}
    policy = client.get_policy(FunctionName=two, Qualifier="live")
    assert json.loads(policy["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    assert refused(client.get_policy, FunctionName=two) == "ResourceNotFoundException: The resource you requested does not exist."
    assert refused(client.remove_permission, FunctionName=two, Qualifier="live", StatementId="s", RevisionId="x").startswith("PreconditionFailed")
    client.remove_permission(FunctionName=two, Qualifier="live", StatementId="s", RevisionId=policy["RevisionId"])
    assert refused(client.get_policy, FunctionName=two, Qualifier="live").startswith("ResourceNotFoundException")


def test_the_aws_cli_and_our_own_show_versions_and_aliases(server, two):
    environment = {**os.environ, "AWS_ENDPOINT_URL": server.endpoint, "AWS_ACCESS_KEY_ID": "test",
                   "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}

    def aws(*arguments):
        done = subprocess.run([ROOT / ".deps/venv/bin/aws", "lambda", *arguments], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    aws("create-alias", "--function-name", two, "--name", "live", "--function-version", "1",
        "--routing-config", "AdditionalVersionWeights={2=0.25}")
    assert aws("get-function-configuration", "--function-name", f"{two}:live")["Version"] == "1"
    assert len(aws("list-versions-by-function", "--function-name", two, "--max-items", "2")["Versions"]) == 2
    shown = json.loads(server.cli("functions", "show", two, "--json"))
    assert [v["version"] for v in shown["versions"]] == ["1", "2"]
    assert shown["aliases"] == [{"alias": "live", "version": "1", "second_version": "2", "second_weight": 0.25}]
    assert "live" in server.cli("functions", "show", two)
