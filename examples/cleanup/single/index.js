// Deletes the uploaded file of every message that left the table: one DeleteObject per record, aws-sdk v2.
'use strict';
const AWS = require('aws-sdk');
const { uploadKey } = require('upload-key');

const s3 = new AWS.S3();
const bucket = process.env.STAGING_BUCKET;

exports.handler = async (event) => {
  const removed = event.Records.filter((record) => record.eventName === 'REMOVE');
  let failed = 0;
  for (const record of removed) {
    const messageId = record.dynamodb.Keys.messageId.S;
    try {
      await s3.deleteObject({ Bucket: bucket, Key: uploadKey(messageId) }).promise();
    } catch (error) {
      // As in the application this comes from: logged and swallowed. The object is an orphan from here on, and the
      // bucket's lifecycle rule is what removes it in the end.
      failed += 1;
      console.error('could not delete', messageId, error.code);
    }
  }
  return { removed: removed.length, failed };
};
