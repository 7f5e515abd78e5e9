#include "world.h"

#include <charconv>
#include <random>
#include <thread>

#include "model/stored.h"
#include "sqs/check.h"
#include "tables/check.h"

namespace millrace::powercut {

using model::AttributeValue;

AttributeValue string_of(std::string text) { return AttributeValue::string(std::move(text)); }
AttributeValue number_of(std::uint64_t number) {
  return AttributeValue::number(*model::Number::parse(std::to_string(number)));
}

model::Item key_of(const std::string& id) { return model::Item{{"id", string_of(id)}}; }

model::Item item_of(const std::string& id, std::uint64_t number, std::int64_t until) {
  std::mt19937_64 dice(std::hash<std::string>()(id) + number);
  model::Item item{{"id", string_of(id)},
                   {"n", number_of(number)},
                   {"body", string_of(std::string(dice() % 900, static_cast<char>('a' + number % 26)))}};
  if (dice() % 3 != 0) item.set("group", string_of("g" + std::to_string(dice() % 4)));
  if (dice() % 3 != 0) item.set("rank", number_of(dice() % 100));
  if (until != 0) {
    item.set("until", number_of(static_cast<std::uint64_t>(until)));
  } else if (dice() % 2 != 0) {
    item.set("until", number_of(4'000'000'000 + dice() % 1000));
  }
  return item;
}

std::optional<std::uint64_t> number_in(std::string_view stored) {
  const auto item = model::from_stored(stored);
  const AttributeValue* const value = item ? item->find("n") : nullptr;
  if (value == nullptr || value->type() != model::Type::kNumber) return std::nullopt;
  std::string text;
  value->get<model::Number>().append_text(text);
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Result<std::unique_ptr<Services>> Services::open(const std::string& folder, Time now) {
  auto made = std::unique_ptr<Services>(new Services(now));
  MR_RETURN_IF_ERROR(made->start(folder));
  return made;
}

Services::~Services() {
  if (committer_ != nullptr) committer_->stop();
  tables_.reset();
  streams_.reset();
  scheduler_.run_ready();
  queues_.reset();
}

bool Services::settle() {
  for (int i = 0; i < 10'000'000; ++i) {
    if (scheduler_.run_ready() == 0 && scheduler_.busy().count() == 0) return true;
    std::this_thread::yield();
  }
  return false;
}

Result<void> Services::start(const std::string& folder) {
  MR_ASSIGN_OR_RETURN(directory_, storage::DataDirectory::open(folder, "powercut"));
  storage::RocksOptions options;
  options.path = directory_->database_path();
  options.head_file = directory_->head_path();
  options.memory_bytes = storage::kMemoryMin;
  MR_ASSIGN_OR_RETURN(store_, storage::RocksStore::open(options));
  const auto problem = [this](std::string text) { problems_.push_back(std::move(text)); };
  MR_RETURN_IF_ERROR(tables::check_tables(*store_, problem, [](std::uint64_t) {}));
  MR_RETURN_IF_ERROR(sqs::check_queues(*store_, problem));
  MR_ASSIGN_OR_RETURN(committer_, storage::Committer::start(*store_, scheduler_));
  MR_ASSIGN_OR_RETURN(streams_, streams::Streams::load(*store_, *committer_, scheduler_, random_));
  MR_ASSIGN_OR_RETURN(tables_, tables::Tables::load(*store_, *committer_, *streams_, scheduler_, random_));
  queues_ = std::make_unique<sqs::Service>(*store_, *committer_, scheduler_, random_);
  return queues_->load();
}

}  // namespace millrace::powercut
