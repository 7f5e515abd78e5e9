"""The serverless transform: SAM templates through aws-sam-translator, where a Python on this machine has it."""
import subprocess
import threading

import botocore.exceptions
import pytest

from world import DEPS, Server, wait_until, zip_of

PYTHON = DEPS / "venv/bin/python"
SAM = """
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, Timeout: 7}
Parameters:
  Word: {Type: String, Default: hello}
Resources:
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  Done:
    Type: AWS::SQS::Queue
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code/
      Handler: index.handler
      Environment: {Variables: {WORD: !Ref Word, QUEUE: !Ref Done}}
      Policies: [AWSLambdaBasicExecutionRole, {SQSSendMessagePolicy: {QueueName: !GetAtt Done.QueueName}}]
      Events:
        Changes:
          Type: DynamoDB
          Properties: {Stream: !GetAtt Orders.StreamArn, StartingPosition: TRIM_HORIZON, BatchSize: 5}
Outputs:
  Table: {Value: !Ref Orders}
  Queue: {Value: !Ref Done}
  Function: {Value: !Ref Worker}
"""
CODE = """
import boto3, json, os
def handler(event, context):
    for record in event['Records']:
        boto3.client('sqs').send_message(QueueUrl=os.environ['QUEUE'], MessageBody=os.environ['WORD'] + ' ' + record['dynamodb']['Keys']['id']['S'])
"""


def has_translator():
    return PYTHON.exists() and subprocess.run([str(PYTHON), "-c", "import samtranslator"], capture_output=True, check=False).returncode == 0


needs_translator = pytest.mark.skipif(not has_translator(), reason="aws-sam-translator is not installed")


@pytest.fixture(scope="module")
def server():
    with Server(config={"stacks": {"python": str(PYTHON)}}) as running:
        yield running


def script(tmp_path, body):
    path = tmp_path / "python-of-its-own"
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)
    return str(path)


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]


