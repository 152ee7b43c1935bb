// Strings that stand for a patient's data in tests: whatever Signet is given of them has to be nowhere but in sealed
// fields and in answers to those entitled. The search knows them in hexadecimal and base64 too.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "store/pg_session.h"

namespace signet {

constexpr char kMarker[] = "zqphimarker";     // in every text
constexpr char kPhone[] = "+61491572222";     // which the sandbox takes and confirms
constexpr char kPhoneMarker[] = "491572222";  // however it is written
constexpr char kMail[] = "zqphimarker@example.org";

inline std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// As it is, and the part of its base64 that does not hang on what stands around it, at each of the three places.
inline std::vector<std::string> disguises() {
  std::vector<std::string> out;
  for (const std::string marker : {kMarker, kPhoneMarker}) {
    out.push_back(marker);
    out.push_back(to_hex(marker));
    for (size_t before = 0; before < 3; ++before) {
      const size_t whole = (marker.size() + before) / 3 * 3 - before;
      const std::string text = to_base64(std::string(before, 'x') + marker.substr(0, whole));
      out.push_back(text.substr(before == 0 ? 0 : 4));
    }
  }
  return out;
}

inline bool has_marker(const std::string& text) {
  const std::string low = lower(text);
  for (const auto& disguise : disguises())
    if (low.find(lower(disguise)) != std::string::npos) return true;
  return false;
}

// The tables of which a row shows a marker in any of its columns, octets too; for a superuser's session.
inline Result<std::vector<std::string>> tables_with_markers(PgSession& session) {
  auto tables = session.run(
      "select format('%I.%I', nspname, relname) from pg_class c join pg_namespace n on n.oid = relnamespace "
      "where relkind in ('r', 'p') and not relispartition and nspname in ('public', 'audit') order by 1");
  if (!tables) return tables.error();
  std::string pattern;
  for (const auto& disguise : disguises()) {
    std::string escaped;
    for (const char c : lower(disguise)) escaped += c == '+' ? std::string("\\+") : std::string(1, c);
    // Octets are shown in hexadecimal: what stands in them as text is found by its own.
    pattern += (pattern.empty() ? "" : "|") + escaped + '|' + to_hex(disguise);
  }
  std::vector<std::string> out;
  for (int i = 0; i < tables->size(); ++i) {
    const std::string table(tables->text(i, 0));
    auto found = session.run("select count(*) from " + table + " t where lower(t::text) ~ '" + pattern + "'");
    if (!found) return found.error();
    if (found->number(0, 0) > 0) out.push_back(table);
  }
  return out;
}

}  // namespace signet
