-- wrk: one request again and again. Arguments: TARGET FILE KEYS [SECRET DATE]
--   the body is FILE's text; %KEY% in it becomes a number of nine digits: the next one, so that no request meets another's item,
--   or with KEYS > 0 one of 1 to KEYS, spread.
--   SECRET (a signing key of AWS Signature 4, in hex) and DATE (X-Amz-Date): every request is signed, for servers that check.
-- Everything but the key is prepared once: what the generator costs, the server does not get.
local ffi = require("ffi")
local before, after, key_at
local counter, keys = 0, 0
local signing

local function text_of(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

-- Returns a function from a body to the whole request.
local function make_signing(target, secret, date)
  ffi.cdef [[
    const void *EVP_sha256(void);
    unsigned char *SHA256(const char *data, size_t size, unsigned char *out);
    unsigned char *HMAC(const void *kind, const void *key, int key_size, const char *data, size_t size, unsigned char *out, unsigned int *out_size);
  ]]
  local ok, crypto = pcall(ffi.load, "libcrypto.so.3")
  if not ok then crypto = ffi.load("crypto") end
  local digest, kind = ffi.new("unsigned char[32]"), crypto.EVP_sha256()
  local key = ffi.new("unsigned char[32]")
  for i = 0, 31 do key[i] = tonumber(secret:sub(2 * i + 1, 2 * i + 2), 16) end
  local digits = ffi.new("char[64]")
  local alphabet = "0123456789abcdef"
  local function hex()
    for i = 0, 31 do
      local byte = digest[i]
      digits[2 * i] = alphabet:byte(math.floor(byte / 16) + 1)
      digits[2 * i + 1] = alphabet:byte(byte % 16 + 1)
    end
    return ffi.string(digits, 64)
  end
  local host = wrk.host .. ":" .. wrk.port
  local names = "content-type;host;x-amz-date;x-amz-target"
  local canonical = "POST\n/\n\ncontent-type:application/x-amz-json-1.0\nhost:" .. host .. "\nx-amz-date:" .. date ..
                    "\nx-amz-target:" .. target .. "\n\n" .. names .. "\n"
  local scope = date:sub(1, 8) .. "/us-east-1/dynamodb/aws4_request"
  local to_sign = "AWS4-HMAC-SHA256\n" .. date .. "\n" .. scope .. "\n"
  local head = "POST / HTTP/1.1\r\nHost: " .. host .. "\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: " .. target ..
               "\r\nX-Amz-Date: " .. date .. "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/" .. scope ..
               ", SignedHeaders=" .. names .. ", Signature="
  return function(body)
    crypto.SHA256(body, #body, digest)
    local text = canonical .. hex()
    crypto.SHA256(text, #text, digest)
    text = to_sign .. hex()
    crypto.HMAC(kind, key, 32, text, #text, digest, nil)
    return head .. hex() .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
  end
end

function init(args)
  local target, text = args[1], text_of(args[2])
  keys = tonumber(args[3] or "0")
  key_at = text:find("%KEY%", 1, true)
  before, after = key_at and text:sub(1, key_at - 1) or text, key_at and text:sub(key_at + 5) or ""
  if args[4] then
    signing = make_signing(target, args[4], args[5])
    return
  end
  local fields = {
    "POST / HTTP/1.1", "Host: " .. wrk.host .. ":" .. wrk.port, "Content-Type: application/x-amz-json-1.0",
    "X-Amz-Target: " .. target,
    "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
    "Content-Length: " .. (key_at and #text + 4 or #text)}
  before = table.concat(fields, "\r\n") .. "\r\n\r\n" .. before
end

function request()
  if not key_at then return signing and signing(before) or before end
  counter = counter + 1
  local key = keys > 0 and (counter * 7919) % keys + 1 or counter
  local text = before .. string.format("%09d", key) .. after
  return signing and signing(text) or text
end

function done(summary, latency)
  local seconds = summary.duration / 1e6
  io.write(string.format("RESULT %.1f %.3f %.3f %d %d %.0f\n", summary.requests / seconds, latency:percentile(50) / 1000,
                         latency:percentile(99) / 1000, summary.errors.status + summary.errors.read + summary.errors.timeout,
                         summary.requests, summary.bytes / math.max(summary.requests, 1)))
end
