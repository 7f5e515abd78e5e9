// DynamoDB through the AWS SDKs for JavaScript: v3's client and document client, and v2's document client.
// Run by test_sdk_js.py with AWS_ENDPOINT_URL, credentials and NODE_MODULES in the environment; exits 0 when all is well.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_MODULES + "/");
const { ConditionalCheckFailedException, DynamoDBClient, CreateTableCommand, DeleteTableCommand, DescribeTableCommand, GetItemCommand, ListTablesCommand,
        paginateListTables, PutItemCommand, TransactionCanceledException, TransactWriteItemsCommand, UpdateTimeToLiveCommand, waitUntilTableExists, waitUntilTableNotExists } = require("@aws-sdk/client-dynamodb");
const { BatchGetCommand, BatchWriteCommand, DeleteCommand, DynamoDBDocumentClient, GetCommand, NumberValue, paginateQuery, paginateScan, PutCommand, QueryCommand,
        TransactGetCommand, TransactWriteCommand, UpdateCommand } = require("@aws-sdk/lib-dynamodb");
const { DescribeStreamCommand, DynamoDBStreamsClient, GetRecordsCommand, GetShardIteratorCommand, ListStreamsCommand } = require("@aws-sdk/client-dynamodb-streams");
const { unmarshall } = require("@aws-sdk/util-dynamodb");

const TableName = process.argv[2];
const client = new DynamoDBClient({ maxAttempts: 1 });
const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
const send = (command) => documents.send(command);

async function tables() {
  const { TableDescription } = await client.send(new CreateTableCommand({
    TableName, BillingMode: "PAY_PER_REQUEST", KeySchema: [{ AttributeName: "id", KeyType: "HASH" }, { AttributeName: "at", KeyType: "RANGE" }],
    AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }, { AttributeName: "at", AttributeType: "N" }, { AttributeName: "kind", AttributeType: "S" }],
    GlobalSecondaryIndexes: [{ IndexName: "by-kind", KeySchema: [{ AttributeName: "kind", KeyType: "HASH" }], Projection: { ProjectionType: "ALL" } }],
    StreamSpecification: { StreamEnabled: true, StreamViewType: "NEW_AND_OLD_IMAGES" },
  }));
  await waitUntilTableExists({ client, maxWaitTime: 10, minDelay: 1 }, { TableName });
  const { Table } = await client.send(new DescribeTableCommand({ TableName }));
  assert.equal(Table.TableStatus, "ACTIVE");
  assert.ok(Table.CreationDateTime instanceof Date);
  assert.equal(Table.LatestStreamArn, TableDescription.LatestStreamArn);
  await assert.rejects(client.send(new DescribeTableCommand({ TableName: "nobody" })), { name: "ResourceNotFoundException" });
  const names = [];
  for await (const page of paginateListTables({ client, pageSize: 1 }, {})) names.push(...page.TableNames);
  assert.ok(names.includes(TableName));
  assert.equal((await client.send(new ListTablesCommand({ Limit: 1 }))).TableNames.length, 1);
  return Table.LatestStreamArn;
}

