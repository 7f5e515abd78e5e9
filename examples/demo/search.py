"""Pipeline search: an index follows a table exactly, through a backfill, concurrent edits and an outage of the engine."""
import json
import pathlib
import random
import threading

import boto3.dynamodb.types
import botocore.exceptions

import deploy
import sources
from cleanup import batch_write
from report import Report, Stopwatch, latency
from search_engine import SearchEngine
from world import wait_until, zip_of

HERE = pathlib.Path(__file__).resolve().parent.parent / "search"
INDEX = "posts"
BACKFILL_VERSION = 1  # below the version of any change
serialize = boto3.dynamodb.types.TypeSerializer().serialize
deserialize = boto3.dynamodb.types.TypeDeserializer().deserialize


def item_of(post):
    return {name: serialize(value) for name, value in post.items()}


def post_of(item):
    return {name: deserialize(value) for name, value in item.items()}


def scan(dynamodb, **options):
    for page in dynamodb.get_paginator("scan").paginate(TableName="posts", **options):
        yield [post_of(item) for item in page["Items"]]


class Editors:
    """Inserts, edits and deletes posts while the backfill runs. The same seed makes the same edits."""

    def __init__(self, dynamodb, posts, fresh):
        self.dynamodb, self.posts, self.fresh = dynamodb, posts, fresh
        self.random = random.Random(7)
        self.counts = {"INSERT": 0, "MODIFY": 0, "REMOVE": 0}
        self.latencies = []

    def edit(self, count):
        import time

        for i in range(count):
            started = time.monotonic()
            kind = self.random.choice(["INSERT", "MODIFY", "MODIFY", "REMOVE"])
            if kind == "INSERT" and self.fresh:
                post = self.fresh.pop()
                self.dynamodb.put_item(TableName="posts", Item=item_of(post))
                self.posts.append(post)
            elif kind == "REMOVE":
                post = self.posts.pop(self.random.randrange(len(self.posts)))
                self.dynamodb.delete_item(TableName="posts", Key={"postId": {"S": post["postId"]}})
            else:
                kind = "MODIFY"
                post = self.random.choice(self.posts)
                self.dynamodb.update_item(TableName="posts", Key={"postId": {"S": post["postId"]}}, UpdateExpression="SET title = :t, revision = :r",
                                          ExpressionAttributeValues={":t": {"S": f"{post['title']} (edited {i})"}, ":r": {"N": str(i)}})
            self.counts[kind] += 1
            self.latencies.append(time.monotonic() - started)


def backfill(dynamodb, engine, progress):
    """Writes what the table holds, page by page, never over a change. Returns (written, overtaken by a change)."""
    written = overtaken = 0
    for page in scan(dynamodb, PaginationConfig={"PageSize": 50}):
        lines = "".join(json.dumps({"index": {"_index": INDEX, "_id": post["postId"], "version": BACKFILL_VERSION, "version_type": "external"}}) + "\n" +
                        json.dumps(post, default=float) + "\n" for post in page)
        for entry in engine.request("POST", "/_bulk", lines=lines)["items"] if page else []:
            written += entry["index"]["status"] < 300
            overtaken += entry["index"]["status"] == 409
        progress(written + overtaken)
    return written, overtaken


def too_large(server, report):
    """What happened before the chunks: one asynchronous invocation over the limit of 256 KiB is refused."""
    operations = [{"op": "index", "id": str(i), "version": "2", "document": {"title": "x" * 1000}} for i in range(300)]
    payload = json.dumps({"operations": operations})
    try:
        server.client("lambda").invoke(FunctionName="indexer", InvocationType="Event", Payload=payload)
        report.verify(False, "one unchunked invocation is refused")
    except botocore.exceptions.ClientError as error:
        report.verify(error.response["ResponseMetadata"]["HTTPStatusCode"] == 413, f"one unchunked invocation of {len(payload) // 1024} KiB is refused: {error}")


def resend(server, sqs, failed):
    """Sends what waits in the on-failure queue through the indexing function again; returns how many operations."""
    functions = server.client("lambda")
    count = 0
    while True:
        messages = sqs.receive_message(QueueUrl=failed, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", [])
        if not messages:
            return count
        for message in messages:
            payload = json.loads(message["Body"])["requestPayload"]
            count += len(payload["operations"])
            functions.invoke(FunctionName="indexer", InvocationType="Event", Payload=json.dumps(payload))
            sqs.delete_message(QueueUrl=failed, ReceiptHandle=message["ReceiptHandle"])
        server.settle()


def sweep(engine):
    """Removes the tombstones of deleted posts; returns how many."""
    engine.request("POST", f"/{INDEX}/_refresh")
    found = engine.request("POST", f"/{INDEX}/_search", {"size": 10000, "_source": False, "query": {"term": {"deleted": True}}})["hits"]["hits"]
    if found:
        engine.request("POST", "/_bulk", lines="".join(json.dumps({"delete": {"_index": INDEX, "_id": hit["_id"]}}) + "\n" for hit in found))
    return len(found)


def documents(engine):
    engine.request("POST", f"/{INDEX}/_refresh")
    found = engine.request("POST", f"/{INDEX}/_search", {"size": 10000, "query": {"match_all": {}}, "track_total_hits": True})
    return {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]}


