// Deletes the uploaded files of all messages of a batch with one DeleteObjects, AWS SDK for JavaScript v3.
import { DeleteObjectsCommand, S3Client } from '@aws-sdk/client-s3';
import { uploadKey } from 'upload-key';

const s3 = new S3Client({});
const bucket = process.env.STAGING_BUCKET;

export const handler = async (event) => {
  const objects = event.Records.filter((record) => record.eventName === 'REMOVE').map((record) => ({
    Key: uploadKey(record.dynamodb.Keys.messageId.S),
  }));
  if (objects.length === 0) return { removed: 0, failed: 0 };
  // Not quiet: the answer lists what was deleted and what was not.
  const result = await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects, Quiet: false } }));
  for (const error of result.Errors ?? []) console.error('could not delete', error.Key, error.Code);
  return { removed: result.Deleted?.length ?? 0, failed: result.Errors?.length ?? 0 };
};
