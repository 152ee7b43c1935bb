// Signature Version 4 of AWS (docs.aws.amazon.com, "Create a signed AWS API request"; vectors of awslabs/aws-c-auth).
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/secret.h"
#include "providers/provider.h"

namespace signet {

struct AwsCredentials {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;  // of temporary credentials; else empty
};
struct AwsScope {
  std::string region, service;  // "eu-west-1", "ses"
};
struct AwsSignature {
  std::string canonical_request, string_to_sign, signature;  // for tests and for who looks for a fault
};

// Adds Host, X-Amz-Date, X-Amz-Security-Token if there is a session's token, and Authorization. Signs all headers that
// the request has, the body, and its URL, whose path and query are written as they go over the wire. `at` goes into the
// signature: AWS refuses one that is five minutes off.
AwsSignature sign_v4(HttpRequest& request, const AwsCredentials& credentials, const AwsScope& scope, WallTime at);

}  // namespace signet
