// The endpoints, one function per first path segment. Each checks method and path itself.
#pragma once

#include "app/admin.h"
#include "app/internal/parts.h"

namespace millrace::app {

inline constexpr ErrorType kNoSuchEndpoint{"NotFound", 404, ErrorKind::kClient};
inline constexpr ErrorType kBadRequest{"BadRequest", 400, ErrorKind::kClient};
inline constexpr ErrorType kStillBusy{"Busy", 503, ErrorKind::kServer};

// admin_control.cc
void admin_health(Parts&, const AdminRequest&, AdminReply);
void admin_status(Parts&, const AdminRequest&, AdminReply);
void admin_clock(Parts&, const AdminRequest&, AdminReply);
void admin_settle(Parts&, const AdminRequest&, AdminReply);
void admin_reset(Parts&, const AdminRequest&, AdminReply);
void admin_faults(Parts&, const AdminRequest&, AdminReply);
void admin_requests(Parts&, const AdminRequest&, AdminReply);
void admin_operations(Parts&, const AdminRequest&, AdminReply);
// admin_backup.cc
void admin_backup(Parts&, const AdminRequest&, AdminReply);
// admin_data.cc
void admin_tables(Parts&, const AdminRequest&, AdminReply);
void admin_streams(Parts&, const AdminRequest&, AdminReply);
void admin_queues(Parts&, const AdminRequest&, AdminReply);
void admin_objects(Parts&, const AdminRequest&, AdminReply);
// admin_stacks.cc
void admin_stacks(Parts&, const AdminRequest&, AdminReply);
// admin_topics.cc
void admin_topics(Parts&, const AdminRequest&, AdminReply);
// admin_compute.cc
void admin_functions(Parts&, const AdminRequest&, AdminReply);
void admin_invocations(Parts&, const AdminRequest&, AdminReply);
void admin_doctor(Parts&, const AdminRequest&, AdminReply);

// admin_mappings.cc
void admin_mappings(Parts&, const AdminRequest&, AdminReply);
// GET /metrics: Prometheus text; answers from the control thread.
void admin_metrics(Parts&, std::function<void(std::string)> done);

// admin_archive.cc: GET functions/ACCOUNT/REGION/NAME/code.zip
bool is_archive(const AdminRequest&);
http::Response archive_response(Parts&, const AdminRequest&);

// `work` runs on the pool and `done` on the control thread, behind what the engine still has to do about changes that
// were answered: `work` finds a mapping that was just created.
void behind_the_engine(Parts&, std::function<void()> work, std::function<void()> done);

// What the mappings of all scopes say to a person: warnings of blocked ones, and what each waits for.
codec::Json mapping_warnings(Parts&);  // reads the disk
codec::Json mapping_waits(Parts&);
codec::Json function_waits(Parts&);

// "in 12.3 s" for a time to come, "-" for never.
std::string until_text(Time until);

}  // namespace millrace::app
