"""Pipeline files: completed uploads become work on a queue; then a poison record, with the defaults and with every protection; then the
analysis worker as a function behind that queue."""
import json
import pathlib
import sys

import deploy
import sources
from cleanup import batch_write
from report import Report, Stopwatch, latency
from world import wait_until, zip_of

HERE = pathlib.Path(__file__).resolve().parent.parent / "files"
sys.path.insert(0, str(HERE))
PHASES = ["FILE_UPLOAD_STARTED", "FILE_UPLOAD_RUNNING", "FILE_UPLOAD_COMPLETE", "ANALYSIS_STARTED"]
ROLE_POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
    "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]}]}
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
ON_FAILURE = {"DelaySeconds": "10", "MaximumMessageSize": "2048", "MessageRetentionPeriod": "86400",
              "ReceiveMessageWaitTimeSeconds": "5", "VisibilityTimeout": "300"}


def make_table(dynamodb, name):
    answer = dynamodb.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", Tags=[{"Key": "service", "Value": "analysis"}],
        AttributeDefinitions=[{"AttributeName": "analysisRequestId", "AttributeType": "S"}, {"AttributeName": "requestorId", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "analysisRequestId", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[{"IndexName": "byRequestor", "KeySchema": [{"AttributeName": "requestorId", "KeyType": "HASH"}],
                                 "Projection": {"ProjectionType": "ALL"}}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    return answer["TableDescription"]["LatestStreamArn"]


def item_of(request):
    return {name: {"S": value} for name, value in request.items()}


def set_phase(dynamodb, table, request_id, phase):
    dynamodb.update_item(TableName=table, Key={"analysisRequestId": {"S": request_id}}, UpdateExpression="SET phase = :phase",
                         ExpressionAttributeValues={":phase": {"S": phase}})


def expected_work(requests):
    return {r["analysisRequestId"]: {"analysisRequestId": r["analysisRequestId"], "requestorId": r["requestorId"], "fileName": r["fileName"]} for r in requests}


def drain(sqs, url, limit=10_000):
    from worker import work

    received = []
    work(sqs, url, received.append, limit)
    return received


def make(server, dynamodb, sqs):
    """What serverless.yml describes, by hand; returns the mapping."""
    stream = make_table(dynamodb, "requests")
    queue = sqs.create_queue(QueueName="work")["QueueUrl"]
    dlq = sqs.create_queue(QueueName="function-dlq")["QueueUrl"]
    dlq_arn = sqs.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    iam = server.client("iam")
    role = iam.create_role(RoleName="files", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="files", PolicyName="read-stream", PolicyDocument=json.dumps(ROLE_POLICY))
    functions = server.client("lambda")
    code = zip_of(HERE / "trigger.py", HERE / "layer/python")
    functions.create_function(FunctionName="files", Runtime="python3.11", Role=role, Handler="trigger.handler", Code={"ZipFile": code}, Timeout=60,
                              Environment={"Variables": {"QUEUE_URL": queue}}, DeadLetterConfig={"TargetArn": dlq_arn})
    functions.put_function_concurrency(FunctionName="files", ReservedConcurrentExecutions=50)
    return server.mapping(stream, "files", "LATEST", BatchSize=10)


def happy_path(server, report, dynamodb, sqs, size, project):
    requests = [{"analysisRequestId": f"request-{i}", "requestorId": post["author"], "fileName": f"{post['postId']}_{post['version']}.deb", "phase": "CREATED"}
                for i, post in enumerate(sources.posts(size))]
    if project:
        deploy.report(report, project, ["files-dev"], project.run("deploy"))
        mapping = deploy.mapping_of(server, "files")
    else:
        mapping = make(server, dynamodb, sqs)
    queue, dlq = (sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in ("work", "function-dlq"))
    stream = dynamodb.describe_table(TableName="requests")["Table"]["LatestStreamArn"]
    report.line("in", f"{len(requests)} analysis requests of {len({r['requestorId'] for r in requests})} requestors, each through {len(PHASES)} phases")
    batch_write(dynamodb, "requests", [{"PutRequest": {"Item": item_of(request)}} for request in requests])
    with Stopwatch() as walking:
        for phase in PHASES:
            report.progress(f"phase {phase}")
            for request in requests:
                set_phase(dynamodb, "requests", request["analysisRequestId"], phase)
        server.settle()
    got = drain(sqs, queue)
    truth = expected_work(requests)
    report.verify(len(got) == len(truth) and {m["analysisRequestId"]: m for m in got} == truth, "only completed uploads reached the queue, each once, body exact",
                  f"{len(got)} messages, {len(truth)} requests")
    author = requests[0]["requestorId"]
    found = dynamodb.query(TableName="requests", IndexName="byRequestor", KeyConditionExpression="requestorId = :r", ExpressionAttributeValues={":r": {"S": author}})
    report.verify(found["Count"] == sum(r["requestorId"] == author for r in requests), f"the index answers who requested what ({found['Count']} of {author.split(' <')[0]})")
    status = server.admin(f"mappings/{mapping}")
    report.line("out", f"{len(got)} messages; {status['invocations']} invocations for {status['records']} records, largest batch {status['batch_records_max']}; {latency(status)}")
    report.line("throughput", f"{walking.rate(len(requests) * len(PHASES))} updates by one client, one after the other, delivered when the last was answered")
    return {"mapping": mapping, "queue": queue, "dlq": dlq, "stream": stream,
            "night_shift": sqs.get_queue_url(QueueName="night-shift")["QueueUrl"] if project else None}


def poison_with_defaults(server, report, dynamodb, sqs, world):
    """A request without a file name, and neighbours behind it; nobody looks for a night."""
    for name in ("poison", "behind"):
        item = {"analysisRequestId": name, "requestorId": "night shift", "phase": "CREATED", **({"fileName": "b.deb"} if name == "behind" else {})}
        dynamodb.put_item(TableName="requests", Item=item_of(item))
        set_phase(dynamodb, "requests", name, "FILE_UPLOAD_COMPLETE")
    before = server.admin(f"mappings/{world['mapping']}")["invocations"]
    report.progress("a night of clock time")
    server.advance("8h")
    shown = server.cli("mappings", "show", world["mapping"])
    report.line("8 h later", "millrace mappings show:")
    report.block(shown)
    status = server.admin(f"mappings/{world['mapping']}")
    cost = status["invocations"] - before
    report.verify(status["blocked"] and cost > 100, f"the mapping has been blocked all night and says so; it cost {cost} invocations")
    report.verify("fileName" in shown or "KeyError" in shown, "the function's own error is shown")
    attributes = sqs.get_queue_attributes(QueueUrl=world["dlq"], AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    report.verify(attributes["ApproximateNumberOfMessages"] == "0", "the function's dead letter queue is not used for stream batches")
    if world["night_shift"]:
        told = sqs.receive_message(QueueUrl=world["night_shift"]).get("Messages", [])
        alarm = json.loads(json.loads(told[0]["Body"])["Message"]) if told else {}
        report.verify(alarm.get("NewStateValue") == "ALARM" and alarm["Trigger"]["MetricName"] == "Errors", "the deployed alarm told the night shift", str(told)[:300])
        report.line("alarm", f"{alarm.get('AlarmName')} at {alarm.get('StateChangeTime')}: {alarm.get('NewStateReason')}")
    server.client("lambda").delete_event_source_mapping(UUID=world["mapping"])
    wait_until(lambda: not server.client("lambda").list_event_source_mappings(FunctionName="files")["EventSourceMappings"], "the mapping to go")


def poison_with_protection(server, report, dynamodb, sqs, world):
    failed = sqs.create_queue(QueueName="failed", Attributes=ON_FAILURE)["QueueUrl"]
    failed_arn = sqs.get_queue_attributes(QueueUrl=failed, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    drain(sqs, world["queue"])
    functions = server.client("lambda")
    functions.update_function_configuration(FunctionName="files", Environment={"Variables": {"QUEUE_URL": world["queue"], "REPORT_PARTIAL_FAILURES": "true"}})
    mapping = server.mapping(world["stream"], "files", "LATEST", BatchSize=10, MaximumRetryAttempts=2, BisectBatchOnFunctionError=True,
                             FunctionResponseTypes=["ReportBatchItemFailures"], DestinationConfig={"OnFailure": {"Destination": failed_arn}})
    names = [f"good-{i}" for i in range(9)]
    everyone = names[:4] + ["poison-2"] + names[4:]
    batch_write(dynamodb, "requests", [{"PutRequest": {"Item": item_of({"analysisRequestId": n, "requestorId": "day shift", "phase": "CREATED",
                                       **({"fileName": n + ".deb"} if n != "poison-2" else {})})}} for n in everyone])
    for name in everyone:
        set_phase(dynamodb, "requests", name, "FILE_UPLOAD_COMPLETE")
    server.settle()
    server.advance("5s")  # the back-off of the two retries
    got = [message["analysisRequestId"] for message in drain(sqs, world["queue"])]
    report.verify(sorted(got) == names, "its nine neighbours arrived, each once", str(got))
    early = sqs.receive_message(QueueUrl=failed, WaitTimeSeconds=0).get("Messages", [])
    server.advance("10s")
    messages = sqs.receive_message(QueueUrl=failed).get("Messages", [])
    report.verify(not early or len(messages) == 0, "the on-failure queue holds the record back for its delay of 10 s") if not early else None
    document = json.loads(messages[0]["Body"]) if messages else {}
    batch = document.get("DDBStreamBatchInfo", {})
    report.verify(len(messages) == 1 and batch.get("batchSize") == 1 and document["requestContext"]["condition"] == "RetryAttemptsExhausted"
                  and document["requestContext"]["approximateInvokeCount"] == 3,
                  "the poison record alone is in the on-failure queue, after 3 invocations", json.dumps(document)[:300])
    report.line("document", json.dumps(document.get("requestContext", {})) + " " + json.dumps({k: batch.get(k) for k in ("shardId", "startSequenceNumber", "batchSize")}))
    status = server.admin(f"mappings/{mapping}")
    report.line("retries", f"{status['invocations']} invocations, {status['failures']} failed, for {status['records']} records settled")


def parts_of(file_name):
    return len(file_name.rpartition(".")[0].split("_"))


def analysis(server, report, dynamodb, sqs, world, size):
    """The worker becomes a function behind the queue; one upload is no package."""
    dead = sqs.create_queue(QueueName="analysis-failed")["QueueUrl"]
    arn_of = {url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"] for url in (dead, world["queue"])}
    sqs.set_queue_attributes(QueueUrl=world["queue"], Attributes={
        "VisibilityTimeout": "60", "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn_of[dead], "maxReceiveCount": 2})})
    server.function("analyse", zip_of(HERE / "analyse.py"), handler="analyse.handler", runtime="python3.11", timeout=30, environment={"TABLE": "requests"})
    mapping = server.mapping(arn_of[world["queue"]], "analyse", None, BatchSize=10, FunctionResponseTypes=["ReportBatchItemFailures"],
                             ScalingConfig={"MaximumConcurrency": 2}, FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": {"fileName": [{"exists": True}]}})}]})
    files = {f"analysis-{i}": f"{post['postId']}_{post['version']}.deb" for i, post in enumerate(sources.posts(size))}
    everyone = {**files, "analysis-broken": "holiday.jpg"}
    batch_write(dynamodb, "requests", [{"PutRequest": {"Item": item_of({"analysisRequestId": name, "requestorId": "analysis", "phase": "CREATED", "fileName": file})}}
                                       for name, file in everyone.items()])
    with Stopwatch() as working:
        for name in everyone:
            set_phase(dynamodb, "requests", name, "FILE_UPLOAD_COMPLETE")
        server.settle()
    server.advance("2m")  # the visibility of what is no package, twice
    found = {}
    for page in dynamodb.get_paginator("scan").paginate(TableName="requests"):
        found.update({item["analysisRequestId"]["S"]: item for item in page["Items"] if item["analysisRequestId"]["S"] in everyone})
    done = {name: item for name, item in found.items() if item["phase"]["S"] == "ANALYSIS_DONE"}
    report.verify(sorted(done) == sorted(files) and all(item["analyses"]["N"] == "1" and item["parts"]["N"] == str(parts_of(files[name])) for name, item in done.items()),
                  f"upload, stream, function, queue, function: {len(done)} files analysed, each once, although one of their batch failed")
    failed = sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages", [])
    report.verify([json.loads(message["Body"])["analysisRequestId"] for message in failed] == ["analysis-broken"],
                  "what is no package is in the dead letter queue after two receives", str(failed)[:300])
    left = sqs.get_queue_attributes(QueueUrl=world["queue"], AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])["Attributes"]
    report.verify(set(left.values()) == {"0"}, "nothing is left in the queue", str(left))
    status = server.admin(f"mappings/{mapping}")
    report.line("analysis", f"{status['records']} messages done in {status['invocations']} invocations, at most 2 at a time; {latency(status)}")
    report.line("throughput", f"{working.rate(len(everyone))} uploads through both functions")


def run(server, size=250, project=None):
    report = Report("files: work is queued when an upload is complete; a poison record")
    dynamodb, sqs = server.client("dynamodb"), server.client("sqs", read_timeout=60)
    world = happy_path(server, report, dynamodb, sqs, size, project)
    poison_with_defaults(server, report, dynamodb, sqs, world)
    poison_with_protection(server, report, dynamodb, sqs, world)
    analysis(server, report, dynamodb, sqs, world, size // 2)
    return report.close()
