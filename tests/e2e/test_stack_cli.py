"""`millrace deploy` and `millrace stacks`: templates with local code, skipped types, failures, watching."""
import json
import os
import pty
import re
import signal
import subprocess
import threading

import pytest

from world import BINARY, Server, wait_until

QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 45}}
CODE = """
AWSTemplateFormatVersion: '2010-09-09'
Description: says hello
Parameters:
  Word: {Type: String}
  Secret: {Type: String, NoEcho: true, Default: none}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
  Layer:
    Type: AWS::Lambda::LayerVersion
    Properties: {Content: ./layer, CompatibleRuntimes: [python3.11]}
  Hello:
    Type: AWS::Lambda::Function
    Properties:
      Code: ./code
      Handler: index.handler
      Runtime: python3.11
      Role: !GetAtt Role.Arn
      Layers: [!Ref Layer]
      Environment: {Variables: {WORD: !Ref Word}}
      VpcConfig: {SubnetIds: [subnet-1], SecurityGroupIds: [sg-1]}
Outputs:
  Function: {Value: !Ref Hello}
"""


@pytest.fixture
def cli(server, tmp_path):
    def run(*arguments, status=0):
        result = subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
                                env={**os.environ, "MILLRACE_ENDPOINT": server.endpoint})
        assert result.returncode == status, (arguments, result)
        run.stderr = result.stderr
        return result.stdout
    return run


