#include "message/message.h"

namespace signet {
namespace {

template <class T>
struct Word {
  T value;
  std::string_view text;
};
template <class T>
Word(T, const char*) -> Word<T>;  // clang 14 deduces none of its own from an aggregate

constexpr std::array kKinds{Word{Kind::sms, "sms"}, Word{Kind::email, "email"}, Word{Kind::letter, "letter"}};
constexpr std::array kMethods{Word{DeliveryMethod::sms, "sms"}, Word{DeliveryMethod::email, "email"},
                              Word{DeliveryMethod::none, "none"}};
constexpr std::array kPriorityWords{Word{Priority::critical, "critical"}, Word{Priority::high, "high"},
                                    Word{Priority::normal, "normal"}, Word{Priority::bulk, "bulk"}};
constexpr std::array kRiskLevels{Word{RiskLevel::normal, "normal"}, Word{RiskLevel::high, "high"}};
constexpr std::array kRoles{Word{Role::staff, "staff"},     Word{Role::reviewer, "reviewer"},
                            Word{Role::doctor, "doctor"},   Word{Role::admin, "admin"},
                            Word{Role::auditor, "auditor"}, Word{Role::service, "service"}};
constexpr std::array kStatuses{Word{Status::pending, "pending"},
                               Word{Status::pending_review, "pending_review"},
                               Word{Status::approved, "approved"},
                               Word{Status::queued, "queued"},
                               Word{Status::sent, "sent"},
                               Word{Status::delivered, "delivered"},
                               Word{Status::rejected, "rejected"},
                               Word{Status::failed, "failed"},
                               Word{Status::cancelled, "cancelled"},
                               Word{Status::in_doubt, "in_doubt"},
                               Word{Status::suppressed, "suppressed"}};

template <class Words, class T>
std::string_view text_of(const Words& words, T value) {
  for (const auto& word : words)
    if (word.value == value) return word.text;
  return "unknown";
}

template <class T, class Words>
std::optional<T> value_of(const Words& words, std::string_view text) {
  for (const auto& word : words)
    if (word.text == text) return word.value;
  return std::nullopt;
}

}  // namespace

std::string_view name(Kind kind) { return text_of(kKinds, kind); }
std::string_view name(DeliveryMethod method) { return text_of(kMethods, method); }
std::string_view name(Priority priority) { return text_of(kPriorityWords, priority); }
std::string_view name(RiskLevel level) { return text_of(kRiskLevels, level); }
std::string_view name(Role role) { return text_of(kRoles, role); }
std::string_view name(Status status) { return text_of(kStatuses, status); }
std::optional<Kind> parse_kind(std::string_view text) { return value_of<Kind>(kKinds, text); }
std::optional<DeliveryMethod> parse_delivery_method(std::string_view text) {
  return value_of<DeliveryMethod>(kMethods, text);
}
std::optional<Priority> parse_priority(std::string_view text) { return value_of<Priority>(kPriorityWords, text); }
std::optional<RiskLevel> parse_risk_level(std::string_view text) { return value_of<RiskLevel>(kRiskLevels, text); }
std::optional<Role> parse_role(std::string_view text) { return value_of<Role>(kRoles, text); }
std::optional<Status> parse_status(std::string_view text) { return value_of<Status>(kStatuses, text); }

}  // namespace signet
