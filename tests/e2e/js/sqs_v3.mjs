// SQS with the AWS SDK for JavaScript v3, which checks the MD5s itself. Usage: node sqs_v3.mjs ENDPOINT QUEUE.
import assert from "node:assert/strict";

import * as sqs from "@aws-sdk/client-sqs";

const [endpoint, QueueName] = process.argv.slice(2);
const client = new sqs.SQSClient({ endpoint, region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" } });
const { QueueUrl } = await client.send(new sqs.CreateQueueCommand({ QueueName, Attributes: { VisibilityTimeout: "60" } }));
const send = (name, input = {}) => client.send(new sqs[`${name}Command`]({ QueueUrl, ...input }));

const waiting = send("ReceiveMessage", { WaitTimeSeconds: 20, MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"] });
const MessageAttributes = { n: { DataType: "Number", StringValue: "1" }, b: { DataType: "Binary", BinaryValue: Uint8Array.of(0, 255) } };
const sent = await send("SendMessage", { MessageBody: "grüße 🙂", MessageAttributes });
const [message] = (await waiting).Messages;
assert.deepEqual([message.Body, message.MessageId, message.Attributes.ApproximateReceiveCount], ["grüße 🙂", sent.MessageId, "1"]);
assert.equal(message.MessageAttributes.n.StringValue, "1");
assert.deepEqual([...message.MessageAttributes.b.BinaryValue], [0, 255]);
await send("ChangeMessageVisibility", { ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0 });
const again = (await send("ReceiveMessage", { AttributeNames: ["ApproximateReceiveCount"] })).Messages[0];
assert.equal(again.Attributes.ApproximateReceiveCount, "2");
await send("DeleteMessage", { ReceiptHandle: again.ReceiptHandle });

const batch = await send("SendMessageBatch", { Entries: [{ Id: "a", MessageBody: "1" }, { Id: "b", MessageBody: "2", DelaySeconds: 1000 }] });
assert.deepEqual([batch.Successful.map((one) => one.Id), batch.Failed.map((one) => one.Id)], [["a"], ["b"]]);
const { Attributes } = await send("GetQueueAttributes", { AttributeNames: ["ApproximateNumberOfMessages", "VisibilityTimeout"] });
assert.deepEqual(Attributes, { ApproximateNumberOfMessages: "1", VisibilityTimeout: "60" });
await send("DeleteQueue");
const error = await send("SendMessage", { MessageBody: "x" }).catch((e) => e);
assert.ok(error instanceof sqs.QueueDoesNotExist, error.stack);
console.log("ok");
