"""What functions of a test do is decided in the test: their handler hands every event to a Recorder in the test's process, which
remembers it and says what to return or to raise. It can also hold an invocation until the test lets it go."""
import http.server
import io
import json
import threading
import zipfile

from world import wait_until

HANDLER = """
import json, os, urllib.request

class Failure(Exception):
    pass

def handler(event, context):
    url = os.environ["RECORDER"] + "?request=" + context.aws_request_id
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(event).encode())) as answer:
        order = json.loads(answer.read())
    if "raise" in order:
        raise Failure(order["raise"])
    return order["return"]
"""


def handler_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", HANDLER)
    return buffer.getvalue()


class Recorder:
    """`events` and `requests`: all events in order of arrival, and the ids of their requests. `behave(event)` gives what the
    function returns; an exception of it becomes the function's. After `hold()` invocations wait for `release()`."""

    def __init__(self):
        self.events, self.requests, self.behave = [], [], lambda event: None
        self.running = self.most_running = 0
        self.lock, self.gate = threading.Lock(), threading.Event()
        self.gate.set()

    def ids(self):
        """Of every event of a stream: the items' keys `id`, in order."""
        return [[record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]] for event in list(self.events)]

    def hold(self):
        self.gate.clear()

    def release(self):
        self.gate.set()

    def wait(self, count):
        """Until that many invocations have begun."""
        wait_until(lambda: len(self.events) >= count, f"{count} invocations")

    def order_for(self, event, request):
        with self.lock:
            self.events.append(event)
            self.requests.append(request)
            self.running += 1
            self.most_running = max(self.running, self.most_running)
        self.gate.wait()
        try:
            return {"return": self.behave(event)}
        except Exception as error:  # noqa: BLE001: it is the function's
            return {"raise": str(error)}
        finally:
            with self.lock:
                self.running -= 1


class RecorderServer:
    """Recorders by name, behind one loopback port."""

    def __init__(self):
        self.recorders = {}
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["content-length"])))
                name, _, request = self.path.lstrip("/").partition("?request=")
                answer = json.dumps(server.recorder(name).order_for(event, request)).encode()
                try:
                    self.send_response(200)
                    self.send_header("content-length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    pass  # the function was killed meanwhile

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            request_queue_size = 128  # fifty functions may begin at once

        self.http = Listener(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def recorder(self, name):
        return self.recorders.setdefault(name, Recorder())

    def function(self, server, name, **options):
        """Creates a recorded function; returns its recorder."""
        url = f"http://127.0.0.1:{self.http.server_address[1]}/{name}"
        server.function(name, handler_zip(), runtime="python3.11", environment={"RECORDER": url}, **options)
        return self.recorder(name)

    def close(self):
        for recorder in self.recorders.values():
            recorder.release()
        self.http.shutdown()
        self.http.server_close()
