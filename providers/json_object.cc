#include "providers/json_object.h"

#include <simdjson.h>

#include <charconv>
#include <set>

namespace signet {
namespace {

bool has_repeated(simdjson::dom::object object) {
  std::set<std::string_view> seen;
  for (const auto& field : object)
    if (!seen.insert(field.key).second) return true;
  return false;
}

std::optional<simdjson::dom::element> child_of(simdjson::dom::element parent, std::string_view name) {
  simdjson::dom::element child;
  simdjson::dom::object object;
  simdjson::dom::array array;
  if (!parent.get(object)) {
    if (object.at_key(name).get(child)) return std::nullopt;
    return child;
  }
  size_t place = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), place);
  if (error != std::errc() || end != name.data() + name.size() || parent.get(array) || array.at(place).get(child))
    return std::nullopt;
  return child;
}

}  // namespace

std::optional<simdjson::dom::element> json_of(std::string_view body, size_t octets_max) {
  if (body.empty() || body.size() > octets_max) return std::nullopt;
  thread_local simdjson::dom::parser parser(kJsonMax);
  simdjson::dom::element element;
  // `true`: copies the body, which has not the padding that simdjson reads beyond the end.
  if (parser.parse(body.data(), body.size(), true).get(element)) return std::nullopt;
  simdjson::dom::object object;
  simdjson::dom::array array;
  if (!element.get(object) && has_repeated(object)) return std::nullopt;
  if (!element.get(array))
    for (const auto& one : array)
      if (!one.get(object) && has_repeated(object)) return std::nullopt;
  return element;
}

std::optional<simdjson::dom::object> json_object_of(std::string_view body, size_t octets_max) {
  auto element = json_of(body, octets_max);
  simdjson::dom::object object;
  if (!element || element->get(object)) return std::nullopt;
  return object;
}

std::optional<simdjson::dom::element> element_at(simdjson::dom::object object, std::string_view path) {
  simdjson::dom::element first;
  auto dot = path.find('.');
  if (object.at_key(path.substr(0, dot)).get(first)) return std::nullopt;
  std::optional<simdjson::dom::element> found = first;
  while (found && dot != path.npos) {
    path.remove_prefix(dot + 1);
    dot = path.find('.');
    found = child_of(*found, path.substr(0, dot));
  }
  return found;
}

std::string text_at(simdjson::dom::object object, std::string_view path, size_t octets_max) {
  const auto found = element_at(object, path);
  std::string_view text;
  int64_t number = 0;
  if (!found) return "";
  if (!found->get(number)) return std::to_string(number);
  if (found->get(text) || text.size() > octets_max) return "";
  return std::string(text);
}

std::optional<int64_t> number_at(simdjson::dom::object object, std::string_view path) {
  const auto text = text_at(object, path, 19);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace signet
