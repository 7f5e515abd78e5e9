"""Function URLs: events of payload format 2.0, answers, CORS, authentication; by host name and by path."""
import base64
import http.client
import json
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import pytest

from test_functions import zip_of_files

ECHO = "exports.handler = async (event) => event;"
SHAPED = """exports.handler = async (event) => {
  if (event.rawPath === '/throw') throw new Error('no');
  if (event.rawPath === '/text') return 'hello';
  if (event.rawPath === '/bytes') return {statusCode: 200, headers: {'Content-Type': 'image/x'}, body: 'AAEC', isBase64Encoded: true};
  if (event.rawPath === '/odd') return {statusCode: 'teapot'};
  return {statusCode: 201, headers: {'X-One': '1', 'Content-Length': '99'}, cookies: ['a=1; Secure', 'b=2'], body: 'made'};
};"""


@pytest.fixture
def url_of(server, unique):
    def make(code=ECHO, name=None, **options):
        name = name or unique
        server.function(name, zip_of_files({"index.js": code}), runtime="nodejs20.x")
        options.setdefault("AuthType", "NONE")
        return server.client("lambda").create_function_url_config(FunctionName=name, **options)["FunctionUrl"]
    return make


def call(server, url, path="", method="GET", body=None, headers=None):
    """Connects to loopback whatever the machine resolves *.localhost to."""
    parsed = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, parsed.path.rstrip("/") + "/" + path, body=body, headers={"Host": parsed.netloc, **(headers or {})})
    answer = connection.getresponse()
    return answer, answer.read()


def test_the_event_has_payload_format_2(server, url_of, unique):
    url = url_of()
    identity = urllib.parse.urlsplit(url).hostname.split(".")[0]
    assert url == f"http://{identity}.lambda-url.us-east-1.localhost:{server.port}/" and len(identity) == 32
    answer, body = call(server, url, "a%20b/c?x=1&x=2&y=%C3%A9", "POST", b'{"k": 1}',
                        {"Content-Type": "application/json", "Cookie": "s=1; t=2", "X-Thing": "Q", "User-Agent": "me"})
    event = json.loads(body)
    assert answer.status == 200 and answer.getheader("content-type") == "application/json"
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "$default", "/a%20b/c")
    assert event["rawQueryString"] == "x=1&x=2&y=%C3%A9" and event["queryStringParameters"] == {"x": "1,2", "y": "é"}
    assert event["cookies"] == ["s=1", "t=2"] and event["headers"]["x-thing"] == "Q"
    assert event["body"] == '{"k": 1}' and event["isBase64Encoded"] is False
    context = event["requestContext"]
    assert (context["accountId"], context["apiId"], context["domainPrefix"], context["stage"]) == ("anonymous", identity, identity, "$default")
    assert context["domainName"] == f"{identity}.lambda-url.us-east-1.localhost" and context["timeEpoch"] > 0
    assert context["http"] == {"method": "POST", "path": "/a b/c", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "me"}
    assert context["requestId"] == answer.getheader("x-amzn-requestid")
    _, body = call(server, url, "", "POST", b"\x00\xff", {"Content-Type": "application/octet-stream"})
    event = json.loads(body)
    assert event["isBase64Encoded"] and base64.b64decode(event["body"]) == b"\x00\xff"


def test_the_path_form_reaches_the_same_function(server, url_of):
    identity = urllib.parse.urlsplit(url_of()).hostname.split(".")[0]
    _, body = call(server, f"{server.endpoint}/_millrace/lambda-url/{identity}", "deep/er?q")
    assert json.loads(body)["rawPath"] == "/deep/er"
    assert call(server, f"{server.endpoint}/_millrace/lambda-url/0123")[0].status == 404


