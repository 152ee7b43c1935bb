#include "tests/providers/webhook_vectors.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace signet::testing {

std::vector<WebhookVector> webhook_vectors(std::string_view scheme, std::string_view provider) {
  std::vector<WebhookVector> out;
  for (auto& row : nlohmann::json::parse(read_text("tests/providers/webhook_vectors.json"))) {
    if (row["scheme"] != scheme || (!provider.empty() && row["provider"] != provider)) continue;
    WebhookVector vector{row["provider"], row["scheme"], row["name"], row["key"], row["body"],
                         row["expected"], row["valid"],  {},          row.dump()};
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
