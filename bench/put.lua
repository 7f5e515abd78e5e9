-- wrk: PutItem of 1 KiB under ever new keys, or GetItem of keys that a put run has written (argument "get").
local counter, thread_id, mode = 0, 0, "put"
local filler = string.rep("x", 960)
function setup(thread) thread:set("thread_id", threads_made or 0); threads_made = (threads_made or 0) + 1 end
function init(args)
  mode = args[1] or "put"
  wrk.method = "POST"
  wrk.path = "/"
  wrk.headers["Content-Type"] = "application/x-amz-json-1.0"
  wrk.headers["X-Amz-Target"] = "DynamoDB_20120810." .. (mode == "get" and "GetItem" or mode == "update" and "UpdateItem" or "PutItem")
  wrk.headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
end
function request()
  counter = counter + 1
  if mode == "get" then
    return wrk.format(nil, nil, nil, string.format('{"TableName":"bench","Key":{"id":{"S":"%d-%08d"}}}', thread_id, counter % 10000 + 1))
  end
  return wrk.format(nil, nil, nil, string.format(
    '{"TableName":"%s","Item":{"id":{"S":"%d-%08d"},"n":{"N":"%d"},"body":{"S":"%s"}}}',
    mode == "plain" and "plain" or "bench", thread_id, counter, counter, filler))
end
function response(status) if status ~= 200 then failures = (failures or 0) + 1 end end
function done(summary, latency)
  io.write(string.format("RESULT %.0f %.3f %.3f %d\n", summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000,
                         latency:percentile(99) / 1000, summary.errors.status))
end
