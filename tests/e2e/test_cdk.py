"""AWS CDK, as npm has it: bootstrap, deploy, diff, watch, destroy, and the functions CDK itself brings along.

One round trip runs always; the rest, with both versions of the tool, is long."""
import json
import os
import pathlib
import re
import signal
import threading

import pytest

import deploy
from world import wait_until

HERE = pathlib.Path(__file__).resolve().parent / "projects/cdk"
VERSIONS = ["cdk", "cdk-2.178"]
ASSETS = "cdk-hnb659fds-assets-000000000000-us-east-1"
needs_cdk = pytest.mark.skipif(not deploy.is_installed("cdk"), reason="./x setup installs CDK")


@pytest.fixture
def project(server, tmp_path, request):
    version = getattr(request, "param", "cdk")
    if not deploy.is_installed(version):
        pytest.skip(f"{version} is not installed")
    return deploy.Project(server, version, HERE, tmp_path / "project")


def put_order(server, table, key, name="id"):
    server.client("dynamodb").put_item(TableName=table, Item={name: {"S": key}})
    server.settle()


def keys(server, bucket, prefix=""):
    return sorted(each["Key"] for each in server.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []))


def is_gone(server, stack):
    statuses = {each["StackStatus"] for each in server.client("cloudformation").list_stacks()["StackSummaries"] if each["StackName"] == stack}
    return statuses <= {"DELETE_COMPLETE"}


def reasons(server, stack):
    """What failed, newest first: (logical id, status, reason)."""
    events = server.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    return [(each["LogicalResourceId"], each["ResourceStatus"], each.get("ResourceStatusReason", "")) for each in events if "FAILED" in each["ResourceStatus"]]


@needs_cdk
def test_a_round_trip_of_a_table_a_stream_a_bundled_function_and_a_bucket(server, project):
    project.deploy("Orders", "-c", "only=Orders")
    made = deploy.outputs(server, "Orders")
    put_order(server, made["TableName"], "o1")
    assert keys(server, made["BucketName"]) == ["orders/o1.json"]
    group = server.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/" + made["FunctionName"])["logGroups"]
    assert [each.get("retentionInDays") for each in group] == [7]  # by CDK's own function

    assert "(no changes)" in project.deploy("Orders", "-c", "only=Orders", "--app", "cdk.out")

    project.deploy("Orders", "-c", "only=Orders", "-c", "step=second")
    assert deploy.outputs(server, "Orders") == made
    put_order(server, made["TableName"], "o2")
    assert keys(server, made["BucketName"]) == ["changed/o2.json", "orders/o1.json"]
    (mapping,) = server.client("lambda").list_event_source_mappings(FunctionName=made["FunctionName"])["EventSourceMappings"]
    assert mapping["BatchSize"] == 7

    project.run("destroy", "Orders", "--force", "--app", "cdk.out")
    assert is_gone(server, "Orders")
    assert made["TableName"] not in server.client("dynamodb").list_tables()["TableNames"]
    assert made["BucketName"] not in [each["Name"] for each in server.client("s3").list_buckets()["Buckets"]]


@pytest.mark.long
@pytest.mark.parametrize("project", VERSIONS, indirect=True)
def test_an_update_that_replaces_a_table_moves_its_mapping(server, project):
    project.deploy("Orders", "-c", "only=Orders", "--method", "direct")
    before = deploy.outputs(server, "Orders")
    shown = project.run("diff", "Orders", "-c", "only=Orders", "-c", "step=replaced")
    assert re.search(r"AWS::DynamoDB::Table Table .*replace", shown), shown
    assert not server.client("cloudformation").list_change_sets(StackName="Orders")["Summaries"]  # the tool removed its own
    project.deploy("Orders", "-c", "only=Orders", "-c", "step=replaced", "--method", "direct")
    after = deploy.outputs(server, "Orders")
    assert after["TableName"] != before["TableName"] and after["BucketName"] == before["BucketName"]
    assert before["TableName"] not in server.client("dynamodb").list_tables()["TableNames"]
    put_order(server, after["TableName"], "o3", name="orderId")
    assert "changed/o3.json" in keys(server, after["BucketName"])
    project.run("destroy", "Orders", "--force", "--app", "cdk.out")
    assert is_gone(server, "Orders")


