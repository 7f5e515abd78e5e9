// POST backup {"to": PATH} begins a backup on this machine; GET backup?number=K&wait_ms=N tells how far the one of that
// number is (without it: the latest), at its end or after N milliseconds.
#include <algorithm>
#include <memory>

#include "app/backup.h"
#include "app/internal/admin_endpoints.h"
#include "platform/control_loop.h"
#include "s3/object_store.h"

namespace millrace::app {

namespace {

constexpr Milliseconds kLookAgain{50};
constexpr Milliseconds kBackupWaitMax{30'000};

void reply_when_ended(Parts& parts, std::int64_t number, Deadline end, AdminReply reply) {
  codec::Json status = parts.backup->status(number);
  if (status.string_or("state", "") != "running" || parts.loop->monotonic_now() >= end) return reply(std::move(status));
  auto timer = std::make_shared<platform::Timer>();
  *timer = parts.loop->at(parts.loop->now() + kLookAgain, [&parts, number, end, reply, timer] {
    timer->release();
    reply_when_ended(parts, number, end, reply);
  });
}

}  // namespace

void admin_backup(Parts& parts, const AdminRequest& request, AdminReply reply) {
  if (request.method == "GET") {
    const auto wait = std::clamp(Milliseconds(request.number("wait_ms", 0)), Milliseconds(0), kBackupWaitMax);
    const Deadline end = parts.loop->monotonic_now() + wait;
    const std::int64_t number = request.number("number", 0);
    return parts.loop->post([&parts, number, end, reply] { reply_when_ended(parts, number, end, reply); });
  }
  const std::filesystem::path to(std::string(request.body.string_or("to", "")));
  if (request.method != "POST" || !to.is_absolute())
    return reply(Error(kBadRequest, R"(say {"to": "/absolute/path/on/the/server"})"));
  BackupSource source;
  source.store = parts.store;
  source.data = parts.config->data;
  source.hold_files = [&parts] { return parts.objects->hold_files(); };
  source.created = format_iso_ms(parts.loop->machine_now());
  const auto number = parts.backup->start(std::move(source), to);
  if (!number.ok()) return reply(Error(kBadRequest, number.error().message()));
  reply(parts.backup->status(*number));
}

}  // namespace millrace::app
