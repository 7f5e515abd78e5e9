#include "codec/cbor.h"

#include <bit>
#include <cmath>
#include <limits>

namespace millrace::codec {
namespace {

constexpr std::size_t kReserveMax = 4096;  // a length in the data is only a claim

Error bad_cbor(const char* why) { return Error(kMalformedJson, std::string("Invalid CBOR: ") + why + "."); }

double half_to_double(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1f;
  const double mantissa = bits & 0x3ff;
  double value = 0;
  if (exponent == 0) {
    value = std::ldexp(mantissa, -24);
  } else if (exponent == 31) {
    value = mantissa == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  } else {
    value = std::ldexp(mantissa + 1024, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

class Reader {
 public:
  Reader(std::string_view data, std::string (*bytes_to_text)(std::string_view))
      : rest_(data), bytes_to_text_(bytes_to_text) {}

  Result<Json> read(int depth) {
    if (depth > kCborDepthMax) return bad_cbor("nested too deeply");
    MR_ASSIGN_OR_RETURN(const Head head, next());
    switch (head.major) {
      case 0:
        if (head.argument > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
          return Json(static_cast<double>(head.argument));
        return Json(static_cast<std::int64_t>(head.argument));
      case 1:
        if (head.argument > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
          return Json(-1.0 - static_cast<double>(head.argument));
        return Json(-1 - static_cast<std::int64_t>(head.argument));
      case 2:
      case 3: {
        MR_ASSIGN_OR_RETURN(std::string text, string(head));
        return Json(head.major == 2 ? bytes_to_text_(text) : std::move(text));
      }
      case 4:
        return list(head, depth);
      case 5:
        return map(head, depth);
      case 6:
        return read(depth + 1);  // tag 1: the number; others: what they mark
      default:
        return simple(head);
    }
  }
  bool at_end() const { return rest_.empty(); }

 private:
  struct Head {
    unsigned major = 0;
    unsigned info = 0;
    std::uint64_t argument = 0;
    bool indefinite() const { return info == 31; }
  };

  Result<Head> next() {
    if (rest_.empty()) return bad_cbor("it ends early");
    const unsigned first = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    Head head{first >> 5U, first & 31U, first & 31U};
    if (head.info < 24) return head;
    if (head.info == 31) {
      if (head.major < 2 || head.major == 6) return bad_cbor("an indefinite length where there is none");
      return head;
    }
    if (head.info > 27) return bad_cbor("a reserved length");
    const std::size_t bytes = std::size_t{1} << (head.info - 24U);
    if (rest_.size() < bytes) return bad_cbor("it ends early");
    head.argument = 0;
    for (std::size_t i = 0; i < bytes; ++i) head.argument = head.argument << 8U | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(bytes);
    return head;
  }

  bool take_break() {
    if (rest_.empty() || rest_.front() != '\xff') return false;
    rest_.remove_prefix(1);
    return true;
  }

  Result<std::string> string(const Head& head) {
    if (!head.indefinite()) {
      if (head.argument > rest_.size()) return bad_cbor("it ends early");
      std::string text(rest_.substr(0, static_cast<std::size_t>(head.argument)));
      rest_.remove_prefix(text.size());
      return text;
    }
    std::string text;
    while (!take_break()) {
      MR_ASSIGN_OR_RETURN(const Head piece, next());
      if (piece.major != head.major || piece.indefinite()) return bad_cbor("a string of other pieces");
      MR_ASSIGN_OR_RETURN(const std::string part, string(piece));
      text += part;
    }
    return text;
  }

  Result<Json> list(const Head& head, int depth) {
    Json::Array elements;
    if (!head.indefinite())
      elements.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(head.argument, kReserveMax)));
    for (std::uint64_t i = 0; head.indefinite() ? !take_break() : i < head.argument; ++i) {
      MR_ASSIGN_OR_RETURN(Json element, read(depth + 1));
      elements.push_back(std::move(element));
    }
    return Json(std::move(elements));
  }

  Result<Json> map(const Head& head, int depth) {
    Json object = Json::object();
    for (std::uint64_t i = 0; head.indefinite() ? !take_break() : i < head.argument; ++i) {
      MR_ASSIGN_OR_RETURN(const Head key, next());
      if (key.major != 3) return bad_cbor("a key that is no text");
      MR_ASSIGN_OR_RETURN(const std::string name, string(key));
      MR_ASSIGN_OR_RETURN(Json value, read(depth + 1));
      object.set(name, std::move(value));
    }
    return object;
  }

  static Result<Json> simple(const Head& head) {
    switch (head.info) {
      case 20:
        return Json(false);
      case 21:
        return Json(true);
      case 22:
      case 23:
        return Json();
      case 25:
        return Json(half_to_double(static_cast<std::uint16_t>(head.argument)));
      case 26:
        return Json(static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(head.argument))));
      case 27:
        return Json(std::bit_cast<double>(head.argument));
      default:
        return bad_cbor("an unknown simple value");
    }
  }

  std::string_view rest_;
  std::string (*bytes_to_text_)(std::string_view);
};

}  // namespace

Result<Json> parse_cbor(std::string_view data, std::string (*bytes_to_text)(std::string_view)) {
  Reader reader(data, bytes_to_text);
  MR_ASSIGN_OR_RETURN(Json value, reader.read(0));
  if (!reader.at_end()) return bad_cbor("something follows its end");
  return value;
}

void CborWriter::head(unsigned major, std::uint64_t argument) {
  const auto first = static_cast<unsigned char>(major << 5U);
  const auto put = [this](unsigned value) { out_ += static_cast<char>(static_cast<unsigned char>(value)); };
  if (argument < 24) return put(first | static_cast<unsigned>(argument));
  const unsigned info = argument <= 0xff ? 24 : argument <= 0xffff ? 25 : argument <= 0xffffffff ? 26 : 27;
  put(first | info);
  for (int shift = 8 * ((1 << (info - 24)) - 1); shift >= 0; shift -= 8)
    put(static_cast<unsigned>(argument >> static_cast<unsigned>(shift)) & 0xffU);
}

void CborWriter::integer(std::int64_t value) {
  if (value >= 0) return head(0, static_cast<std::uint64_t>(value));
  head(1, static_cast<std::uint64_t>(-(value + 1)));
}

void CborWriter::number(double value) {
  out_ += '\xfb';
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (int shift = 56; shift >= 0; shift -= 8)
    out_ += static_cast<char>(static_cast<unsigned char>(bits >> static_cast<unsigned>(shift)));
}

void CborWriter::text(std::string_view value) {
  head(3, value.size());
  out_ += value;
}

void CborWriter::bytes(std::string_view value) {
  head(2, value.size());
  out_ += value;
}

void CborWriter::timestamp(double seconds) {
  head(6, 1);
  number(seconds);
}

void CborWriter::document(const Json& value) {
  if (value.is_null()) return null();
  if (value.is_bool()) return boolean(value.as_bool());
  if (value.is_int()) return integer(value.as_int());
  if (value.is_number()) return number(value.as_double());
  if (value.is_string()) return text(value.as_string());
  if (value.is_array()) {
    list(value.as_array().size());
    for (const auto& each : value.as_array()) document(each);
    return;
  }
  map(value.as_object().size());
  for (const auto& [name, each] : value.as_object()) {
    text(name);
    document(each);
  }
}

}  // namespace millrace::codec
