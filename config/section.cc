#include "config/section.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <type_traits>

namespace signet {
namespace {

constexpr std::string_view kCredentials = "${CREDENTIALS_DIRECTORY}/";
constexpr size_t kShownMax = 32;
constexpr size_t kTextMax = 4096;

std::string name_of(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::null:
      return "empty";
    case YamlNode::Kind::scalar:
      return "a single value";
    case YamlNode::Kind::list:
      return "a list";
    case YamlNode::Kind::map:
      return "a mapping";
  }
  return {};
}

std::string plain(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) return std::to_string(static_cast<long long>(value));
  std::string text(32, '\0');
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  text.resize(static_cast<size_t>(end - text.data()));
  return text;
}

Refused refuse_text(const std::string& value) {
  if (value.empty()) return Refusal{"is empty", "write a value, or ~ for the default"};
  if (value.size() > kTextMax) return Refusal{"is longer than 4096 octets", "write less"};
  for (const char c : value)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return Refusal{"holds a control character or line break", "write it on one line"};
  // Also how a quote that is never closed looks: yaml-cpp ends it with the file.
  if (value.front() == ' ' || value.back() == ' ')
    return Refusal{"starts or ends with a space", "take it out, and close the quotes"};
  return {};
}

template <class Number>
Refused parse_number(const YamlNode& node, Number& to, Number min, Number max) {
  const bool is_whole = std::is_integral_v<Number>;
  const std::string range = "write " + std::string(is_whole ? "a whole number" : "a number") + " from " +
                            plain(static_cast<double>(min)) + " to " + plain(static_cast<double>(max));
  if (node.is_quoted) return Refusal{"is a text in quotes, not a number", range};
  Number value{};
  const char* end = node.text.data() + node.text.size();
  const auto parsed = std::from_chars(node.text.data(), end, value);
  if (parsed.ec == std::errc::result_out_of_range) return Refusal{shown(node.text) + " is out of range", range};
  if (parsed.ec != std::errc{} || parsed.ptr != end)
    return Refusal{shown(node.text) + " is not a " + (is_whole ? "whole number" : "number"), range};
  if (!(value >= min && value <= max)) return Refusal{shown(node.text) + " is out of range", range};
  to = value;
  return {};
}

}  // namespace

std::string shown(std::string_view value) {
  std::string text = "'";
  for (const char c : value.substr(0, kShownMax)) text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return text + (value.size() > kShownMax ? "...'" : "'");
}

Refused resolve_path(const Reading& reading, const std::string& written, std::string& to) {
  std::string path = written;
  if (path.starts_with(kCredentials)) {
    if (reading.credentials_directory.empty())
      return Refusal{"starts with ${CREDENTIALS_DIRECTORY}, which is not set",
                     "start signetd by a systemd unit with LoadCredential=, or set it to the folder"};
    if (path.size() == kCredentials.size()) return Refusal{"names no credential", "write its name after the slash"};
    path = reading.credentials_directory + "/" + path.substr(kCredentials.size());
  } else if (path.find("${") != path.npos) {
    return Refusal{"has a ${...} that is not expanded", "only ${CREDENTIALS_DIRECTORY}/ at the start is"};
  } else if (path.starts_with("~")) {
    return Refusal{"starts with ~, which is not expanded", "write the whole path"};
  }
  to = (std::filesystem::path(reading.folder) / path).lexically_normal().string();
  return {};
}

Section::Section(Reading& reading, const YamlNode& node, std::string path, int line)
    : reading_(reading), node_(node), path_(std::move(path)), line_(line) {
  if (node.kind == YamlNode::Kind::map) {
    refuse_repeats(node, path_);
  } else if (node.kind != YamlNode::Kind::null) {
    is_broken_ = true;
    fault_at(line_, path_, "is " + name_of(node.kind) + ", not a mapping", "write key: value");
  }
}

Section::~Section() {
  for (const auto* member : others())
    fault_at(member->line, where(member->key), "is unknown", remedy_for_unknown(member->key, known_));
}

