"""The Python side of the Lambda Runtime API (2018-06-01). Runs on Python 3.6 and newer, standard library only."""
import sys

if sys.path and sys.path[0].endswith("bootstrap"):
    del sys.path[0]  # the folder of this file is not part of what a handler may import

import decimal
import http.client
import importlib
import io
import json
import logging
import os
import re
import socket
import time
import traceback
from urllib.parse import urlsplit

ENVIRONMENT = os.environ
API_ROOT = "/2018-06-01/runtime"
JSON_LOGS = ENVIRONMENT.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
AWS_HOST = re.compile(r"(^|\.)(amazonaws\.com(\.cn)?|api\.aws)\.?$", re.IGNORECASE)


# ---- calls to AWS stay on this machine


def keep_aws_calls_here():
    """https connections of the standard library to AWS hosts go to AWS_ENDPOINT_URL; look-ups of such hosts fail.

    boto3 1.28 and newer reads AWS_ENDPOINT_URL by itself. The original Host header is kept.
    """
    endpoint = urlsplit(ENVIRONMENT.get("AWS_ENDPOINT_URL", ""))
    original_lookup = socket.getaddrinfo
    original_connect = http.client.HTTPSConnection.connect

    def getaddrinfo(host, *arguments, **options):
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if isinstance(name, str) and AWS_HOST.search(name):
            raise socket.gaierror(socket.EAI_NONAME, "millrace: %s is not reachable from a function; use AWS_ENDPOINT_URL" % name)
        return original_lookup(host, *arguments, **options)

    def connect(self):
        if endpoint.hostname and AWS_HOST.search(self.host):
            timeout = self.timeout if self.timeout is None or isinstance(self.timeout, (int, float)) else None
            self.sock = socket.create_connection((endpoint.hostname, endpoint.port or 80), timeout)
        else:
            original_connect(self)

    socket.getaddrinfo = getaddrinfo
    http.client.HTTPSConnection.connect = connect


# ---- Runtime API


class RuntimeApi:
    def __init__(self, address):
        host, port = address.split(":")
        self.connection = http.client.HTTPConnection(host, int(port))

    def call(self, method, route, body=None, headers=None):
        try:
            self.connection.request(method, API_ROOT + route, body, headers or {})
            response = self.connection.getresponse()
            return response, response.read()
        except (OSError, http.client.HTTPException):
            os._exit(1)  # the server has gone: nothing left to do

    def post_error(self, route, error):
        headers = {"Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": error["errorType"]}
        self.call("POST", route, json.dumps(error).encode(), headers)


# ---- output


class Request:
    """The invocation in progress, for log records."""

    id = None


class LogHandler(logging.Handler):
    def emit(self, record):
        record.aws_request_id = Request.id or ""
        # One event per record: line ends inside a message travel as \r and are restored where output is captured.
        sys.stdout.write(self.format(record).replace("\n", "\r") + "\n")
        sys.stdout.flush()


class JsonFormatter(logging.Formatter):
    def format(self, record):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        line = {"timestamp": stamp, "level": record.levelname, "message": record.getMessage(), "logger": record.name}
        if Request.id:
            line["requestId"] = Request.id
        if record.exc_info and record.exc_info[0]:
            line["errorType"] = record.exc_info[0].__name__
            line["errorMessage"] = str(record.exc_info[1])
            line["stackTrace"] = traceback.format_tb(record.exc_info[2])
        return json.dumps(line)


def set_up_logging():
    logging.Formatter.converter = time.gmtime
    handler = LogHandler()
    if JSON_LOGS:
        handler.setFormatter(JsonFormatter())
        level = ENVIRONMENT.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
        logging.getLogger().setLevel({"TRACE": 5, "FATAL": logging.CRITICAL}.get(level, level or logging.NOTSET))
    else:
        form = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
        handler.setFormatter(logging.Formatter(form, "%Y-%m-%dT%H:%M:%S"))
    logging.getLogger().addHandler(handler)


# ---- errors


def error_body(kind, message, request_id, stack):
    return {"errorMessage": message, "errorType": kind, "requestId": request_id or "", "stackTrace": stack}


