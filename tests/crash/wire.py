"""Requests to a millrace server as cheap as they get: one kept-alive connection, JSON in, JSON out, nothing signed."""
import base64
import http.client
import json
import re
import urllib.parse

DYNAMODB, STREAMS, QUEUES = "DynamoDB_20120810", "DynamoDBStreams_20120810", "AmazonSQS"


class Gone(Exception):
    """No answer came: what the request asked for may have happened or not."""


class Refused(Exception):
    """The server answered with an error: nothing happened."""

    def __init__(self, status, code, body):
        super().__init__(f"{status} {code}: {body[:400]}")
        self.status, self.code, self.body = status, code, body

    def detail(self, name):
        """A member of the error's body, or None."""
        return json.loads(self.body).get(name)


class Connection:
    """Belongs to one thread."""

    def __init__(self, port, timeout=60):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def request(self, method, path, body=b"", headers=None):
        """Status and body. Raises Gone."""
        try:
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as problem:
            self.connection.close()
            raise Gone(str(problem)) from None

    def checked(self, method, path, body=b"", headers=None):
        status, answer = self.request(method, path, body, headers)
        if status < 300:
            return answer
        text = answer.decode(errors="replace")
        try:
            code = json.loads(text).get("__type", "").rsplit("#", 1)[-1]
        except ValueError:
            code = ""
        if status >= 500:
            raise Gone(f"{status} {text[:200]}")  # outcome unknown
        raise Refused(status, code, text)

    def call(self, service, operation, **members):
        """An operation of a JSON protocol. Raises Gone, Refused."""
        headers = {"X-Amz-Target": f"{service}.{operation}", "Content-Type": "application/x-amz-json-1.0"}
        return json.loads(self.checked("POST", "/", json.dumps(members), headers) or b"null")

    def db(self, operation, **members):
        return self.call(DYNAMODB, operation, **members)

    def streams(self, operation, **members):
        return self.call(STREAMS, operation, **members)

    def queues(self, operation, **members):
        return self.call(QUEUES, operation, **members)

    def functions(self, method, path, body=None):
        return json.loads(self.checked(method, "/2015-03-31" + path, json.dumps(body or {})) or b"null")

    def admin(self, path, body=None):
        text = b"" if body is None else json.dumps(body)
        return json.loads(self.checked("GET" if body is None else "POST", "/_millrace/" + path, text, {"content-type": "application/json"}) or b"null")

    # -- everything of something -------------------------------------------------------------------------------------------------

    def scan(self, table, index=None, operation="Scan", **options):
        if index:
            options["IndexName"] = index
        items = []
        while True:
            page = self.db(operation, TableName=table, **options)
            items += page["Items"]
            if "LastEvaluatedKey" not in page:
                return items
            options["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def shards(self, arn):
        shards, options = [], {}
        while True:
            page = self.streams("DescribeStream", StreamArn=arn, **options)["StreamDescription"]
            shards += page["Shards"]
            if "LastEvaluatedShardId" not in page:
                return shards
            options = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    def records(self, arn):
        """(shard, record) of a whole stream, parents before their children, in order within each shard."""
        left, done, found = self.shards(arn), set(), []
        names = {shard["ShardId"] for shard in left}
        while left:
            ready = [shard for shard in left if shard.get("ParentShardId") not in names - done]
            assert ready, "shards that are each other's parents"
            for shard in ready:
                name = shard["ShardId"]
                iterator = self.streams("GetShardIterator", StreamArn=arn, ShardId=name, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
                while iterator:
                    page = self.streams("GetRecords", ShardIterator=iterator)
                    found += [(name, record) for record in page["Records"]]
                    iterator = page.get("NextShardIterator")
                    if not page["Records"]:
                        break
                done.add(name)
            left = [shard for shard in left if shard["ShardId"] not in done]
        return found

    def objects(self, bucket):
        """Bytes of all objects of a bucket."""
        found, more = [], ""
        while True:
            page = self.checked("GET", f"/{bucket}?list-type=2{more}").decode()
            found += [self.checked("GET", f"/{bucket}/{urllib.parse.quote(key)}") for key in re.findall("<Key>(.*?)</Key>", page)]
            if "<IsTruncated>true" not in page:
                return found
            more = "&continuation-token=" + urllib.parse.quote(re.search("<NextContinuationToken>(.*?)</NextContinuationToken>", page).group(1), safe="")

    def drain(self, url):
        """Bodies of all messages that can be received; they are deleted."""
        bodies = []
        while True:
            messages = self.queues("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            if not messages:
                return bodies
            bodies += [message["Body"] for message in messages]
            entries = [{"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]} for i, message in enumerate(messages)]
            failed = self.queues("DeleteMessageBatch", QueueUrl=url, Entries=entries).get("Failed")
            assert not failed, failed


def zip_text(data):
    return base64.b64encode(data).decode()
