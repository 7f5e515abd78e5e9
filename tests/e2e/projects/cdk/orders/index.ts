// Copies each new order into a bucket.
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

const s3 = new S3Client({});

interface Change {
  eventID: string;
  dynamodb: { Keys: Record<string, { S: string }> };
}

export const handler = async (event: { Records: Change[] }): Promise<number> => {
  for (const record of event.Records) {
    const [key] = Object.values(record.dynamodb.Keys);
    await s3.send(new PutObjectCommand({ Bucket: process.env.BUCKET, Key: `${process.env.FOLDER}/${key.S}.json`, Body: JSON.stringify(record) }));
  }
  return event.Records.length;
};
