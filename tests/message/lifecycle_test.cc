#include "message/lifecycle.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <sstream>

namespace signet {
namespace {

using enum Status;

constexpr Status kStatuses[] = {pending,  pending_review, approved,  queued,   sent,      delivered,
                                rejected, failed,         cancelled, in_doubt, suppressed};
constexpr Step kSteps[] = {
    Step::submit,         Step::approve,  Step::file,   Step::reject,       Step::edit,
    Step::cancel,         Step::accepted, Step::retry,  Step::fail,         Step::doubt,
    Step::suppress,       Step::expire,   Step::resend, Step::confirm_sent, Step::confirm_delivered,
    Step::confirm_failed, Step::bounce};

// Typed in from design/product.md and design/engine.md, not from the code.
const std::vector<Change> kLegal{
    {pending, Step::submit, pending_review},
    {pending, Step::approve, queued},
    {pending, Step::file, approved},
    {pending, Step::edit, pending},
    {pending, Step::cancel, cancelled},
    {pending_review, Step::approve, queued},
    {pending_review, Step::file, approved},
    {pending_review, Step::reject, rejected},
    {pending_review, Step::edit, pending},
    {pending_review, Step::cancel, cancelled},
    {rejected, Step::submit, pending_review},
    {rejected, Step::approve, queued},
    {rejected, Step::file, approved},
    {rejected, Step::edit, pending},
    {rejected, Step::cancel, cancelled},
    {queued, Step::edit, pending},
    {queued, Step::cancel, cancelled},
    {queued, Step::accepted, sent},
    {queued, Step::retry, queued},
    {queued, Step::fail, failed},
    {queued, Step::doubt, in_doubt},
    {queued, Step::suppress, suppressed},
    {queued, Step::expire, failed},
    {queued, Step::confirm_sent, sent},
    {queued, Step::confirm_delivered, delivered},
    {queued, Step::confirm_failed, failed},
    {in_doubt, Step::accepted, sent},
    {in_doubt, Step::fail, failed},
    {in_doubt, Step::resend, queued},
    {in_doubt, Step::confirm_sent, sent},
    {in_doubt, Step::confirm_delivered, delivered},
    {in_doubt, Step::confirm_failed, failed},
    {sent, Step::confirm_delivered, delivered},
    {sent, Step::confirm_failed, failed},
    {failed, Step::resend, queued},
    {failed, Step::confirm_delivered, delivered},
    {delivered, Step::bounce, failed},
};

TEST_CASE("each step in each status is legal or refused as designed") {
  for (const Status from : kStatuses)
    for (const Step step : kSteps) {
      std::optional<Status> expected;
      for (const auto& change : kLegal)
        if (change.from == from && change.step == step) expected = change.to;
      INFO(name(from) << " by " << name(step));
      CHECK(after(from, step) == expected);
    }
}

TEST_CASE("nothing is sent again by itself from a final status") {
  for (const Status status : {delivered, failed, cancelled, suppressed}) {
    CHECK(is_final(status));
    for (const Step step : {Step::accepted, Step::retry, Step::approve, Step::submit})
      CHECK_FALSE(after(status, step).has_value());
  }
  for (const Status status : {pending, pending_review, approved, queued, sent, rejected, in_doubt})
    CHECK_FALSE(is_final(status));
}

TEST_CASE("the database's trigger knows the same changes as the table in code") {
  std::ifstream file(SIGNET_SOURCE_DIR "/store/migrations/0003_approval.sql");
  std::stringstream text;
  text << file.rdbuf();
  const std::string sql = text.str();
  const size_t begin = sql.find("<> all (array[");
  REQUIRE(begin != std::string::npos);
  const size_t end = sql.find(']', begin);
  std::set<int> in_sql;
  std::string digits;
  for (size_t i = begin + std::string("<> all (array[").size(); i <= end; ++i) {
    if (sql[i] >= '0' && sql[i] <= '9') {
      digits += sql[i];
    } else if (!digits.empty()) {
      in_sql.insert(std::stoi(digits));
      digits.clear();
    }
  }
  std::set<int> in_code;
  for (const auto& change : all_changes())
    if (change.from != change.to) in_code.insert(static_cast<int>(change.from) * 100 + static_cast<int>(change.to));
  CHECK(in_sql == in_code);
}

TEST_CASE("a receipt moves a message up in rank, never down") {
  struct Row {
    Status from;
    bool is_proven;
    Kind kind;
    ReceiptKind receipt;
    std::optional<Step> step;
  };
  const Row rows[] = {
      {sent, true, Kind::sms, ReceiptKind::delivered, Step::confirm_delivered},
      {sent, true, Kind::sms, ReceiptKind::failed, Step::confirm_failed},
      {sent, true, Kind::email, ReceiptKind::bounced, Step::confirm_failed},
      {sent, true, Kind::sms, ReceiptKind::sent, {}},
      {sent, true, Kind::sms, ReceiptKind::queued, {}},
      {in_doubt, true, Kind::sms, ReceiptKind::sent, Step::confirm_sent},
      {in_doubt, true, Kind::sms, ReceiptKind::delivered, Step::confirm_delivered},
      {in_doubt, true, Kind::sms, ReceiptKind::failed, Step::confirm_failed},
      {in_doubt, true, Kind::sms, ReceiptKind::queued, {}},
      {queued, true, Kind::sms, ReceiptKind::delivered, Step::confirm_delivered},
      {queued, true, Kind::sms, ReceiptKind::sent, {}},
      {delivered, true, Kind::sms, ReceiptKind::failed, {}},
      {delivered, true, Kind::sms, ReceiptKind::sent, {}},
      {delivered, true, Kind::sms, ReceiptKind::bounced, {}},
      {delivered, true, Kind::email, ReceiptKind::bounced, Step::bounce},
      {delivered, true, Kind::email, ReceiptKind::failed, {}},
      {failed, true, Kind::sms, ReceiptKind::delivered, {}},
      {failed, false, Kind::sms, ReceiptKind::delivered, Step::confirm_delivered},
      {failed, false, Kind::sms, ReceiptKind::sent, {}},
      {cancelled, true, Kind::sms, ReceiptKind::delivered, {}},
      {suppressed, true, Kind::sms, ReceiptKind::delivered, {}},
  };
  for (const auto& row : rows) {
    INFO(name(row.from) << " " << row.is_proven << " " << name(row.kind) << " " << name(row.receipt));
    CHECK(step_of(row.from, row.is_proven, row.kind, row.receipt) == row.step);
  }
}

TEST_CASE("complaints and opt-outs change no status, and each step of a receipt is legal") {
  for (const Status from : kStatuses)
    for (const bool is_proven : {false, true})
      for (const Kind kind : {Kind::sms, Kind::email, Kind::letter})
        for (int receipt = 1; receipt <= 7; ++receipt) {
          const auto step = step_of(from, is_proven, kind, static_cast<ReceiptKind>(receipt));
          if (receipt >= static_cast<int>(ReceiptKind::complained)) CHECK_FALSE(step.has_value());
          if (step) CHECK(after(from, *step).has_value());
        }
}

}  // namespace
}  // namespace signet
