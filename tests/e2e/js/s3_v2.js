// S3 with aws-sdk v2. Usage: node s3_v2.js ENDPOINT BUCKET. Fails with an assertion.
const assert = require("node:assert/strict");
const { randomBytes } = require("node:crypto");
const { Readable } = require("node:stream");
const AWS = require("aws-sdk");

const [endpoint, Bucket] = process.argv.slice(2);
const options = { endpoint, region: "us-east-1", accessKeyId: "test", secretAccessKey: "test", s3ForcePathStyle: true, maxRetries: 0 };
const refused = async (promise, code, status) => {
  const error = await promise.then(() => assert.fail(`no ${code}`), (e) => e);
  assert.deepEqual([error.code, error.statusCode], [code, status], error.stack);
};

async function use(s3) {
  const key = "a b/ü+&=?#'()*!/日本.json";
  const put = await s3.putObject({ Bucket, Key: key, Body: "text", ContentType: "text/plain", Metadata: { a: "1" }, Tagging: "t=1" }).promise();
  assert.ok(put.ETag);
  const got = await s3.getObject({ Bucket, Key: key }).promise();
  assert.deepEqual([got.Body.toString(), got.ContentType, got.Metadata, got.ETag, got.TagCount], ["text", "text/plain", { a: "1" }, put.ETag, 1]);
  assert.equal((await s3.headObject({ Bucket, Key: key }).promise()).ContentLength, 4);
  await refused(s3.getObject({ Bucket, Key: "none" }).promise(), "NoSuchKey", 404);
  await refused(s3.headObject({ Bucket, Key: "none" }).promise(), "NotFound", 404);

  const data = randomBytes(11 << 20);
  const done = await s3.upload({ Bucket, Key: "large", Body: Readable.from([data.subarray(0, 7 << 20), data.subarray(7 << 20)]) }, { partSize: 5 << 20, queueSize: 2 }).promise();
  assert.match(done.ETag, /-3"$/);
  assert.ok((await s3.getObject({ Bucket, Key: "large" }).promise()).Body.equals(data));
  const chunks = [];
  for await (const chunk of s3.getObject({ Bucket, Key: "large", Range: "bytes=-1000" }).createReadStream()) chunks.push(chunk);
  assert.ok(Buffer.concat(chunks).equals(data.subarray(-1000)));

  const url = s3.getSignedUrl("getObject", { Bucket, Key: key, Expires: 60 });
  assert.equal(await (await fetch(url)).text(), "text");
  const upload = s3.getSignedUrl("putObject", { Bucket, Key: "signed", Expires: 60 });
  assert.equal((await fetch(upload, { method: "PUT", body: "by url" })).status, 200);

  await s3.copyObject({ Bucket, Key: "copy", CopySource: encodeURIComponent(`${Bucket}/${key}`) }).promise();
  assert.deepEqual((await s3.listObjectsV2({ Bucket }).promise()).Contents.map((one) => one.Key), [key, "copy", "large", "signed"]);
  assert.equal((await s3.listObjects({ Bucket, Delimiter: "/" }).promise()).CommonPrefixes[0].Prefix, "a b/");
  await s3.deleteObject({ Bucket, Key: "copy" }).promise();
  const deleted = await s3.deleteObjects({ Bucket, Delete: { Objects: [{ Key: key }, { Key: "large" }, { Key: "signed" }] } }).promise();
  assert.equal(deleted.Deleted.length, 3);
}

(async () => {
  const s3 = new AWS.S3(options);
  await s3.createBucket({ Bucket }).promise();
  await use(s3);
  await use(new AWS.S3({ ...options, signatureVersion: "v4" }));
  await use(new AWS.S3({ ...options, signatureVersion: "v2" }));
  await s3.deleteBucket({ Bucket }).promise();
  console.log("ok");
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