void Section::refuse_repeats(const YamlNode& map, const std::string& path) {
  std::map<std::string, int> first;
  for (const auto& member : map.members) {
    const auto [at, is_new] = first.emplace(member.key, member.line);
    if (!is_new)
      fault_at(member.line, (path.empty() ? "" : path + ".") + member.key,
               "is written twice, first on line " + std::to_string(at->second), "keep one");
  }
}

void Section::fault_at(int line, std::string key, std::string text, std::string remedy) {
  for (char& c : key)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  reading_.faults.push_back({reading_.file, line, std::move(key), std::move(text), std::move(remedy)});
}

void Section::fault(const std::string& key, std::string text, std::string remedy) {
  fault_at(line_of(key), where(key), std::move(text), std::move(remedy));
}

int Section::line_of(const std::string& key) const {
  for (const auto& member : node_.members)
    if (member.key == key) return member.line;
  return line_;
}

const YamlNode* Section::find(const std::string& key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  for (const auto& member : node_.members) {
    if (member.key != key) continue;
    if (member.value.kind == YamlNode::Kind::null) return nullptr;
    reading_.lines[where(key)] = member.line;
    return &member.value;
  }
  return nullptr;
}

bool Section::has(const std::string& key) { return find(key) != nullptr; }

void Section::require(const std::string& key, const std::string& remedy) {
  if (!is_broken_ && !has(key)) fault(key, "is missing", remedy);
}

std::vector<const YamlMember*> Section::others() {
  std::vector<const YamlMember*> found;
  Words seen = known_;
  for (const auto& member : node_.members) {
    if (std::find(seen.begin(), seen.end(), member.key) != seen.end()) continue;
    seen.push_back(member.key);
    found.push_back(&member);
  }
  return found;
}

const std::string* Section::scalar(const std::string& key, const YamlNode& node, const char* wanted) {
  if (node.kind != YamlNode::Kind::scalar) {
    fault(key, "is " + name_of(node.kind) + ", not " + wanted, std::string("write ") + wanted);
    return nullptr;
  }
  return &node.text;
}

bool Section::text(const std::string& key, std::string& to, const Check& check) {
  const YamlNode* node = find(key);
  const std::string* value = node != nullptr ? scalar(key, *node, "a text") : nullptr;
  if (value == nullptr) return false;
  Refused refused = refuse_text(*value);
  if (!refused && check) refused = check(*value);
  if (refused) {
    fault(key, std::move(refused->text), std::move(refused->remedy));
    return false;
  }
  to = *value;
  return true;
}

bool Section::word(const std::string& key, std::string& to, const Words& words) {
  return text(key, to, [&](const std::string& value) -> Refused {
    if (std::find(words.begin(), words.end(), value) != words.end()) return {};
    std::string all;
    for (const auto& known : words) all += (all.empty() ? "" : ", ") + known;
    return Refusal{shown(value) + " is not one of its words", "write one of: " + all};
  });
}

bool Section::number(const std::string& key, int& to, int min, int max) {
  const YamlNode* node = find(key);
  if (node == nullptr || scalar(key, *node, "a whole number") == nullptr) return false;
  auto refused = parse_number(*node, to, min, max);
  if (refused) fault(key, std::move(refused->text), std::move(refused->remedy));
  return !refused;
}

bool Section::number(const std::string& key, double& to, double min, double max) {
  const YamlNode* node = find(key);
  if (node == nullptr || scalar(key, *node, "a number") == nullptr) return false;
  auto refused = parse_number(*node, to, min, max);
  if (refused) fault(key, std::move(refused->text), std::move(refused->remedy));
  return !refused;
}

bool Section::flag(const std::string& key, bool& to) {
  const YamlNode* node = find(key);
  const std::string* value = node != nullptr ? scalar(key, *node, "true or false") : nullptr;
  if (value == nullptr) return false;
  if (node->is_quoted || (*value != "true" && *value != "false")) {
    fault(key, shown(*value) + " is not a truth value", "write true or false, without quotes");
    return false;
  }
  to = *value == "true";
  return true;
}

