"""`aws cloudformation package` and `deploy`, and roles assumed one after the other, with the AWS CLI as it is published."""
import json
import os
import subprocess
import time

import pytest

from world import DEPS, Server

CLIENTS = {"version 1": DEPS / "venv/bin/aws", "version 2": DEPS / "aws-cli/dist/aws"}
TEMPLATE = """
Parameters:
  Word: {Type: String, Default: first}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}]}
  Layer:
    Type: AWS::Lambda::LayerVersion
    Properties: {Content: layer}
  Hello:
    Type: AWS::Lambda::Function
    Properties: {Code: code, Handler: index.handler, Runtime: python3.11, Role: !GetAtt Role.Arn, Layers: [!Ref Layer], Environment: {Variables: {WORD: !Ref Word}}}
Outputs:
  Function: {Value: !Ref Hello}
"""


@pytest.fixture(scope="module")
def server():
    with Server(config={"stacks": {"python": str(DEPS / "venv/bin/python")}}) as running:
        yield running


@pytest.fixture(params=list(CLIENTS))
def aws(request, server, tmp_path):
    """aws("s3", "ls") answers its output, decoded when it is JSON; with fails=True its exit status must not be 0; credentials may be others'."""
    client = CLIENTS[request.param]
    if not client.exists():
        pytest.skip(f"{client} is not installed")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MILLRACE_"))}

    def run(*arguments, fails=False, credentials=None, **more):
        result = subprocess.run([str(client), *map(str, arguments)], capture_output=True, text=True, timeout=90, check=False, cwd=tmp_path, env={
            **kept, "HOME": str(tmp_path), "AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": server.endpoint, "AWS_DEFAULT_REGION": "us-east-1",
            **(credentials if credentials is not None else {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}), **more})
        run.stderr = result.stderr
        assert (result.returncode != 0) == fails, result.stderr + result.stdout
        return json.loads(result.stdout) if result.stdout.startswith(("{", "[")) else result.stdout
    return run


def code(tmp_path, text):
    for name, content in (("code/index.py", text), ("layer/python/more.py", "TEXT = '!'\n")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)


def test_package_and_deploy(server, aws, tmp_path, unique):
    aws("s3", "mb", f"s3://{unique}")
    code(tmp_path, "import os, more\ndef handler(event, context):\n    return os.environ['WORD'] + more.TEXT\n")
    (tmp_path / "inner.yaml").write_text(TEMPLATE)

    def deploy(*more, fails=False):
        aws("cloudformation", "package", "--template-file", "inner.yaml", "--s3-bucket", unique, "--output-template-file", "out.yaml")
        # The AWS CLI names a change set by the second, and one without changes keeps its name: no two may begin within one.
        while int(time.time()) <= deploy.second:
            time.sleep(0.02)
        output = aws("cloudformation", "deploy", "--template-file", "out.yaml", "--stack-name", unique, *more, fails=fails)
        deploy.second = int(time.time())
        return output

    deploy.second = 0
    deploy(fails=True)
    assert "Requires capabilities : [CAPABILITY_IAM]" in aws.stderr
    assert f"Successfully created/updated stack - {unique}" in deploy("--capabilities", "CAPABILITY_IAM", "--parameter-overrides", "Word=hello", "--tags", "team=files")
    stack = aws("cloudformation", "describe-stacks", "--stack-name", unique)["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE" and stack["Tags"] == [{"Key": "team", "Value": "files"}]
    function = stack["Outputs"][0]["OutputValue"]
    assert json.loads(server.cli("functions", "invoke", function)) == "hello!"
    # The same once more is no change; without its tags it would be one.
    out = deploy("--capabilities", "CAPABILITY_IAM", "--tags", "team=files", "--no-fail-on-empty-changeset")
    assert "No changes to deploy" in out
    code(tmp_path, "def handler(event, context):\n    return 'other'\n")
    deploy("--capabilities", "CAPABILITY_IAM")
    assert json.loads(server.cli("functions", "invoke", function)) == "other"
    assert aws("cloudformation", "describe-stacks", "--stack-name", unique)["Stacks"][0]["Parameters"] == [{"ParameterKey": "Word", "ParameterValue": "hello"}]
    aws("cloudformation", "delete-stack", "--stack-name", unique)
    aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", unique)
    aws("cloudformation", "describe-stacks", "--stack-name", unique, fails=True)
    assert "does not exist" in aws.stderr


@pytest.mark.parametrize("aws", ["version 1"], indirect=True)
def test_a_failed_deployment_says_where_to_look(aws, tmp_path, unique):
    (tmp_path / "t.json").write_text(json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 999999}}}}))
    aws("cloudformation", "deploy", "--template-file", "t.json", "--stack-name", unique, fails=True)
    assert "describe-stack-events" in aws.stderr
    events = aws("cloudformation", "describe-stack-events", "--stack-name", unique)["StackEvents"]
    assert [each["LogicalResourceId"] for each in events if each["ResourceStatus"] == "CREATE_FAILED"] == ["Q"]