async function items() {
  const item = {
    id: "a", at: 1, text: "żółw 🐢", blank: "", yes: true, nothing: null, list: [1, "x", { deep: [] }], map: { "with space": 1.5 }, bytes: new Uint8Array([0, 255]),
    tags: new Set(["x", "y"]), numbers: new Set([1, 2]), exact: NumberValue.from("12345678901234567890123456789012345678"), left_out: undefined,
  };
  await send(new PutCommand({ TableName, Item: item }));
  const exact = DynamoDBDocumentClient.from(new DynamoDBClient({ maxAttempts: 1 }), { unmarshallOptions: { wrapNumbers: (text) => NumberValue.from(text) } });
  const { Item: wrapped } = await exact.send(new GetCommand({ TableName, Key: { id: "a", at: 1 }, ProjectionExpression: "exact" }));
  assert.equal(wrapped.exact.toString(), "12345678901234567890123456789012345678");
  const { Item } = await send(new GetCommand({ TableName, Key: { id: "a", at: 1 }, ConsistentRead: true, ExpressionAttributeNames: { "#list": "list", "#map": "map", "#bytes": "bytes" },
    ProjectionExpression: "id, #list, #map, #bytes, tags, numbers, nothing, yes, blank" }));
  assert.deepEqual(Item.list, item.list);
  assert.deepEqual(Item.map, item.map);
  assert.deepEqual([...Item.bytes], [0, 255]);
  assert.deepEqual(Item.tags, item.tags);
  assert.deepEqual(Item.numbers, item.numbers);
  assert.equal(Item.nothing, null);
  assert.equal(Item.blank, "");
  assert.ok(!("left_out" in Item));
  const raw = await client.send(new GetItemCommand({ TableName, Key: { id: { S: "a" }, at: { N: "1" } } }));
  assert.equal(raw.Item.exact.N, "12345678901234567890123456789012345678");
  const updated = await send(new UpdateCommand({ TableName, Key: { id: "a", at: 1 }, ReturnValues: "ALL_NEW",
    UpdateExpression: "SET n = if_not_exists(n, :zero) + :one, #list = list_append(#list, :more) REMOVE blank, exact ADD tags :z",
    ExpressionAttributeNames: { "#list": "list" }, ExpressionAttributeValues: { ":zero": 0, ":one": 1, ":more": ["end"], ":z": new Set(["z"]) } }));
  assert.equal(updated.Attributes.n, 1);
  assert.deepEqual(updated.Attributes.list, [...item.list, "end"]);
  assert.deepEqual(updated.Attributes.tags, new Set(["x", "y", "z"]));
  assert.ok(!("blank" in updated.Attributes));
  await assert.rejects(send(new PutCommand({ TableName, Item: { id: "a", at: 1 }, ConditionExpression: "attribute_not_exists(id)", ReturnValuesOnConditionCheckFailure: "ALL_OLD" })), (error) => {
    assert.ok(error instanceof ConditionalCheckFailedException);
    assert.equal(error.message, "The conditional request failed");
    assert.equal(unmarshall(error.Item, { wrapNumbers: true }).text, item.text);
    return true;
  });
  const gone = await send(new DeleteCommand({ TableName, Key: { id: "a", at: 1 }, ReturnValues: "ALL_OLD" }));
  assert.equal(gone.Attributes.n, 1);
  assert.equal((await send(new GetCommand({ TableName, Key: { id: "a", at: 1 } }))).Item, undefined);
  await assert.rejects(send(new UpdateCommand({ TableName, Key: { id: "a", at: 1 }, UpdateExpression: "SET name = :n", ExpressionAttributeValues: { ":n": 1 } })), (error) => {
    assert.equal(error.name, "ValidationException");
    assert.equal(error.message, "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: name");
    assert.equal(error.$metadata.httpStatusCode, 400);
    return true;
  });
}

async function several() {
  for (let start = 0; start < 50; start += 25) {
    const requests = Array.from({ length: 25 }, (_, n) => ({ PutRequest: { Item: { id: "many", at: start + n, kind: n % 2 ? "odd" : "even" } } }));
    const { UnprocessedItems } = await send(new BatchWriteCommand({ RequestItems: { [TableName]: requests } }));
    assert.deepEqual(UnprocessedItems, {});
  }
  const { Responses } = await send(new BatchGetCommand({ RequestItems: { [TableName]: { Keys: Array.from({ length: 60 }, (_, at) => ({ id: "many", at })) } } }));
  assert.equal(Responses[TableName].length, 50);
  const query = { TableName, KeyConditionExpression: "id = :id AND #at BETWEEN :from AND :to", ExpressionAttributeNames: { "#at": "at" }, ExpressionAttributeValues: { ":id": "many", ":from": 5, ":to": 44 } };
  const seen = [];
  for await (const page of paginateQuery({ client: documents, pageSize: 7 }, query)) seen.push(...page.Items.map((item) => item.at));
  assert.deepEqual(seen, Array.from({ length: 40 }, (_, n) => n + 5));
  const odd = await send(new QueryCommand({ TableName, IndexName: "by-kind", KeyConditionExpression: "kind = :kind", ExpressionAttributeValues: { ":kind": "odd" }, Select: "COUNT" }));
  assert.equal(odd.Count, 24);
  let scanned = 0;
  for await (const page of paginateScan({ client: documents, pageSize: 11 }, { TableName })) scanned += page.Count;
  assert.equal(scanned, 50);
}

