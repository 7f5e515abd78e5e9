"""A real search engine for the demo and the tests: OpenSearch or Elasticsearch, one node, on loopback, stopped at the end."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request

from world import DEPS, wait_until


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def java_home():
    java = shutil.which("java")
    return str(pathlib.Path(os.path.realpath(java)).parent.parent) if java else ""


def data_folder(home):
    """Where the engine's data goes: below `home`, unless Java finds no mount there, as in a chroot without one of its own."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        points = {line.split()[1] for line in mounts}
    if any(str(parent) in points for parent in home.parents):
        return home / "data"
    return pathlib.Path(tempfile.mkdtemp(prefix=f"{home.name}-", dir="/dev/shm"))


class SearchEngine:
    """`kind` is "opensearch" or "elasticsearch". Refuses to run as root, so as root it runs as nobody, from a copy it may read."""

    def __init__(self, kind="opensearch"):
        self.kind = kind
        self.port = free_port()
        self.transport_port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"{kind}-"))
        self.data = data_folder(self.home)
        shutil.copytree(DEPS / kind, self.home / "home", symlinks=True)
        config = self.home / "home/config"
        (config / f"{kind}.yml").write_text("\n".join([
            "cluster.name: millrace-demo", "discovery.type: single-node", "network.host: 127.0.0.1", f"http.port: {self.port}",
            f"transport.port: {self.transport_port}", f"path.data: {self.data}", f"path.logs: {self.home}/logs",
            "cluster.routing.allocation.disk.threshold_enabled: false", "bootstrap.system_call_filter: false" if kind == "elasticsearch" else ""]))
        for folder in (self.data, self.home / "logs"):
            folder.mkdir(exist_ok=True)
        self.user = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chmod(self.home, 0o755)
            for folder, folders, files in os.walk(self.home):
                for name in folders + files:
                    os.chown(os.path.join(folder, name), nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
            for folder in (self.home, self.data):
                os.chown(folder, nobody.pw_uid, nobody.pw_gid)

    def start(self):
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.home), "JAVA_HOME": java_home(), "LANG": "C.UTF-8",
                       f"{'OPENSEARCH' if self.kind == 'opensearch' else 'ES'}_JAVA_OPTS": "-Xms512m -Xmx512m"}
        self.process = subprocess.Popen([str(self.home / "home/bin" / self.kind)], env=environment, cwd=self.home, start_new_session=True,
                                        stdout=open(self.home / "logs/console", "ab"), stderr=subprocess.STDOUT, **self.user)
        return self

    def wait(self, limit=120):
        def up():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.kind} stopped: {(self.home / 'logs/console').read_text(errors='replace')[-3000:]}")
            try:
                return self.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=5s")["status"] in ("yellow", "green")
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                return False
        wait_until(up, f"{self.kind} to answer", limit)
        return self

    def request(self, method, path, body=None, lines=None):
        data = lines.encode() if lines is not None else None if body is None else json.dumps(body).encode()
        kind = "application/x-ndjson" if lines is not None else "application/json"
        request = urllib.request.Request(self.endpoint + path, data=data, method=method, headers={"content-type": kind})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read() or b"null")

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
