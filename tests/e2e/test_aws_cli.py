"""The AWS CLI as people use it: the README's walk-through word by word, `aws s3`, and the calls of the other services."""
import io
import json
import os
import shutil
import signal
import subprocess
import urllib.request
import zipfile

import pytest

from world import BINARY, DEPS, ROOT, Server

VERSION_1 = DEPS / "venv/bin/aws"
VERSION_2 = DEPS / "aws-cli/dist/aws"  # ./x test puts it there; for x86-64 only


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with `millrace` to put before everything else on PATH, and no AWS configuration."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "bin").mkdir()
    (folder / "bin/millrace").symlink_to(BINARY)
    return folder


def installed(client):
    if not client.exists():
        pytest.skip(f"{client} is not installed")
    return client


def environment(home, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MILLRACE_"))}
    return {**kept, "HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}", "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "", **more}


def caller(client, server, home):
    """aws("s3", "ls") answers its output, decoded when it is JSON; with fails=True its exit status must not be 0."""
    variables = environment(home, AWS_ENDPOINT_URL=server.endpoint, AWS_REGION="us-east-1", AWS_DEFAULT_REGION="us-east-1",
                            AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")

    def run(*arguments, fails=False, stdin=None, cwd=None):
        result = subprocess.run([str(client), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, input=stdin,
                                env=variables, cwd=cwd)
        assert (result.returncode != 0) == fails, result.stderr + result.stdout
        if fails:
            return result.stderr
        return json.loads(result.stdout) if result.stdout.startswith(("{", "[")) else result.stdout

    run.variables = variables
    return run


@pytest.fixture(scope="module")
def aws(server, home):
    return caller(installed(VERSION_2), server, home)


def walk_through():
    """The commands of the README's section "From a table to a function", as a reader would paste them."""
    section = (ROOT / "README.md").read_text().split("## From a table to a function")[1].split("\n## ")[0]
    return "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))


@pytest.mark.parametrize("client", [VERSION_1, VERSION_2], ids=["version 1", "version 2"])
def test_the_readmes_walk_through(home, tmp_path, client):
    if shutil.which("zip") is None:
        pytest.skip("no zip on this machine")
    (tmp_path / "aws").symlink_to(installed(client))
    with Server() as server:
        variables = environment(home, MILLRACE_ENDPOINT=server.endpoint)
        variables["PATH"] = f"{tmp_path}:{variables['PATH']}"
        *commands, follow = walk_through().splitlines()
        assert commands.pop(0).startswith("millrace serve &")  # runs already, on a free port
        assert "millrace env" in commands[0] and follow.startswith("millrace functions logs hello -f ")
        result = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(commands)], capture_output=True, text=True, timeout=120, check=False,
                                cwd=tmp_path, env=variables)
        assert result.returncode == 0, result.stderr + result.stdout
        follows = [follow.split("#")[0]]
        if client == VERSION_2:
            follows.append('eval "$(millrace env)"; exec ' + follow.split("also: ")[1])
        for command in follows:
            assert '"first"' in first_line_with('"NewImage"', command, variables)


def first_line_with(text, command, variables):
    """The first line of a command that would go on for ever."""
    follower = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, text=True, env=variables, start_new_session=True)
    try:
        return next(line for line in follower.stdout if text in line)
    finally:
        os.killpg(follower.pid, signal.SIGKILL)
        follower.wait()
        follower.stdout.close()


def test_s3_files_and_folders(aws, unique, tmp_path):
    bucket = f"s3://{unique}"
    tree = tmp_path / "tree"
    (tree / "sub ü").mkdir(parents=True)
    (tree / "a.txt").write_text("a")
    (tree / "sub ü/b c.bin").write_bytes(os.urandom(100_000))
    (tree / "large.bin").write_bytes(os.urandom(9_000_000))  # above the CLI's multipart threshold
    aws("s3", "mb", bucket)
    assert unique in aws("s3", "ls")
    aws("s3", "cp", tree / "a.txt", f"{bucket}/one.txt", "--content-type", "text/x", "--metadata", "k=v", "--storage-class", "STANDARD_IA")
    head = aws("s3api", "head-object", "--bucket", unique, "--key", "one.txt")
    assert head["ContentType"] == "text/x" and head["Metadata"] == {"k": "v"} and head["StorageClass"] == "STANDARD_IA"
    assert aws("s3", "sync", tree, f"{bucket}/tree").count("upload:") == 3
    (tree / "a.txt").write_text("changed")
    assert aws("s3", "sync", tree, f"{bucket}/tree").count("upload:") == 1  # and not the others again
    listed = aws("s3", "ls", "--recursive", bucket)
    assert "tree/sub ü/b c.bin" in listed and " 9000000 tree/large.bin" in listed
    aws("s3", "sync", f"{bucket}/tree", tmp_path / "back")
    for file in tree.rglob("*"):
        assert file.is_dir() or (tmp_path / "back" / file.relative_to(tree)).read_bytes() == file.read_bytes()
    aws("s3", "cp", "-", f"{bucket}/stdin", stdin="from a pipe")
    assert aws("s3", "cp", f"{bucket}/stdin", "-") == "from a pipe"
    aws("s3", "mv", f"{bucket}/stdin", f"{bucket}/moved")
    url = aws("s3", "presign", f"{bucket}/moved").strip()
    with urllib.request.urlopen(url, timeout=30) as response:
        assert response.read() == b"from a pipe"
    (tree / "a.txt").unlink()
    assert "delete:" in aws("s3", "sync", "--delete", tree, f"{bucket}/tree")
    assert "BucketNotEmpty" in aws("s3", "rb", bucket, fails=True)
    assert aws("s3", "rm", "--recursive", f"{bucket}/tree").count("delete:") == 2
    assert "NoSuchBucket" in aws("s3", "ls", bucket + "-none", fails=True)


def test_dynamodb(aws, unique):
    aws("dynamodb", "create-table", "--table-name", unique, "--billing-mode", "PAY_PER_REQUEST", "--key-schema", "AttributeName=id,KeyType=HASH",
        "--attribute-definitions", "AttributeName=id,AttributeType=S")
    aws("dynamodb", "put-item", "--table-name", unique, "--item", '{"id": {"S": "1"}, "n": {"N": "5"}, "ü": {"BOOL": true}}')
    aws("dynamodb", "update-item", "--table-name", unique, "--key", '{"id": {"S": "1"}}', "--update-expression", "ADD n :n",
        "--expression-attribute-values", '{":n": {"N": "2.5"}}')
    assert aws("dynamodb", "get-item", "--table-name", unique, "--key", '{"id": {"S": "1"}}')["Item"] == {"id": {"S": "1"}, "n": {"N": "7.5"}, "ü": {"BOOL": True}}
    assert aws("dynamodb", "scan", "--table-name", unique, "--query", "Count", "--output", "text").strip() == "1"
    aws("dynamodb", "delete-table", "--table-name", unique)
    assert "ResourceNotFoundException" in aws("dynamodb", "describe-table", "--table-name", unique, fails=True)


def test_sqs(aws, unique):
    url = aws("sqs", "create-queue", "--queue-name", unique, "--attributes", "VisibilityTimeout=60")["QueueUrl"]
    aws("sqs", "send-message", "--queue-url", url, "--message-body", "grüße", "--message-attributes", '{"a": {"DataType": "String", "StringValue": "b"}}')
    message = aws("sqs", "receive-message", "--queue-url", url, "--wait-time-seconds", "1", "--attribute-names", "All", "--message-attribute-names", "All")["Messages"][0]
    assert message["Body"] == "grüße" and message["MessageAttributes"]["a"]["StringValue"] == "b"
    aws("sqs", "delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
    attributes = aws("sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
    aws("sqs", "delete-queue", "--queue-url", url)
    assert "NonExistentQueue" in aws("sqs", "get-queue-url", "--queue-name", unique, fails=True)


def test_lambda_logs_and_iam(aws, unique, tmp_path):
    role = aws("iam", "create-role", "--role-name", unique, "--assume-role-policy-document", json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))["Role"]["Arn"]
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("index.py", "def handler(event, context):\n    print('got', event)\n    return {'twice': event['n'] * 2}\n")
    aws("lambda", "create-function", "--function-name", unique, "--runtime", "python3.11", "--handler", "index.handler", "--role", role, "--zip-file", f"fileb://{tmp_path}/code.zip")
    answer = aws("lambda", "invoke", "--function-name", unique, "--payload", '{"n": 21}', "--cli-binary-format", "raw-in-base64-out", "--log-type", "Tail", "out.json", cwd=tmp_path)
    assert answer["StatusCode"] == 200 and json.loads((tmp_path / "out.json").read_text()) == {"twice": 42}
    changed = aws("lambda", "update-function-configuration", "--function-name", unique, "--timeout", "7", "--environment", "Variables={AA=1,BB=2}")
    assert changed["Timeout"] == 7 and changed["Environment"] == {"Variables": {"AA": "1", "BB": "2"}}
    assert unique in aws("lambda", "list-functions", "--query", "Functions[].FunctionName", "--output", "text")
    group = f"/aws/lambda/{unique}"
    assert aws("logs", "describe-log-groups", "--log-group-name-prefix", group)["logGroups"][0]["logGroupName"] == group
    assert "got {'n': 21}" in aws("logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", "got", "--query", "events[].message", "--output", "text")
    assert aws("sts", "get-caller-identity")["Account"] == "000000000000"


def test_logs_tail_follow(aws, server, unique):
    """A second call's output appears without asking again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", "def handler(event, context):\n    print('call', event['n'])\n")
    server.function(unique, buffer.getvalue(), runtime="python3.11")
    invoke = server.client("lambda").invoke
    invoke(FunctionName=unique, Payload=b'{"n": 1}')
    follower = subprocess.Popen([str(VERSION_2), "logs", "tail", f"/aws/lambda/{unique}", "--follow", "--format", "short"], stdout=subprocess.PIPE, text=True,
                                env=aws.variables)
    try:
        assert next(line for line in follower.stdout if "call" in line).endswith("call 1\n")
        invoke(FunctionName=unique, Payload=b'{"n": 2}')
        assert next(line for line in follower.stdout if "call" in line).endswith("call 2\n")
    finally:
        follower.kill()
        follower.wait()
        follower.stdout.close()


def test_version_1(server, home, unique, tmp_path):
    aws = caller(installed(VERSION_1), server, home)
    (tmp_path / "file ü").write_bytes(os.urandom(9_000_000))
    aws("s3", "mb", f"s3://{unique}")
    aws("s3", "sync", tmp_path, f"s3://{unique}")
    assert "9000000 file ü" in aws("s3", "ls", f"s3://{unique}")
    aws("dynamodb", "list-tables")
    # It sends SQS to the real AWS unless told so on the command line, whatever AWS_ENDPOINT_URL says; the README warns.
    url = aws("sqs", "--endpoint-url", server.endpoint, "create-queue", "--queue-name", unique)["QueueUrl"]
    aws("sqs", "--endpoint-url", server.endpoint, "send-message", "--queue-url", url, "--message-body", "1")
    assert aws("logs", "describe-log-groups", "--log-group-name-prefix", unique)["logGroups"] == []


def test_millrace_run_exports_what_the_cli_needs(home, unique):
    (home / "bin/aws").symlink_to(installed(VERSION_2))
    script = f"aws s3 mb s3://{unique} && aws s3 ls && aws sts get-caller-identity --query Account --output text"
    result = subprocess.run([str(BINARY), "run", "--", "bash", "-ec", script], capture_output=True, text=True, timeout=60, check=False, env=environment(home))
    assert result.returncode == 0 and unique in result.stdout and "000000000000" in result.stdout, result.stderr
