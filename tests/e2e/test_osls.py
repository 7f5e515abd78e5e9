"""osls, the maintained Serverless Framework, as npm has it: deploy, deploy function, invoke, logs, info, metrics, rollback, remove."""
import json
import pathlib
import re

import pytest

import deploy
from world import zip_of

HERE = pathlib.Path(__file__).resolve().parent / "projects/serverless"
pytestmark = pytest.mark.skipif(not deploy.is_installed("osls"), reason="./x setup installs osls")


@pytest.fixture
def project(server, tmp_path, unique, monkeypatch):
    monkeypatch.setenv("SERVICE", unique)
    return deploy.Project(server, "osls", HERE, tmp_path / "project")


def seen(server, service):
    return {item["id"]["S"]: item["step"]["S"] for item in server.client("dynamodb").scan(TableName=f"{service}-seen")["Items"]}


def put_order(server, service, key):
    server.client("dynamodb").put_item(TableName=f"{service}-orders", Item={"id": {"S": key}})
    server.settle()


def test_a_round_trip_of_a_service_with_a_stream(server, project, unique, monkeypatch):
    stack = f"{unique}-dev"
    assert "Service deployed to stack " + stack in project.run("deploy")
    assert deploy.status(server, stack) == "UPDATE_COMPLETE"  # the stack is made with its bucket first, as on AWS
    put_order(server, unique, "o1")
    assert seen(server, unique) == {"o1": "first"}
    assert json.loads(project.run("invoke", "-f", "hello", "-d", '{"name": "you"}')) == {"hello": "you"}
    assert 'asked for {"name":"you"}' in project.run("logs", "-f", "hello")

    assert "No changes to deploy" in project.run("deploy")

    monkeypatch.setenv("STEP", "second")
    project.run("deploy")
    put_order(server, unique, "o2")
    assert seen(server, unique) == {"o1": "first", "o2": "second"}

    project.run("remove")
    assert not [name for name in server.client("dynamodb").list_tables()["TableNames"] if name.startswith(unique)]
    assert not [each for each in server.client("lambda").list_functions()["Functions"] if each["FunctionName"].startswith(unique)]
    assert not [each for each in server.client("s3").list_buckets()["Buckets"] if each["Name"].startswith(unique)]


@pytest.mark.long
def test_the_other_commands(server, project, unique, monkeypatch):
    project.run("deploy")
    shown = project.run("info")
    assert f"hello: {unique}-dev-hello" in shown and f"stack: {unique}-dev" in shown

    (project.folder / "index.js").write_text((HERE / "index.js").read_text().replace("hello: event.name", "greeting: event.name"))
    assert "Function code deployed" in project.run("deploy", "function", "-f", "hello")
    assert json.loads(project.run("invoke", "-f", "hello")) == {"greeting": "world"}
    status, shown = project.run("invoke", "-f", "hello", "-d", '{"fail": true}', check=False)
    assert status != 0 and "as asked" in shown
    shown = project.run("metrics", "-f", "hello")
    assert re.search(r"invocations: 2\b", shown) and re.search(r"errors: 1\b", shown), shown

    monkeypatch.setenv("STEP", "second")
    project.run("deploy")
    first = re.findall(r"Timestamp: (\d+)", project.run("deploy", "list"))[0]
    project.run("rollback", "-t", first)
    put_order(server, unique, "o1")
    assert seen(server, unique) == {"o1": "first"}
    assert json.loads(project.run("invoke", "-f", "hello")) == {"hello": "world"}
    project.run("remove")


@pytest.mark.long
def test_alarms_of_the_plugin_go_off(server, project, unique):
    (project.folder / "plugins.yml").write_text("- serverless-plugin-aws-alerts\n")
    project.run("deploy")
    topic = next(each["TopicArn"] for each in server.client("sns").list_topics()["Topics"] if each["TopicArn"].endswith(f":{unique}-alarms"))
    alarms = server.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{unique}-dev")["MetricAlarms"]
    assert len(alarms) == 2 and all(each["AlarmActions"] == [topic] for each in alarms)
    project.run("invoke", "-f", "hello", "-d", '{"fail": true}', check=False)
    server.advance("3m")
    states = server.client("cloudwatch").describe_alarm_history(HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    assert any("Hello" in each["AlarmName"] and "to ALARM" in each["HistorySummary"] for each in states)
    project.run("remove")


@pytest.mark.long
def test_a_literal_stream_arn_must_name_the_label_that_exists(server, project, unique):
    """The way many projects are written: the table belongs to somebody else, its stream's ARN is a literal in serverless.yml."""
    dynamodb = server.client("dynamodb")
    stream = dynamodb.create_table(
        TableName=f"{unique}-theirs", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})["TableDescription"]["LatestStreamArn"]
    table, _, label = stream.rpartition("/")
    settings = (project.folder / "serverless.yml").read_text()

    def written(arn):
        (project.folder / "serverless.yml").write_text(settings.replace("arn: !GetAtt Orders.StreamArn", f"arn: {arn}"))

    written(f"{table}/2019-11-13T23:38:16.250")
    status, shown = project.run("deploy", check=False)
    assert status != 0 and label in shown, shown
    assert "2019-11-13T23:38:16.250" in shown
    written(stream)
    project.run("deploy")
    dynamodb.put_item(TableName=f"{unique}-theirs", Item={"id": {"S": "o1"}})
    server.settle()
    assert seen(server, unique) == {"o1": "first"}
    project.run("remove")
    assert f"{unique}-theirs" in dynamodb.list_tables()["TableNames"]


@pytest.mark.long
def test_a_layer_that_was_published_earlier_is_used_by_its_version(server, project, unique, tmp_path):
    folder = tmp_path / "layer/nodejs/node_modules/greeting"
    folder.mkdir(parents=True)
    (folder / "index.js").write_text("exports.greet = (name) => `good day, ${name}`;")
    layer = server.client("lambda").publish_layer_version(LayerName=unique, Content={"ZipFile": zip_of(tmp_path / "layer")})["LayerVersionArn"]
    settings = (project.folder / "serverless.yml").read_text()
    (project.folder / "serverless.yml").write_text(settings.replace("    handler: index.hello\n", f"    handler: index.hello\n    layers: ['{layer}']\n"))
    (project.folder / "index.js").write_text("exports.orders = async () => {};\nexports.hello = async ({ name }) => require('greeting').greet(name);\n")
    project.run("deploy")
    assert json.loads(project.run("invoke", "-f", "hello", "-d", '{"name": "you"}')) == "good day, you"
    project.run("remove")
    assert server.client("lambda").get_layer_version_by_arn(Arn=layer)["LayerVersionArn"] == layer
