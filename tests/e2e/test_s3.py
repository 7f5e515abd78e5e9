"""S3 with boto3, with requests made by hand, and with DuckDB."""
import base64
import concurrent.futures
import datetime
import hashlib
import http.client
import io
import json
import os
import pathlib
import re
import urllib.error
import urllib.parse
import urllib.request
import zlib

import botocore.exceptions
import pytest
from boto3.s3.transfer import TransferConfig

from world import DEPS, wait_until

MIB = 1 << 20
PATH_STYLE = {"s3": {"addressing_style": "path"}}


@pytest.fixture(scope="module")
def s3(server):
    return server.client("s3", **PATH_STYLE)


@pytest.fixture
def bucket(s3, unique):
    s3.create_bucket(Bucket=unique)
    return unique


def refused(call, **options):
    """The error code and status of a call that has to fail."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def body_of(answer):
    return answer["Body"].read()


def plain(url, method="GET", data=None, headers=None):
    """Status, headers and body of a request without any SDK."""
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


# -- buckets -------------------------------------------------------------------------------------------------------------------


def test_buckets_come_and_go(s3, unique):
    assert s3.create_bucket(Bucket=unique)["Location"] == f"/{unique}"
    assert unique in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket=unique)["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=unique)["LocationConstraint"] is None
    s3.put_object(Bucket=unique, Key="k", Body=b"1")
    assert refused(s3.delete_bucket, Bucket=unique) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=unique, Key="k")
    s3.delete_bucket(Bucket=unique)
    assert refused(s3.head_bucket, Bucket=unique) == ("404", 404)
    assert refused(s3.list_objects_v2, Bucket=unique) == ("NoSuchBucket", 404)


def test_bucket_of_another_region_and_another_account(server, s3, unique):
    server.client("s3", region="eu-west-1").create_bucket(Bucket=unique, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert s3.get_bucket_location(Bucket=unique)["LocationConstraint"] == "eu-west-1"
    other = server.client("s3", account="111122223333")
    assert refused(other.create_bucket, Bucket=unique) == ("BucketAlreadyExists", 409)
    assert refused(other.list_objects_v2, Bucket=unique) == ("AccessDenied", 403)
    assert unique not in [bucket["Name"] for bucket in other.list_buckets()["Buckets"]]


@pytest.mark.parametrize("name", ["ab", "Upper-Case", "under_score", "192.168.1.1", "a..b", "-leading"])
def test_bad_bucket_names_are_refused(server, name):
    status, _, body = plain(f"{server.endpoint}/{name}", "PUT", b"")
    assert (status, b"<Code>InvalidBucketName</Code>" in body) == (400, True)


def test_bucket_settings_are_kept(s3, bucket):
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "añejo"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "team", "Value": "añejo"}]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == block


def test_what_is_not_served_is_refused_by_name(server, s3, bucket):
    status, _, body = plain(f"{server.endpoint}/{bucket}", "POST", b"--x--", {"content-type": "multipart/form-data; boundary=x"})
    assert status == 501 and b"PostObject" in body
    assert refused(s3.get_bucket_website, Bucket=bucket) == ("NotImplemented", 501)
    code, status = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="aws:kms")
    assert (code, status) == ("NotImplemented", 501)


# -- objects -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3_000_000])
def test_an_object_comes_back_as_it_was_put(s3, bucket, size):
    data = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="dir/object", Body=data, ContentType="text/csv", CacheControl="no-cache",
                        ContentDisposition='attachment; filename="x.csv"', ContentEncoding="identity", ContentLanguage="de",
                        Expires=datetime.datetime(2030, 1, 2, tzinfo=datetime.timezone.utc), Metadata={"author": "ann", "empty": ""})
    assert put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="dir/object")
    assert body_of(got) == data
    for answer in (got, s3.head_object(Bucket=bucket, Key="dir/object")):
        assert answer["ContentLength"] == size and answer["ETag"] == put["ETag"]
        assert answer["ContentType"] == "text/csv" and answer["CacheControl"] == "no-cache" and answer["ContentLanguage"] == "de"
        assert answer["ContentDisposition"] == 'attachment; filename="x.csv"' and answer["Metadata"] == {"author": "ann", "empty": ""}
        assert answer["ExpiresString"] == "Wed, 02 Jan 2030 00:00:00 GMT" and answer["AcceptRanges"] == "bytes"
        assert answer["ServerSideEncryption"] == "AES256"


def test_an_object_is_replaced_whole_and_deleted(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100_000, Metadata={"a": "1"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"short")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert body_of(got) == b"short" and got["Metadata"] == {} and got["ContentType"] == "binary/octet-stream"
    assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    assert refused(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)


@pytest.mark.parametrize("size", [1000, 200_000])
def test_ranges(s3, bucket, size):
    data = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="k", Body=data)

    def part(text):
        answer = s3.get_object(Bucket=bucket, Key="k", Range=text)
        return answer["ResponseMetadata"]["HTTPStatusCode"], answer.get("ContentRange"), body_of(answer)

    assert part("bytes=0-9") == (206, f"bytes 0-9/{size}", data[:10])
    assert part("bytes=990-") == (206, f"bytes 990-{size - 1}/{size}", data[990:])
    assert part("bytes=-7") == (206, f"bytes {size - 7}-{size - 1}/{size}", data[-7:])
    assert part(f"bytes=5-{size * 2}") == (206, f"bytes 5-{size - 1}/{size}", data[5:])
    assert part(f"bytes=-{size * 2}") == (206, f"bytes 0-{size - 1}/{size}", data)
    assert part("bytes=0-1,5-6") == (200, None, data)  # AWS: several ranges are not supported, the whole object answers
    assert part("lines=0-1") == (200, None, data)
    assert refused(s3.get_object, Bucket=bucket, Key="k", Range=f"bytes={size}-") == ("InvalidRange", 416)
    head = s3.head_object(Bucket=bucket, Key="k", Range="bytes=0-9")
    assert head["ContentLength"] == 10 and head["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_conditions_of_reads(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    day = datetime.timedelta(days=1)

    def get(**conditions):
        return body_of(s3.get_object(Bucket=bucket, Key="k", **conditions))

    assert get(IfMatch=etag) == get(IfNoneMatch='"other"') == get(IfModifiedSince=modified - day) == get(IfUnmodifiedSince=modified + day) == b"1"
    assert refused(get, IfMatch='"other"') == ("PreconditionFailed", 412)
    assert refused(get, IfUnmodifiedSince=modified - day) == ("PreconditionFailed", 412)
    assert refused(get, IfNoneMatch=etag) == ("304", 304)
    assert refused(get, IfModifiedSince=modified) == ("304", 304)
    assert get(IfMatch=etag, IfUnmodifiedSince=modified - day) == b"1"  # RFC 9110: If-Match decides
    assert refused(get, IfNoneMatch=etag, IfModifiedSince=modified - day) == ("304", 304)


def test_conditions_of_writes(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"0"') == ("PreconditionFailed", 412)
    assert refused(s3.put_object, Bucket=bucket, Key="none", Body=b"2", IfMatch=etag) == ("NoSuchKey", 404)
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)["ETag"]
    assert refused(s3.delete_object, Bucket=bucket, Key="k", IfMatch=etag) == ("PreconditionFailed", 412)
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=second)
    assert refused(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)


def test_one_key_under_many_writers_is_always_one_of_theirs(server, s3, bucket):
    versions = [bytes([number]) * (100_000 if number % 2 else 50) for number in range(8)]

    def write(version):
        client = server.client("s3", **PATH_STYLE)
        for _ in range(5):
            client.put_object(Bucket=bucket, Key="k", Body=version)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(write, version) for version in versions]
        while not all(writer.done() for writer in writers):
            try:
                assert body_of(s3.get_object(Bucket=bucket, Key="k")) in versions
            except s3.exceptions.NoSuchKey:
                pass
        for writer in writers:
            writer.result()
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) in versions
    with concurrent.futures.ThreadPoolExecutor(8) as pool:  # of all that create it, one succeeds
        s3.delete_object(Bucket=bucket, Key="k")

        def create(version):
            try:
                server.client("s3", **PATH_STYLE).put_object(Bucket=bucket, Key="k", Body=version, IfNoneMatch="*")
                return version
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")
                return None

        created = [version for version in pool.map(create, versions) if version]
    assert len(created) == 1 and body_of(s3.get_object(Bucket=bucket, Key="k")) == created[0]


@pytest.mark.parametrize("size", [10, 300_000])
def test_copies(s3, bucket, size):
    data = os.urandom(size)
    source = {"Bucket": bucket, "Key": "a ü/1+1"}
    etag = s3.put_object(Bucket=bucket, Key=source["Key"], Body=data, Metadata={"a": "1"}, ContentType="text/x", Tagging="t=1")["ETag"]
    assert s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)["CopyObjectResult"]["ETag"] == etag
    copy = s3.get_object(Bucket=bucket, Key="copy")
    assert body_of(copy) == data and copy["Metadata"] == {"a": "1"} and copy["ContentType"] == "text/x" and copy["TagCount"] == 1
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}, TaggingDirective="REPLACE", Tagging="x=y&z=")
    assert s3.head_object(Bucket=bucket, Key="copy")["Metadata"] == {"b": "2"}
    assert s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"] == [{"Key": "x", "Value": "y"}, {"Key": "z", "Value": ""}]
    assert refused(s3.copy_object, Bucket=bucket, Key="copy", CopySource=source, CopySourceIfMatch='"0"') == ("PreconditionFailed", 412)
    assert refused(s3.copy_object, Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "none"}) == ("NoSuchKey", 404)
    assert refused(s3.copy_object, Bucket=bucket, Key=source["Key"], CopySource=source) == ("InvalidRequest", 400)
    s3.delete_object(**source)
    assert body_of(s3.get_object(Bucket=bucket, Key="copy")) == data


def test_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Tagging="a=1&b=%C3%BC%20x")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "ü x"}]
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "only", "Value": "one"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "only", "Value": "one"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    eleven = {"TagSet": [{"Key": str(n), "Value": ""} for n in range(11)]}
    assert refused(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=eleven) == ("BadRequest", 400)


# -- checksums -----------------------------------------------------------------------------------------------------------------


def crc32c(data):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ 0x82F63B78 if byte & 1 else byte >> 1
        table.append(byte)
    value = 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return (value ^ 0xFFFFFFFF).to_bytes(4, "big")


def crc64nvme(data):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ 0x9A6C9329AC4BC9B5 if byte & 1 else byte >> 1
        table.append(byte)
    value = (1 << 64) - 1
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return (value ^ ((1 << 64) - 1)).to_bytes(8, "big")


DIGESTS = {"CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"), "CRC32C": crc32c, "CRC64NVME": crc64nvme,
           "SHA1": lambda data: hashlib.sha1(data).digest(), "SHA256": lambda data: hashlib.sha256(data).digest()}


def checksum(name, data):
    return base64.b64encode(DIGESTS[name](data)).decode()


def test_reference_checksums_are_right():
    assert crc32c(b"123456789").hex() == "e3069283" and crc64nvme(b"123456789").hex() == "ae8b14860a799888"


@pytest.mark.parametrize("name", DIGESTS)
def test_checksum_in_header(s3, bucket, name):
    data = b"some data \x00\xff" * 9000
    member = "Checksum" + name
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, **{member: checksum(name, data)})
    assert put[member] == checksum(name, data)
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[member] == checksum(name, data)
    assert member not in s3.head_object(Bucket=bucket, Key="k")
    code, _ = refused(s3.put_object, Bucket=bucket, Key="k", Body=data + b"!", **{member: checksum(name, data)})
    assert code == "BadDigest"
    assert body_of(s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")) == data


@pytest.mark.parametrize("name", ["CRC32", "SHA1", "SHA256"])  # what boto3 computes without the C library
def test_checksum_computed_by_boto3(s3, bucket, name):
    data = os.urandom(70_000)
    assert s3.put_object(Bucket=bucket, Key="k", Body=data, ChecksumAlgorithm=name)["Checksum" + name] == checksum(name, data)
    assert s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(data), ChecksumAlgorithm=name)["Checksum" + name] == checksum(name, data)
    assert body_of(s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")) == data


def chunked(server, bucket, key, data, trailer, chunk=65_536, extra=b"", **headers):
    """A PutObject with an unsigned aws-chunked body and a trailing checksum, written by hand."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(data[at:at + chunk]), data[at:at + chunk]) for at in range(0, len(data), chunk))
    body += b"0\r\n" + "".join(f"{name}:{value}\r\n" for name, value in trailer.items()).encode() + b"\r\n" + extra
    return plain(f"{server.endpoint}/{bucket}/{key}", "PUT", body, {
        "content-encoding": "aws-chunked", "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(data)), "x-amz-trailer": ",".join(trailer), "content-type": "text/plain", **headers})


@pytest.mark.parametrize("name", DIGESTS)
def test_checksum_in_trailer(server, s3, bucket, name):
    data = os.urandom(150_000)
    header = f"x-amz-checksum-{name.lower()}"
    status, _, body = chunked(server, bucket, "k", data, {header: checksum(name, data)})
    assert status == 200, body
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert body_of(got) == data and got["Checksum" + name] == checksum(name, data) and "ContentEncoding" not in got
    status, _, body = chunked(server, bucket, "k", data, {header: checksum(name, data + b"!")})
    assert status == 400 and b"<Code>BadDigest</Code>" in body
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == data


def test_broken_chunks_are_refused(server, bucket):
    good = {"x-amz-checksum-crc32": checksum("CRC32", b"abc")}
    assert chunked(server, bucket, "k", b"abc", {}, **{"x-amz-decoded-content-length": "7"})[0] == 400
    assert chunked(server, bucket, "k", b"abc", good, **{"x-amz-trailer": "x-amz-checksum-crc32c"})[0] == 400
    status, _, _ = plain(f"{server.endpoint}/{bucket}/k", "PUT", b"zz\r\nabc\r\n0\r\n\r\n", {
        "content-encoding": "aws-chunked", "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length": "3"})
    assert status == 400
    assert plain(f"{server.endpoint}/{bucket}/k")[0] == 404


def test_content_md5(s3, bucket):
    md5 = base64.b64encode(hashlib.md5(b"abc").digest()).decode()
    s3.put_object(Bucket=bucket, Key="k", Body=b"abc", ContentMD5=md5)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"abd", ContentMD5=md5) == ("BadDigest", 400)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"abc", ContentMD5="bm90IG1kNQ==") == ("InvalidDigest", 400)
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"abc"


