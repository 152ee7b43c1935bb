// One mapping of a configuration file being read: it takes values out by key, records the line of each, and turns
// whatever is wrong into a Fault, so that all are found in one pass. When a Section goes, keys that nobody asked for
// are faults too. A missing or `~` value leaves the destination as it was: its default.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/fault.h"
#include "config/syntax.h"
#include "config/yaml.h"

namespace signet {

struct Reading {  // of one file
  std::string file;
  std::string folder;                 // absolute; relative paths start here
  std::string credentials_directory;  // empty: not under systemd
  std::vector<Fault> faults;
  std::map<std::string, int> lines;  // of every key with a value: "http.admin.listen" -> 17
};

// What a value may be, beyond its type.
using Check = std::function<Refused(const std::string&)>;
using Words = std::vector<std::string>;

class Section {
 public:
  Section(Reading& reading, const YamlNode& node, std::string path, int line);
  ~Section();
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;

  // Each returns true if there is a value and it is good, and only then writes `to`.
  bool text(const std::string& key, std::string& to, const Check& check = {});
  bool word(const std::string& key, std::string& to, const Words& words);
  bool number(const std::string& key, int& to, int min, int max);
  bool number(const std::string& key, double& to, double min, double max);
  bool flag(const std::string& key, bool& to);
  // A file or folder: absolute at the end, relative to the configuration's folder or below ${CREDENTIALS_DIRECTORY}.
  bool path(const std::string& key, std::string& to);
  // With `or_single` a lone scalar is a list of one. An entry that is refused is left out.
  bool list(const std::string& key, std::vector<std::string>& to, const Check& check = {}, bool or_single = false);
  bool paths(const std::string& key, std::vector<std::string>& to);  // each as path()
  bool numbers(const std::string& key, std::vector<int>& to, size_t count, int min, int max);

  // An absent mapping is read as an empty one.
  void section(const std::string& key, const std::function<void(Section&)>& read);
  // A list of mappings. Returns how many entries there are, bad ones too; kNoList if it is absent or something else.
  static constexpr size_t kNoList = SIZE_MAX;
  size_t each(const std::string& key, const std::function<void(Section&)>& read);
  // Members that nobody has asked for by name yet, each key once: for mappings with free keys.
  std::vector<const YamlMember*> others();

  bool has(const std::string& key);  // with a value; a fault in it counts as a value
  void require(const std::string& key, const std::string& remedy);
  void fault(const std::string& key, std::string text, std::string remedy);  // at the key's line, else the mapping's
  int line() const { return line_; }
  int line_of(const std::string& key) const;  // the mapping's, if the key is not there
  std::string where(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }

 private:
  const YamlNode* find(const std::string& key);  // nullptr: absent or ~
  const std::string* scalar(const std::string& key, const YamlNode& node, const char* wanted);
  void refuse_repeats(const YamlNode& map, const std::string& path);
  void fault_at(int line, std::string key, std::string text, std::string remedy);

  Reading& reading_;
  const YamlNode& node_;
  std::string path_;
  int line_;
  bool is_broken_ = false;  // not a mapping: one fault says so, and what it lacks is not listed
  Words known_;
};

// The absolute form of a path as written, or why not.
Refused resolve_path(const Reading& reading, const std::string& written, std::string& to);
// A value as a fault may show it: short, printable, in quotes.
std::string shown(std::string_view value);

}  // namespace signet
