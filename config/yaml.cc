#include "config/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

#include "base/bytes.h"

namespace signet {
namespace {

class Builder : public YAML::EventHandler {
 public:
  Builder(const std::string& path, YamlDocument& document) : path_(path), document_(document) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 2) refuse(mark, "starts a second document", "keep one, without --- in the middle");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { scalar(mark, "?", anchor, nullptr); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "is an alias (*name)", "write the value again");
    add({YamlNode::Kind::null, mark.line + 1, {}, false, {}, {}});
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    scalar(mark, tag, anchor, &value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    YamlNode node;
    std::optional<YamlMember> pending;  // a key whose value has not come yet
    bool is_dropped = false;            // its key was refused
  };

  void refuse(const YAML::Mark& mark, std::string text, std::string remedy) {
    document_.faults.push_back({path_, mark.line + 1, {}, std::move(text), std::move(remedy)});
  }
  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) refuse(mark, "has an anchor (&name)", "write the value where it is used");
    if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, "has a tag (!name)", "write the plain value");
  }
  void scalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string* value) {
    check(mark, tag, anchor);
    YamlNode node;
    node.line = mark.line + 1;
    if (value != nullptr) {
      node.kind = YamlNode::Kind::scalar;
      node.text = *value;
      node.is_quoted = tag == "!";
    }
    add(std::move(node));
  }
  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    check(mark, tag, anchor);
    Frame frame;
    frame.node.kind = kind;
    frame.node.line = mark.line + 1;
    stack_.push_back(std::move(frame));
  }
  void close() {
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    add(std::move(node));
  }
  void add(YamlNode node) {
    if (stack_.empty()) {
      if (documents_ == 1) document_.root = std::move(node);
      return;
    }
    Frame& top = stack_.back();
    if (top.node.kind == YamlNode::Kind::list) {
      top.node.items.push_back(std::move(node));
    } else if (!top.pending) {
      top.is_dropped = node.kind != YamlNode::Kind::scalar || node.text.empty();
      if (top.is_dropped)
        document_.faults.push_back({path_, node.line, {}, "has a key that is no word", "write key: value"});
      top.pending = YamlMember{std::move(node.text), node.line, {}};
    } else {
      top.pending->value = std::move(node);
      if (!top.is_dropped) top.node.members.push_back(std::move(*top.pending));
      top.pending.reset();
    }
  }

  const std::string& path_;
  YamlDocument& document_;
  std::vector<Frame> stack_;
  int documents_ = 0;
};

// Empty: `octets` holds the file.
std::string read_whole(const std::string& path, std::string& octets) {
  namespace fs = std::filesystem;
  std::error_code error;
  const auto status = fs::status(path, error);
  if (error) return "cannot be read (" + error.message() + ")";
  if (fs::is_directory(status)) return "is a directory";
  if (!fs::is_regular_file(status)) return "is not a file";
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return std::string("cannot be read (") + std::strerror(errno) + ")";
  octets.resize(kYamlBytesMax + 1);
  stream.read(octets.data(), static_cast<std::streamsize>(octets.size()));
  octets.resize(static_cast<size_t>(stream.gcount()));
  if (octets.size() > kYamlBytesMax) return "is larger than 1 MiB";
  return {};
}

// What yaml-cpp would pass over in silence: it ends a file at octet 4, and takes a tab for one space or none.
void check_characters(const std::string& path, const std::string& octets, std::vector<Fault>& faults) {
  std::istringstream lines(octets);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    bool has_control = false;
    for (const char c : line) has_control |= (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
    if (has_control) {
      faults.push_back(
          {path, number, {}, "holds a control character", "remove it, or write it as an escape in quotes"});
      continue;
    }
    if (!is_utf8(line)) {
      faults.push_back({path, number, {}, "is not UTF-8", "save the file as UTF-8"});
      continue;
    }
    const size_t start = line.find_first_not_of(" \t");
    if (start != std::string::npos && line[start] != '#' && line.find('\t') < start)
      faults.push_back({path, number, {}, "is indented with a tab", "indent with spaces"});
  }
}

}  // namespace

YamlDocument read_yaml(const std::string& path) {
  YamlDocument document;
  document.is_unreadable = true;
  std::string octets;
  if (std::string why = read_whole(path, octets); !why.empty()) {
    document.faults.push_back({path, 0, {}, std::move(why), "name a configuration file like signetd.example.yaml"});
    return document;
  }
  check_characters(path, octets, document.faults);
  if (!document.faults.empty()) return document;
  try {
    std::istringstream stream(octets);
    YAML::Parser parser(stream);
    Builder builder(path, document);
    while (parser.HandleNextDocument(builder)) {
    }
    document.is_unreadable = false;
  } catch (const YAML::Exception& e) {
    document.faults.push_back({path,
                               std::max(e.mark.line + 1, 1),
                               {},
                               "is not YAML (" + e.msg + ")",
                               "mind the indentation, quotes and brackets of this line and the one before"});
  } catch (const std::exception& e) {
    document.faults.push_back({path, 0, {}, std::string("cannot be parsed (") + e.what() + ")", "simplify it"});
  }
  return document;
}

}  // namespace signet
