// The members of a record that is written in canonical form by hand, in the order of their names.
#pragma once

#include <string>
#include <string_view>

#include "base/canonical_json.h"

namespace signet {

// `,"name":"value"`: of any member but the first. The name needs no escaping.
inline void append_member(std::string& out, std::string_view name, std::string_view value) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, value);
}

}  // namespace signet
