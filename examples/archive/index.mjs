// Writes expired log items to a bucket as JSON lines: one object per batch, at most 4 MB each, named by the first record in it,
// so that a redelivered record lands in an object of the same name instead of a second one.
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { unmarshall } from '@aws-sdk/util-dynamodb';

const s3 = new S3Client({});
const bucket = process.env.ARCHIVE_BUCKET;
const OBJECT_BYTES_MAX = 4 * 1000 * 1000;

const put = (sequenceNumber, lines) =>
  s3.send(new PutObjectCommand({
    Bucket: bucket,
    Key: `logs/${sequenceNumber}.json`,
    Body: lines.join(''),
    ContentType: 'application/x-ndjson',
  }));

export const handler = async (event) => {
  let lines = [];
  let bytes = 0;
  let first;
  let objects = 0;
  for (const record of event.Records) {
    const line = JSON.stringify(unmarshall(record.dynamodb.OldImage)) + '\n';
    const size = Buffer.byteLength(line);
    if (lines.length > 0 && bytes + size > OBJECT_BYTES_MAX) {
      await put(first, lines);
      objects += 1;
      lines = [];
      bytes = 0;
    }
    if (lines.length === 0) first = record.dynamodb.SequenceNumber;
    lines.push(line);
    bytes += size;
  }
  if (lines.length > 0) {
    await put(first, lines);
    objects += 1;
  }
  return { records: event.Records.length, objects };
};
