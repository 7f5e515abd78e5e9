"""Serverless Framework 3, which knows no endpoints: through `millrace hook`. Long: it is the older one of the two."""
import json
import pathlib
import re

import pytest

import deploy

HERE = pathlib.Path(__file__).resolve().parent / "projects/serverless"
pytestmark = [pytest.mark.long, pytest.mark.skipif(not deploy.is_installed("serverless"), reason="./x test --all installs serverless@3")]


@pytest.fixture
def project(server, tmp_path, unique, monkeypatch):
    monkeypatch.setenv("SERVICE", unique)
    return deploy.Project(server, "serverless", HERE, tmp_path / "project", hook=True)


def edit(project, *pairs):
    path = project.folder / "serverless.yml"
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def test_everything_a_user_does_with_it(server, project, unique, monkeypatch):
    stack = f"{unique}-dev"
    assert "Service deployed to stack " + stack in project.run("deploy")
    server.client("dynamodb").put_item(TableName=f"{unique}-orders", Item={"id": {"S": "o1"}})
    server.settle()
    assert server.client("dynamodb").scan(TableName=f"{unique}-seen")["Items"] == [{"id": {"S": "o1"}, "step": {"S": "first"}}]
    assert "No changes to deploy" in project.run("deploy")
    assert '"hello": "you"' in project.run("invoke", "-f", "hello", "-d", '{"name": "you"}')
    assert 'asked for {"name":"you"}' in project.run("logs", "-f", "hello")
    assert f"hello: {unique}-dev-hello" in project.run("info")
    assert re.search(r"invocations: 1\b", project.run("metrics", "-f", "hello"))
    (project.folder / "index.js").write_text((HERE / "index.js").read_text().replace("hello: event.name", "greeting: event.name"))
    assert "Function code deployed" in project.run("deploy", "function", "-f", "hello")
    assert '"greeting": "world"' in project.run("invoke", "-f", "hello")
    monkeypatch.setenv("STEP", "second")
    project.run("deploy")
    first = re.findall(r"Timestamp: (\d+)", project.run("deploy", "list"))[0]
    project.run("rollback", "-t", first)
    variables = server.client("lambda").get_function_configuration(FunctionName=f"{unique}-dev-orders")["Environment"]["Variables"]
    assert variables["STEP"] == "first"
    project.run("remove")
    assert not [name for name in server.client("dynamodb").list_tables()["TableNames"] if name.startswith(unique)]


def test_plugins_for_dead_letters_and_alarms(server, project, unique):
    """The dead letter plugin reads region and account out of the queue's URL, which therefore must be of AWS's form."""
    (project.folder / "plugins.yml").write_text("- serverless-plugin-lambda-dead-letter\n- serverless-plugin-aws-alerts\n")
    edit(project, ("    handler: index.hello\n", "    handler: index.hello\n    deadLetter: { targetArn: { GetResourceArn: HelloDead } }\n"),
         ("    Seen:\n", f"    HelloDead:\n      Type: AWS::SQS::Queue\n      Properties: {{ QueueName: {unique}-dead }}\n    Seen:\n"))
    project.run("deploy")
    configuration = server.client("lambda").get_function_configuration(FunctionName=f"{unique}-dev-hello")
    assert configuration["DeadLetterConfig"] == {"TargetArn": f"arn:aws:sqs:us-east-1:000000000000:{unique}-dead"}
    assert len(server.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{unique}-dev")["MetricAlarms"]) == 2

    server.client("lambda").invoke(FunctionName=f"{unique}-dev-hello", InvocationType="Event", Payload=json.dumps({"fail": True}))
    server.settle()
    server.advance("10m")  # its two retries
    sqs = server.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{unique}-dead")["QueueUrl"]
    assert [json.loads(each["Body"]) for each in sqs.receive_message(QueueUrl=url).get("Messages", [])] == [{"fail": True}]
    project.run("remove")


def test_without_an_endpoint_nothing_leaves_the_machine(project, monkeypatch):
    environment = project.environment()
    monkeypatch.setattr(project, "environment", lambda: {name: value for name, value in environment.items() if name != "AWS_ENDPOINT_URL"})
    status, shown = project.run("deploy", check=False)
    assert status != 0 and "Inaccessible host" in shown, shown  # how SDK v2 puts what the hook refuses
