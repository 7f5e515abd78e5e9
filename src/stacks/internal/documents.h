// What operations answer and take, between documents and the state. Pure.
#pragma once

#include <string>

#include "stacks/plan.h"

namespace millrace::stacks {

double seconds_of(Time time);
Document tag_list_of(const std::map<std::string, std::string>& tags);
Document parameter_list(const std::vector<Parameter>& parameters);
Document stack_document(const Stack& stack);
Document change_document(const Change& change);
// `time_name`: what the operation calls the time of the last change.
Document resource_document(const Stack& stack, const Owned& owned, std::string_view time_name);

// What is taken by the model and not done here is refused by name.
Result<void> check_unsupported(const Document& input);
Document capabilities_of(const Document& input);
std::string description_of(const Document& document);
std::string name_of(const Document& input);
Error no_stack(const std::string& name);

bool can_update(const Stack& stack);
Error cannot_update(const Stack& stack);
// Keeps what an update goes back to, and gives the stack its new inputs.
void begin_update(Stack& stack, Inputs inputs, Time now);

}  // namespace millrace::stacks
