#include "wire/refusals.h"

#include <optional>

#include <gtest/gtest.h>

#include "wire/generated/sns.h"

namespace millrace::wire {
namespace {

Error missing() { return Error(kNotFound, "there is none"); }

TEST(HeldRefusals, WaitForTheLastCommit) {
  storage::CommitNumber last = 6;
  const Handler handler = hold_refusals(Handler([&](const RequestContext&, const Document&) -> Result<Reply> {
                                          ++last;  // somebody else's, meanwhile
                                          return missing();
                                        }),
                                        [&] { return last; });
  EXPECT_EQ(handler({}, {}).error().held_until(), 7U) << "asked after the handler has looked";
}

TEST(HeldRefusals, WaitForTheirOwnCommitWhenThatIsLater) {
  const Handler handler = hold_refusals(
      Handler([](const RequestContext&, const Document&) -> Result<Reply> { return missing().hold_until(9); }),
      [] { return storage::CommitNumber{7}; });
  EXPECT_EQ(handler({}, {}).error().held_until(), 9U);
}

TEST(HeldRefusals, LeaveOtherAnswersAlone) {
  const Handler handler = hold_refusals(Handler([](const RequestContext&, const Document&) -> Result<Reply> {
                                          Reply reply;
                                          reply.after = 3;
                                          return reply;
                                        }),
                                        [] { return storage::CommitNumber{7}; });
  EXPECT_EQ(handler({}, {})->after, 3U);
}

TEST(HeldRefusals, OfConversationsWaitAsWell) {
  storage::CommitNumber last = 0;
  Done later;
  const AsyncHandler handler =
      hold_refusals(AsyncHandler([&](const RequestContext&, const Document&, Conversation conversation) {
                      later = conversation.done;
                    }),
                    [&] { return last; });
  std::optional<Result<Reply>> answer;
  handler({}, {}, {.done = [&](Result<Reply> reply) { answer = std::move(reply); }, .closed = {}, .on_close = {}});
  last = 7;
  later(missing());
  EXPECT_EQ(answer->error().held_until(), 7U) << "asked when it failed";
}

TEST(HeldRefusals, OfAWholeServiceWait) {
  Service service(sns::kModel);
  service.on("Publish", [](const RequestContext&, const Document&) -> Result<Reply> { return missing(); });
  service.on_async("Subscribe", [](const RequestContext&, const Document&, Conversation conversation) {
    conversation.done(missing());
  });
  hold_refusals(service, [] { return storage::CommitNumber{7}; });
  EXPECT_EQ(service.find("Publish")->handler({}, {}).error().held_until(), 7U);
  std::optional<Result<Reply>> answer;
  service.find("Subscribe")
      ->async({}, {}, {.done = [&](Result<Reply> reply) { answer = std::move(reply); }, .closed = {}, .on_close = {}});
  EXPECT_EQ(answer->error().held_until(), 7U);
  EXPECT_FALSE(service.find("Subscribe")->handler);
}

}  // namespace
}  // namespace millrace::wire