# -- presigned URLs, virtual hosts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signature", ["s3", "s3v4"])
def test_presigned_urls(server, bucket, signature):
    signer = server.client("s3", signature_version=signature, **PATH_STYLE)
    key = "a b/ü+?#%.txt"
    url = signer.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key, "ContentType": "text/plain"})
    assert plain(url, "PUT", b"signed", {"content-type": "text/plain"})[0] == 200
    status, headers, body = plain(signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key, "ResponseContentType": "text/csv"}))
    assert (status, headers["content-type"], body) == (200, "text/csv", b"signed")
    assert plain(signer.generate_presigned_url("delete_object", {"Bucket": bucket, "Key": key}), "DELETE")[0] == 204


def test_an_expired_presigned_url_is_refused(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")

    def get(signature, change):
        signer = server.client("s3", signature_version=signature, **PATH_STYLE)
        return plain(change(signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=3600)))

    def older(url):  # as if it had been signed a day before
        day = re.search(r"X-Amz-Date=(\d{8})T", url).group(1)
        before = datetime.datetime.strptime(day, "%Y%m%d") - datetime.timedelta(days=1)
        return url.replace(f"X-Amz-Date={day}", f"X-Amz-Date={before:%Y%m%d}")

    for signature, change in (("s3v4", older), ("s3", lambda url: re.sub(r"Expires=\d+", "Expires=1700000000", url))):
        assert get(signature, lambda url: url)[0] == 200
        status, _, body = get(signature, change)
        assert status == 403 and b"<Code>AccessDenied</Code>" in body and b"Request has expired" in body