@pytest.mark.long
@pytest.mark.parametrize("project", VERSIONS, indirect=True)
def test_a_failing_deployment_rolls_back_says_why_and_recovers(server, project):
    status, shown = project.deploy("Failing", "-c", "only=Failing", "-c", "step=bad", check=False)
    assert status != 0 and "Bad" in shown and "VisibilityTimeout" in shown, shown
    assert deploy.status(server, "Failing") == "ROLLBACK_COMPLETE"
    assert [failed[0] for failed in reasons(server, "Failing")] == ["Bad"]
    project.deploy("Failing", "-c", "only=Failing")  # removes what was rolled back, and makes it anew
    assert deploy.status(server, "Failing") == "CREATE_COMPLETE"

    queue = deploy.resources(server, "Failing")
    status, shown = project.deploy("Failing", "-c", "only=Failing", "-c", "step=bad", check=False)
    assert status != 0 and "VisibilityTimeout" in shown, shown
    assert deploy.status(server, "Failing") == "UPDATE_ROLLBACK_COMPLETE"
    assert deploy.resources(server, "Failing").keys() == queue.keys()
    good = next(url for name, url in queue.items() if name.startswith("Good"))
    attributes = server.client("sqs").get_queue_attributes(QueueUrl=good, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert attributes == {"VisibilityTimeout": "30"}  # the update of its neighbour went back, too
    project.deploy("Failing", "-c", "only=Failing", "-c", "step=second")
    assert deploy.status(server, "Failing") == "UPDATE_COMPLETE"
    project.run("destroy", "Failing", "--force", "--app", "cdk.out")


@pytest.mark.long
@pytest.mark.parametrize("project", VERSIONS, indirect=True)
def test_without_rollback_a_failed_stack_stays_for_the_next_try(server, project):
    status, shown = project.deploy("Failing", "-c", "only=Failing", "-c", "step=bad", "--no-rollback", check=False)
    assert status != 0 and "VisibilityTimeout" in shown, shown
    assert deploy.status(server, "Failing") == "CREATE_FAILED"
    good = next(url for name, url in deploy.resources(server, "Failing").items() if name.startswith("Good"))
    project.deploy("Failing", "-c", "only=Failing", "--no-rollback")
    assert deploy.status(server, "Failing") == "UPDATE_COMPLETE"
    assert good in deploy.resources(server, "Failing").values()
    project.run("destroy", "Failing", "--force", "--app", "cdk.out")
    assert is_gone(server, "Failing")


def answer(server, function):
    return json.loads(server.client("lambda").invoke(FunctionName=function)["Payload"].read())


@pytest.mark.long
@pytest.mark.parametrize("project", VERSIONS, indirect=True)
def test_hotswap_changes_the_function_and_not_the_stack(server, project):
    context = ["-c", "only=Quick"]
    project.deploy("Quick", *context)
    name = deploy.outputs(server, "Quick")["FunctionName"]
    assert answer(server, name) == "first"
    before = server.client("cloudformation").describe_stacks(StackName="Quick")["Stacks"][0]
    (project.folder / "quick/index.js").write_text("exports.handler = async () => 'swapped';")
    shown = project.deploy("Quick", *context, "--hotswap")
    assert "hotswapped" in shown, shown
    assert answer(server, name) == "swapped"
    after = server.client("cloudformation").describe_stacks(StackName="Quick")["Stacks"][0]
    assert after.get("LastUpdatedTime") == before.get("LastUpdatedTime")
    project.run("destroy", "Quick", "--force", "--app", "cdk.out")


@pytest.mark.long
@pytest.mark.parametrize("project", VERSIONS, indirect=True)
def test_watch_deploys_what_is_saved(server, project):
    settings = json.loads((project.folder / "cdk.json").read_text())
    (project.folder / "cdk.json").write_text(json.dumps({**settings, "watch": {"include": ["quick/**"]}}))
    project.deploy("Quick", "-c", "only=Quick")
    name = deploy.outputs(server, "Quick")["FunctionName"]
    watching = project.start("watch", "Quick", "-c", "only=Quick")
    shown = []
    reader = threading.Thread(target=lambda: shown.extend(watching.stdout), daemon=True)
    reader.start()
    try:
        (project.folder / "quick/index.js").write_text("exports.handler = async () => 'before';")
        wait_until(lambda: answer(server, name) == "before", "the deployment that watch begins with", limit=120)
        (project.folder / "quick/index.js").write_text("exports.handler = async () => 'saved';")
        wait_until(lambda: answer(server, name) == "saved", "the deployment of what was saved", limit=120)
    except TimeoutError as error:
        raise AssertionError("".join(shown)) from error
    finally:
        os.killpg(watching.pid, signal.SIGTERM)
        watching.wait(timeout=30)
        reader.join(timeout=30)
    project.run("destroy", "Quick", "--force", "--app", "cdk.out")


@pytest.mark.long
@pytest.mark.parametrize("project", VERSIONS, indirect=True)
def test_an_asset_of_more_than_5_mib_is_uploaded_in_parts(server, project):
    (project.folder / "large/ballast.bin").write_bytes(os.urandom(12 * 1024 * 1024))
    before = server.admin("requests").get("s3", {}).get("UploadPart", {}).get("count", 0)
    project.deploy("Large", "-c", "only=Large")
    assert server.admin("requests")["s3"]["UploadPart"]["count"] - before >= 3
    assert answer(server, deploy.outputs(server, "Large")["FunctionName"]) == 12 * 1024 * 1024
    project.run("destroy", "Large", "--force", "--app", "cdk.out")


@pytest.mark.long
@pytest.mark.parametrize("project", VERSIONS, indirect=True)
def test_the_functions_that_cdk_ships_do_their_work(server, project):
    project.deploy("Custom", "-c", "only=Custom")
    made = deploy.outputs(server, "Custom")
    s3, dynamodb = server.client("s3"), server.client("dynamodb")
    assert made["TableStatus"] == "ACTIVE"  # an answer's field
    assert dynamodb.get_item(TableName=made["TableName"], Key={"id": {"S": "seed"}})["Item"]["value"] == {"S": "created"}
    assert keys(server, made["BucketName"], "site/") == ["site/config.json", "site/index.html"]
    config = json.loads(s3.get_object(Bucket=made["BucketName"], Key="site/config.json")["Body"].read())
    assert config == {"table": made["TableName"]}  # the token in it was replaced

    s3.put_object(Bucket=made["BucketName"], Key="in/a.txt", Body=b"a")
    s3.delete_object(Bucket=made["BucketName"], Key="in/a.txt")
    server.settle()
    lines = server.client("logs").filter_log_events(logGroupName="/aws/lambda/" + made["FunctionName"], filterPattern="seen")["events"]
    assert ["in/a.txt" in each["message"] for each in lines] == [True]
    messages = server.client("sqs").receive_message(QueueUrl=made["QueueUrl"], MaxNumberOfMessages=10).get("Messages", [])
    assert any("ObjectRemoved:Delete" in each["Body"] for each in messages)
    group = server.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/" + made["FunctionName"])["logGroups"]
    assert [each.get("retentionInDays") for each in group] == [3]

    (project.folder / "site/index.html").write_text("<h1>changed</h1>")
    project.deploy("Custom", "-c", "only=Custom", "-c", "step=updated")
    assert s3.get_object(Bucket=made["BucketName"], Key="site/index.html")["Body"].read() == b"<h1>changed</h1>"
    assert dynamodb.get_item(TableName=made["TableName"], Key={"id": {"S": "seed"}})["Item"]["value"] == {"S": "updated"}

    project.run("destroy", "Custom", "--force", "--app", "cdk.out")
    assert is_gone(server, "Custom"), reasons(server, "Custom")
    assert made["BucketName"] not in [each["Name"] for each in s3.list_buckets()["Buckets"]]


@pytest.mark.long
@pytest.mark.parametrize("project", VERSIONS, indirect=True)
def test_bootstrap_works_and_takes_over_what_was_there(own_server, project):
    project.server = own_server
    shown = project.run("bootstrap", "aws://000000000000/us-east-1")
    assert "bootstrapped" in shown, shown
    assert deploy.status(own_server, "CDKToolkit") == "CREATE_COMPLETE"
    assert deploy.outputs(own_server, "CDKToolkit")["BucketName"] == ASSETS
    project.run("bootstrap", "aws://000000000000/us-east-1")  # again: no changes
    project.deploy("Failing", "-c", "only=Failing")
    assert deploy.status(own_server, "Failing") == "CREATE_COMPLETE"
