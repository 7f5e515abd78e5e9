"""Puts work on a queue when the upload of an analysis request is complete.

Failures are reported record by record (ReportBatchItemFailures), so that what succeeded before is not sent again when the
mapping asks for it; a mapping that does not is retried as a whole, since the handler then raises.
"""
import json
import os

import boto3
from upload_work import work_of

sqs = boto3.client("sqs")
QUEUE_URL = os.environ["QUEUE_URL"]
REPORT_PARTIAL_FAILURES = os.environ.get("REPORT_PARTIAL_FAILURES") == "true"


def handle(record):
    image = record["dynamodb"]["NewImage"]
    if record["eventName"] != "MODIFY" or image["phase"]["S"] != "FILE_UPLOAD_COMPLETE":
        return
    sqs.send_message(QueueUrl=QUEUE_URL, MessageBody=json.dumps(work_of(image), ensure_ascii=False, sort_keys=True))


def handler(event, context):
    for record in event["Records"]:
        try:
            handle(record)
        except Exception as error:
            print("cannot handle", record["dynamodb"]["SequenceNumber"], type(error).__name__, error)
            if not REPORT_PARTIAL_FAILURES:
                raise
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}