def exception_body(error, request_id, skip):
    stack = traceback.format_list(traceback.extract_tb(error.__traceback__)[skip:])
    return error_body(type(error).__name__, str(error), request_id, stack)


def log_error(error):
    if JSON_LOGS:
        line = json.dumps(dict(error, timestamp=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), log_level="ERROR"))
    else:
        line = "[ERROR] %s: %s" % (error["errorType"], error["errorMessage"])
        if error["stackTrace"]:
            line += "\nTraceback (most recent call last):\n" + "".join(error["stackTrace"])
    sys.stdout.write(line.rstrip("\n").replace("\n", "\r") + "\n")
    sys.stdout.flush()


class InitError(Exception):
    def __init__(self, kind, message, stack=()):
        super().__init__(message)
        self.body = error_body(kind, message, "", list(stack))


# ---- the handler


def load_handler(name):
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise InitError("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (name, error))
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise InitError("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        place = '  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)
        raise InitError("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, error), [place])
    except Exception as error:  # whatever the handler's module does at import
        stack = [entry for entry in traceback.extract_tb(error.__traceback__) if "importlib" not in entry.filename][1:]
        raise InitError(type(error).__name__, str(error), traceback.format_list(stack))
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise InitError("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function_name, module_name))


class Attributes:
    def __init__(self, values):
        for name, value in (values or {}).items():
            setattr(self, name, value)

    def __getattr__(self, name):  # an absent member of the client context reads as None, as in AWS's runtime
        if name.startswith("__"):
            raise AttributeError(name)
        return None


class LambdaContext:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = ENVIRONMENT.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = ENVIRONMENT.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = ENVIRONMENT.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = ENVIRONMENT.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = ENVIRONMENT.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.tenant_id = headers.get("Lambda-Runtime-Aws-Tenant-Id")
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])
        identity = json.loads(headers.get("Lambda-Runtime-Cognito-Identity") or "{}")
        self.identity = Attributes({"cognito_identity_id": identity.get("cognitoIdentityId"),
                                    "cognito_identity_pool_id": identity.get("cognitoIdentityPoolId")})
        client = json.loads(headers.get("Lambda-Runtime-Client-Context") or "null")
        self.client_context = None
        if client is not None:
            self.client_context = Attributes({"custom": client.get("custom"), "env": client.get("env"),
                                              "client": Attributes(client.get("client"))})

    def get_remaining_time_in_millis(self):
        return max(self._deadline - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))
        sys.stdout.flush()


def to_json_value(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def serve_one(api, handler):
    response, body = api.call("GET", "/invocation/next")
    if response.status != 200:
        sys.exit(1)
    headers = response.headers
    Request.id = request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    trace = headers.get("Lambda-Runtime-Trace-Id")
    if trace:
        ENVIRONMENT["_X_AMZN_TRACE_ID"] = trace
    else:
        ENVIRONMENT.pop("_X_AMZN_TRACE_ID", None)
    error = None
    try:
        result = handler(json.loads(body.decode("utf-8")), LambdaContext(headers))
        try:
            text = json.dumps(result, default=to_json_value)
        except Exception as reason:  # a __str__ or default of user code may raise anything
            error = error_body("Runtime.MarshalError", "Unable to marshal response: %s" % reason, request_id, [])
    except Exception as raised:
        error = exception_body(raised, request_id, 1)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass  # a handler that closed it
    if error is not None:
        log_error(error)
        api.post_error("/invocation/%s/error" % request_id, error)
    else:
        api.call("POST", "/invocation/%s/response" % request_id, text.encode(), {"Content-Type": "application/json"})
    Request.id = None


def main():
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.stderr = io.TextIOWrapper(open(2, "wb", closefd=False), encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.path.insert(0, ENVIRONMENT["LAMBDA_TASK_ROOT"])
    keep_aws_calls_here()
    set_up_logging()
    api = RuntimeApi(ENVIRONMENT["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load_handler(ENVIRONMENT.get("_HANDLER", ""))
    except InitError as error:
        log_error(error.body)
        api.post_error("/init/error", error.body)
        sys.exit(1)
    while True:
        serve_one(api, handler)


main()
