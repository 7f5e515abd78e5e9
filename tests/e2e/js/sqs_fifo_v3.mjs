// FIFO queues with @aws-sdk/client-sqs, which checks the digests of what it sent. Usage: node sqs_fifo_v3.mjs ENDPOINT NAME.
import assert from "node:assert/strict";
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand, SendMessageBatchCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const [endpoint, name] = process.argv.slice(2);
const client = new SQSClient({ endpoint, region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" }, maxAttempts: 1 });
const send = (Command, input) => client.send(new Command(input));

const { QueueUrl } = await send(CreateQueueCommand, { QueueName: `${name}.fifo`, Attributes: { FifoQueue: "true" } });
const first = await send(SendMessageCommand, { QueueUrl, MessageBody: "1", MessageGroupId: "g", MessageDeduplicationId: "one" });
assert.match(first.SequenceNumber, /^\d{20}$/);
// Another body under the same id: the first message's answer, the digest of this body.
const again = await send(SendMessageCommand, { QueueUrl, MessageBody: "not 1", MessageGroupId: "g", MessageDeduplicationId: "one" });
assert.deepEqual([again.MessageId, again.SequenceNumber], [first.MessageId, first.SequenceNumber]);
const batch = await send(SendMessageBatchCommand, { QueueUrl, Entries: ["2", "3"].map((body) => ({ Id: body, MessageBody: body, MessageGroupId: "g", MessageDeduplicationId: body })) });
assert.equal(batch.Successful.length, 2);
const receive = async (MaxNumberOfMessages) => (await send(ReceiveMessageCommand, { QueueUrl, MaxNumberOfMessages, MessageSystemAttributeNames: ["All"] })).Messages ?? [];
const [one] = await receive(1);
assert.deepEqual([one.Body, one.Attributes.MessageGroupId, one.Attributes.MessageDeduplicationId], ["1", "g", "one"]);
assert.deepEqual(await receive(10), []);
await send(DeleteMessageCommand, { QueueUrl, ReceiptHandle: one.ReceiptHandle });
assert.deepEqual((await receive(10)).map((message) => message.Body), ["2", "3"]);
console.log("ok");
