"""The `millrace` command: every noun and verb against a server with a little of everything."""
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import threading
from datetime import datetime, timedelta

import pytest

from world import BINARY, Server, wait_until, zip_of

COMMANDS = ["serve", "run", "env", "hook", "doctor", "status", "settle", "reset", "faults ls", "faults add", "faults clear", "clock show", "clock advance", "clock set",
            "tables ls", "tables show", "streams ls", "streams show", "streams tail", "streams split", "streams merge",
            "streams roll", "streams retention", "streams chaos", "backup", "restore", "check", "queues ls", "queues peek", "topics ls", "topics show",
            "topics publish", "metrics ls", "metrics get", "alarms ls", "alarms show", "objects ls",
            "functions ls", "functions show", "functions invoke", "functions logs", "mappings ls", "mappings show", "mappings pause", "mappings resume",
            "mappings history", "mappings try", "mappings skip", "mappings rewind", "mappings replay", "mappings redrive",
            "mappings cancel", "mappings set", "deploy", "stacks ls", "stacks show", "stacks events", "stacks diff", "stacks delete",
            "traces ls", "traces show"]
NOUNS = ["faults", "clock", "tables", "streams", "queues", "topics", "metrics", "alarms", "objects", "functions", "mappings", "stacks", "traces"]
HANDLER = "import json\ndef handler(event, context):\n    print('got', json.dumps(event)[:40])\n    if event.get('fail') or 'Records' in event:\n" \
          "        raise RuntimeError('no thanks')\n    return {'echo': event}\n"


def millrace(endpoint, *arguments, stdin=None, environment=None):
    return subprocess.run([str(BINARY), *arguments], capture_output=True, text=True, input=stdin, timeout=180, check=False,
                          env={**os.environ, "MILLRACE_ENDPOINT": endpoint, **(environment or {})})


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A table with a stream and items, a bucket, a queue, a function, a blocked mapping."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "index.py").write_text(HANDLER)
    with Server() as server:
        dynamodb, s3, sqs = (server.client(name) for name in ("dynamodb", "s3", "sqs"))
        stream = dynamodb.create_table(
            TableName="posts", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})["TableDescription"]["LatestStreamArn"]
        dynamodb.update_time_to_live(TableName="posts", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
        for key in ("1", "2"):
            dynamodb.put_item(TableName="posts", Item={"id": {"S": key}, "text": {"S": "größe"}})
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="a/one.txt", Body=b"12345")
        s3.put_object(Bucket="bucket", Key="b/two.txt", Body=b"1")
        url = sqs.create_queue(QueueName="work")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="first\nline\twith " + "x" * 200)
        sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=900)
        server.function("worker", zip_of(folder / "index.py"), runtime="python3.11")
        server.uuid = server.mapping(stream, "worker", "TRIM_HORIZON", BatchSize=10)
        wait_until(lambda: server.admin("mappings")["mappings"][0]["blocked"], "the mapping to be blocked")
        yield server


@pytest.fixture
def cli(world):
    def run(*arguments, status=0, **options):
        result = millrace(world.endpoint, *arguments, **options)
        assert result.returncode == status, (arguments, result)
        return result.stdout
    return run


# -- help and exit statuses ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("command", ["", *NOUNS, *COMMANDS])
def test_help_has_examples(command):
    result = millrace("http://127.0.0.1:1", *command.split(), "--help")
    assert result.returncode == 0 and result.stderr == ""
    example = result.stdout.split("Examples:")[1]
    assert re.search(rf"^  (eval .*)?millrace {command}", example, re.MULTILINE), result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 140


def test_every_command_is_tested():
    """What --help lists is what COMMANDS has."""
    def verbs(*noun):
        text = millrace("http://127.0.0.1:1", *noun, "--help").stdout
        return re.findall(r"^  ([a-z]+) {2,}", text.split("ubcommands:", 1)[1].split("Examples:")[0], re.MULTILINE)
    listed = [" ".join([name, verb]) if verb else name for name in verbs() for verb in (verbs(name) if name in NOUNS else [""])]
    assert sorted(listed) == sorted(COMMANDS)


