// What is set up besides tables, queues, functions and mappings: topics, rules, roles, policies, users, records of
// Systems Manager, KMS and ECR, log groups, metrics, alarms, traces, stacks. For `millrace check`.
#pragma once

#include <functional>
#include <string>

#include "storage/store.h"

namespace millrace::app {

// Reads each as a server reads it at its start, which refuses what cannot be decoded or refers to what is not there,
// and compares references that a start passes over (managed policies of roles, users and groups; stacks of events).
// `problem` is told of what is wrong. Changes nothing.
void check_catalogues(const storage::Store& store, const std::function<void(std::string)>& problem);

}  // namespace millrace::app
