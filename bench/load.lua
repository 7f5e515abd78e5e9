-- wrk: one request again and again. Arguments:
--   TARGET FILE [KEYS]    the body is FILE's text; %KEY% in it becomes a number of nine digits: the next one, so that no request
--                         meets another's item, or with KEYS one of 1 to KEYS, spread
--   requests FILE         whole requests, one after the other, each ended by a zero byte (signed ones, for servers that check)
-- Everything but the key is prepared once: what the generator costs, the server does not get.
local before, after, ready = "", nil, nil
local counter, keys = 0, 0

local function text_of(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  local target, text = args[1], text_of(args[2])
  keys = tonumber(args[3] or "0")
  if target == "requests" then
    ready = {}
    for one in text:gmatch("[^%z]+") do ready[#ready + 1] = one end
    return
  end
  local at = text:find("%KEY%", 1, true)
  local size = at and #text + 4 or #text
  local fields = {
    "POST / HTTP/1.1", "Host: " .. wrk.host .. ":" .. wrk.port, "Content-Type: application/x-amz-json-1.0",
    "X-Amz-Target: " .. target,
    "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
    "Content-Length: " .. size}
  before = table.concat(fields, "\r\n") .. "\r\n\r\n" .. (at and text:sub(1, at - 1) or text)
  after = at and text:sub(at + 5)
end

function request()
  counter = counter + 1
  if ready then return ready[(counter - 1) % #ready + 1] end
  if not after then return before end
  local key = keys > 0 and (counter * 7919) % keys + 1 or counter
  return before .. string.format("%09d", key) .. after
end

function done(summary, latency)
  local seconds = summary.duration / 1e6
  io.write(string.format("RESULT %.1f %.3f %.3f %d %d %.0f\n", summary.requests / seconds, latency:percentile(50) / 1000,
                         latency:percentile(99) / 1000, summary.errors.status + summary.errors.read + summary.errors.timeout,
                         summary.requests, summary.bytes / math.max(summary.requests, 1)))
end