def test_exit_statuses(world, cli):
    cli("status")
    for arguments in (["tables", "show", "none"], ["mappings", "show", "none"], ["clock", "advance", "soon"], ["queues", "peek", "none"], ["objects", "ls", "none"],
                      ["streams", "tail", "none", "--once"], ["functions", "logs", "none"], ["functions", "invoke", "none"], ["reset", "nothing"],
                      ["faults", "add", "nothing"], ["faults", "clear", "99"], ["settle", "--limit", "never"]):
        result = millrace(world.endpoint, *arguments)
        assert result.returncode == 1, (arguments, result)
        assert result.stderr.startswith("millrace: ") and result.stderr.count("\n") == 1 and "{" not in result.stderr, result.stderr
    for arguments in ([], ["tables"], ["tables", "frobnicate"], ["frobnicate"], ["tables", "show"], ["queues", "peek", "work", "-n", "0"], ["--colour", "status"],
                      ["faults", "add", "s3", "--kind", "odd"], ["faults", "add", "s3", "--rate", "2"], ["faults", "add", "s3", "--count", "-1"]):
        result = millrace(world.endpoint, *arguments)
        assert result.returncode == 2 and result.stderr and not result.stdout, (arguments, result)
    for endpoint in ("http://127.0.0.1:1", "ftp://127.0.0.1", "127.0.0.1:4566"):
        result = millrace(endpoint, "tables", "ls")
        assert result.returncode == 3 and result.stderr.startswith("millrace: "), result


def test_the_endpoint_comes_from_option_or_environment(world):
    for name in ("MILLRACE_ENDPOINT", "AWS_ENDPOINT_URL"):
        environment = {key: value for key, value in os.environ.items() if key != "MILLRACE_ENDPOINT"}
        assert subprocess.run([str(BINARY), "status"], env={**environment, name: world.endpoint}, capture_output=True, check=False).returncode == 0
    assert millrace("http://127.0.0.1:1", "--endpoint", world.endpoint, "status").returncode == 0
    assert millrace("http://127.0.0.1:1", "status", "--endpoint", world.endpoint).returncode == 0


def test_version():
    result = millrace("", "--version")
    assert result.returncode == 0 and re.fullmatch(r"millrace \d+\.\d+\.\d+\n", result.stdout)


# -- tables of things ---------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, head, expected", [
    (["tables", "ls"], "TABLE +STATUS +ITEMS +BYTES +BILLING +STREAM +TTL +INDEXES", r"posts +ACTIVE +2 +\d+ +on demand +NEW_AND_OLD_IMAGES +ttl +0"),
    (["streams", "ls"], "TABLE +LABEL +STATUS +VIEW +SHARDS", r"posts +\S+ +ENABLED +NEW_AND_OLD_IMAGES +\d+"),
    (["queues", "ls"], "QUEUE +READY +DELAYED +IN FLIGHT +OLDEST", r"work +1 +1 +0 +\d.*(ms|s)"),
    (["queues", "peek", "work"], "MESSAGE +STATE +SENT +RECEIVED +BODY", r"\S+ +ready +\S+Z +0 +first\\nline\\twith x+…"),
    (["objects", "ls"], "BUCKET +REGION +CREATED", r"bucket +us-east-1 +\S+Z"),
    (["objects", "ls", "bucket", "--prefix", "a/"], "KEY +BYTES +CLASS +MODIFIED +EXPIRES", r"a/one.txt +5 +STANDARD +\S+Z +-"),
    (["functions", "ls"], "FUNCTION +RUNTIME +HANDLER +MEMORY +TIMEOUT +RUNNING +QUEUED", r"worker +python3.11 +index.handler +256 +60 +\d +0"),
    (["mappings", "ls"], "MAPPING +SOURCE +FUNCTION +STATE +BACKLOG +OLDEST +WAITS FOR +LAST RESULT", r"\S{36} +posts +worker +BLOCKED +2 +\d.* +(back-off until|invocation since) .*"),
])
def test_lists_are_tables_for_people_and_json_for_programs(cli, arguments, head, expected):
    lines = cli(*arguments).splitlines()
    assert re.fullmatch(head + " *", lines[0]), lines
    assert any(re.fullmatch(expected + " *", line) for line in lines[1:]), lines
    assert "\x1b" not in "".join(lines)
    document = json.loads(cli(*arguments, "--json"))
    assert [value for value in document.values() if isinstance(value, list)][0]
    assert json.loads(cli("--json", *arguments)).keys() == document.keys()