def create_functions(server, sqs, engine):
    failed = sqs.create_queue(QueueName="index-failed")["QueueUrl"]
    failed_arn = sqs.get_queue_attributes(QueueUrl=failed, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    server.function("indexer", zip_of(HERE / "indexer"), environment={"SEARCH_ENDPOINT": engine.endpoint, "SEARCH_INDEX": INDEX}, timeout=30, concurrency=4)
    server.client("lambda").put_function_event_invoke_config(FunctionName="indexer", MaximumRetryAttempts=2, DestinationConfig={"OnFailure": {"Destination": failed_arn}})
    server.function("posts-stream", zip_of(HERE / "stream"), environment={"INDEXER": "indexer"})
    return failed


def run(server, size=1000, kind="opensearch", project=None):
    report = Report(f"search: an index in {kind} follows a table exactly")
    engine = SearchEngine(kind).start()
    try:
        return follow(server, report, engine, size, project)
    finally:
        engine.close()


def follow(server, report, engine, size, project):
    dynamodb, sqs = server.client("dynamodb"), server.client("sqs")
    everything = sources.posts(size + 100)
    posts, fresh = everything[:size], everything[size:]
    report.line("in", f"{len(posts)} posts with {sum(len(p['blocks']) for p in posts)} typed blocks, written before there is a stream")
    if project:
        deploy.report(report, project, ["Search"], project.deploy("Search"))
    else:
        dynamodb.create_table(TableName="posts", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "postId", "AttributeType": "S"}],
                              KeySchema=[{"AttributeName": "postId", "KeyType": "HASH"}])
    batch_write(dynamodb, "posts", [{"PutRequest": {"Item": item_of(post)}} for post in posts])
    if not project:
        stream = dynamodb.update_table(TableName="posts", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})["TableDescription"]["LatestStreamArn"]
        failed = create_functions(server, sqs, engine)
    report.progress(f"waiting for {engine.kind}")
    engine.wait()
    engine.request("PUT", f"/{INDEX}", {"settings": {"index": {"number_of_replicas": 0}},
                                       "mappings": {"properties": {"blocks": {"type": "object"}, "deleted": {"type": "boolean"}}}})
    if project:  # the stream and what follows it come with the second deployment of the same stack
        shown = project.deploy("Search", "-c", "follow=true", "--parameters", f"SearchEndpoint={engine.endpoint}", "--parameters", f"SearchIndex={INDEX}")
        deploy.report(report, project, ["Search"], shown)
        mapping, failed = deploy.mapping_of(server, "posts-stream"), sqs.get_queue_url(QueueName="index-failed")["QueueUrl"]
    else:
        mapping = server.mapping(stream, "posts-stream", "TRIM_HORIZON", BatchSize=100)
    too_large(server, report)

    editors = Editors(dynamodb, posts, fresh)
    thread = threading.Thread(target=editors.edit, args=(400,))
    thread.start()
    with Stopwatch() as filling:
        written, overtaken = backfill(dynamodb, engine, lambda count: report.progress(f"backfill {count}"))
        thread.join()
    report.line("backfill", f"{written} documents written, {overtaken} overtaken by a change while it ran; {filling.rate(written + overtaken + 400)} documents and edits")
    server.settle()

    engine.stop()
    before = len(editors.latencies)
    editors.edit(200)
    slowest = max(editors.latencies[before:])
    report.verify(slowest < 2.0, f"with the engine stopped writers notice nothing (slowest of 200 edits {slowest * 1000:.0f} ms)")
    server.settle("120s")
    server.advance("10m")  # the two retries of each asynchronous invocation
    waiting = int(sqs.get_queue_attributes(QueueUrl=failed, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]["ApproximateNumberOfMessages"])
    report.verify(waiting > 0, f"what the retries could not place waits in the on-failure queue: {waiting} invocations")
    report.progress("the engine starts again")
    engine.start().wait()
    count = resend(server, sqs, failed)
    report.line("sent again", f"{count} operations")
    server.settle()

    report.line("tombstones", f"{sweep(engine)} removed, as nothing older can be on its way any more")

    table = {post["postId"]: json.loads(json.dumps(post, default=float)) for page in scan(dynamodb) for post in page}
    index = documents(engine)
    ghosts, lost = index.keys() - table.keys(), table.keys() - index.keys()
    report.verify(not ghosts and not lost, f"index and table hold the same {len(table)} documents", f"ghosts {sorted(ghosts)[:3]}, lost {sorted(lost)[:3]}")
    different = [key for key in table if json.dumps(index.get(key), sort_keys=True) != json.dumps(table[key], sort_keys=True)
                 and json.loads(json.dumps(index.get(key)), parse_int=float) != json.loads(json.dumps(table[key]), parse_int=float)]
    report.verify(not different, "and the same contents", f"{different[:3]}")
    hits = engine.request("POST", f"/{INDEX}/_search", {"size": 3, "query": {"bool": {"must": {"multi_match": {"query": "library edited", "fields": ["title", "blocks.text"]}},
                                                                                "must_not": {"term": {"deleted": True}}}}})["hits"]
    report.line("full text", f"'library edited': {hits['total']['value']} hits: " + "; ".join(hit["_source"]["title"][:48] for hit in hits["hits"]))
    status = server.admin(f"mappings/{mapping}")
    report.line("out", f"{editors.counts} edits; {status['invocations']} invocations for {status['records']} records, largest batch {status['batch_records_max']}; {latency(status)}")
    return report.close()
