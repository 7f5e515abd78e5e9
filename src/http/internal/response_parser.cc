#include "http/internal/response_parser.h"

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

constexpr std::uint32_t kHeadMax = 256 * 1024;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

class Parser final : public beast::http::basic_parser<false> {
 public:
  explicit Parser(bool to_head) {
    header_limit(kHeadMax);
    body_limit(boost::none);
    eager(false);
    skip(to_head);
  }
  Response head;
  std::string_view piece;

 private:
  void on_request_impl(beast::http::verb, beast::string_view, beast::string_view, int, error_code&) override {}
  void on_response_impl(int status, beast::string_view, int, error_code&) override { head.status = status; }
  void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value, error_code&) override {
    if (!is_header_done()) head.fields.add(view(name), view(value));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view body, error_code&) override {
    piece = view(body);
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, error_code&) override {
    piece = view(body);
    return body.size();
  }
  void on_finish_impl(error_code&) override {}
};

}  // namespace

class ResponseParser::Impl {
 public:
  explicit Impl(bool of_head) : to_head(of_head) { parser.emplace(to_head); }
  Event next(std::string_view data, std::size_t& consumed);

  const bool to_head;
  bool head_given = false;
  std::string_view piece;
  std::string error;
  std::optional<Parser> parser;
};

ResponseParser::Event ResponseParser::Impl::next(std::string_view data, std::size_t& consumed) {
  consumed = 0;
  if (head_given && parser->is_done()) return Event::kDone;
  while (!data.empty()) {
    error_code ec;
    const std::size_t taken = parser->put(boost::asio::const_buffer(data.data(), data.size()), ec);
    consumed += taken;
    data.remove_prefix(taken);
    if (ec == beast::http::error::need_more) return Event::kNeedMore;
    if (ec) {
      error = ec.message();
      return Event::kError;
    }
    if (!head_given) {
      if (!parser->is_header_done()) continue;
      if (parser->head.status < 200) {
        parser.emplace(to_head);
        continue;
      }
      head_given = true;
      return Event::kHead;
    }
    piece = std::exchange(parser->piece, {});
    if (!piece.empty()) return Event::kBody;
    if (parser->is_done()) return Event::kDone;
  }
  return Event::kNeedMore;
}

ResponseParser::ResponseParser(bool to_head) : impl_(std::make_unique<Impl>(to_head)) {}
ResponseParser::~ResponseParser() = default;
ResponseParser::Event ResponseParser::next(std::string_view data, std::size_t& consumed) {
  return impl_->next(data, consumed);
}

ResponseParser::Event ResponseParser::end_of_stream() {
  error_code ec;
  if (impl_->parser->got_some() && impl_->head_given) {
    impl_->parser->put_eof(ec);
    if (!ec) return Event::kDone;
  }
  impl_->error = "the answer breaks off";
  return Event::kError;
}

Response ResponseParser::take_head() { return std::move(impl_->parser->head); }
std::string_view ResponseParser::piece() const { return impl_->piece; }
bool ResponseParser::keep_alive() const { return impl_->parser->keep_alive(); }
const std::string& ResponseParser::error() const { return impl_->error; }

}  // namespace millrace::http::internal
