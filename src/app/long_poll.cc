#include "app/internal/long_poll.h"

#include <algorithm>
#include <utility>

namespace millrace::app {

void LongPoll::start(platform::ControlLoop& loop, Source source, Milliseconds wait, AdminReply reply) {
  const auto poll = std::make_shared<LongPoll>(loop, std::move(source), std::move(reply));
  loop.post([poll, wait = std::min(wait, kPollMax)] { poll->begin(wait); });
}

void LongPoll::begin(Milliseconds wait) {
  waiting_ = wait.count() > 0;
  if (waiting_) {
    subscription_ = source_.subscribe([weak = weak_from_this(), loop = &loop_] {
      loop->post([weak] {
        if (const auto strong = weak.lock()) strong->look();
      });
    });
    timer_ = loop_.at(loop_.now() + wait, [self = shared_from_this()] {
      self->waiting_ = false;
      self->look();
    });
  }
  look();
}

void LongPoll::look() {
  again_ = looking_;
  if (looking_ || !reply_) return;
  looking_ = true;
  auto self = shared_from_this();
  loop_.offload([self] { self->found_ = self->source_.read(); }, [self] { self->looked(); });
}

void LongPoll::looked() {
  looking_ = false;
  const bool any = !found_->ok() || !(**found_).find(source_.list)->as_array().empty();
  if (!any && waiting_) {
    if (again_) look();
    return;
  }
  std::exchange(reply_, nullptr)(std::move(*found_));
  subscription_.reset();
  timer_.cancel();
}

}  // namespace millrace::app
