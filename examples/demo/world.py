"""One millrace server for the demo and for tests: start, clients, functions, mappings, the clock, and stop."""
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import zipfile

import boto3
import botocore.config

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("MILLRACE_BINARY", ROOT / "build/release/bin/millrace"))
DEPS = ROOT / ".deps"
ROLE = "arn:aws:iam::000000000000:role/function"
REGION = "us-east-1"


def zip_of(*paths, rename=None):
    """A zip, as bytes, of files and of the contents of folders; `rename` gives single files another name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in map(pathlib.Path, paths):
            if path.is_dir():
                for file in sorted(path.rglob("*")):
                    if file.is_file() and "__pycache__" not in file.parts:
                        archive.write(file, file.relative_to(path))
            else:
                archive.write(path, (rename or {}).get(path.name, path.name))
    return buffer.getvalue()


class Server:
    """A millrace process with its data directory. Stops by SIGTERM; `kill()` is SIGKILL; `start()` again continues."""

    def __init__(self, data=None, config=None, arguments=(), log=None):
        self.own_data = data is None
        self.data = pathlib.Path(data or tempfile.mkdtemp(prefix="millrace-"))
        self.arguments = list(arguments)
        self.log_path = pathlib.Path(log or self.data.parent / (self.data.name + ".log"))
        self.process = None
        self.port = 0
        self.config = {
            "functions": {
                "interpreters": [str(path) for path in sorted(DEPS.glob("node-*/node_modules/node/bin"))],
                "node_modules": [str(DEPS / "js" / "node_modules")],
                "python_path": [str(path) for path in (DEPS / "venv/lib").glob("python3*/site-packages")],
            },
        }
        for section, values in (config or {}).items():
            self.config.setdefault(section, {}).update(values)

    def start(self, limit=20.0):
        config = self.data.parent / (self.data.name + ".yaml")
        config.write_text(json.dumps(self.config))  # JSON is YAML
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [str(BINARY), "serve", "--port", str(self.port), "--data", str(self.data), "--config", str(config), *self.arguments],
            stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        log.close()
        line = self.process.stdout.readline()
        if "http://" not in line:
            self.process.wait(timeout=limit)
            raise RuntimeError(f"millrace did not start: {line}{self.log()[-2000:]}")
        self.endpoint = re.search(r"http://[^\s,]+", line).group(0)
        self.port = int(self.endpoint.rsplit(":", 1)[1])
        return self

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self, limit=20.0):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=limit)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        return self.process.returncode if self.process else None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        try:
            self.stop()
        finally:
            if self.own_data:
                shutil.rmtree(self.data, ignore_errors=True)
            for suffix in (".yaml", ".log"):
                (self.data.parent / (self.data.name + suffix)).unlink(missing_ok=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # -- clients -----------------------------------------------------------------------------------------------------------

    def client(self, service, account="test", region=REGION, **options):
        options.setdefault("retries", {"max_attempts": 0, "mode": "standard"})
        options.setdefault("max_pool_connections", 64)
        return boto3.client(service, endpoint_url=self.endpoint, region_name=region, aws_access_key_id=account,
                            aws_secret_access_key="test", config=botocore.config.Config(**options))

    def admin(self, path, body=None, method=None, timeout=600):
        """Calls /_millrace/<path>: GET, or POST with a JSON body. Raises RuntimeError with the server's text."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_millrace/{path}", data=data,
                                         method=method or ("GET" if data is None else "POST"),
                                         headers={"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.code} {error.read().decode(errors='replace')}") from None

    def advance(self, duration):
        return self.admin("clock", {"advance": duration})

    def settle(self, limit="60s"):
        return self.admin("settle", {"limit": limit})

    def cli(self, *arguments, check=True):
        """Output of `millrace ARGUMENT ...` against this server."""
        result = subprocess.run([str(BINARY), *arguments], capture_output=True, text=True,
                                env={**os.environ, "MILLRACE_ENDPOINT": self.endpoint}, timeout=120, check=False)
        if check and result.returncode != 0:
            raise RuntimeError(f"millrace {' '.join(arguments)}: exit {result.returncode}: {result.stderr}")
        return result.stdout

    # -- building blocks ---------------------------------------------------------------------------------------------------

    def function(self, name, code, handler="index.handler", runtime="nodejs20.x", environment=None, concurrency=None, **options):
        """Creates a function from zip bytes; returns its ARN."""
        functions = self.client("lambda")
        answer = functions.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler, Code={"ZipFile": code},
                                           Timeout=options.pop("timeout", 60), MemorySize=options.pop("memory", 256),
                                           Environment={"Variables": environment or {}}, **options)
        if concurrency is not None:
            functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=concurrency)
        return answer["FunctionArn"]

    def mapping(self, stream, function, position, **options):
        """Creates an event source mapping and waits until it is enabled; returns its UUID. A queue has no position: None."""
        functions = self.client("lambda")
        if position:
            options["StartingPosition"] = position
        uuid = functions.create_event_source_mapping(EventSourceArn=stream, FunctionName=function, **options)["UUID"]
        wait_until(lambda: functions.get_event_source_mapping(UUID=uuid)["State"] in ("Enabled", "Disabled"), "the mapping to settle")
        return uuid


def wait_until(condition, what, limit=30.0):
    """Polls until `condition()` is true; its last value is returned. Raises TimeoutError after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit:g} s for {what}")
        time.sleep(0.02)
