"""The analysis worker as a function behind an event source mapping of the queue: the analysis of a file is a count of its name's
parts, written to the request; what cannot be analysed is reported message by message, so that its neighbours are not done twice."""
import json
import os

import boto3

dynamodb = boto3.client("dynamodb")
TABLE = os.environ["TABLE"]


def analyse(work):
    name, _, ending = work["fileName"].rpartition(".")
    if ending != "deb":
        raise ValueError(f"{work['fileName']} is no package")
    dynamodb.update_item(
        TableName=TABLE, Key={"analysisRequestId": {"S": work["analysisRequestId"]}},
        UpdateExpression="SET phase = :phase, parts = :parts ADD analyses :one",
        ExpressionAttributeValues={":phase": {"S": "ANALYSIS_DONE"}, ":parts": {"N": str(len(name.split("_")))}, ":one": {"N": "1"}})


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            analyse(json.loads(record["body"]))
        except Exception as error:
            print("cannot analyse", record["messageId"], type(error).__name__, error)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