@pytest.mark.parametrize("arguments, expected", [
    (["status"], [r"version +\d", r"endpoint +http://127", r"durability +synced", r"tables +1", r"mappings +1", r"warning: mapping \S+ to worker is blocked: .*no thanks"]),
    (["tables", "show", "posts"], [r"name +posts", r"key +id", r"stream arn +arn:aws:dynamodb:us-east-1:000000000000:table/posts/stream/.*", r"ttl +ttl"]),
    (["streams", "show", "posts"], [r"streams:", r" +status +ENABLED", r" +shards:", r" +shard +shardId-\S+", r" +state +open"]),
    (["functions", "show", "worker"], [r"name +worker", r"memory +256 MB", r"timeout +60 s", r"interpreter +.*[Pp]ython.*", r"isolation +.+", r"reserved concurrency +none",
                                       r"dead letter queue +none", r"code +\d+ bytes, sha256 .*"]),
    (["mappings", "show", "worker"], [r"state +BLOCKED", r"backlog +2", r"waits for +.+", r"oldest record +.* old", r"last error +.*no thanks.*", r" +window +0 s", r" +retries max +none", r" +record age max +none",
                                      r" +on failure +none: records that run out of attempts are dropped", r" +blocked since +\S+Z", r" +failed attempts +\d+",
                                      r" +invocations of batch +\d+", r" +batch +2 records, \d+ to \d+", r"duration +.*(ms|s)"]),
])
def test_details_are_readable(cli, arguments, expected):
    text = cli(*arguments)
    for pattern in expected:
        assert re.search(rf"^{pattern}", text, re.MULTILINE), (pattern, text)
    assert "_" not in " ".join(line.split("  ")[0] for line in text.splitlines() if not line.startswith(" "))
    assert isinstance(json.loads(cli(*arguments, "--json")), dict)


def test_a_blocked_mapping_is_a_warning(cli, world):
    assert f"warning: worker gets nothing more of posts until its batch succeeds; `millrace mappings show {world.uuid[:8]}` says why" in cli("mappings", "ls")
    assert json.loads(cli("mappings", "show", world.uuid[:8], "--json"))["uuid"] == world.uuid


def test_nothing_is_said_to_be_nothing(cli):
    for noun, text in [("tables", "No tables."), ("streams", "No streams."), ("queues", "No queues."), ("topics", "No topics."), ("alarms", "No alarms."), ("objects", "No buckets."), ("functions", "No functions."),
                       ("mappings", "No mappings."), ("faults", "No faults.")]:
        assert cli(noun, "ls", "--account", "999999999999").strip() == text if noun != "faults" else True
    assert cli("tables", "ls", "--region", "eu-west-1").strip() == "No tables."
    assert json.loads(cli("queues", "ls", "--account", "999999999999", "--json")) == {"queues": []}


# -- doing ------------------------------------------------------------------------------------------------------------------------

def test_a_stream_is_printed(cli):
    lines = cli("streams", "tail", "posts", "--once").splitlines()
    assert re.fullmatch(r"\d+  INSERT  \{\"id\":\{\"S\":\"1\"\}\}", lines[0]), lines
    assert lines[1].startswith("    + ") and "größe" in lines[1]
    records = [json.loads(line) for line in cli("streams", "tail", "posts", "--once", "--json").splitlines()]
    assert [record["eventName"] for record in records[:2]] == ["INSERT", "INSERT"]


