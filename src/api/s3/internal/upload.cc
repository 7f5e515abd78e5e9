#include "api/s3/internal/upload.h"

#include <charconv>
#include <utility>

#include "crypto/encoding.h"
#include "s3/limits.h"
#include "storage/no_blocking.h"

namespace millrace::api_s3 {
namespace {

constexpr ErrorType kMissingContentLength{"MissingContentLength", 411};
constexpr ErrorType kSha256Mismatch{"XAmzContentSHA256Mismatch", 400};

bool is_aws_chunked(const http::RequestHead& head) {
  return head.fields.get("x-amz-content-sha256").starts_with("STREAMING-") ||
         head.fields.get("content-encoding").find("aws-chunked") != std::string_view::npos;
}

Error incomplete_body() {
  return Error(store::kIncompleteBody,
               "You did not provide the number of bytes specified by the Content-Length HTTP header");
}

class UploadBody final : public wire::BodySink {
 public:
  UploadBody(ObjectStore& objects, UploadTerms terms, millrace::s3::ObjectWriter writer, StoreUpload store_upload)
      : objects_(objects),
        state_(std::make_shared<State>(State{std::move(terms), {}, std::move(writer), std::move(store_upload)})) {}

  Result<void> body(std::string_view piece) override {
    State& state = *state_;
    if (!state.terms.chunked) return write(piece);
    std::string decoded;
    MR_RETURN_IF_ERROR(state.decoder.decode(piece, decoded));
    return write(decoded);
  }

  void end(wire::Done done) override {
    auto state = std::move(state_);
    if (!state->writer.in_file() && is_in_memory(*state)) return done(finish(*state));
    const auto work = [state, done = std::move(done)] {
      // What is wrong is said when the object is stored.
      if (state->terms.look_ahead) static_cast<void>(state->terms.look_ahead().ok());
      done(finish(*state));
    };
    objects_.scheduler().offload(work, [] {});
  }

  void abort() override { state_.reset(); }

 private:
  struct State {
    UploadTerms terms;
    ChunkDecoder decoder;
    millrace::s3::ObjectWriter writer;
    StoreUpload store_upload;
  };

  Result<void> write(std::string_view bytes) {
    State& state = *state_;
    if (state.terms.decoded_bytes && state.writer.bytes() + bytes.size() > *state.terms.decoded_bytes) {
      return incomplete_body();
    }
    return state.writer.append(bytes);
  }

  static bool is_in_memory(const State& state) {
    if (!state.terms.look_ahead) return true;
    const storage::NoBlocking here;
    const auto looked = state.terms.look_ahead();
    return looked.ok() || !looked.error().is(storage::kWouldBlock);
  }

  static Result<void> take_trailer(State& state) {
    BodyClaims& claims = state.terms.claims;
    if (!claims.in_trailer) return {};
    for (const auto& [name, value] : state.decoder.trailers()) {
      if (name == store::checksum_header(*claims.checksum)) claims.checksum_value = value;
    }
    if (store::is_checksum_value(*claims.checksum, claims.checksum_value)) return {};
    return Error(store::kInvalidRequest,
                 "Value for " + std::string(store::checksum_header(*claims.checksum)) + " trailing header is invalid.");
  }

  static Result<void> compare(const State& state) {
    const BodyClaims& claims = state.terms.claims;
    if (!claims.md5.empty() && claims.md5 != state.writer.md5()) return bad_md5(claims.md5, state.writer.md5());
    if (claims.checksum && crypto::base64_encode(state.writer.digest(store::digest_algorithm(*claims.checksum))) !=
                               claims.checksum_value) {
      return bad_digest(store::checksum_name(*claims.checksum));
    }
    if (claims.sha256.empty()) return {};
    const std::string computed = crypto::hex_encode(state.writer.digest(crypto::Algorithm::kSha256));
    if (computed == claims.sha256) return {};
    return Error(kSha256Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
        .with("ClientComputedContentSHA256", Document(claims.sha256).dump())
        .with("S3ComputedContentSHA256", Document(computed).dump());
  }

  static Result<Reply> finish(State& state) {
    if (state.terms.chunked && !state.decoder.complete()) return incomplete_body();
    if (state.terms.decoded_bytes && state.writer.bytes() != *state.terms.decoded_bytes) return incomplete_body();
    MR_RETURN_IF_ERROR(take_trailer(state));
    state.writer.close();
    MR_RETURN_IF_ERROR(compare(state));
    MR_RETURN_IF_ERROR(state.writer.seal());
    return state.store_upload(std::move(state.writer), state.terms.claims);
  }

  ObjectStore& objects_;
  std::shared_ptr<State> state_;
};

}  // namespace

Result<UploadTerms> upload_terms(const http::RequestHead& head) {
  UploadTerms terms;
  MR_ASSIGN_OR_RETURN(terms.claims, body_claims(head));
  terms.chunked = is_aws_chunked(head);
  if (terms.claims.in_trailer && !terms.chunked) {
    return Error(store::kInvalidRequest, "The value specified in the x-amz-trailer header is not supported");
  }
  if (!terms.chunked) {
    terms.decoded_bytes = head.content_length;
    if (!head.has_body) terms.decoded_bytes = 0;
  } else if (const auto field = head.fields.find("x-amz-decoded-content-length")) {
    std::uint64_t bytes = 0;
    const auto [end, failure] = std::from_chars(field->data(), field->data() + field->size(), bytes);
    if (field->empty() || failure != std::errc() || end != field->data() + field->size()) {
      return Error(store::kInvalidArgument, "x-amz-decoded-content-length is not a number");
    }
    terms.decoded_bytes = bytes;
  } else {
    return Error(kMissingContentLength, "You must provide the Content-Length HTTP header.");
  }
  if (terms.decoded_bytes && *terms.decoded_bytes > store::kPutBytesMax) {
    return Error(store::kEntityTooLarge, "Your proposed upload exceeds the maximum allowed size")
        .with("ProposedSize", std::to_string(*terms.decoded_bytes))
        .with("MaxSizeAllowed", std::to_string(store::kPutBytesMax));
  }
  return terms;
}

std::unique_ptr<wire::BodySink> make_upload_sink(ObjectStore& objects, UploadTerms terms,
                                                 millrace::s3::ObjectWriter writer, StoreUpload store_upload) {
  return std::make_unique<UploadBody>(objects, std::move(terms), std::move(writer), std::move(store_upload));
}

}  // namespace millrace::api_s3