def test_a_presigned_url_belongs_to_its_account(server, unique):
    other = server.client("s3", account="444455556666", signature_version="s3v4", **PATH_STYLE)
    other.create_bucket(Bucket=unique)
    url = other.generate_presigned_url("put_object", {"Bucket": unique, "Key": "k"})
    assert plain(url, "PUT", b"1")[0] == 200
    assert plain(f"{server.endpoint}/{unique}/k")[0] == 403


def request_to_host(server, method, host, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response.status, data


@pytest.mark.parametrize("host", ["{}.s3.localhost:{port}", "{}.localhost:{port}", "{}.s3.amazonaws.com", "{}.s3.eu-west-1.amazonaws.com"])
def test_virtual_hosts(server, s3, bucket, host):
    name = host.format(bucket, port=server.port)
    assert request_to_host(server, "PUT", name, "/a/b", b"virtual")[0] == 200
    assert request_to_host(server, "GET", name, "/a/b") == (200, b"virtual")
    assert body_of(s3.get_object(Bucket=bucket, Key="a/b")) == b"virtual"
    status, listing = request_to_host(server, "GET", name, "/?list-type=2&prefix=a/")
    assert status == 200 and b"<Key>a/b</Key>" in listing


def test_an_unknown_host_is_refused(server):
    assert request_to_host(server, "GET", "evil.example.com", "/")[0] == 403


# -- multipart -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_multipart_of_20_mb(s3, bucket, algorithm):
    data = os.urandom(20_000_000)
    s3.upload_fileobj(io.BytesIO(data), bucket, "large", Config=TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB),
                      ExtraArgs={"ChecksumAlgorithm": algorithm, "Metadata": {"a": "1"}})
    head = s3.head_object(Bucket=bucket, Key="large", ChecksumMode="ENABLED")
    parts = [data[at:at + 5 * MIB] for at in range(0, len(data), 5 * MIB)]
    etag = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    assert head["ContentLength"] == len(data) and head["ETag"] == f'"{etag}-{len(parts)}"' and head["Metadata"] == {"a": "1"}
    if algorithm == "SHA256":
        whole = base64.b64encode(hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()).decode()
        assert (head["ChecksumSHA256"], head["ChecksumType"]) == (f"{whole}-{len(parts)}", "COMPOSITE")
    out = io.BytesIO()
    s3.download_fileobj(bucket, "large", out)
    assert out.getvalue() == data
    second = s3.get_object(Bucket=bucket, Key="large", PartNumber=2)
    assert body_of(second) == parts[1] and second["PartsCount"] == len(parts)
    across = s3.get_object(Bucket=bucket, Key="large", Range=f"bytes={5 * MIB - 3}-{5 * MIB + 2}")
    assert body_of(across) == data[5 * MIB - 3:5 * MIB + 3]