class Following:
    """A command that goes on until it is interrupted; its lines so far."""

    def __init__(self, endpoint, *arguments):
        self.process = subprocess.Popen([str(BINARY), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "MILLRACE_ENDPOINT": endpoint},
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # ignored in what a shell runs in the background
        self.lines = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in iter(self.process.stdout.readline, ""):
            self.lines.append(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=10)
        self.reader.join(10)


def test_a_stream_is_followed(world):
    url = world.client("dynamodb")
    with Following(world.endpoint, "streams", "tail", "posts", "--json") as tail:
        # The tail begins with what is committed once it listens: write until one is seen, then one more at once.
        number = iter(range(10_000))

        def seen():
            url.put_item(TableName="posts", Item={"id": {"S": "tailed"}, "n": {"N": str(next(number))}})
            return tail.lines
        wait_until(seen, "the first record")
        url.put_item(TableName="posts", Item={"id": {"S": "last"}})
        wait_until(lambda: any('"last"' in line for line in tail.lines), "the last record")
        records = [json.loads(line) for line in tail.lines]
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
    assert numbers == sorted(set(numbers))


def test_functions_are_invoked(world, cli):
    assert json.loads(cli("functions", "invoke", "worker", '{"a": 1}')) == {"echo": {"a": 1}}
    assert json.loads(cli("functions", "invoke", "worker", "-", stdin='{"b": 2}')) == {"echo": {"b": 2}}
    assert "no thanks" in cli("functions", "invoke", "worker", '{"fail": true}', status=1)
    assert cli("functions", "invoke", "worker", '{"c": 3}', "--event") == ""
    result = millrace(world.endpoint, "functions", "invoke", "worker", "@/no/such/file")
    assert result.returncode == 1 and "/no/such/file" in result.stderr
    result = millrace(world.endpoint, "functions", "invoke", "worker", "{no json")
    assert result.returncode == 1 and "JSON" in result.stderr


def test_logs_are_printed_and_followed(world, cli):
    cli("functions", "invoke", "worker", '{"marker": "logged-1"}')
    wait_until(lambda: "logged-1" in cli("functions", "logs", "worker"), "the log")
    text = cli("functions", "logs", "worker")
    assert re.search(r"^\S+Z  START RequestId: ", text, re.MULTILINE) and re.search(r"^\S+Z  REPORT RequestId: ", text, re.MULTILINE)
    assert "\n\n" not in text
    with Following(world.endpoint, "functions", "logs", "worker", "-f") as tail:
        wait_until(lambda: any("logged-1" in line for line in tail.lines), "what was there")
        cli("functions", "invoke", "worker", '{"marker": "logged-2"}')
        wait_until(lambda: any("logged-2" in line for line in tail.lines), "what came")
    assert sum("got" in line and "logged-2" in line for line in tail.lines) == 1


def test_mappings_are_paused_and_resumed(cli, world):
    assert re.search(r"^state +Disabled", cli("mappings", "pause", world.uuid), re.MULTILINE)
    assert world.client("lambda").get_event_source_mapping(UUID=world.uuid)["State"] == "Disabled"
    assert re.search(r"to worker +it is disabled; \d+ records wait", cli("settle"))
    cli("mappings", "resume", world.uuid[:8])
    wait_until(lambda: world.client("lambda").get_event_source_mapping(UUID=world.uuid)["State"] == "Enabled", "the mapping to resume")
    wait_until(lambda: world.admin("mappings")["mappings"][0]["blocked"], "it to be blocked again")


def test_the_clock(cli):
    before = json.loads(cli("clock", "show", "--json"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\S+Z(  \(moved by .*\))?", cli("clock", "show").strip())
    text = cli("clock", "advance", "2h").strip()
    assert re.fullmatch(r"\S+Z  \(moved by .*h.*\)", text)
    after = json.loads(cli("clock", "show", "--json"))
    passed = datetime.fromisoformat(after["now"]) - datetime.fromisoformat(before["now"])
    assert timedelta(hours=2) <= passed < timedelta(hours=2, minutes=1)
    later = datetime.fromisoformat(after["now"]) + timedelta(hours=1)  # in all less than a day: records of streams must not expire
    result = json.loads(cli("clock", "set", later.strftime("%Y-%m-%dT%H:%M:%SZ"), "--json"))
    assert result["complete"] is True


def test_settling_names_what_waits(cli, world):
    text = cli("settle")
    assert text.startswith("Everything is idle or blocked.\n")
    assert re.search(r"^WAITING +FOR +UNTIL", text, re.MULTILINE)
    assert re.search(rf"^mapping {world.uuid} to worker +back-off after \d+ attempts: .*no thanks.*Z *$", text, re.MULTILINE), text
    assert json.loads(cli("settle", "--json"))["settled"] is True


def test_faults(cli, world):
    try:
        text = cli("faults", "add", "s3", "--operation", "DeleteObject", "--rate", "0.5", "--count", "3")
        assert re.search(r"^kind +throttle", text, re.MULTILINE)
        cli("faults", "add", "sqs", "--kind", "delay", "--delay-ms", "1500")
        lines = cli("faults", "ls").splitlines()
        assert re.fullmatch(r"ID +SERVICE +OPERATION +RESOURCE +KIND +RATE +LEFT +HIT *", lines[0])
        assert re.fullmatch(r"\d+ +s3 +DeleteObject +\* +throttle +0\.5 +3 +0", lines[1])
        identifier = json.loads(cli("faults", "ls", "--json"))["faults"][0]["id"]
        assert cli("faults", "clear", identifier) == "Done.\n"
        assert len(world.admin("faults")["faults"]) == 1
    finally:
        assert json.loads(cli("faults", "clear", "--json")) == {}
    assert cli("faults", "ls") == "No faults.\n"


def test_reset_of_another_account_touches_nothing(cli):
    assert cli("reset", "--account", "888877776666") == "Emptied.\n"
    assert json.loads(cli("reset", "sqs", "--account", "888877776666", "--json")) == {"reset": True}
    assert len(json.loads(cli("tables", "ls", "--json"))["tables"]) == 1


def test_objects_beyond_one_page_are_listed(cli, world):
    s3 = world.client("s3")
    s3.create_bucket(Bucket="many")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: s3.put_object(Bucket="many", Key=f"{number:04}", Body=b""), range(1005)))
    assert len(json.loads(cli("objects", "ls", "many", "--json"))["objects"]) == 1005


# -- beside a server ----------------------------------------------------------------------------------------------------------------

def test_the_hook_is_written_where_it_is_asked_for(tmp_path):
    for arguments, path in ([], tmp_path / "millrace/aws-redirect.cjs"), ([str(tmp_path / "new/own.cjs")], tmp_path / "new/own.cjs"):
        result = millrace("http://127.0.0.1:1", "hook", *arguments, environment={"XDG_CACHE_HOME": str(tmp_path)})
        assert result.returncode == 0 and result.stdout == f"{path}\n"
        assert "https.request" in path.read_text()
    (tmp_path / "file").write_text("")
    refused = millrace("http://127.0.0.1:1", "hook", str(tmp_path / "file/below.cjs"))
    assert refused.returncode != 0 and "cannot write" in refused.stderr


def test_env_is_for_a_shell(world):
    script = f'eval "$({BINARY} env)"; echo "$AWS_ENDPOINT_URL $AWS_REGION $AWS_ACCESS_KEY_ID"'
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={**os.environ, "MILLRACE_ENDPOINT": world.endpoint})
    assert result.stdout.split() == [world.endpoint, "us-east-1", "000000000000"]
    assert json.loads(millrace(world.endpoint, "env", "--json", "--region", "eu-west-1").stdout)["AWS_REGION"] == "eu-west-1"


