-- wrk: one operation on items of 1 KiB. Arguments: MODE RUN [KEYS]
--   put TABLE...   PutItem under keys that no earlier RUN has used (every request writes, none replaces)
--   get            GetItem of the first KEYS items that the put run RUN has written
-- Everything but the key is prepared once: what the generator costs, the server does not get.
local before, after = "", ""
local thread_id, counter, keys = 0, 0, 0
local threads = 0

function setup(thread)
  thread:set("thread_id", threads)
  threads = threads + 1
end

function init(args)
  local mode, table_name, run = args[1], args[2], args[3]
  keys = tonumber(args[4] or "0")
  local body
  if mode == "get" then
    body = string.format('{"TableName":"%s","Key":{"id":{"S":"%s-%d-%%"}}}', table_name, run, thread_id)
  else
    body = string.format('{"TableName":"%s","Item":{"id":{"S":"%s-%d-%%"},"n":{"N":"42"},"body":{"S":"%s"}}}',
                         table_name, run, thread_id, string.rep("x", 960))
  end
  local fields = {
    "POST / HTTP/1.1", "Host: " .. wrk.host .. ":" .. wrk.port, "Content-Type: application/x-amz-json-1.0",
    "X-Amz-Target: DynamoDB_20120810." .. (mode == "get" and "GetItem" or "PutItem"),
    "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
    "Content-Length: " .. (#body - 1 + 9)}
  local at = body:find("%", 1, true)
  before = table.concat(fields, "\r\n") .. "\r\n\r\n" .. body:sub(1, at - 1)
  after = body:sub(at + 1)
end

function request()
  counter = counter + 1
  local key = keys > 0 and (counter * 7919) % keys + 1 or counter
  return before .. string.format("%09d", key) .. after
end

function done(summary, latency)
  local seconds = summary.duration / 1e6
  io.write(string.format("RESULT %.1f %.3f %.3f %d %d %.0f\n", summary.requests / seconds, latency:percentile(50) / 1000,
                         latency:percentile(99) / 1000, summary.errors.status + summary.errors.read + summary.errors.timeout,
                         summary.requests, summary.bytes / math.max(summary.requests, 1)))
end
