// A request that waits for something to tell: it is answered as soon as there is, or with nothing after its wait.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/internal/admin_endpoints.h"
#include "platform/control_loop.h"

namespace millrace::app {

inline constexpr Milliseconds kPollMax = std::chrono::seconds(30);  // longer waits are cut to this

class LongPoll : public std::enable_shared_from_this<LongPoll> {
 public:
  struct Source {
    // Has `grew` called, from any thread, whenever reading may give more, until the result is dropped.
    std::function<std::shared_ptr<void>(std::function<void()> grew)> subscribe;
    std::function<Result<codec::Json>()> read;  // on the pool, one at a time
    std::string list;                           // the member of what was read that is empty while there is nothing
  };
  // `wait` 0: what there is now. From any thread; `loop` outlives it.
  static void start(platform::ControlLoop& loop, Source source, Milliseconds wait, AdminReply reply);

  LongPoll(platform::ControlLoop& loop, Source source, AdminReply reply)
      : loop_(loop), source_(std::move(source)), reply_(std::move(reply)) {}

 private:
  // On the control thread, as everything below.
  void begin(Milliseconds wait);
  void look();
  void looked();

  platform::ControlLoop& loop_;
  const Source source_;
  AdminReply reply_;
  std::shared_ptr<void> subscription_;
  platform::Timer timer_;
  bool waiting_ = false;
  bool looking_ = false;
  bool again_ = false;  // there may be more than what is being read
  std::optional<Result<codec::Json>> found_;
};

}  // namespace millrace::app