def test_answers_are_shaped_by_the_function(server, url_of):
    url = url_of(SHAPED)
    answer, body = call(server, url)
    assert (answer.status, body, answer.getheader("x-one"), answer.getheader("content-length")) == (201, b"made", "1", "4")
    assert answer.headers.get_all("set-cookie") == ["a=1; Secure", "b=2"]
    answer, body = call(server, url, "bytes")
    assert (answer.getheader("content-type"), body) == ("image/x", b"\x00\x01\x02")
    assert call(server, url, "text")[1] == b'"hello"'
    assert call(server, url, "throw")[0].status == 502 and call(server, url, "odd")[0].status == 502


def test_cors_is_answered_by_configuration(server, url_of):
    url = url_of(Cors={"AllowOrigins": ["https://shop.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-a"],
                       "ExposeHeaders": ["x-b"], "AllowCredentials": True, "MaxAge": 60})
    page = {"Origin": "https://shop.example"}
    answer, body = call(server, url, "", "OPTIONS", headers={**page, "Access-Control-Request-Method": "GET"})
    assert answer.status == 200 and body == b"" and answer.getheader("access-control-allow-methods") == "GET"
    assert answer.getheader("access-control-allow-headers") == "x-a" and answer.getheader("access-control-max-age") == "60"
    answer, _ = call(server, url, headers=page)
    assert answer.getheader("access-control-allow-origin") == "https://shop.example"
    assert answer.getheader("access-control-allow-credentials") == "true" and answer.getheader("access-control-expose-headers") == "x-b"
    answer, _ = call(server, url, headers={"Origin": "https://evil.example"})
    assert answer.getheader("access-control-allow-origin") is None
    foreign = urllib.parse.urlsplit(url).hostname.split(".")[0] + ".lambda-url.us-east-1.evil.example"
    assert call(server, f"http://{foreign}/")[0].status == 403  # no rebinding of names


def test_aws_iam_wants_a_signature(server, url_of):
    url = url_of(AuthType="AWS_IAM")
    answer, body = call(server, url)
    assert answer.status == 403 and json.loads(body) == {"Message": "Forbidden"}
    request = botocore.awsrequest.AWSRequest("GET", url)
    botocore.auth.SigV4Auth(botocore.credentials.Credentials("test", "test"), "lambda", "us-east-1").add_auth(request)
    answer, body = call(server, url, headers=dict(request.headers))
    assert answer.status == 200
    assert json.loads(body)["requestContext"]["authorizer"]["iam"]["accessKey"] == "test"


def test_configurations_are_created_listed_changed_and_deleted(server, url_of, unique):
    client = server.client("lambda")
    url = url_of()
    with pytest.raises(botocore.exceptions.ClientError, match="FunctionUrlConfig exists for this Lambda function"):
        client.create_function_url_config(FunctionName=unique, AuthType="NONE")
    with pytest.raises(botocore.exceptions.ClientError, match="InvokeMode RESPONSE_STREAM is not supported"):
        client.update_function_url_config(FunctionName=unique, InvokeMode="RESPONSE_STREAM")
    client.publish_version(FunctionName=unique)
    client.create_alias(FunctionName=unique, Name="live", FunctionVersion="1")
    other = client.create_function_url_config(FunctionName=unique, Qualifier="live", AuthType="NONE")
    assert other["FunctionArn"].endswith(":live") and other["FunctionUrl"] != url
    shown = client.list_function_url_configs(FunctionName=unique)["FunctionUrlConfigs"]
    assert sorted(one["FunctionUrl"] for one in shown) == sorted([url, other["FunctionUrl"]])
    assert client.update_function_url_config(FunctionName=unique, AuthType="AWS_IAM")["AuthType"] == "AWS_IAM"
    assert client.get_function_url_config(FunctionName=unique)["InvokeMode"] == "BUFFERED"
    client.delete_function_url_config(FunctionName=unique)
    assert call(server, url)[0].status == 404 and call(server, other["FunctionUrl"])[0].status == 200
    client.delete_alias(FunctionName=unique, Name="live")
    assert call(server, other["FunctionUrl"])[0].status == 404
