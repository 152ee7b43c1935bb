#include "config/yaml.h"

#include "tests/config/files.h"

using namespace signet;

namespace {
std::vector<std::string> faults_of(const std::string& octets) {
  const Folder folder;
  return lines_of(read_yaml(folder.write("signetd.yaml", octets)).faults);
}
using Lines = std::vector<std::string>;
}  // namespace

TEST_CASE("a YAML file becomes a tree with the line of each key") {
  const Folder folder;
  const auto document =
      read_yaml(folder.write("a.yaml", "# first\na: 1\nb:\n  - x\n  - \"2\"\nc: { d: ~, e: }\na: 3\n"));
  CHECK(document.faults.empty());
  CHECK_FALSE(document.is_unreadable);
  const YamlNode& root = document.root;
  REQUIRE(root.kind == YamlNode::Kind::map);
  REQUIRE(root.members.size() == 4);
  CHECK(root.members[0].key == "a");
  CHECK(root.members[0].line == 2);
  CHECK(root.members[0].value.text == "1");
  CHECK_FALSE(root.members[0].value.is_quoted);
  REQUIRE(root.members[1].value.kind == YamlNode::Kind::list);
  REQUIRE(root.members[1].value.items.size() == 2);
  CHECK(root.members[1].value.items[1].line == 5);
  CHECK(root.members[1].value.items[1].is_quoted);
  REQUIRE(root.members[2].value.members.size() == 2);
  CHECK(root.members[2].value.members[0].value.kind == YamlNode::Kind::null);
  CHECK(root.members[2].value.members[1].value.kind == YamlNode::Kind::null);
  CHECK(root.members[3].key == "a");
  CHECK(root.members[3].line == 7);
}

TEST_CASE("what is not YAML is refused with its line") {
  const std::string mind = ": mind the indentation, quotes and brackets of this line and the one before";
  CHECK(faults_of("a: 1\nb: [1, 2\nc: 3\n") ==
        Lines{"signetd.yaml:3: is not YAML (end of sequence flow not found)" + mind});
  CHECK(faults_of("a: 1\nb: c: d\n") == Lines{"signetd.yaml:2: is not YAML (illegal map value)" + mind});
  CHECK(faults_of("a: 1\n b: 2\n") == Lines{"signetd.yaml:2: is not YAML (illegal map value)" + mind});
  CHECK(faults_of("a: 1\nb: \"x") == Lines{"signetd.yaml:2: is not YAML (illegal EOF in scalar)" + mind});
  CHECK(faults_of("a: @b\n") == Lines{"signetd.yaml:1: is not YAML (unknown token)" + mind});
}

TEST_CASE("tabs, control characters and other encodings are refused, every line of them") {
  CHECK(faults_of("a:\n\tb: 1\n \tc: 1\n\t# a comment may\n") ==
        Lines{"signetd.yaml:2: is indented with a tab: indent with spaces",
              "signetd.yaml:3: is indented with a tab: indent with spaces"});
  CHECK(faults_of("a: 1\nb: x\x04y\nc: 1\n") ==
        Lines{"signetd.yaml:2: holds a control character: remove it, or write it as an escape in quotes"});
  CHECK(faults_of("a: \xff\n") == Lines{"signetd.yaml:1: is not UTF-8: save the file as UTF-8"});
  CHECK(faults_of("a: 1\r\nb: 2\r\n").empty());
  CHECK(faults_of("\xef\xbb\xbf"
                  "a: 1\n")
            .empty());
}

TEST_CASE("anchors, aliases, tags, odd keys and second documents are refused") {
  CHECK(faults_of("a: &x 1\nb: *x\n") ==
        Lines{"signetd.yaml:1: has an anchor (&name): write the value where it is used",
              "signetd.yaml:2: is an alias (*name): write the value again"});
  CHECK(faults_of("a: !!str 1\n") == Lines{"signetd.yaml:1: has a tag (!name): write the plain value"});
  CHECK(faults_of("a: 1\n~: 2\n[b]: 3\n? { c: d }\n: 4\n") ==
        Lines{"signetd.yaml:2: has a key that is no word: write key: value",
              "signetd.yaml:3: has a key that is no word: write key: value",
              "signetd.yaml:4: has a key that is no word: write key: value"});
  CHECK(faults_of("a: 1\n---\na: 2\n").size() == 1);
  CHECK(faults_of("---\na: 1\n...\n").empty());
}

TEST_CASE("a file that is not there, no file, or too large is refused") {
  const Folder folder;
  CHECK(lines_of(read_yaml(folder.path("signetd.yaml")).faults) ==
        Lines{"signetd.yaml: cannot be read (No such file or directory): name a configuration file like "
              "signetd.example.yaml"});
  std::filesystem::create_directory(folder.path("d"));
  CHECK(lines_of(read_yaml(folder.path("d")).faults) ==
        Lines{"d: is a directory: name a configuration file like signetd.example.yaml"});
  CHECK(lines_of(read_yaml("/dev/null").faults) ==
        Lines{"null: is not a file: name a configuration file like signetd.example.yaml"});
  CHECK(faults_of(std::string(kYamlBytesMax + 1, '#')) ==
        Lines{"signetd.yaml: is larger than 1 MiB: name a configuration file like signetd.example.yaml"});
}

TEST_CASE("brackets without end do not exhaust the stack") {
  for (const char* open : {"[", "{a: ", "- "}) {
    std::string deep;
    for (int i = 0; i < 50000; ++i) deep += open;
    CHECK(faults_of(deep).size() == 1);
  }
}
