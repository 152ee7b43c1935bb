// A YAML file as a tree that keeps what yaml-cpp's own drops: the line of every key, repeated keys, quotes.
#pragma once

#include <string>
#include <vector>

#include "config/fault.h"

namespace signet {

struct YamlMember;

struct YamlNode {
  enum class Kind { null, scalar, list, map } kind = Kind::null;
  int line = 0;                     // from 1
  std::string text;                 // of a scalar
  bool is_quoted = false;           // "5" and not 5
  std::vector<YamlNode> items;      // of a list
  std::vector<YamlMember> members;  // of a map, in the file's order, repeated ones too
};

struct YamlMember {
  std::string key;
  int line = 0;
  YamlNode value;
};

struct YamlDocument {
  YamlNode root;
  std::vector<Fault> faults;   // with these `root` may be incomplete
  bool is_unreadable = false;  // there is no tree, `faults` says why
};

constexpr size_t kYamlBytesMax = 1 << 20;

// Reads a regular file of at most 1 MiB of UTF-8 that holds one document. Anchors, aliases and tags are refused: a
// reader should find each value where its key is. Throws nothing.
YamlDocument read_yaml(const std::string& path);

}  // namespace signet
