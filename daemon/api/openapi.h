// The API's description, docs/openapi.json, as it travels inside the binary. tests/daemon/api/openapi_test.cc and
// tests/openapi hold it against what the daemon answers.
#pragma once

#include <string_view>

namespace signet::api {

std::string_view openapi_json();  // OpenAPI 3.1

}  // namespace signet::api
