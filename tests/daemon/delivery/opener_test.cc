#include "daemon/delivery/opener.h"

#include <catch2/catch.hpp>

#include "message/policy.h"
#include "tests/fakes/approved_messages.h"

using namespace signet;

namespace {

const OwnWriting kNobody, kCompliance{{"compliance@example.org"}, ""};

struct Sealed {
  SystemRandom random;
  Keyring keys = test_keys(random);

  Permit permit(const Envelope& envelope, std::string_view policy, const std::string& sender) {
    const std::string salt(32, 's');
    Permit p;
    p.id = *parse_uuid("0190a000-0000-7000-8000-000000000001");
    const auto key = keys.make_data_key(p.id.text());
    p.kind = envelope.kind;
    p.version = p.content_version = 1;
    p.sender = sender;
    p.kek_id = keys.kek_id();
    p.wrapped_key = key.wrapped;
    p.sealed = keys.seal_with(key.key, seal_binding("content", p.id, 1, "sealed"), pack(salt, envelope));
    const Digest commit = envelope_commit(salt, envelope);
    p.envelope_commit = view(commit);
    p.approval_mac = view(approval_mac(keys.mac_key(), p.id, 1, commit, policy));
    p.policy_id = policy;
    p.recipient_key = view(recipient_key(keys.index_key(), envelope.recipient));
    return p;
  }
};

}  // namespace

TEST_CASE("the policy `system` covers the daemon's own mails to recipients of the configuration, and nothing else") {
  Sealed sealed;
  const std::string author = kSystemUser.text().substr(24);
  const Envelope to_compliance = mail("compliance@example.org", "A report", "It waits.");
  CHECK(open_and_check(sealed.keys, sealed.permit(to_compliance, kSystemPolicyId, author), kCompliance).ok());

  auto refused = [&](const Permit& permit, const OwnWriting& own) {
    const auto opened = open_and_check(sealed.keys, permit, own);
    return !opened.ok() && opened.error().code == ErrorCode::corrupt;
  };
  CHECK(refused(sealed.permit(to_compliance, kSystemPolicyId, author), kNobody));
  CHECK(refused(sealed.permit(to_compliance, kSystemPolicyId, "000000000001"), kCompliance));
  CHECK(refused(sealed.permit(mail("patient@example.org", "", "Hello"), kSystemPolicyId, author), kCompliance));
  CHECK(refused(sealed.permit(sms("+61412345678", "Hello"), kSystemPolicyId, author), {{"+61412345678"}, ""}));
  // Its MAC is of no other policy.
  Permit other = sealed.permit(to_compliance, kSystemPolicyId, author);
  other.policy_id = kPolicyId;
  CHECK(refused(other, kCompliance));
}

TEST_CASE("the policy `system` covers the words of the configuration to whoever asked for help, and no others") {
  Sealed sealed;
  const std::string author = kSystemUser.text().substr(24);
  const OwnWriting own{{}, "Clinic: call us."};
  auto is_covered = [&](const Envelope& envelope, const std::string& sender) {
    return open_and_check(sealed.keys, sealed.permit(envelope, kSystemPolicyId, sender), own).ok();
  };
  CHECK(is_covered(sms("+61412345678", "Clinic: call us."), author));
  CHECK_FALSE(is_covered(sms("+61412345678", "Clinic: call us. Your result is positive."), author));
  CHECK_FALSE(is_covered(sms("+61412345678", ""), author));
  CHECK_FALSE(is_covered(sms("+61412345678", "Clinic: call us."), "000000000001"));
  CHECK_FALSE(is_covered(mail("patient@example.org", "", "Clinic: call us."), author));
}
