// JSON that a stranger sent, read with simdjson: of bounded size, and without repeated members, which two readers would
// take differently (RFC 8259 section 4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace simdjson::dom {  // who calls these includes <simdjson.h>
class element;
class object;
}  // namespace simdjson::dom

namespace signet {

constexpr size_t kJsonMax = 1 << 20;

// Valid until the next call on this thread. None: not a JSON document, longer than `octets_max`, or a member of its
// outermost object, or of an object directly in its outermost array, is there twice.
std::optional<simdjson::dom::element> json_of(std::string_view body, size_t octets_max = kJsonMax);
std::optional<simdjson::dom::object> json_object_of(std::string_view body, size_t octets_max = kJsonMax);

// The member at a path: names, and places in arrays from 0, parted by '.'.
std::optional<simdjson::dom::element> element_at(simdjson::dom::object object, std::string_view path);
// Its text, or the digits of a whole number. Empty: absent, null, of another type, longer than `octets_max`.
std::string text_at(simdjson::dom::object object, std::string_view path, size_t octets_max = 256);
std::optional<int64_t> number_at(simdjson::dom::object object, std::string_view path);  // a text of digits too

}  // namespace signet
