"""Pipeline cleanup: deleted messages take their uploaded files along; single against batched deletes; orphans and lifecycle."""
import concurrent.futures
import json
import pathlib

import deploy
import sources
import traces
from report import Report, Stopwatch
from world import zip_of

HERE = pathlib.Path(__file__).resolve().parent.parent / "cleanup"
VARIANTS = {
    "single": {"code": ["single", "layer/nodejs"], "handler": "index.handler", "operation": "DeleteObject", "stack": "CleanupSingle"},
    "batched": {"code": ["batched", "layer/nodejs"], "handler": "index.handler", "operation": "DeleteObjects", "stack": "CleanupBatched"},
}


def make_bucket(s3, name):
    s3.create_bucket(Bucket=name)
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={
        "Rules": [{"ID": "expire-uploads", "Status": "Enabled", "Filter": {"Prefix": "uploads"}, "Expiration": {"Days": 1}}]})


def make_table(dynamodb, name):
    answer = dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "messageId", "AttributeType": "S"}, {"AttributeName": "createdAt", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "messageId", "KeyType": "HASH"}, {"AttributeName": "createdAt", "KeyType": "RANGE"}],
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    return answer["TableDescription"]["LatestStreamArn"]


def batch_write(dynamodb, table, requests):
    """BatchWriteItem in 25s, sending again what comes back unprocessed, as its users must."""
    for start in range(0, len(requests), 25):
        pending = {table: requests[start:start + 25]}
        while pending:
            pending = dynamodb.batch_write_item(RequestItems=pending).get("UnprocessedItems")


def key_of(message):
    return {"messageId": {"S": message["messageId"]}, "createdAt": {"N": str(message["createdAt"])}}


def put(message):
    return {"PutRequest": {"Item": {**key_of(message), "title": {"S": message["title"]}}}}


def delete(message):
    return {"DeleteRequest": {"Key": key_of(message)}}


