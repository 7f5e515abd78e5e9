// SQS with aws-sdk v2: the versions that speak the query protocol and the last ones, which speak JSON, have one interface.
// Usage: node sqs_v2.js ENDPOINT QUEUE.
const assert = require("node:assert/strict");
const AWS = require("aws-sdk");

const [endpoint, QueueName] = process.argv.slice(2);
const sqs = new AWS.SQS({ endpoint, region: "us-east-1", accessKeyId: "test", secretAccessKey: "test", maxRetries: 0 });

(async () => {
  const { QueueUrl } = await sqs.createQueue({ QueueName, Attributes: { DelaySeconds: "0" } }).promise();
  const waiting = sqs.receiveMessage({ QueueUrl, WaitTimeSeconds: 20, AttributeNames: ["All"], MessageAttributeNames: ["All"] }).promise();
  const MessageAttributes = { s: { DataType: "String", StringValue: "ü" }, b: { DataType: "Binary", BinaryValue: Buffer.from([0, 255]) } };
  const sent = await sqs.sendMessage({ QueueUrl, MessageBody: "<grüße> & 🙂", MessageAttributes }).promise();
  const [message] = (await waiting).Messages;
  assert.deepEqual([message.Body, message.MessageId, message.Attributes.ApproximateReceiveCount], ["<grüße> & 🙂", sent.MessageId, "1"]);
  assert.deepEqual([message.MessageAttributes.s.StringValue, [...message.MessageAttributes.b.BinaryValue]], ["ü", [0, 255]]);
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: message.ReceiptHandle }).promise();
  const batch = await sqs.sendMessageBatch({ QueueUrl, Entries: [{ Id: "a", MessageBody: "1" }, { Id: "b", MessageBody: "2", DelaySeconds: 1000 }] }).promise();
  assert.deepEqual([batch.Successful.map((one) => one.Id), batch.Failed.map((one) => one.Id)], [["a"], ["b"]]);
  assert.deepEqual((await sqs.listQueues({ QueueNamePrefix: QueueName }).promise()).QueueUrls, [QueueUrl]);
  await sqs.deleteQueue({ QueueUrl }).promise();
  const error = await sqs.sendMessage({ QueueUrl, MessageBody: "x" }).promise().catch((e) => e);
  assert.equal(error.code, "AWS.SimpleQueueService.NonExistentQueue");
  console.log("ok");
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
