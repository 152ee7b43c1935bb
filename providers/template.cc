#include "providers/template.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"

namespace signet {
namespace {

// The name in "{name}..."; empty: none begins here.
std::string_view name_at(std::string_view text) {
  const auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", 1);
  return end != text.npos && end > 1 && text[end] == '}' ? text.substr(1, end - 1) : std::string_view();
}

// XML 1.0 section 2.2 has no control characters but tab and the line's ends.
void append_xml(std::string& to, std::string_view value) {
  for (const char c : value) {
    if (c == '&')
      to += "&amp;";
    else if (c == '<')
      to += "&lt;";
    else if (c == '>')
      to += "&gt;";
    else if (c == '"')
      to += "&quot;";
    else if (c == '\'')
      to += "&apos;";
    else if (static_cast<unsigned char>(c) < ' ' && c != '\t' && c != '\n' && c != '\r')
      to += ' ';
    else
      to += c;
  }
}

void append_in(std::string& to, TemplateFormat format, const std::string& value) {
  switch (format) {
    case TemplateFormat::plain:
      to += value;
      return;
    case TemplateFormat::form:
      append_form(to, value);
      return;
    case TemplateFormat::xml:
      append_xml(to, value);
      return;
    case TemplateFormat::json:
      break;
  }
  const auto quoted = nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  to.append(quoted, 1, quoted.size() - 2);
}

}  // namespace

Result<Template> Template::parse(std::string_view text, const std::set<std::string>& names) {
  Template out;
  std::string plain;
  auto keep = [&] {
    if (!plain.empty()) out.pieces_.push_back({std::exchange(plain, {}), false});
  };
  while (!text.empty()) {
    const auto name = text.front() == '{' ? name_at(text) : std::string_view();
    if (name.empty()) {
      plain += text.front();
      text.remove_prefix(1);
      continue;
    }
    if (!names.contains(std::string(name))) {
      std::string known;
      for (const auto& one : names) known += " {" + one + "}";
      return Error{ErrorCode::invalid, "has {" + std::string(name) + "}, and may have" + known};
    }
    keep();
    out.pieces_.push_back({std::string(name), true});
    text.remove_prefix(name.size() + 2);
  }
  keep();
  return out;
}

bool Template::has(std::string_view name) const {
  return std::any_of(pieces_.begin(), pieces_.end(), [&](auto& piece) { return piece.is_place && piece.text == name; });
}

std::string Template::fill(TemplateFormat format,
                           const std::function<std::string(std::string_view name)>& value_of) const {
  std::string out;
  for (const auto& piece : pieces_) {
    if (piece.is_place)
      append_in(out, format, value_of(piece.text));
    else
      out += piece.text;
  }
  return out;
}

}  // namespace signet