@pytest.mark.parametrize("aws", ["version 1"], indirect=True)
def test_a_serverless_template_is_packaged_and_deployed(server, aws, tmp_path, unique):
    if subprocess.run([str(DEPS / "venv/bin/python"), "-c", "import samtranslator"], capture_output=True, check=False).returncode != 0:
        pytest.skip("aws-sam-translator is not installed")
    aws("s3", "mb", f"s3://{unique}")
    code(tmp_path, "def handler(event, context):\n    return 'serverless'\n")
    (tmp_path / "sam.yaml").write_text("Transform: AWS::Serverless-2016-10-31\nResources:\n  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: code, Handler: index.handler, "
                                       "Runtime: python3.11}}\nOutputs: {F: {Value: !Ref F}}\n")
    aws("cloudformation", "package", "--template-file", "sam.yaml", "--s3-bucket", unique, "--output-template-file", "out.yaml")
    aws("cloudformation", "deploy", "--template-file", "out.yaml", "--stack-name", unique, "--capabilities", "CAPABILITY_IAM")
    name = aws("cloudformation", "describe-stacks", "--stack-name", unique)["Stacks"][0]["Outputs"][0]["OutputValue"]
    assert json.loads(server.cli("functions", "invoke", name)) == "serverless"


@pytest.mark.parametrize("aws", ["version 1"], indirect=True)
def test_roles_are_assumed_one_after_the_other_and_deploy_in_their_accounts(server, aws, tmp_path, unique):
    def role(name, account, trusted):
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole"}]}
        return server.client("iam", account=account).create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]

    first = role(unique + "-one", "111111111111", "000000000000")
    second = role(unique + "-two", "222222222222", first)

    def assume(arn, credentials=None, fails=False):
        answer = aws("sts", "assume-role", "--role-arn", arn, "--role-session-name", "chain", credentials=credentials, fails=fails)
        if fails:
            return None
        return {f"AWS_{key}": answer["Credentials"][name] for key, name in
                (("ACCESS_KEY_ID", "AccessKeyId"), ("SECRET_ACCESS_KEY", "SecretAccessKey"), ("SESSION_TOKEN", "SessionToken"))}

    assume(second, fails=True)
    assert "AccessDenied" in aws.stderr
    chained = assume(second, credentials=assume(first))
    identity = aws("sts", "get-caller-identity", credentials=chained)
    assert identity["Account"] == "222222222222" and identity["Arn"] == f"arn:aws:sts::222222222222:assumed-role/{unique}-two/chain"
    (tmp_path / "t.json").write_text(json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}, "Outputs": {"Q": {"Value": {"Fn::GetAtt": ["Q", "Arn"]}}}}))
    aws("cloudformation", "deploy", "--template-file", "t.json", "--stack-name", unique, credentials=chained)
    stack = aws("cloudformation", "describe-stacks", "--stack-name", unique, credentials=chained)["Stacks"][0]
    assert ":222222222222:" in stack["StackId"] and ":222222222222:" in stack["Outputs"][0]["OutputValue"]
    aws("cloudformation", "describe-stacks", "--stack-name", unique, fails=True)
    # The same by profiles, as people configure it.
    (tmp_path / ".aws").mkdir(exist_ok=True)
    (tmp_path / ".aws/config").write_text(f"[profile base]\naws_access_key_id = test\naws_secret_access_key = test\n[profile one]\nrole_arn = {first}\nsource_profile = base\n"
                                          f"[profile two]\nrole_arn = {second}\nsource_profile = one\n")
    assert aws("sts", "get-caller-identity", "--profile", "two", credentials={})["Account"] == "222222222222"
    names = [each["StackName"] for each in aws("cloudformation", "list-stacks", "--profile", "two", credentials={})["StackSummaries"]]
    assert unique in names