@needs_translator
def test_a_serverless_template_is_deployed_with_its_code(server, tmp_path, unique):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/index.py").write_text(CODE)
    file = tmp_path / f"{unique}.yaml"
    file.write_text(SAM)
    assert f"{unique}: created" in server.cli("deploy", str(file), "--parameter", "Word=seen")
    cloudformation = server.client("cloudformation")
    outputs = {each["OutputKey"]: each["OutputValue"] for each in cloudformation.describe_stacks(StackName=unique)["Stacks"][0]["Outputs"]}
    server.client("dynamodb").put_item(TableName=outputs["Table"], Item={"id": {"S": "o1"}})
    received = []
    wait_until(lambda: received.extend(server.client("sqs").receive_message(QueueUrl=outputs["Queue"], WaitTimeSeconds=1).get("Messages", [])) or received, "the message")
    assert received[0]["Body"] == "seen o1"
    assert server.client("lambda").get_function_configuration(FunctionName=outputs["Function"])["Timeout"] == 7
    types = {each["LogicalResourceId"]: each["ResourceType"] for each in cloudformation.list_stack_resources(StackName=unique)["StackResourceSummaries"]}
    assert types == {"Orders": "AWS::DynamoDB::Table", "Done": "AWS::SQS::Queue", "Worker": "AWS::Lambda::Function", "WorkerRole": "AWS::IAM::Role",
                     "WorkerChanges": "AWS::Lambda::EventSourceMapping"}
    original = cloudformation.get_template(StackName=unique, TemplateStage="Original")["TemplateBody"]
    assert original["Transform"] == "AWS::Serverless-2016-10-31" and original["Resources"]["Worker"]["Type"] == "AWS::Serverless::Function"
    for processed in (cloudformation.get_template(StackName=unique, TemplateStage="Processed"), cloudformation.get_template(StackName=unique)):
        assert "Transform" not in processed["TemplateBody"] and processed["TemplateBody"]["Resources"]["Worker"]["Type"] == "AWS::Lambda::Function"
    # Nothing has changed, then the code has, then only a parameter.
    assert f"{unique}: no changes" in server.cli("deploy", str(file))
    (tmp_path / "code/index.py").write_text(CODE.replace("' '", "'-'"))
    assert "Worker" in server.cli("stacks", "diff", unique, str(file))
    server.cli("deploy", str(file))
    cloudformation.update_stack(StackName=unique, UsePreviousTemplate=True, Parameters=[{"ParameterKey": "Word", "ParameterValue": "again"}],
                                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    cloudformation.get_waiter("stack_update_complete").wait(StackName=unique)
    server.client("dynamodb").put_item(TableName=outputs["Table"], Item={"id": {"S": "o2"}})
    received.clear()
    wait_until(lambda: received.extend(server.client("sqs").receive_message(QueueUrl=outputs["Queue"], WaitTimeSeconds=1).get("Messages", [])) or received, "the message")
    assert any(each["Body"] == "again-o2" for each in received)
    server.cli("stacks", "delete", unique)


@needs_translator
def test_a_change_set_a_validation_and_a_summary_of_a_serverless_template(server, unique):
    cloudformation = server.client("cloudformation")
    body = SAM.replace("code/", "s3://bucket/key")
    assert refused(cloudformation.create_stack, StackName=unique, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])["Message"] == \
        "Requires capabilities : [CAPABILITY_AUTO_EXPAND]"
    assert refused(cloudformation.create_change_set, StackName=unique, ChangeSetName="a", ChangeSetType="CREATE", TemplateBody=body)["Message"] == \
        "Requires capabilities : [CAPABILITY_IAM]"
    made = cloudformation.create_change_set(StackName=unique, ChangeSetName="a", ChangeSetType="CREATE", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    changes = cloudformation.describe_change_set(ChangeSetName=made["Id"])["Changes"]
    assert {each["ResourceChange"]["LogicalResourceId"] for each in changes} == {"Orders", "Done", "Worker", "WorkerRole", "WorkerChanges"}
    stages = {stage: cloudformation.get_template(StackName=unique, ChangeSetName="a", TemplateStage=stage)["TemplateBody"] for stage in ("Original", "Processed")}
    assert "Globals" in stages["Original"] and "Globals" not in stages["Processed"]
    valid = cloudformation.validate_template(TemplateBody=body)
    assert valid["Capabilities"] == ["CAPABILITY_AUTO_EXPAND"]
    assert valid["DeclaredTransforms"] == ["AWS::Serverless-2016-10-31"] and [each["ParameterKey"] for each in valid["Parameters"]] == ["Word"]
    assert cloudformation.get_template_summary(TemplateBody=body)["DeclaredTransforms"] == ["AWS::Serverless-2016-10-31"]


@needs_translator
def test_a_wrong_serverless_template_is_refused_as_the_translator_says(server, unique):
    cloudformation = server.client("cloudformation")
    body = "Transform: AWS::Serverless-2016-10-31\nResources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: ./nowhere, Handler: a.b, Runtime: python3.11}}}\n"
    for call in (cloudformation.validate_template, cloudformation.create_stack):
        options = {} if call == cloudformation.validate_template else {"StackName": unique, "Capabilities": ["CAPABILITY_AUTO_EXPAND"]}
        error = refused(call, TemplateBody=body, **options)
        assert error["Code"] == "ValidationError"
        assert error["Message"].startswith("Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document. "
                                           "Number of errors found: 1. Resource with id [F] is invalid. 'CodeUri' is not a valid S3 Uri")


def test_other_transforms_are_refused_by_name(server, unique):
    cloudformation = server.client("cloudformation")
    for transform, message in (("AWS::LanguageExtensions", "Transform AWS::LanguageExtensions is not supported by millrace."), ("Mine", "No transform named Mine found."),
                               ("[AWS::Serverless-2016-10-31, AWS::Include]", "Transform AWS::Include is not supported by millrace.")):
        body = f"Transform: {transform}\nResources: {{Q: {{Type: AWS::SQS::Queue}}}}\n"
        for call, options in ((cloudformation.create_stack, {"StackName": unique}), (cloudformation.validate_template, {})):
            assert refused(call, TemplateBody=body, **options)["Message"] == message


def test_without_the_package_it_is_named_with_the_line_that_installs_it(tmp_path, unique):
    python = script(tmp_path, 'exec python3 -I -S "$@"\n')
    with Server(data=tmp_path / "data", config={"stacks": {"python": python}}) as server:
        cloudformation = server.client("cloudformation")
        error = refused(cloudformation.create_stack, StackName=unique, TemplateBody=SAM.replace("code/", "s3://b/k"), Capabilities=["CAPABILITY_AUTO_EXPAND"])
        assert f"run `{python} -m pip install aws-sam-translator`" in error["Message"]
    with Server(data=tmp_path / "other", config={"stacks": {"python": "/nowhere/python"}}) as server:
        error = refused(server.client("cloudformation").validate_template, TemplateBody=SAM)
        assert "/nowhere/python cannot be run (No such file or directory)" in error["Message"]


def test_a_transform_that_takes_long_keeps_nobody_waiting_and_ends_with_the_server(tmp_path, unique):
    python = script(tmp_path, f"touch {tmp_path}/started; exec sleep 600\n")
    with Server(data=tmp_path / "data", config={"stacks": {"python": python}}) as server:
        cloudformation = server.client("cloudformation", read_timeout=60)
        failed = []

        def create():
            try:
                cloudformation.create_stack(StackName=unique, TemplateBody=SAM, Capabilities=["CAPABILITY_AUTO_EXPAND"])
            except Exception as problem:  # noqa: BLE001: the connection ends with the server
                failed.append(problem)
        others = [threading.Thread(target=create) for _ in range(4)]  # more than there are threads in the pool
        for other in others:
            other.start()
        wait_until(lambda: (tmp_path / "started").exists(), "the helper")
        assert cloudformation.describe_stacks()["Stacks"] == []
        server.client("sqs").create_queue(QueueName=unique)
        (tmp_path / "index.py").write_text("")
        server.function(unique, zip_of(tmp_path / "index.py"))  # code is unpacked on the pool
        assert not server.admin("settle", {"limit": "100ms"})["settled"]
        assert server.stop(limit=30) is not None
        for other in others:
            other.join(timeout=30)
        assert len(failed) == 4