async function transactions() {
  const ClientRequestToken = `token-${TableName}`;
  const add = { TransactItems: [{ Update: { TableName, Key: { id: "sum", at: 0 }, UpdateExpression: "ADD n :one", ExpressionAttributeValues: { ":one": 1 } } }], ClientRequestToken };
  await send(new TransactWriteCommand(add));
  await send(new TransactWriteCommand(add));
  const { Responses } = await send(new TransactGetCommand({ TransactItems: [{ Get: { TableName, Key: { id: "sum", at: 0 } } }, { Get: { TableName, Key: { id: "none", at: 0 } } }] }));
  assert.equal(Responses[0].Item.n, 1);
  assert.equal(Responses[1].Item, undefined);
  await assert.rejects(client.send(new TransactWriteItemsCommand({ TransactItems: [
    { Put: { TableName, Item: { id: { S: "never" }, at: { N: "0" } } } },
    { ConditionCheck: { TableName, Key: { id: { S: "sum" }, at: { N: "0" } }, ConditionExpression: "n > :n", ExpressionAttributeValues: { ":n": { N: "5" } }, ReturnValuesOnConditionCheckFailure: "ALL_OLD" } }] })), (error) => {
    assert.ok(error instanceof TransactionCanceledException);
    assert.equal(error.message, "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed]");
    assert.deepEqual(error.CancellationReasons.map((reason) => reason.Code), ["None", "ConditionalCheckFailed"]);
    assert.equal(error.CancellationReasons[1].Item.n.N, "1");
    return true;
  });
  await Promise.all(Array.from({ length: 32 }, () => send(new UpdateCommand({ TableName, Key: { id: "counter", at: 0 }, UpdateExpression: "ADD n :one", ExpressionAttributeValues: { ":one": 1 } }))));
  assert.equal((await send(new GetCommand({ TableName, Key: { id: "counter", at: 0 } }))).Item.n, 32);
}

async function stream(StreamArn) {
  const streams = new DynamoDBStreamsClient({ maxAttempts: 1 });
  assert.equal((await streams.send(new ListStreamsCommand({ TableName }))).Streams[0].StreamArn, StreamArn);
  const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn }));
  assert.equal(StreamDescription.StreamStatus, "ENABLED");
  const { ShardIterator } = await streams.send(new GetShardIteratorCommand({ StreamArn, ShardId: StreamDescription.Shards[0].ShardId, ShardIteratorType: "TRIM_HORIZON" }));
  const { Records } = await streams.send(new GetRecordsCommand({ ShardIterator }));
  assert.deepEqual(Records.slice(0, 3).map((record) => record.eventName), ["INSERT", "MODIFY", "REMOVE"]);
  assert.ok(Records[0].dynamodb.ApproximateCreationDateTime instanceof Date);
  assert.equal(unmarshall(Records[0].dynamodb.NewImage, { wrapNumbers: true }).text, "żółw 🐢");
}

async function oldSdk() {
  const AWS = require("aws-sdk");
  const endpoint = process.env.AWS_ENDPOINT_URL;
  const old = new AWS.DynamoDB.DocumentClient({ endpoint, region: process.env.AWS_REGION, maxRetries: 0 });
  const item = { id: "old", at: 1, set: old.createSet(["a", "b"]), nested: { list: [1, { x: "ż" }] }, bytes: Buffer.from([1, 2, 3]), nothing: null };
  await old.put({ TableName, Item: item }).promise();
  const { Item } = await old.get({ TableName, Key: { id: "old", at: 1 } }).promise();
  assert.deepEqual(Item.set.values.sort(), ["a", "b"]);
  assert.deepEqual(Item.nested, item.nested);
  assert.deepEqual([...Item.bytes], [1, 2, 3]);
  const updated = await old.update({ TableName, Key: { id: "old", at: 1 }, UpdateExpression: "SET nested.#l[0] = :v", ExpressionAttributeNames: { "#l": "list" }, ExpressionAttributeValues: { ":v": 2 }, ReturnValues: "UPDATED_NEW" }).promise();
  assert.deepEqual(updated.Attributes, { nested: { list: [2] } });
  await assert.rejects(old.put({ TableName, Item: { id: "old", at: 1 }, ConditionExpression: "attribute_not_exists(id)" }).promise(), { code: "ConditionalCheckFailedException" });
  await old.batchWrite({ RequestItems: { [TableName]: [{ DeleteRequest: { Key: { id: "old", at: 1 } } }] } }).promise();
  assert.equal((await old.query({ TableName, KeyConditionExpression: "id = :id", ExpressionAttributeValues: { ":id": "old" } }).promise()).Count, 0);
}

async function end() {
  await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: { Enabled: true, AttributeName: "expires" } }));
  await client.send(new PutItemCommand({ TableName, Item: { id: { S: "x" }, at: { N: "0" } }, ReturnConsumedCapacity: "TOTAL" }));
  await client.send(new DeleteTableCommand({ TableName }));
  await waitUntilTableNotExists({ client, maxWaitTime: 10, minDelay: 1 }, { TableName });
}

const arn = await tables();
await items();
await several();
await transactions();
await stream(arn);
await oldSdk();
await end();
console.log("ok");