@pytest.fixture
def write(tmp_path):
    def to(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path
    return to


def resources(**given):
    return {"Resources": given}


def hello(write, name):
    write("code/index.py", "import os, more\ndef handler(event, context):\n    return os.environ['WORD'] + more.TEXT\n")
    write("layer/python/more.py", "TEXT = '!'\n")
    return write(f"{name}.yaml", CODE)


def test_folders_of_code_are_deployed_and_what_has_no_effect_is_said(server, cli, write, unique):
    file = hello(write, unique)
    assert "Parameters: [Word] must have values" in (cli("deploy", file, status=1), cli.stderr)[1]
    out = cli("deploy", file, "--parameter", "Word=hello", "--parameter", "Secret=s3cr3t")
    lines = out.splitlines()
    assert re.match(r"\d{4}-\S+Z  CREATE_IN_PROGRESS +AWS::CloudFormation::Stack +" + unique, lines[0]), out
    assert any(re.search(r"CREATE_COMPLETE +AWS::Lambda::Function +Hello  \(Recorded, not in effect in millrace: VpcConfig\)", line) for line in lines)
    function, = re.findall(r"^  Function = (\S+)$", out, re.MULTILINE)
    assert f"{unique}: created" in lines and "not in effect here, in whole or in part: Hello" in lines[-1]
    assert "\x1b" not in out
    assert json.loads(server.cli("functions", "invoke", function)) == "hello!"
    # Nothing changed, not even the archives.
    assert cli("deploy", file, "--parameter", "Word=hello").splitlines()[0] == f"{unique}: no changes"
    write("code/index.py", "def handler(event, context):\n    return 'other'\n")
    assert "UPDATE_COMPLETE" in cli("deploy", file)
    assert json.loads(server.cli("functions", "invoke", function)) == "other"
    shown = cli("stacks", "show", unique)
    assert re.search(r"^description +says hello$", shown, re.MULTILINE) and re.search(r"^status +UPDATE_COMPLETE$", shown, re.MULTILINE), shown
    assert re.search(r"^Hello +AWS::Lambda::Function +VpcConfig *$", shown, re.MULTILINE)
    assert re.search(r"^Word +hello *$", shown, re.MULTILINE) and re.search(r"^Secret +\*\*\*\* *$", shown, re.MULTILINE)
    assert "s3cr3t" not in shown and re.search(rf"^Function +{function} *$", shown, re.MULTILINE)
    document = json.loads(cli("stacks", "show", unique, "--json"))
    assert {each["resource"]: each["not_in_effect"] for each in document["resources"]} == {"Hello": "VpcConfig", "Layer": "-", "Role": "-"}
    assert re.search(rf"^{unique} +UPDATE_COMPLETE +3 +1 ", cli("stacks", "ls"), re.MULTILINE)
    events = cli("stacks", "events", unique).splitlines()
    assert events[0].startswith(lines[0][:40]) and "UPDATE_COMPLETE" in events[-1]
    assert {json.loads(line)["StackName"] for line in cli("stacks", "events", unique, "--json").splitlines()} == {unique}
    out = cli("stacks", "delete", unique)
    assert out.splitlines()[-1] == f"{unique}: deleted" and "DELETE_COMPLETE" in out
    assert unique not in cli("stacks", "ls")
    assert "there is no stack " + unique in (cli("stacks", "delete", unique, status=1), cli.stderr)[1]
    assert "does not exist" in (cli("stacks", "show", unique, status=1), cli.stderr)[1]


def test_several_templates_are_several_stacks_in_order(server, cli, write, unique):
    one = write("one.json", {**resources(Queue=QUEUE), "Outputs": {"Q": {"Value": {"Ref": "Queue"}, "Export": {"Name": unique}}}})
    two = write("two/template.json", resources(Parameter={"Type": "AWS::SSM::Parameter", "Properties": {
        "Name": unique, "Type": "String", "Value": {"Fn::ImportValue": unique}}}))
    out = cli("deploy", one, two)
    assert out.index("one: created") < out.index("two: created")
    assert server.client("ssm").get_parameter(Name=unique)["Parameter"]["Value"].startswith("http")
    assert "is in use by two" in (cli("stacks", "delete", "one", status=1), cli.stderr)[1]
    assert "several templates" in (cli("deploy", one, two, "--stack", "x", status=1), cli.stderr)[1]
    documents = cli("deploy", one, two, "--json")
    assert documents.count('"result": "no changes"') == 2
    cli("stacks", "delete", "two")
    cli("stacks", "delete", "one")


def test_the_first_failed_resource_and_its_reason_end_the_command(server, cli, write, unique):
    bad = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 999999}, "DependsOn": "Queue"}
    file = write(f"{unique}.json", resources(Queue=QUEUE, Bad=bad))
    other = write("other.json", resources(Queue=QUEUE))
    out = cli("deploy", file, other, status=1)
    assert "CREATE_FAILED" in out and "other" not in out
    assert re.match(rf"millrace: {unique}: Bad \(AWS::SQS::Queue\) failed: .*VisibilityTimeout.*\nmillrace: the stack is in ROLLBACK_COMPLETE\n$", cli.stderr)
    document = json.loads(cli("deploy", file, "--json", status=1))
    assert document["failed"]["LogicalResourceId"] == "Bad" and document["status"] == "ROLLBACK_COMPLETE"
    # What is left of the attempt makes room for the next one.
    write(f"{unique}.json", resources(Queue=QUEUE))
    out = cli("deploy", file)
    assert "ROLLBACK_COMPLETE from an earlier attempt: deleting it first" in out and f"{unique}: created" in out
    write(f"{unique}.json", resources(Queue=QUEUE, Bad=bad))
    cli("deploy", file, status=1)
    assert cli.stderr.endswith("the stack is in UPDATE_ROLLBACK_COMPLETE\n")
    for content, message in (("{", "JSON not well-formed"), (resources(A={"Type": "AWS::EC2::Instance"}), "AWS::EC2::Instance"),
                             (resources(F={"Type": "AWS::Lambda::Function", "Properties": {"Code": "gone"}}), "Code of F: there is no file or folder")):
        write(f"{unique}.json", content)
        assert message in (cli("deploy", file, status=1), cli.stderr)[1]
        assert cli.stderr.startswith("millrace: ") and cli.stderr.count("\n") == 1
    assert "cannot read" in (cli("deploy", "nothing.yaml", status=1), cli.stderr)[1]
    assert "has no parameter Odd" in (cli("deploy", other, "--parameter", "Odd=1", status=1), cli.stderr)[1]


def test_parameters_come_from_a_file_and_the_command(cli, write, unique):
    file = write(f"{unique}.yaml", "Parameters: {A: {Type: Number}, B: {Type: String}}\nResources: {Q: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: !Ref A}}}\n"
                 "Outputs: {All: {Value: !Sub '${A} ${B}'}}\n")
    given = write("p.json", [{"ParameterKey": "A", "ParameterValue": "41"}, {"ParameterKey": "B", "ParameterValue": "file"}, {"ParameterKey": "C", "ParameterValue": "-"}])
    assert "All = 41 mine" in cli("deploy", file, "--parameters", given, "--parameter", "B=mine")
    # What is not given keeps its value.
    assert "All = 42 mine" in cli("deploy", file, "--parameter", "A=42")


