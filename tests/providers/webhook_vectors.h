// The signatures of webhook_vectors.json: of the providers' own SDKs where their source says so, else made for this
// project. Keys, URLs and signatures in it are test values.
#pragma once

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "providers/provider.h"
#include "tests/providers/support.h"

namespace signet::testing {

struct WebhookVector {
  std::string provider, scheme, name;
  std::string key;   // secret, public key or certificate, as the provider's console shows it
  std::string body;  // raw; of an outgoing one the whole request
  std::string expected;
  bool is_valid = false;
  CallbackRequest request;  // received_at: its `now` if it names one, else 1970
  nlohmann::json json;      // all of it: params, signed_url, string_to_sign, context, ...
};

// Those of this scheme, of one provider if it is named; never none.
inline std::vector<WebhookVector> webhook_vectors(std::string_view scheme, std::string_view provider = "") {
  std::vector<WebhookVector> out;
  for (auto& row : nlohmann::json::parse(read_text("tests/providers/webhook_vectors.json"))) {
    if (row["scheme"] != scheme || (!provider.empty() && row["provider"] != provider)) continue;
    WebhookVector vector{row["provider"], row["scheme"], row["name"], row["key"], row["body"],
                         row["expected"], row["valid"],  {},          row};
    vector.request.method = row.value("method", "POST");
    vector.request.public_url = row["url"];
    vector.request.body = vector.body;
    for (auto& [name, value] : row["headers"].items()) {
      auto& header = vector.request.headers.emplace_back(name, value);
      for (char& c : header.first)
        if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    }
    if (row.contains("now")) {
      auto now = parse_rfc3339(row["now"].get<std::string>());
      REQUIRE(now);
      vector.request.received_at = *now;
    }
    out.push_back(std::move(vector));
  }
  REQUIRE(!out.empty());
  return out;
}

}  // namespace signet::testing
