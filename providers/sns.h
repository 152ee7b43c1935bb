// What a topic of Amazon SNS posts to its subscriber (docs.aws.amazon.com/sns: "HTTP/HTTPS notification JSON format",
// "Verifying the signatures of Amazon SNS messages"). Signed with RSA by a key whose certificate SNS itself serves.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "providers/provider.h"

namespace signet {

struct SnsMessage {
  std::string type;  // Notification, SubscriptionConfirmation, UnsubscribeConfirmation
  std::string message_id, topic_arn, timestamp, message;
  std::optional<std::string> subject;
  std::string token, subscribe_url;  // of the confirmations
  std::string signature_version, signature, certificate_url;
};
std::optional<SnsMessage> read_sns(std::string_view body);  // none: not one of the three types, or members are missing

class SnsSubscriber {
 public:
  // `topics`: the ARNs that may post here; anybody can make a topic, and SNS signs for it. `origin`: whose URLs are
  // believed besides those of https://sns.REGION.amazonaws.com, for a test server; may be empty.
  SnsSubscriber(std::vector<std::string> topics, std::string origin);

  // The certificate, of a message that may be genuine.
  std::vector<std::string> wants(const CallbackRequest& request) const;
  Verdict verify(const CallbackRequest& request) const;
  // A GET that confirms the subscription, if that is what a verified request asks.
  std::optional<HttpRequest> confirmation(const CallbackRequest& request) const;

 private:
  bool is_ours(std::string_view topic_arn) const;
  bool is_of_sns(std::string_view url) const;
  bool is_certificate_url(std::string_view url) const;

  std::vector<std::string> topics_;
  std::string origin_;
};

}  // namespace signet
