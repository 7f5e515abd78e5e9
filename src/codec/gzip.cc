#include "codec/gzip.h"

#include <array>

#include <zlib.h>

#include "base/assert.h"

namespace millrace::codec {
namespace {

constexpr int kGzipOrZlib = 32;  // added to the window bits: told from the header
constexpr int kGzipOnly = 16;

z_stream stream_over(std::string_view input) {
  z_stream stream{};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
  stream.avail_in = static_cast<uInt>(input.size());
  return stream;
}

std::string deflate_with(std::string_view bytes, int window_bits) {
  z_stream stream = stream_over(bytes);
  MR_ASSERT(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  MR_ASSERT(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

Result<std::string> gunzip(std::string_view compressed, std::size_t bytes_max) {
  z_stream stream = stream_over(compressed);
  MR_ASSERT(inflateInit2(&stream, MAX_WBITS + kGzipOrZlib) == Z_OK);
  std::string out;
  std::array<char, 16384> buffer;
  int status = Z_OK;
  while (status == Z_OK && out.size() <= bytes_max) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = buffer.size();
    status = inflate(&stream, Z_NO_FLUSH);
    out.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (out.size() > bytes_max) return Error(kGzipTooLarge, "The decompressed request body is too large.");
  if (status != Z_STREAM_END) return Error(kMalformedGzip, "The request body is not valid gzip data.");
  return out;
}

std::string gzip(std::string_view bytes) { return deflate_with(bytes, MAX_WBITS + kGzipOnly); }

std::string deflate_raw(std::string_view bytes) { return deflate_with(bytes, -MAX_WBITS); }

}  // namespace millrace::codec