def test_a_diff_changes_nothing(server, cli, write, unique):
    cloudformation = server.client("cloudformation")
    file = write("t.json", resources(Queue=QUEUE))
    assert re.search(r"^Add +Queue +AWS::SQS::Queue", cli("stacks", "diff", unique, file), re.MULTILINE)
    with pytest.raises(cloudformation.exceptions.ClientError, match="does not exist"):
        cloudformation.describe_stacks(StackName=unique)
    cli("deploy", file, "--stack", unique)
    assert cli("stacks", "diff", unique, file) == "No changes.\n"
    write("t.json", resources(Queue={"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 46}}, Topic={"Type": "AWS::SNS::Topic"}))
    out = cli("stacks", "diff", unique, file)
    assert re.search(r"^Modify +Queue +AWS::SQS::Queue +\S+ +VisibilityTimeout", out, re.MULTILINE) and re.search("^Add +Topic", out, re.MULTILINE)
    write("t.json", resources(Queue={"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 45, "QueueName": "new-" + unique}}))
    assert re.search("^Replace +Queue", cli("stacks", "diff", unique, file), re.MULTILINE)
    write("t.json", resources(Topic={"Type": "AWS::SNS::Topic"}))
    assert [each["ResourceChange"]["Action"] for each in json.loads(cli("stacks", "diff", unique, file, "--json"))["Changes"]] == ["Add", "Remove"]
    assert cloudformation.list_change_sets(StackName=unique)["Summaries"] == []
    assert cloudformation.describe_stacks(StackName=unique)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"


def test_skipped_types_are_recorded_and_shown(server, cli, write, unique):
    template = resources(
        Vpc={"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        Group={"Type": "AWS::EC2::SecurityGroup", "Properties": {"VpcId": {"Ref": "Vpc"}}},
        Topic={"Type": "AWS::SNS::Topic", "Properties": {"TopicName": unique}},
        Queue={"Type": "AWS::SQS::Queue", "Properties": {"QueueName": unique}})
    template["Outputs"] = {"Vpc": {"Value": {"Ref": "Vpc"}}, "Cidr": {"Value": {"Fn::GetAtt": ["Vpc", "CidrBlock"]}},
                           "Arn": {"Value": {"Fn::GetAtt": ["Group", "Arn"]}}, "Id": {"Value": {"Fn::GetAtt": ["Group", "GroupId"]}}}
    file = write(f"{unique}.json", template)
    cli("deploy", file, status=1)
    assert "Unrecognized resource types: [AWS::EC2::SecurityGroup, AWS::EC2::VPC]" in cli.stderr
    out = cli("deploy", file, "--skip", "AWS::EC2::*", "--skip", "AWS::SNS::Topic")
    assert re.search(r"CREATE_COMPLETE +AWS::EC2::VPC +Vpc  \(Skipped, not in effect in millrace\)", out)
    vpc, = re.findall(r"^  Vpc = (\S+)$", out, re.MULTILINE)
    group, = re.findall(r"^  Arn = arn:aws:ec2:us-east-1:000000000000:securitygroup/(\S+)$", out, re.MULTILINE)
    assert vpc.startswith(unique + "-Vpc-") and "  Cidr = 10.0.0.0/16\n" in out and f"  Id = {group}.GroupId\n" in out
    shown = cli("stacks", "show", unique)
    for name in ("Vpc +AWS::EC2::VPC", "Group +AWS::EC2::SecurityGroup", "Topic +AWS::SNS::Topic"):
        assert re.search(rf"^{name} +skipped *$", shown, re.MULTILINE), shown
    topics = lambda: [each for each in server.client("sns").list_topics()["Topics"] if each["TopicArn"].endswith(unique)]  # noqa: E731
    assert not topics()
    # A type that is not skipped any more is made; one that is from now on goes.
    assert re.search("^Replace +Topic", cli("stacks", "diff", unique, file, "--skip", "AWS::EC2::*"), re.MULTILINE)
    cli("deploy", file, "--skip", "AWS::EC2::*")
    assert topics()
    cli("deploy", file, "--skip", "AWS::EC2::*", "--skip", "AWS::SNS::Topic")
    assert not topics()
    cli("stacks", "delete", unique)
    write(f"{unique}.json", {**template, "Metadata": {"Millrace::Skip": "all"}})
    cli("deploy", file, status=1)
    assert "must be a list of resource types" in cli.stderr


def test_a_server_skips_types_for_every_client(tmp_path, unique):
    template = resources(Vpc={"Type": "AWS::EC2::VPC"}, Group={"Type": "AWS::EC2::SecurityGroup"}, Queue=QUEUE)
    with Server(data=tmp_path / "data", config={"stacks": {"skip": ["AWS::EC2::VPC"]}}, arguments=["--skip-type", "AWS::EC2::Sec*"]) as server:
        cloudformation = server.client("cloudformation")
        made = cloudformation.create_stack(StackName=unique, TemplateBody=json.dumps(template))["StackId"]
        cloudformation.get_waiter("stack_create_complete").wait(StackName=made)
        events = {each["LogicalResourceId"]: each.get("ResourceStatusReason") for each in cloudformation.describe_stack_events(StackName=unique)["StackEvents"]
                  if each["ResourceStatus"] == "CREATE_COMPLETE"}
        assert events == {"Vpc": "Skipped, not in effect in millrace", "Group": "Skipped, not in effect in millrace", "Queue": None, unique: None}
        # Without the option, what was recorded can still be deleted.
        server.stop()
        server.config["stacks"] = {}
        server.arguments = []
        server.start()
        assert '"not_in_effect": "skipped"' in server.cli("stacks", "show", unique, "--json")
        server.cli("stacks", "delete", unique)
    refused = subprocess.run([str(BINARY), "serve", "--ephemeral", "--port", "0", "--skip-type", "vpc"], capture_output=True, text=True, check=False, timeout=20)
    assert refused.returncode != 0 and "stacks.skip must name resource types" in refused.stderr


class Following:
    """A command that goes on, its output line by line; killed after a minute at the latest."""

    def __init__(self, server, *arguments):
        self.process = subprocess.Popen([str(BINARY), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env={**os.environ, "MILLRACE_ENDPOINT": server.endpoint})
        self.limit = threading.Timer(60, self.process.kill)
        self.limit.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.limit.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def until(self, pattern):
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if re.search(pattern, line):
                return "".join(lines)
        raise AssertionError("ended without " + pattern + ": " + "".join(lines))


def test_watch_deploys_again_when_code_or_template_change_until_it_is_interrupted(server, write, unique):
    file = hello(write, unique)
    with Following(server, "deploy", file, "--parameter", "Word=hello", "--watch") as watching:
        assert f"{unique}: created" in watching.until("Watching for changes")
        name = server.client("cloudformation").describe_stacks(StackName=unique)["Stacks"][0]["Outputs"][0]["OutputValue"]
        write("code/index.py", "def handler(event, context):\n    return 'changed'\n")
        assert f"{unique}: updated" in watching.until("Watching for changes")
        assert json.loads(server.cli("functions", "invoke", name)) == "changed"
        # A broken template is said, and mended.
        write(f"{unique}.yaml", "Resources: [")
        assert "YAML not well-formed" in watching.until("Watching for changes")
        write(f"{unique}.yaml", CODE.replace("says hello", "says more") + "  More: {Value: more}\n")
        assert "  More = more" in watching.until("Watching for changes")
        write("layer/python/extra.py", "")
        assert f"{unique}: updated" in watching.until("Watching for changes")
        watching.process.send_signal(signal.SIGINT)
        assert watching.process.wait(timeout=10) == 0


def test_events_can_be_followed(server, cli, write, unique):
    file = write(f"{unique}.json", resources(Queue=QUEUE))
    cli("deploy", file)
    with Following(server, "stacks", "events", unique, "--follow") as following:
        following.until("CREATE_COMPLETE +AWS::CloudFormation::Stack")
        write(f"{unique}.json", resources(Queue=QUEUE, Topic={"Type": "AWS::SNS::Topic"}))
        cli("deploy", file)
        following.until("CREATE_COMPLETE +AWS::SNS::Topic")


def test_a_terminal_shows_what_is_under_way(server, write, unique):
    file = write(f"{unique}.json", resources(Queue=QUEUE))
    terminal, end = pty.openpty()
    process = subprocess.Popen([str(BINARY), "deploy", str(file)], stdout=end, stderr=end, env={**os.environ, "MILLRACE_ENDPOINT": server.endpoint})
    os.close(end)
    shown = b""
    try:
        while b"created" not in shown:
            shown += os.read(terminal, 65536)
        assert process.wait(timeout=20) == 0
    finally:
        os.close(terminal)
        process.kill()
        process.wait()
    assert b"\r\x1b[K" in shown and f"{unique}: created".encode() in shown


def test_a_stack_that_cannot_be_deleted_names_what_is_in_the_way(server, cli, write, unique):
    file = write(f"{unique}.json", resources(Bucket={"Type": "AWS::S3::Bucket", "Properties": {"BucketName": unique}}))
    cli("deploy", file)
    s3 = server.client("s3")
    s3.put_object(Bucket=unique, Key="a", Body=b"1")
    cli("stacks", "delete", unique, status=1)
    assert re.match(rf"millrace: {unique}: Bucket \(AWS::S3::Bucket\) failed: .*not empty.*\nmillrace: the stack is in DELETE_FAILED\n", cli.stderr)
    assert cli("stacks", "delete", unique, "--retain", "Bucket").endswith(f"{unique}: deleted\n")
    assert s3.head_bucket(Bucket=unique)
    wait_until(lambda: unique not in cli("stacks", "ls"), "the stack to be gone")
