"""Pipeline archive: log items expire by TTL and end as JSON lines in a bucket, queried with SQL over the S3 API."""
import collections
import pathlib

import deploy
import sources
from cleanup import batch_write, keys_in
from report import Report, Stopwatch, latency
from world import DEPS, zip_of

HERE = pathlib.Path(__file__).resolve().parent.parent / "archive"
TTL_DELETES_ONLY = '{"userIdentity": {"type": ["Service"], "principalId": ["dynamodb.amazonaws.com"]}}'


def sql(server, bucket):
    """A DuckDB connection that reads the bucket over the S3 API."""
    import duckdb

    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    extension = next((DEPS / "venv").rglob("httpfs.duckdb_extension"))
    connection.execute(f"LOAD '{extension}'")
    connection.execute(f"""CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'test', REGION 'us-east-1', URL_STYLE 'path',
                           USE_SSL false, ENDPOINT '{server.endpoint.removeprefix("http://")}')""")
    connection.execute(f"CREATE VIEW logs AS SELECT * FROM read_json('s3://{bucket}/logs/*.json', format = 'newline_delimited')")
    return connection


def make_table(dynamodb, name):
    answer = dynamodb.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "systemId", "AttributeType": "N"}, {"AttributeName": "timestamp", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "systemId", "KeyType": "HASH"}, {"AttributeName": "timestamp", "KeyType": "RANGE"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"})
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    return answer["TableDescription"]["LatestStreamArn"]


def put(item, ttl):
    return {"PutRequest": {"Item": {
        "systemId": {"N": str(item["systemId"])}, "timestamp": {"N": str(item["timestamp"])}, "ttl": {"N": str(ttl)},
        "level": {"S": item["level"]}, "module": {"S": item["module"]}, "message": {"S": item["message"]}, "day": {"S": item["day"]}}}}


def make(server, bucket, table):
    """What app.ts describes, by hand; returns both mappings."""
    dynamodb, s3 = server.client("dynamodb"), server.client("s3")
    s3.create_bucket(Bucket=bucket)
    # Objects below 128 KiB are not moved by default (AWS, since 2024); these may be smaller and are to be moved all the same.
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, TransitionDefaultMinimumObjectSize="varies_by_storage_class", LifecycleConfiguration={
        "Rules": [{"ID": "to-glacier", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]}]})
    stream = make_table(dynamodb, table)
    code = zip_of(HERE / "index.mjs")
    server.function("archive", code, environment={"ARCHIVE_BUCKET": bucket}, concurrency=1, timeout=300, memory=512)
    options = {"BisectBatchOnFunctionError": True, "FilterCriteria": {"Filters": [{"Pattern": TTL_DELETES_ONLY}]}}
    mapping = server.mapping(stream, "archive", "TRIM_HORIZON", BatchSize=10000, MaximumBatchingWindowInSeconds=300, **options)
    # Beside it, to compare: the same function and stream with the default batch size and no window, into a bucket of its own.
    s3.create_bucket(Bucket="log-archive-default")
    server.function("archive-default", code, environment={"ARCHIVE_BUCKET": "log-archive-default"}, timeout=300, memory=512)
    default = server.mapping(stream, "archive-default", "TRIM_HORIZON", **options)
    return mapping, default


def run(server, size=6000, project=None):
    report = Report("archive: expired log items become JSON in a bucket")
    dynamodb, s3, functions = server.client("dynamodb"), server.client("s3"), server.client("lambda")
    items = sources.log_items(size)
    report.line("in", f"{len(items)} log items of {len({item['module'] for item in items})} modules, from dpkg's log and the changelogs")
    bucket, table = "log-archive", "logs"
    if project:
        deploy.report(report, project, ["Archive"], project.deploy("Archive"))
        mapping, default = deploy.mapping_of(server, "archive"), deploy.mapping_of(server, "archive-default")
    else:
        mapping, default = make(server, bucket, table)

    now = server.admin("clock")["now_ms"] // 1000
    report.progress(f"writing {len(items)} items")
    with Stopwatch() as writing:
        batch_write(dynamodb, table, [put(item, now + 30 * 86400) for item in items])
    doomed = items[:25]
    batch_write(dynamodb, table, [{"DeleteRequest": {"Key": {"systemId": {"N": str(i["systemId"])}, "timestamp": {"N": str(i["timestamp"])}}}} for i in doomed])
    server.settle()
    report.verify(not keys_in(s3, bucket), "nothing is archived before it expires; ordinary deletes are filtered out")
    report.progress("the clock moves 31 days")
    with Stopwatch() as expiring:
        server.advance("31d")
    expected = items[25:]
    left = dynamodb.scan(TableName=table, Select="COUNT")["Count"]
    report.verify(left == 0, "the sweeper has removed every item", f"{left} left")
    keys = keys_in(s3, bucket)
    largest = max((entry["Size"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])), default=0)
    report.line("out", f"{len(keys)} objects, the largest {largest:,} bytes")
    report.verify(keys and largest <= 4_000_000, "no object is larger than 4 MB")

    connection = sql(server, bucket)
    for column in ("level", "module", "day"):
        counted = dict(connection.execute(f"SELECT CAST({column} AS VARCHAR), count(*) FROM logs GROUP BY 1").fetchall())
        truth = collections.Counter(item[column] for item in expected)
        report.verify(counted == dict(truth), f"DuckDB counts the same per {column} as the source", f"{len(counted)} against {len(truth)} groups")
    top = connection.execute("SELECT module, count(*) AS items, count(*) FILTER (level = 'WARN') AS warnings FROM logs GROUP BY 1 ORDER BY 2 DESC LIMIT 3").fetchall()
    report.line("SQL", "most talkative modules: " + ", ".join(f"{m} {n} ({w} warnings)" for m, n, w in top))
    invocations = server.admin("invocations?function=archive")["invocations"]
    overlap = any(later["start_ms"] < earlier["end_ms"] for earlier, later in zip(invocations, invocations[1:]))
    report.verify(invocations and not overlap, "no invocation overlapped another (reserved concurrency 1)")
    big, small = server.admin(f"mappings/{mapping}"), server.admin(f"mappings/{default}")
    report.verify(big["records"] == len(expected) and small["records"] == len(expected), "both mappings delivered every expired item once",
                  f"{big['records']} and {small['records']} of {len(expected)}")
    for name, status in (("10000/300 s", big), ("default", small)):
        report.line(name, f"{status['invocations']} invocations for {status['records']} records, largest batch {status['batch_records_max']}, "
                          f"function time {status['duration_ms']:.0f} ms; {latency(status)}")
    report.line("throughput", f"{writing.rate(len(items))} items written through BatchWriteItem by one client, each in its stream and synced; "
                              f"{expiring.rate(2 * len(expected))} records expired, filtered and delivered, to both mappings")
    server.advance("31d")
    classes = {entry["StorageClass"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    report.verify(classes == {"GLACIER"}, "a month later the lifecycle rule has moved the objects to GLACIER", str(classes))
    functions.delete_event_source_mapping(UUID=default)
    return report.close()