def test_multipart_step_by_step(s3, bucket):
    upload = {"Bucket": bucket, "Key": "k", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]}
    assert [one["UploadId"] for one in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload["UploadId"]]
    first, second = os.urandom(5 * MIB), b"tail"
    s3.upload_part(**upload, PartNumber=2, Body=b"replaced")
    tags = [s3.upload_part(**upload, PartNumber=1, Body=first)["ETag"], s3.upload_part(**upload, PartNumber=2, Body=second)["ETag"]]
    assert [(part["PartNumber"], part["Size"]) for part in s3.list_parts(**upload)["Parts"]] == [(1, 5 * MIB), (2, 4)]
    page = s3.list_parts(**upload, MaxParts=1)
    assert page["IsTruncated"] and page["NextPartNumberMarker"] == 1
    assert refused(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)

    def complete(*parts):
        return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in parts]})

    with pytest.raises(botocore.exceptions.ClientError, match="InvalidPartOrder"):
        complete((2, tags[1]), (1, tags[0]))
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidPart"):
        complete((1, tags[0]), (2, '"0"'))
    assert complete((1, tags[0]), (2, tags[1]))["ETag"].endswith('-2"')
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == first + second
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_multipart_too_small_aborted_and_copied(s3, bucket):
    upload = {"Bucket": bucket, "Key": "k", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]}
    tags = [s3.upload_part(**upload, PartNumber=number, Body=b"x")["ETag"] for number in (1, 2)]
    parts = {"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]}
    assert refused(s3.complete_multipart_upload, **upload, MultipartUpload=parts) == ("EntityTooSmall", 400)
    s3.abort_multipart_upload(**upload)
    assert refused(s3.list_parts, **upload) == ("NoSuchUpload", 404)
    data = os.urandom(6 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=data)
    upload["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    copied = s3.upload_part_copy(**upload, PartNumber=1, CopySource=f"{bucket}/source", CopySourceRange=f"bytes=10-{5 * MIB + 9}")
    last = s3.upload_part_copy(**upload, PartNumber=2, CopySource=f"{bucket}/source", CopySourceRange="bytes=0-9")
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [
        {"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}, {"PartNumber": 2, "ETag": last["CopyPartResult"]["ETag"]}]})
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == data[10:5 * MIB + 10] + data[:10]


# -- many objects --------------------------------------------------------------------------------------------------------------


def test_delete_1000_objects_with_a_result_for_each(s3, bucket):
    keys = [f"k/{number:04}" for number in range(60)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    missing = [f"none/{number:04}" for number in range(939)]
    strange = "a<&>\"'\n ü"
    s3.put_object(Bucket=bucket, Key=strange, Body=b"1")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in [*keys, *missing, strange]], "Quiet": False})
    assert [one["Key"] for one in answer["Deleted"]] == [*keys, *missing, strange] and "Errors" not in answer
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    too_many = {"Objects": [{"Key": str(number)} for number in range(1001)]}
    assert refused(s3.delete_objects, Bucket=bucket, Delete=too_many) == ("MalformedXML", 400)


def test_delete_objects_fails_key_by_key(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="kept", Body=b"1")["ETag"]
    s3.put_object(Bucket=bucket, Key="gone", Body=b"1")
    objects = [{"Key": "kept", "ETag": '"0"'}, {"Key": "gone", "ETag": etag}, {"Key": "none"}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    assert "Deleted" not in answer and [(one["Key"], one["Code"]) for one in answer["Errors"]] == [("kept", "PreconditionFailed")]
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["kept"]


def test_listing_pages_with_delimiter_and_unicode(s3, bucket):
    keys = ["a/1", "a/2", "b", "c/d/e", "c/d/f", "c/g", "z ü/1", "z ü/2", "zz+&<>", "ä/ö", "日本/語", "🙂"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())

    def pages(**options):
        listed, token = [], {}
        while True:
            page = s3.list_objects_v2(Bucket=bucket, **options, **token)
            listed.append([one["Key"] for one in page.get("Contents", [])] + [one["Prefix"] for one in page.get("CommonPrefixes", [])])
            assert page["KeyCount"] == len(listed[-1])
            if not page["IsTruncated"]:
                return listed
            token = {"ContinuationToken": page["NextContinuationToken"]}

    assert sum(pages(MaxKeys=5), []) == keys and len(pages(MaxKeys=5)) == 3
    assert sorted(sum(pages(MaxKeys=3, Delimiter="/"), [])) == sorted(["a/", "b", "c/", "z ü/", "zz+&<>", "ä/", "日本/", "🙂"])
    assert pages(Prefix="c/", Delimiter="/") == [["c/g", "c/d/"]]
    assert pages(Prefix="日") == [["日本/語"]]
    assert pages(StartAfter="c/g") == [keys[6:]]
    assert pages(MaxKeys=0) == [[]]
    old = s3.list_objects(Bucket=bucket, MaxKeys=2, Delimiter="/")
    assert old["IsTruncated"] and old["NextMarker"] == "b"
    next_page = s3.list_objects(Bucket=bucket, Marker=old["NextMarker"], Delimiter="/")
    assert [one["Prefix"] for one in next_page["CommonPrefixes"]] == ["c/", "z ü/", "ä/", "日本/"]
    for key in keys:
        assert body_of(s3.get_object(Bucket=bucket, Key=key)) == key.encode()


def test_listing_1200_objects_in_two_pages(s3, bucket, server):
    def put(numbers):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for number in numbers:
            connection.request("PUT", f"/{bucket}/{number:05}", b"x")
            assert connection.getresponse().read() == b""
        connection.close()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put, [range(start, 1200, 8) for start in range(8)]))
    first = s3.list_objects_v2(Bucket=bucket)
    assert first["KeyCount"] == 1000 and first["IsTruncated"]
    found = [one["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket) for one in page["Contents"]]
    assert found == [f"{number:05}" for number in range(1200)]
    page = server.admin(f"objects/{bucket}")
    listed = [one["key"] for one in page["objects"]]
    while "next" in page:
        page = server.admin(f"objects/{bucket}?after={urllib.parse.quote(page['next'])}")
        listed += [one["key"] for one in page["objects"]]
    assert listed == found
    assert server.cli("objects", "ls", bucket).count("STANDARD") == 1200
    assert len(json.loads(server.cli("objects", "ls", bucket, "--json"))["objects"]) == 1200


def test_the_admin_list_of_objects(server, s3, bucket):
    for key in ("a/1", "a/2", "ü /3"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"123")
    page = server.admin(f"objects/{bucket}?n=2")
    assert [one["key"] for one in page["objects"]] == ["a/1", "a/2"] and page["next"] == "a/2"
    assert [one["key"] for one in server.admin(f"objects/{bucket}?n=2&after={urllib.parse.quote(page['next'])}")["objects"]] == ["ü /3"]
    assert [one["bytes"] for one in server.admin(f"objects/{bucket}?prefix=a/")["objects"]] == [3, 3]
    for bad in ("0", "1001", "many"):
        with pytest.raises(RuntimeError, match="400"):
            server.admin(f"objects/{bucket}?n={bad}")
    with pytest.raises(RuntimeError, match="404"):
        server.admin("objects/no-such-bucket")


# -- lifecycle -----------------------------------------------------------------------------------------------------------------


def test_lifecycle_expires_and_moves_by_the_clock(own_server):
    s3 = own_server.client("s3", **PATH_STYLE)
    s3.create_bucket(Bucket="bucket")
    s3.put_bucket_lifecycle_configuration(Bucket="bucket", LifecycleConfiguration={"Rules": [
        {"ID": "orphans", "Status": "Enabled", "Filter": {"Prefix": "uploads/"}, "Expiration": {"Days": 1}},
        {"ID": "tagged", "Status": "Enabled", "Filter": {"Tag": {"Key": "keep", "Value": "no"}}, "Expiration": {"Days": 3}},
        {"ID": "cold", "Status": "Enabled", "Filter": {"Prefix": "archive/"}, "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]},
        {"ID": "off", "Status": "Disabled", "Filter": {"Prefix": "off/"}, "Expiration": {"Days": 1}},
        {"ID": "parts", "Status": "Enabled", "Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}]})
    assert [rule["ID"] for rule in s3.get_bucket_lifecycle_configuration(Bucket="bucket")["Rules"]] == ["orphans", "tagged", "cold", "off", "parts"]
    put = s3.put_object(Bucket="bucket", Key="uploads/1", Body=b"1")
    assert 'rule-id="orphans"' in put["Expiration"] and "00:00:00 GMT" in put["Expiration"]
    assert s3.head_object(Bucket="bucket", Key="uploads/1")["Expiration"] == put["Expiration"]
    assert 'rule-id="tagged"' in s3.put_object(Bucket="bucket", Key="tagged", Body=b"1", Tagging="keep=no")["Expiration"]
    for key in ("archive/1", "off/1", "other"):
        assert "Expiration" not in s3.put_object(Bucket="bucket", Key=key, Body=b"x" * 200_000)
    s3.create_multipart_upload(Bucket="bucket", Key="unfinished")

    def keys():
        return {one["Key"]: one["StorageClass"] for one in s3.list_objects_v2(Bucket="bucket").get("Contents", [])}

    own_server.advance("2d")
    assert sorted(keys()) == ["archive/1", "off/1", "other", "tagged"]
    own_server.advance("2d")
    assert sorted(keys()) == ["archive/1", "off/1", "other"] and "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")
    own_server.advance("28d")
    assert keys() == {"archive/1": "GLACIER", "off/1": "STANDARD", "other": "STANDARD"}
    assert s3.head_object(Bucket="bucket", Key="archive/1")["StorageClass"] == "GLACIER"
    assert refused(s3.get_object, Bucket="bucket", Key="archive/1") == ("InvalidObjectState", 403)
    s3.delete_bucket_lifecycle(Bucket="bucket")
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket="bucket") == ("NoSuchLifecycleConfiguration", 404)


def test_storage_class_of_a_put(s3, bucket):
    s3.put_object(Bucket=bucket, Key="ia", Body=b"1", StorageClass="STANDARD_IA")
    assert body_of(s3.get_object(Bucket=bucket, Key="ia")) == b"1" and s3.head_object(Bucket=bucket, Key="ia")["StorageClass"] == "STANDARD_IA"
    s3.put_object(Bucket=bucket, Key="cold", Body=b"1", StorageClass="GLACIER")
    assert refused(s3.get_object, Bucket=bucket, Key="cold") == ("InvalidObjectState", 403)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"", StorageClass="WARM") == ("InvalidStorageClass", 400)


def test_bad_lifecycle_rules_are_refused(s3, bucket):
    def put(**rule):
        return refused(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration={"Rules": [{"Status": "Enabled", "Filter": {"Prefix": ""}, **rule}]})[0]

    assert put() in ("InvalidRequest", "MalformedXML")
    assert put(Expiration={"Days": 0}) == "InvalidArgument"
    assert put(Expiration={"Days": 1}, Transitions=[{"Days": 2, "StorageClass": "GLACIER"}]) in ("InvalidArgument", "InvalidRequest")


def test_what_is_there_survives_a_kill(own_server):
    s3 = own_server.client("s3", **PATH_STYLE)
    s3.create_bucket(Bucket="bucket")
    upload = {"Bucket": "bucket", "Key": "parts", "UploadId": s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]}
    tag = s3.upload_part(**upload, PartNumber=1, Body=b"p" * 100_000)["ETag"]
    s3.put_object(Bucket="bucket", Key="large", Body=b"l" * 500_000, Tagging="a=b", Metadata={"m": "1"})
    s3.put_object(Bucket="bucket", Key="small", Body=b"s")
    s3.delete_object(Bucket="bucket", Key="small")
    own_server.kill()
    own_server.start()
    s3 = own_server.client("s3", **PATH_STYLE)
    got = s3.get_object(Bucket="bucket", Key="large")
    assert body_of(got) == b"l" * 500_000 and got["Metadata"] == {"m": "1"} and got["TagCount"] == 1
    assert refused(s3.get_object, Bucket="bucket", Key="small") == ("NoSuchKey", 404)
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    assert body_of(s3.get_object(Bucket="bucket", Key="parts")) == b"p" * 100_000


def test_a_kill_in_the_middle_of_writes_loses_nothing_and_leaves_nothing(own_server):
    own_server.client("s3", **PATH_STYLE).create_bucket(Bucket="bucket")
    put, deleted = {}, set()

    def work(worker):
        client = own_server.client("s3", **PATH_STYLE)
        try:
            for number in range(10_000):
                key, data = f"{worker}/{number}", os.urandom(100 if number % 3 else 100_000)
                client.put_object(Bucket="bucket", Key=key, Body=data)
                put[key] = data
                if number % 4 == 0:
                    deleted.add(key)  # before it is sent: its outcome is unknown from here on
                    client.delete_object(Bucket="bucket", Key=key)
        except (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError):
            pass  # killed

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, worker) for worker in range(4)]
        wait_until(lambda: len(put) > 150, "some objects")
        own_server.kill()
        for worker in workers:
            worker.result()
    own_server.start()
    s3 = own_server.client("s3", **PATH_STYLE)
    found = {one["Key"]: one["Size"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="bucket") for one in page.get("Contents", [])}
    for key, data in put.items():
        if key not in deleted:
            assert body_of(s3.get_object(Bucket="bucket", Key=key)) == data
    assert len(found.keys() - put.keys()) <= 4 and len(found.keys() & deleted) <= 4  # one unanswered call per worker
    files = [path for path in (own_server.data / "objects").rglob("*") if path.is_file() and path.stat().st_size >= 100_000]
    assert len(files) == sum(size == 100_000 for size in found.values())


# -- bad input -----------------------------------------------------------------------------------------------------------------


def test_malformed_requests_are_answered(server, s3, bucket):
    url = f"{server.endpoint}/{bucket}"
    for data in (b"<Delete", b"", b"\xff\xfe", b"<Delete><Object></Object></Delete>", b"<Other/>"):
        md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
        status, _, body = plain(f"{url}?delete", "POST", data, {"content-md5": md5, "content-type": "application/xml"})
        assert status == 400 and b"<Code>MalformedXML</Code>" in body, (data, body)
    assert plain(f"{url}?list-type=2&max-keys=many")[0] == 400
    assert plain(f"{url}?list-type=2&continuation-token=broken")[0] == 400
    assert refused(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"") == ("KeyTooLongError", 400)
    assert plain(f"{server.endpoint}/{bucket}/k", "PATCH", b"")[0] in (405, 501)
    large = {f"k{number}": "v" * 200 for number in range(11)}
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"", Metadata=large) == ("MetadataTooLarge", 400)
    assert server.admin("health")["status"] == "ok"


def test_a_body_cut_short_leaves_nothing(server, s3, bucket):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("PUT", f"/{bucket}/half")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(b"x" * 500_000)
    connection.close()
    s3.put_object(Bucket=bucket, Key="after", Body=b"1")
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["after"]


# -- memory, DuckDB ------------------------------------------------------------------------------------------------------------


def resident_mb(server):
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


class Pattern:
    """`size` bytes that are computed as they are read."""

    BLOCK = bytes(range(256)) * 4096

    def __init__(self, size):
        self.size, self.at = size, 0

    def __len__(self):
        return self.size

    def read(self, amount=-1):
        amount = self.size - self.at if amount is None or amount < 0 else min(amount, self.size - self.at)
        start = self.at % 256
        self.at += amount
        return (self.BLOCK * (amount // len(self.BLOCK) + 2))[start:start + amount]


def test_300_mb_stream_through_flat_memory(own_server):
    own_server.client("s3").create_bucket(Bucket="bucket")
    size = 300 * MIB
    before = resident_mb(own_server)
    connection = http.client.HTTPConnection("127.0.0.1", own_server.port, timeout=120, blocksize=MIB)
    connection.request("PUT", "/bucket/large", Pattern(size), {"Content-Length": str(size)})
    response = connection.getresponse()
    response.read()
    assert response.status == 200
    connection.request("GET", "/bucket/large")
    response = connection.getresponse()
    expected, read = Pattern(size), 0
    while piece := response.read(MIB):
        assert piece == expected.read(len(piece))
        read += len(piece)
    connection.close()
    assert read == size
    assert resident_mb(own_server) - before < 48


def test_duckdb_writes_and_reads(server, s3, bucket):
    duckdb = pytest.importorskip("duckdb")
    extension = next((DEPS / "venv").rglob("httpfs.duckdb_extension"))
    database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    database.execute(f"LOAD '{extension}'")
    database.execute(f"CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'test', REGION 'us-east-1', ENDPOINT '127.0.0.1:{server.port}', URL_STYLE 'path', USE_SSL false)")
    database.execute(f"COPY (SELECT range AS n, 'täxt ' || range AS t, range % 7 AS day FROM range(200000)) TO 's3://{bucket}/one.parquet'")
    assert database.execute(f"SELECT count(*), sum(n), min(t) FROM 's3://{bucket}/one.parquet'").fetchone() == (200_000, 199_999 * 100_000, "täxt 0")
    database.execute(f"COPY (SELECT range AS n, range % 3 AS day FROM range(900)) TO 's3://{bucket}/by' (FORMAT parquet, PARTITION_BY (day))")
    assert database.execute(f"SELECT day, count(*) FROM read_parquet('s3://{bucket}/by/*/*.parquet', hive_partitioning = true) GROUP BY day ORDER BY day").fetchall() == [(0, 300), (1, 300), (2, 300)]
    s3.put_object(Bucket=bucket, Key="lines/1.jsonl", Body="\n".join(json.dumps({"level": level}) for level in ["info", "warn", "info"]))
    assert database.execute(f"SELECT level, count(*) FROM read_json_auto('s3://{bucket}/lines/*.jsonl') GROUP BY level ORDER BY level").fetchall() == [("info", 2), ("warn", 1)]
    database.close()
