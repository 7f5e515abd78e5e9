#include "http/internal/request_parser.h"

#include <optional>
#include <utility>

// Beast 1.81 asserts that a final chunk arrives in one piece, which is the sender's choice: an empty chunked body that
// comes byte by byte would stop the process. Without the assertion it is parsed correctly (message_test.cc).
#define BOOST_DISABLE_ASSERTS
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace millrace::http::internal {
namespace {

namespace beast = boost::beast;
using beast::error_code;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// Feeds a RequestHead; pieces of the body are only pointed at.
class Parser final : public beast::http::basic_parser<true> {
 public:
  Parser(const ParserLimits& limits, RequestHead& head) : head_(head), fields_max_(limits.fields) {
    header_limit(static_cast<std::uint32_t>(limits.head_bytes));
    body_limit(boost::none);  // the application's business
    eager(false);             // one step per put()
  }
  std::string_view take_piece() { return std::exchange(piece_, {}); }
  bool too_many_fields() const { return too_many_fields_; }
  int version() const { return version_; }
  int hosts() const { return hosts_; }
  bool target_ok() const { return target_ok_; }
  bool expects_continue() const { return expects_continue_; }

 private:
  using field = beast::http::field;

  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target, int version,
                       error_code&) override {
    head_.method = view(method);
    target_ok_ = split_target(view(target), head_);
    version_ = version;
  }
  void on_response_impl(int, beast::string_view, int, error_code&) override {}
  void on_field_impl(field name, beast::string_view text, beast::string_view value, error_code& ec) override {
    if (head_done_) return;  // trailers carry nothing that we use
    if (head_.fields.size() == fields_max_) {
      too_many_fields_ = true;
      ec = beast::http::error::header_limit;
      return;
    }
    if (name == field::host) ++hosts_;
    if (name == field::expect) expects_continue_ = equals_ignore_case(view(value), "100-continue");
    head_.fields.add(view(text), view(value));
  }
  void on_header_impl(error_code&) override { head_done_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view body, error_code&) override {
    piece_ = view(body);
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, error_code&) override {
    piece_ = view(body);
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  RequestHead& head_;
  const std::size_t fields_max_;
  std::string_view piece_;
  int version_ = 11;
  int hosts_ = 0;
  bool target_ok_ = true;
  bool head_done_ = false;
  bool too_many_fields_ = false;
  bool expects_continue_ = false;
};

}  // namespace

bool split_target(std::string_view target, RequestHead& head) {
  // RFC 9112 3.2.2: a server accepts the absolute form, too.
  if (const auto scheme = target.find("://"); scheme != target.npos && scheme < target.find('/')) {
    const auto path = target.find_first_of("/?", scheme + 3);
    const auto rest = path == target.npos ? std::string_view() : target.substr(path);
    head.target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  } else {
    head.target = target;
  }
  if (!head.target.starts_with('/') && head.target != "*") return false;
  const std::string_view whole = head.target;
  const auto mark = whole.find('?');
  head.path = whole.substr(0, mark);
  if (mark == whole.npos) return true;
  std::string_view rest = whole.substr(mark + 1);
  while (!rest.empty()) {
    const auto end = rest.find('&');
    const auto part = rest.substr(0, end);
    rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
    if (part.empty()) continue;
    const auto equals = part.find('=');
    head.query.emplace_back(url_decode(part.substr(0, equals), true),
                            equals == part.npos ? std::string() : url_decode(part.substr(equals + 1), true));
  }
  return true;
}

class RequestParser::Impl {
 public:
  explicit Impl(const ParserLimits& limits) : limits_(limits) {}

  Event next(std::string_view data, std::size_t& consumed);

  std::unique_ptr<RequestHead> head;
  std::string_view piece;
  ParseError error;
  std::optional<Parser> parser;

 private:
  enum class State { kIdle, kHead, kBody, kDone };
  Event fail(int status, std::string text) {
    error = ParseError{status, std::move(text)};
    return Event::kError;
  }
  Event fail(const error_code& ec);
  Event head_complete();

  const ParserLimits limits_;
  State state_ = State::kIdle;
};

RequestParser::Event RequestParser::Impl::fail(const error_code& ec) {
  if (ec == beast::http::error::header_limit) {
    return fail(431, parser->too_many_fields()
                         ? "More than " + std::to_string(limits_.fields) + " header fields."
                         : "The request head is larger than " + std::to_string(limits_.head_bytes) + " bytes.");
  }
  if (ec == beast::http::error::bad_version) return fail(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.");
  return fail(400, "This is not an HTTP request: " + ec.message() + ".");
}

RequestParser::Event RequestParser::Impl::head_complete() {
  if (!parser->target_ok()) return fail(400, "The request target is not a path.");
  if (parser->hosts() > 1 || (parser->hosts() == 0 && parser->version() >= 11)) {
    return fail(400, "A request has exactly one Host field.");
  }
  if (const auto coding = head->fields.find("Transfer-Encoding"); coding && !equals_ignore_case(*coding, "chunked")) {
    return fail(501, "The only transfer encoding is chunked.");
  }
  if (const auto length = parser->content_length()) head->content_length = *length;
  head->has_body = parser->chunked() || head->content_length.value_or(0) > 0;
  state_ = parser->is_done() ? State::kDone : State::kBody;
  return Event::kHead;
}

RequestParser::Event RequestParser::Impl::next(std::string_view data, std::size_t& consumed) {
  consumed = 0;
  if (state_ == State::kDone) {
    state_ = State::kIdle;
    return Event::kDone;
  }
  if (state_ == State::kIdle) {
    // RFC 9112 2.2: empty lines before a request are ignored.
    while (data.substr(consumed).starts_with("\r\n")) consumed += 2;
    data.remove_prefix(consumed);
    if (data.empty() || data == "\r") return Event::kNeedMore;
    state_ = State::kHead;
    head = std::make_unique<RequestHead>();
    parser.emplace(limits_, *head);
  }
  while (!data.empty()) {
    error_code ec;
    const std::size_t taken = parser->put(boost::asio::const_buffer(data.data(), data.size()), ec);
    consumed += taken;
    data.remove_prefix(taken);
    if (ec == beast::http::error::need_more) return Event::kNeedMore;
    if (ec) return fail(ec);
    if (state_ == State::kHead) {
      if (parser->is_header_done()) return head_complete();
      continue;
    }
    if (parser->is_done()) state_ = State::kDone;
    piece = parser->take_piece();
    if (!piece.empty()) return Event::kBody;
    if (state_ == State::kDone) {
      std::size_t none = 0;
      return next({}, none);
    }
  }
  return Event::kNeedMore;
}

RequestParser::RequestParser(const ParserLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestParser::~RequestParser() = default;
RequestParser::Event RequestParser::next(std::string_view data, std::size_t& consumed) {
  return impl_->next(data, consumed);
}
std::unique_ptr<RequestHead> RequestParser::take_head() { return std::move(impl_->head); }
std::string_view RequestParser::piece() const { return impl_->piece; }
const ParseError& RequestParser::error() const { return impl_->error; }
bool RequestParser::keep_alive() const { return impl_->parser->keep_alive(); }
bool RequestParser::is_http_10() const { return impl_->parser->version() < 11; }
bool RequestParser::expects_continue() const { return impl_->parser->expects_continue(); }

}  // namespace millrace::http::internal
