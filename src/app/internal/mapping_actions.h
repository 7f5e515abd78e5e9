// What can be done about a mapping: POST /_millrace/mappings/UUID {"action": ...}.
#pragma once

#include "app/internal/admin_endpoints.h"
#include "triggers/status.h"

namespace millrace::app {

// On the control thread, both: requests about one mapping follow each other, so that two at once start one job.
// Every action but pause and resume. Answers an error that names the known ones for any other.
void act_on_mapping(Parts& parts, const triggers::Status& status, const AdminRequest& request, AdminReply reply);

// GET and DELETE mappings/UUID/jobs/NUMBER, DELETE mappings/UUID/jobs (the one that runs).
void mapping_job(Parts& parts, const std::string& uuid, const AdminRequest& request, AdminReply reply);

}  // namespace millrace::app
