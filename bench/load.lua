-- wrk: one request again and again. Arguments: TARGET FILE KEYS POOL [SECRET DATE]
--   the body is FILE's text; each %KEY% in it becomes a number of nine digits: the next one, so that no request meets another's
--   item, or with KEYS > 0 any of 1 to KEYS (several in one request are different ones);
--   %BODY% and the x that follow it, after the only %KEY%, become as many bytes of POOL, cut at another place each time.
--   SECRET (a signing key of AWS Signature 4, in hex) and DATE (X-Amz-Date): every request is signed, for servers that check.
-- Everything but the key is prepared once: what the generator costs, the server does not get.
local ffi = require("ffi")
local BODIES = 4096
local parts = {}   -- the request's text between its keys
local afters = {}  -- with %BODY%: what may follow the key
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

-- The text between its %KEY%.
local function split(text)
  local out, from = {}, 1
  while true do
    local at = text:find("%KEY%", from, true)
    if not at then break end
    out[#out + 1] = text:sub(from, at - 1)
    from = at + 5
  end
  out[#out + 1] = text:sub(from)
  return out
end

-- `text` with each of BODIES cuts of the pool in the place of %BODY%.
local function with_bodies(text, pool)
  local from = text:find("%BODY%", 1, true)
  if not from then return { text } end
  local to = select(2, text:find("^x*", from + 6))
  local size, out = to - from + 1, {}
  for i = 0, BODIES - 1 do
    local cut = i * 7919 % (#pool - size)
    out[i + 1] = text:sub(1, from - 1) .. pool:sub(cut + 1, cut + size) .. text:sub(to + 1)
  end
  return out
end

function init(args)
  local target, text = args[1], text_of(args[2])
  keys = tonumber(args[3])
  math.randomseed(os.time())  -- no run repeats the keys of another
  parts = split(text)
  if #parts == 2 then afters = with_bodies(parts[2], text_of(args[4])) end
  if args[5] then
    signing = make_signing(target, args[5], args[6])
    return
  end
  local fields = {
    "POST / HTTP/1.1", "Host: " .. wrk.host .. ":" .. wrk.port, "Content-Type: application/x-amz-json-1.0",
    "X-Amz-Target: " .. target,
    "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
    "Content-Length: " .. (#text + 4 * (#parts - 1))}
  parts[1] = table.concat(fields, "\r\n") .. "\r\n\r\n" .. parts[1]
end

-- Several keys: with KEYS at equal distances from any, else the next ones.
local function several()
  local count = #parts - 1
  local first, step = counter * count, 1
  if keys > 0 then first, step = math.random(keys), math.floor(keys / count) end
  local text = parts[1]
  for i = 1, count do
    local key = first + i * step
    if keys > 0 then key = key % keys + 1 end
    text = text .. string.format("%09d", key) .. parts[i + 1]
  end
  return text
end

local function body()
  if #parts == 1 then return parts[1] end
  if #parts > 2 then return several() end
  local key = keys > 0 and math.random(keys) or counter + 1
  return parts[1] .. string.format("%09d", key) .. afters[counter % #afters + 1]
end

function request()
  local text = body()
  counter = counter + 1
  return signing and signing(text) or text
end

function done(summary, latency)
  local seconds = summary.duration / 1e6
  io.write(string.format("RESULT %.1f %.3f %.3f %d %d %.0f\n", summary.requests / seconds, latency:percentile(50) / 1000,
                         latency:percentile(99) / 1000, summary.errors.status + summary.errors.read + summary.errors.timeout,
                         summary.requests, summary.bytes / math.max(summary.requests, 1)))
end