def test_doctor_needs_no_server(tmp_path):
    result = millrace("http://127.0.0.1:1", "doctor", environment={"MILLRACE_DATA": str(tmp_path)})
    assert result.returncode == 0, result
    for what in ("Node.js for functions", "Python for functions", "isolation of functions", "port 4566", "disk at ", "data directory", "open files"):
        assert re.search(rf"^(ok  |note)  {what}", result.stdout, re.MULTILINE), result.stdout
    report = json.loads(millrace("http://127.0.0.1:1", "doctor", "--json", environment={"MILLRACE_DATA": str(tmp_path)}).stdout)
    assert all({"what", "found", "ok"} <= check.keys() for check in report["checks"])
    (tmp_path / "bad.yaml").write_text("server: {ports: 1}\n")
    assert "ports" in millrace("", "doctor", "--config", str(tmp_path / "bad.yaml")).stdout


def test_run_gives_a_command_a_server_of_its_own():
    code = "import os, urllib.request as u; print(u.urlopen(os.environ['AWS_ENDPOINT_URL'] + '/_millrace/status').read().decode()); raise SystemExit(7)"
    result = millrace("", "run", "--", "python3", "-c", code, environment={"AWS_PROFILE": "mine"})
    assert result.returncode == 7, result
    status = json.loads(result.stdout)
    assert status["tables"] == 0 and status["endpoint"].startswith("http://127.0.0.1:")
    assert not os.path.exists(status["data"])
    assert millrace("", "run", "--", "sh", "-c", "kill -9 $$").returncode == 128 + 9
    result = millrace("", "run", "--", "/no/such/command")
    assert result.returncode == 127 and "/no/such/command" in result.stderr
    assert millrace("", "run").returncode == 2