def keys_in(s3, bucket, prefix=""):
    return {entry["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for entry in page.get("Contents", [])}


def make(server, name, table, bucket, function):
    """What app.ts describes, by hand; returns the mapping."""
    variant = VARIANTS[name]
    stream = make_table(server.client("dynamodb"), table)
    make_bucket(server.client("s3"), bucket)
    server.function(function, zip_of(*(HERE / path for path in variant["code"])), variant["handler"],
                    runtime="nodejs14.x" if name == "single" else "nodejs20.x", environment={"STAGING_BUCKET": bucket},
                    TracingConfig={"Mode": "Active"})
    return server.mapping(stream, function, "LATEST", BatchSize=100, MaximumBatchingWindowInSeconds=60)


def run_variant(server, report, name, messages, bodies, project):
    dynamodb, s3 = server.client("dynamodb"), server.client("s3")
    if project:
        made = deploy.outputs(server, VARIANTS[name]["stack"])
        table, bucket, function = made["TableName"], made["BucketName"], made["FunctionName"]
        mapping = deploy.mapping_of(server, function)
    else:
        table, bucket, function = f"messages-{name}", f"staging-{name}", f"cleanup-{name}"
        mapping = make(server, name, table, bucket, function)

    report.progress(f"{name}: uploading {len(messages)} files")
    with Stopwatch() as uploading, concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda m: s3.put_object(Bucket=bucket, Key=f"uploads/{m['messageId']}.json", Body=bodies[m["messageId"]]), messages))
    s3.put_object(Bucket=bucket, Key="reports/keep.txt", Body=b"not under the prefix of the rule")
    batch_write(dynamodb, table, [put(message) for message in messages])
    server.advance("60s")  # the inserts leave their window

    doomed = messages[: len(messages) // 2]
    half = len(doomed) - len(doomed) % 100
    report.progress(f"{name}: deleting {len(doomed)} messages")
    batch_write(dynamodb, table, [delete(message) for message in doomed])
    server.settle()
    gone_before = len(messages) + 1 - len(keys_in(s3, bucket))
    report.verify(gone_before == half, f"{name}: full batches went at once, the {len(doomed) - half} left over wait for the window",
                  f"{gone_before} objects gone")
    server.advance("60s")
    left = keys_in(s3, bucket)
    kept = messages[len(doomed):]
    report.verify(left == {f"uploads/{m['messageId']}.json" for m in kept} | {"reports/keep.txt"},
                  f"{name}: the files of the {len(doomed)} deleted messages are gone, all others are there", f"{len(left)} objects left")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        same = all(pool.map(lambda m: s3.get_object(Bucket=bucket, Key=f"uploads/{m['messageId']}.json")["Body"].read() == bodies[m["messageId"]], kept))
    report.verify(same, f"{name}: the {len(kept)} kept files are the same byte for byte")
    status = server.admin(f"mappings/{mapping}")
    report.verify(0 < status["batch_records_max"] <= 100, f"{name}: no batch had more than 100 records", str(status["batch_records_max"]))
    return {"status": status, "expiration": answers[0].get("Expiration"), "kept": kept, "bucket": bucket, "table": table, "doomed": len(doomed),
            "uploads": uploading.rate(len(messages))}


def orphans(server, report, outcome):
    """S3 answers SlowDown to a third of the deletes, however often the SDK tries; the handler swallows it, the files stay behind."""
    dynamodb, s3 = server.client("dynamodb"), server.client("s3")
    doomed = outcome["kept"][:90]
    for message in doomed[::3]:
        server.admin("faults", {"service": "s3", "operation": "DeleteObject", "kind": "throttle",
                                "resource": f"{outcome['bucket']}/uploads/{message['messageId']}.json"})
    batch_write(dynamodb, outcome["table"], [delete(message) for message in doomed])
    server.advance("60s")
    server.admin("faults", method="DELETE")
    left = keys_in(s3, outcome["bucket"], "uploads/") & {f"uploads/{message['messageId']}.json" for message in doomed}
    report.line("orphans", f"S3 answered SlowDown to a third of {len(doomed)} deletes: {len(left)} files were left behind, e.g. {sorted(left)[0] if left else '-'}")
    report.verify(left == {f"uploads/{message['messageId']}.json" for message in doomed[::3]}, "what the handler swallowed is orphaned, and listed", f"{len(left)}")
    batch_write(dynamodb, outcome["table"], [delete(message) for message in outcome["kept"][90:]])
    server.advance("60s")
    server.advance("36h")
    s3.put_object(Bucket=outcome["bucket"], Key="uploads/fresh.json", Body=b"{}")
    server.advance("12h")
    now_left = keys_in(s3, outcome["bucket"])
    report.verify(now_left == {"reports/keep.txt", "uploads/fresh.json"},
                  "two days later the lifecycle rule has removed the orphans and nothing else", str(sorted(now_left)[:5]))


def run(server, size=650, project=None):
    report = Report("cleanup: a deleted message takes its uploaded file along")
    posts = sources.posts(size)
    messages = [{"messageId": post["postId"], "createdAt": 1_700_000_000 + i, "title": post["title"]} for i, post in enumerate(posts)]
    bodies = {post["postId"]: json.dumps(post, ensure_ascii=False).encode() for post in posts}
    report.line("in", f"{len(messages)} messages made of package descriptions, {sum(map(len, bodies.values())):,} bytes of files, two variants")
    if project:
        deploy.report(report, project, [variant["stack"] for variant in VARIANTS.values()], project.deploy("--all"))
    requests = {}
    outcomes = {}
    for name in VARIANTS:
        before = server.admin("requests").get("s3", {})
        outcomes[name] = run_variant(server, report, name, messages, bodies, project)
        after = server.admin("requests").get("s3", {})
        operation = VARIANTS[name]["operation"]
        requests[name] = {key: after.get(operation, {}).get(key, 0) - before.get(operation, {}).get(key, 0) for key in ("count", "ms")}
    for name, outcome in outcomes.items():
        status = outcome["status"]
        report.line(name, f"{outcome['doomed']} deletes took {requests[name]['count']} S3 requests, {requests[name]['ms']:.0f} ms in S3; "
                          f"function time {status['duration_ms']:.0f} ms in {status['invocations']} invocations, largest batch {status['batch_records_max']}")
    times = {name: traces.split(server, f"cleanup-{name}") for name in VARIANTS}
    for name, total in times.items():
        report.line(f"{name} traced", traces.text(total))
    report.verify(times["batched"]["calls"] * 20 < times["single"]["calls"], "the traces show the calls that batching saves",
                  f"{times['batched']['calls']} against {times['single']['calls']}")
    report.verify(times["batched"]["aws"] + times["batched"]["code"] < times["single"]["aws"] + times["single"]["code"],
                  "and that its invocations take less time",
                  f"{(times['batched']['aws'] + times['batched']['code']) * 1e3:.0f} ms against {(times['single']['aws'] + times['single']['code']) * 1e3:.0f} ms")
    report.line("throughput", f"{outcomes['batched']['uploads']} uploads by eight clients in one process")
    report.line("x-amz-expiration", str(outcomes["batched"]["expiration"]))
    report.verify(requests["batched"]["count"] * 20 < requests["single"]["count"], "batching needs a small part of the requests",
                  f"{requests['batched']['count']} against {requests['single']['count']}")
    report.verify('rule-id="expire-uploads"' in (outcomes["batched"]["expiration"] or ""), "PutObject announced when the rule will expire the object")
    orphans(server, report, outcomes["single"])
    return report.close()