bool Section::path(const std::string& key, std::string& to) {
  std::string resolved;
  std::string written;
  if (!text(key, written, [&](const std::string& value) { return resolve_path(reading_, value, resolved); }))
    return false;
  to = resolved;
  return true;
}

bool Section::paths(const std::string& key, std::vector<std::string>& to) {
  std::vector<std::string> written, found;
  const bool is_good = list(key, written, [&](const std::string& value) {
    std::string resolved;
    auto refused = resolve_path(reading_, value, resolved);
    if (!refused) found.push_back(std::move(resolved));
    return refused;
  });
  if (is_good) to = std::move(found);
  return is_good;
}

bool Section::list(const std::string& key, std::vector<std::string>& to, const Check& check, bool or_single) {
  const YamlNode* node = find(key);
  if (node == nullptr) return false;
  const std::vector<YamlNode> single(or_single && node->kind == YamlNode::Kind::scalar ? 1 : 0, *node);
  if (node->kind != YamlNode::Kind::list && single.empty()) {
    fault(key, "is " + name_of(node->kind) + ", not a list", "write [a, b]");
    return false;
  }
  std::vector<std::string> found;
  bool is_good = true;
  const auto& items = single.empty() ? node->items : single;
  for (size_t i = 0; i < items.size(); ++i) {
    Refused refused;
    if (items[i].kind != YamlNode::Kind::scalar)
      refused = Refusal{"is " + name_of(items[i].kind) + ", not a text", "write a text"};
    else
      refused = refuse_text(items[i].text);
    if (!refused && check) refused = check(items[i].text);
    if (refused) {
      fault_at(items[i].line, where(key) + (single.empty() ? "[" + std::to_string(i) + "]" : ""),
               std::move(refused->text), std::move(refused->remedy));
      is_good = false;
    } else {
      found.push_back(items[i].text);
    }
  }
  to = std::move(found);
  return is_good;
}

bool Section::numbers(const std::string& key, std::vector<int>& to, size_t count, int min, int max) {
  const YamlNode* node = find(key);
  if (node == nullptr) return false;
  if (node->kind != YamlNode::Kind::list || node->items.size() != count) {
    fault(key, "is not a list of " + std::to_string(count) + " numbers",
          count == 2 ? "write [20, 10] or the like" : "write [600, 120, 60] or the like");
    return false;
  }
  std::vector<int> found(count);
  bool is_good = true;
  for (size_t i = 0; i < count; ++i) {
    auto refused = parse_number(node->items[i], found[i], min, max);
    if (!refused) continue;
    fault_at(node->items[i].line, where(key) + "[" + std::to_string(i) + "]", std::move(refused->text),
             std::move(refused->remedy));
    is_good = false;
  }
  if (is_good) to = std::move(found);
  return is_good;
}

void Section::section(const std::string& key, const std::function<void(Section&)>& read) {
  static const YamlNode kEmpty;
  const YamlNode* node = find(key);
  Section inner(reading_, node != nullptr ? *node : kEmpty, where(key), line_of(key));
  inner.is_broken_ |= is_broken_;
  read(inner);
}

size_t Section::each(const std::string& key, const std::function<void(Section&)>& read) {
  const YamlNode* node = find(key);
  if (node == nullptr) return kNoList;
  if (node->kind != YamlNode::Kind::list) {
    fault(key, "is " + name_of(node->kind) + ", not a list", "start each entry with a dash");
    return kNoList;
  }
  for (size_t i = 0; i < node->items.size(); ++i) {
    const std::string path = where(key) + "[" + std::to_string(i) + "]";
    if (node->items[i].kind == YamlNode::Kind::null) {
      fault_at(node->items[i].line, path, "is empty", "write the entry, or take the dash away");
      continue;
    }
    Section entry(reading_, node->items[i], path, node->items[i].line);
    if (!entry.is_broken_) read(entry);
  }
  return node->items.size();
}

}  // namespace signet
