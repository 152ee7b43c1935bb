#include "daemon/delivery/callbacks.h"

#include <catch2/catch.hpp>

#include "tests/fakes/clock.h"
#include "tests/fakes/random.h"

using namespace signet;

namespace {

struct Fixture {
  ManualClock clock;
  SeededRandom random{1};
  IdSource ids{clock, random};
  MessageView view;
  CallbackRow callback;

  Fixture() {
    view.now = clock.wall();
    view.message.id = ids.next();
    view.message.status = Status::sent;
    view.message.recipient_key = std::string(32, 'k');
    attempt(1, OutcomeKind::accepted);
    callback.id = ids.next();
    callback.provider = "gateway";
    callback.message_id = view.message.id;
    callback.attempt_no = 1;
    callback.kind = ReceiptKind::delivered;
  }
  void attempt(int number, std::optional<OutcomeKind> outcome) {
    view.attempts.push_back({});
    view.attempts.back().attempt_no = number;
    view.attempts.back().outcome = outcome;
  }
  std::optional<MessageChange> confirmed() { return confirm(view, callback.attempt_no, callback, ids, "signetd-1"); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a receipt moves a message, with its proof") {
  const auto change = confirmed();
  REQUIRE(change);
  CHECK(change->ends_callback == callback.id);
  CHECK(change->confirmation->took_effect);
  CHECK(change->status->status == Status::delivered);
  CHECK(change->status->is_proven == true);
  CHECK(change->status->before == view.message.head);
  CHECK(change->ends_due);
}

TEST_CASE_METHOD(Fixture, "I6 a receipt before our own result waits for it") {
  view.message.status = Status::queued;
  view.attempts.clear();
  CHECK_FALSE(confirmed());  // no such attempt yet
  attempt(1, std::nullopt);
  CHECK_FALSE(confirmed());  // a permit without a result
  view.attempts[0].outcome = OutcomeKind::in_doubt;
  view.message.status = Status::in_doubt;
  CHECK(confirmed());
}

TEST_CASE_METHOD(Fixture, "I6 rank decides: a late or repeated receipt is recorded, and changes nothing") {
  const struct {
    Status from;
    ReceiptKind kind;
    bool is_proven;
    std::optional<Status> to;
  } rows[] = {
      {Status::delivered, ReceiptKind::delivered, true, {}},
      {Status::delivered, ReceiptKind::failed, true, {}},
      {Status::delivered, ReceiptKind::sent, true, {}},
      {Status::sent, ReceiptKind::queued, true, {}},
      {Status::sent, ReceiptKind::sent, true, {}},
      {Status::sent, ReceiptKind::failed, true, Status::failed},
      {Status::in_doubt, ReceiptKind::sent, true, Status::sent},
      {Status::in_doubt, ReceiptKind::delivered, true, Status::delivered},
      {Status::in_doubt, ReceiptKind::failed, true, Status::failed},
      {Status::failed, ReceiptKind::delivered, false, Status::delivered},
      {Status::failed, ReceiptKind::delivered, true, {}},
      {Status::cancelled, ReceiptKind::delivered, true, {}},
  };
  for (const auto& row : rows) {
    INFO(name(row.from) << " " << name(row.kind));
    view.message.status = row.from;
    view.message.is_proven = row.is_proven;
    callback.kind = row.kind;
    const auto change = confirmed();
    REQUIRE(change);
    CHECK(change->confirmation->took_effect == row.to.has_value());
    CHECK(change->status.has_value() == row.to.has_value());
    if (row.to) CHECK(change->status->status == *row.to);
  }
}

TEST_CASE_METHOD(Fixture, "that an older attempt failed says nothing about the newer one; that it arrived does") {
  view.message.status = Status::queued;
  view.due = DueRow{};
  view.due->attempt_no = 2;
  callback.kind = ReceiptKind::failed;
  CHECK_FALSE(confirmed()->status);
  callback.kind = ReceiptKind::delivered;
  CHECK(confirmed()->status->status == Status::delivered);
}

TEST_CASE_METHOD(Fixture, "a receipt for some parts only leaves the message sent") {
  callback.is_partial = true;
  CHECK_FALSE(confirmed()->status);
}

TEST_CASE_METHOD(Fixture, "I6 a message in parts arrived when all of them did, and failed when all of them did") {
  using Told = std::pair<const char*, ReceiptKind>;
  const struct {
    std::vector<Told> before;
    Told now;
    std::optional<Status> to;
  } rows[] = {
      {{}, {"m1", ReceiptKind::delivered}, {}},
      {{{"m1", ReceiptKind::delivered}}, {"m1", ReceiptKind::delivered}, {}},
      {{{"m1", ReceiptKind::delivered}}, {"m2", ReceiptKind::delivered}, Status::delivered},
      {{{"m2", ReceiptKind::delivered}}, {"m1", ReceiptKind::delivered}, Status::delivered},
      {{{"m1", ReceiptKind::sent}}, {"m2", ReceiptKind::delivered}, {}},
      {{{"m1", ReceiptKind::sent}, {"m1", ReceiptKind::delivered}}, {"m2", ReceiptKind::delivered}, Status::delivered},
      {{{"m1", ReceiptKind::failed}}, {"m2", ReceiptKind::delivered}, {}},
      {{{"m1", ReceiptKind::delivered}}, {"m2", ReceiptKind::failed}, {}},
      {{{"m1", ReceiptKind::failed}}, {"m2", ReceiptKind::failed}, Status::failed},
      {{{"other", ReceiptKind::delivered}}, {"m1", ReceiptKind::delivered}, {}},
  };
  view.attempts[0].provider_reference = "m1 m2";
  for (const bool is_partial : {false, true}) {  // some providers say so of each part's
    for (const auto& row : rows) {
      INFO(row.now.first << " " << name(row.now.second));
      view.part_receipts.clear();
      for (const auto& [reference, kind] : row.before) view.part_receipts.push_back({1, reference, kind});
      callback.provider_reference = row.now.first;
      callback.kind = row.now.second;
      callback.is_partial = is_partial;
      const auto change = confirmed();
      REQUIRE(change);
      CHECK(change->status.has_value() == row.to.has_value());
      if (row.to && change->status) CHECK(change->status->status == *row.to);
    }
  }
  view.part_receipts = {{2, "m1", ReceiptKind::delivered}};  // of another attempt
  callback.kind = ReceiptKind::delivered;
  callback.provider_reference = "m2";
  CHECK_FALSE(confirmed()->status);
}

TEST_CASE_METHOD(Fixture, "who opted out, complained or has no such mailbox gets nothing more") {
  const struct {
    Kind kind;
    ReceiptKind receipt;
    bool is_suppressed;
  } rows[] = {
      {Kind::sms, ReceiptKind::opted_out, true}, {Kind::email, ReceiptKind::complained, true},
      {Kind::email, ReceiptKind::bounced, true}, {Kind::letter, ReceiptKind::bounced, true},
      {Kind::sms, ReceiptKind::bounced, false},  {Kind::email, ReceiptKind::delivered, false},
      {Kind::email, ReceiptKind::failed, false},
  };
  for (const auto& row : rows) {
    INFO(name(row.kind) << " " << name(row.receipt));
    view.message.kind = row.kind;
    callback.kind = row.receipt;
    const auto change = confirmed();
    REQUIRE(change);
    REQUIRE(change->suppression.has_value() == row.is_suppressed);
    if (!row.is_suppressed) continue;
    const auto& [added, entry] = *change->suppression;
    CHECK(added.recipient_key == view.message.recipient_key);
    CHECK(added.channel == (row.kind == Kind::sms ? DeliveryMethod::sms : DeliveryMethod::email));
    CHECK(added.reason == name(row.receipt));
    CHECK(added.source == "gateway");
    CHECK(entry.action == "suppression_added");
    CHECK(entry.object_id == added.id);
  }
}

TEST_CASE_METHOD(Fixture,
                 "I6 a receipt matched by the provider's reference is proven by the ledger's row as it stands") {
  callback.message_id.reset();
  callback.attempt_no = 0;
  callback.provider_reference = "g-1";
  const auto change = confirm(view, 1, callback, ids, "signetd-1");
  REQUIRE(change);
  CHECK(change->confirmation->attempt_no == 1);
  CHECK(change->status->status == Status::delivered);
}
