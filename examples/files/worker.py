"""The analysis worker: takes work off the queue by long polling and deletes what it has done. Plain boto3, any machine."""
import json


def work(sqs, queue_url, done, limit):
    """Handles messages until `limit` of them are done or a long poll of 2 s comes back empty; returns how many."""
    count = 0
    while count < limit:
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=2)
        messages = answer.get("Messages", [])
        if not messages:
            break
        for message in messages:
            done(json.loads(message["Body"]))
        sqs.delete_message_batch(
            QueueUrl=queue_url,
            Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)],
        )
        count += len(messages)
    return count
