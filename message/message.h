// The words of the field: what a message is. Numbers are those stored in PostgreSQL (store/migrations): append only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace signet {

enum class Kind : int16_t { sms = 1, email = 2, letter = 3 };
enum class DeliveryMethod : int16_t { sms = 1, email = 2, none = 3 };
enum class Priority : int16_t { critical = 1, high = 2, normal = 3, bulk = 4 };
inline constexpr std::array<Priority, 4> kPriorities{Priority::critical, Priority::high, Priority::normal,
                                                     Priority::bulk};
enum class RiskLevel : int16_t { normal = 1, high = 2 };
enum class Role : int16_t { staff = 1, reviewer = 2, doctor = 3, admin = 4, auditor = 5, service = 6 };

// docs/states.md draws it; message/lifecycle.h says which change is legal.
enum class Status : int16_t {
  pending = 1,
  pending_review = 2,
  approved = 3,
  queued = 4,
  sent = 5,
  delivered = 6,
  rejected = 7,
  failed = 8,
  cancelled = 9,
  in_doubt = 10,
  suppressed = 11,
};

std::string_view name(Kind kind);  // "sms", ...: as in JSON
std::string_view name(DeliveryMethod method);
std::string_view name(Priority priority);
std::string_view name(RiskLevel level);
std::string_view name(Role role);
std::string_view name(Status status);
std::optional<Kind> parse_kind(std::string_view text);
std::optional<DeliveryMethod> parse_delivery_method(std::string_view text);
std::optional<Priority> parse_priority(std::string_view text);
std::optional<RiskLevel> parse_risk_level(std::string_view text);
std::optional<Role> parse_role(std::string_view text);
std::optional<Status> parse_status(std::string_view text);

}  // namespace signet
