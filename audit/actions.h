// The closed table of what the log may say: each action, what its `detail` may hold, and whether it counts in a
// message's own history. An event that is not of this table is a bug and aborts where its bytes are made
// (audit/event.h), so that nothing free and nothing about a patient slips in. A new kind of event is one entry here.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace signet {

enum class DetailType : uint8_t {
  flag,    // true or false
  number,  // an integer below 2^53
  word,    // an identifier, a code, a hash; words joined by commas. Never text that somebody typed
};

struct DetailMember {
  std::string_view name;
  DetailType type = DetailType::word;
};

enum class Chained : uint8_t {
  never,   // object.n and object.prev are null: reads, refusals, everything that is not about one message
  may,     // about a message, in its chain if the transaction holds its row
  always,  // changes a message: counted by object.n, linked by object.prev
};

struct AuditAction {
  std::string_view name;
  Chained chained = Chained::never;
  std::string_view meaning;  // one line, for people
  std::array<DetailMember, 25> members{};

  std::span<const DetailMember> detail() const;  // sorted as written in the table
};

std::span<const AuditAction> audit_actions();           // in the order of a message's life, then access, then operation
const AuditAction* find_action(std::string_view name);  // lives for ever; null: there is none

}  // namespace signet
