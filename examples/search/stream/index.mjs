// Turns changes of posts into index operations and hands them to the indexing function, asynchronously and in chunks.
//
// A document's version is the sequence number of its last change: AWS-style numbers are compared as numbers, and millrace's are
// "1" and 20 digits whose value after the "1" fits 63 bits and rises per item. The backfill writes with version 1, below any.
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { createHandler } from './events.mjs';

const lambda = new LambdaClient({});
const indexer = process.env.INDEXER;
const CHUNK_BYTES_MAX = Number(process.env.CHUNK_BYTES ?? 200 * 1024);

export const versionOf = (sequenceNumber) => BigInt(sequenceNumber.slice(1)).toString();

let operations = [];
const index = (item, change) => operations.push({ op: 'index', id: item.postId, version: versionOf(change.sequenceNumber), document: item });
const remove = (item, change) => operations.push({ op: 'delete', id: item.postId, version: versionOf(change.sequenceNumber) });

const invoke = (chunk) =>
  lambda.send(new InvokeCommand({ FunctionName: indexer, InvocationType: 'Event', Payload: JSON.stringify({ operations: chunk }) }));

const flush = async () => {
  const all = operations;
  operations = [];
  let chunk = [];
  let bytes = 0;
  for (const operation of all) {
    const size = Buffer.byteLength(JSON.stringify(operation)) + 1;
    if (chunk.length > 0 && bytes + size > CHUNK_BYTES_MAX) {
      await invoke(chunk);
      chunk = [];
      bytes = 0;
    }
    chunk.push(operation);
    bytes += size;
  }
  if (chunk.length > 0) await invoke(chunk);
  return { operations: all.length };
};

export const handler = createHandler(
  { INSERT: [index], MODIFY: [index], REMOVE: [remove] },
  { mode: 'series', after: flush, onError: (error, change) => { operations = []; console.error(change.sequenceNumber, error); throw error; } },
);
