// S3 with the AWS SDK for JavaScript v3. Usage: node s3_v3.mjs ENDPOINT BUCKET. Fails with an assertion.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";

import * as s3 from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const [endpoint, Bucket] = process.argv.slice(2);
const client = new s3.S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials: { accessKeyId: "test", secretAccessKey: "test" } });
const send = (name, input = {}) => client.send(new s3[`${name}Command`]({ Bucket, ...input }));
const bytesOf = async (answer) => Buffer.from(await answer.Body.transformToByteArray());
const refused = async (promise, name, status) => {
  const error = await promise.then(() => assert.fail(`no ${name}`), (e) => e);
  assert.equal(error.name, name, error.stack);
  assert.equal(error.$metadata.httpStatusCode, status);
};

await send("CreateBucket");
await s3.waitUntilBucketExists({ client, maxWaitTime: 20 }, { Bucket });

// A buffer, with metadata that is not ASCII-safe in the key.
const key = "a b/ü+&=?#'()*!/日本.json";
const put = await send("PutObject", { Key: key, Body: JSON.stringify({ x: 1 }), ContentType: "application/json", Metadata: { author: "ann" } });
assert.ok(put.ETag && put.ChecksumCRC32);
const got = await send("GetObject", { Key: key, ChecksumMode: "ENABLED" });
assert.equal(await got.Body.transformToString(), '{"x":1}');
assert.deepEqual([got.ContentType, got.Metadata], ["application/json", { author: "ann" }]);

// A stream of unknown checksum: aws-chunked with a trailer.
const data = randomBytes(1_500_000);
const pieces = async function* () {
  for (let at = 0; at < data.length; at += 40_001) yield data.subarray(at, at + 40_001);
};
for (const ChecksumAlgorithm of [undefined, "CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"]) {
  const Key = `stream-${ChecksumAlgorithm}`;
  const streamed = await send("PutObject", { Key, Body: Readable.from(pieces()), ContentLength: data.length, ChecksumAlgorithm });
  assert.equal(streamed.ETag, `"${createHash("md5").update(data).digest("hex")}"`);
  assert.ok(streamed[`Checksum${ChecksumAlgorithm ?? "CRC32"}`], JSON.stringify(streamed));
  const back = await send("GetObject", { Key, ChecksumMode: "ENABLED" });
  assert.ok((await bytesOf(back)).equals(data));
  assert.equal(back.ContentEncoding, undefined);
}
assert.ok((await bytesOf(await send("GetObject", { Key: "stream-CRC32", Range: "bytes=10-19" }))).equals(data.subarray(10, 20)));

// Multipart.
const { UploadId } = await send("CreateMultipartUpload", { Key: "parts" });
const parts = [randomBytes(5 << 20), randomBytes(1000)];
const Parts = await Promise.all(parts.map(async (Body, i) => ({ PartNumber: i + 1, ETag: (await send("UploadPart", { Key: "parts", UploadId, PartNumber: i + 1, Body })).ETag })));
const completed = await send("CompleteMultipartUpload", { Key: "parts", UploadId, MultipartUpload: { Parts } });
assert.match(completed.ETag, /-2"$/);
assert.ok((await bytesOf(await send("GetObject", { Key: "parts" }))).equals(Buffer.concat(parts)));

// Copy, conditions, errors.
await send("CopyObject", { Key: "copy", CopySource: encodeURIComponent(`${Bucket}/${key}`) });
assert.equal(await (await send("GetObject", { Key: "copy" })).Body.transformToString(), '{"x":1}');
await refused(send("PutObject", { Key: "copy", Body: "x", IfNoneMatch: "*" }), "PreconditionFailed", 412);
await refused(send("GetObject", { Key: "none" }), "NoSuchKey", 404);
await refused(send("HeadObject", { Key: "none" }), "NotFound", 404);

// Presigned.
const url = await getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key: key }), { expiresIn: 60 });
assert.equal(await (await fetch(url)).text(), '{"x":1}');
const upload = await getSignedUrl(client, new s3.PutObjectCommand({ Bucket, Key: "signed" }), { expiresIn: 60 });
assert.equal((await fetch(upload, { method: "PUT", body: "by url" })).status, 200);
assert.equal(await (await send("GetObject", { Key: "signed" })).Body.transformToString(), "by url");

// Virtual-host style.
const virtual = new s3.S3Client({ endpoint: endpoint.replace("127.0.0.1", "localhost"), region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" },
  requestHandler: { httpAgent: new (await import("node:http")).Agent({ lookup: (_, options, done) => (options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4)) }) } });
assert.equal(await (await virtual.send(new s3.GetObjectCommand({ Bucket, Key: "signed" }))).Body.transformToString(), "by url");

// Paging, tags, DeleteObjects with results.
const listed = [];
for await (const page of s3.paginateListObjectsV2({ client, pageSize: 3 }, { Bucket })) listed.push(...page.Contents.map((one) => one.Key));
assert.equal(listed.length, 10);
assert.ok(listed.includes(key));
await send("PutObjectTagging", { Key: "copy", Tagging: { TagSet: [{ Key: "a", Value: "b" }] } });
assert.deepEqual((await send("GetObjectTagging", { Key: "copy" })).TagSet, [{ Key: "a", Value: "b" }]);
const deleted = await send("DeleteObjects", { Delete: { Objects: [...listed, "none"].map((Key) => ({ Key })), Quiet: false } });
assert.deepEqual(deleted.Deleted.map((one) => one.Key), [...listed, "none"]);
assert.equal((await send("ListObjectsV2")).KeyCount, 0);
await send("DeleteBucket");
console.log("ok");
