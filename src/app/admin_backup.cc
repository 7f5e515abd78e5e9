// POST backup {"to": PATH} begins a backup on this machine; GET backup tells how far it is.
#include "app/backup.h"
#include "app/internal/admin_endpoints.h"
#include "platform/control_loop.h"
#include "s3/object_store.h"

namespace millrace::app {

void admin_backup(Parts& parts, const AdminRequest& request, AdminReply reply) {
  if (request.method == "GET") return reply(parts.backup->status());
  const std::filesystem::path to(std::string(request.body.string_or("to", "")));
  if (request.method != "POST" || !to.is_absolute())
    return reply(Error(kBadRequest, R"(say {"to": "/absolute/path/on/the/server"})"));
  BackupSource source;
  source.store = parts.store;
  source.data = parts.config->data;
  source.hold_files = [&parts] { return parts.objects->hold_files(); };
  source.created = format_iso_ms(parts.loop->machine_now());
  if (const auto started = parts.backup->start(std::move(source), to); !started.ok())
    return reply(Error(kBadRequest, started.error().message()));
  reply(parts.backup->status());
}

}  // namespace millrace::app
