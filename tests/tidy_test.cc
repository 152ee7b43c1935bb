// The house rules that a compiler does not hold, and only these three:
//   arrows   which room may include which;
//   vendors  each library's headers in the .cc files of its own room, and in no .h;
//   clock    the time is read in base/clock.cc alone, so that tests and the simulator can advance it.
// The checker is a function of {path -> text}; the last test runs it over the real tree, those before it over small
// trees with violations planted in them.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Tree = std::map<std::string, std::string>;
using Strings = std::vector<std::string>;

struct Refusal {
  std::string file;
  int line;
  std::string why;
};

std::ostream& operator<<(std::ostream& out, const Refusal& refusal) {
  return out << refusal.file << ":" << refusal.line << ": " << refusal.why;
}

// ---- The house -----------------------------------------------------------------------------------------------------

const std::map<std::string, std::set<std::string>> kMaySee = {
    {"base", {"base"}},
    {"message", {"base", "message"}},
    {"audit", {"base", "message", "audit"}},
    {"queue", {"base", "message", "queue"}},
    {"providers", {"base", "message", "providers"}},
    {"store", {"base", "message", "store"}},
    {"config", {"base", "config"}},
    {"daemon", {"base", "message", "audit", "queue", "providers", "store", "config", "daemon"}},
    {"tests", {"base", "message", "audit", "queue", "providers", "store", "config", "daemon", "tests"}},
};

struct Vendor {
  std::string name;
  Strings headers;  // "curl/" is a folder of headers, "uv.h" a single one
  Strings places;   // "queue/" is a room or a part of one, "daemon/main.cc" a single file, "" everywhere
  std::string instead;
};

const std::vector<Vendor> kVendors = {
    {"OpenSSL", {"openssl/"}, {"base/"}, "base/crypto.h or base/tls.h"},
    {"spdlog and fmt", {"spdlog/", "fmt/"}, {"base/"}, "base/log.h"},
    {"libsystemd", {"systemd/"}, {"base/"}, "base/notify.h or base/log.h"},
    {"argon2", {"argon2.h"}, {"base/"}, "base/password.h"},
    {"libuv", {"uv.h", "uv/"}, {"base/", "providers/", "queue/", "store/", "daemon/http/"}, "base/loop.h"},
    {"dtl", {"dtl/"}, {"message/"}, "message/diff.h"},
    {"libphonenumber", {"phonenumbers/", "google/protobuf/"}, {"message/"}, "message/phone.h"},
    {"libharu", {"hpdf.h", "hpdf_"}, {"audit/"}, "audit/pdf.h"},
    {"libarchive", {"archive.h", "archive_entry.h"}, {"audit/"}, "audit/bundle.h"},
    {"hiredis", {"hiredis/"}, {"queue/"}, "queue/redis_client.h"},
    {"libcurl", {"curl/"}, {"providers/"}, "providers/transport.h"},
    {"GMime", {"gmime/", "glib.h", "glib/", "glib-object.h", "gio/"}, {"providers/"}, "providers/mime.h"},
    {"simdjson", {"simdjson.h", "simdjson/"}, {"providers/", "daemon/http/"}, "nlohmann/json in a .cc"},
    {"libpq", {"libpq-fe.h", "libpq/", "postgres_ext.h"}, {"store/"}, "store/store.h"},
    {"yaml-cpp", {"yaml-cpp/"}, {"config/"}, "config/config.h"},
    {"Boost", {"boost/"}, {"daemon/http/"}, "daemon/http/request.h and daemon/http/response.h"},
    {"cjose", {"cjose/", "jansson.h"}, {"daemon/intake/"}, "daemon/intake/redis_intake.h"},
    {"CLI11", {"CLI/"}, {"daemon/main.cc"}, "values handed down from daemon/main.cc"},
    {"nlohmann/json", {"nlohmann/"}, {""}, "a type of our own"},
    {"Catch2", {"catch2/"}, {"tests/"}, "a test in tests/"},
};

// Headers of the C library and of Linux: anybody's. C++'s own have neither slash nor dot.
const std::set<std::string> kSystemFolders = {"arpa", "asm", "linux", "net", "netinet", "sanitizer", "sys"};
const std::set<std::string> kSystemHeaders = {
    "aio.h",     "alloca.h",  "assert.h",  "byteswap.h", "cpuid.h",     "ctype.h",    "cxxabi.h",   "dirent.h",
    "dlfcn.h",   "elf.h",     "endian.h",  "errno.h",    "execinfo.h",  "fcntl.h",    "fenv.h",     "float.h",
    "fnmatch.h", "getopt.h",  "glob.h",    "grp.h",      "iconv.h",     "ifaddrs.h",  "inttypes.h", "langinfo.h",
    "libgen.h",  "limits.h",  "link.h",    "locale.h",   "malloc.h",    "math.h",     "mntent.h",   "netdb.h",
    "poll.h",    "pthread.h", "pty.h",     "pwd.h",      "regex.h",     "resolv.h",   "sched.h",    "semaphore.h",
    "setjmp.h",  "signal.h",  "spawn.h",   "stdarg.h",   "stdbool.h",   "stddef.h",   "stdint.h",   "stdio.h",
    "stdlib.h",  "string.h",  "strings.h", "syslog.h",   "termios.h",   "threads.h",  "time.h",     "ucontext.h",
    "unistd.h",  "utime.h",   "wchar.h",   "wctype.h",   "immintrin.h", "x86intrin.h"};

// Named in any way, called or not: a pointer to one reads the clock as well.
const std::set<std::string> kClockReads = {"gettimeofday", "clock_gettime",   "timespec_get",    "uv_now",
                                           "uv_hrtime",    "uv_gettimeofday", "uv_clock_gettime"};
constexpr const char* kClockHome = "base/clock.cc";

// ---- Reading C++ ---------------------------------------------------------------------------------------------------

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// The word that ends just before `end`; a number with its separators counts as one.
std::string_view word_before(std::string_view text, size_t end) {
  size_t begin = end;
  while (begin > 0 && (is_word(text[begin - 1]) || text[begin - 1] == '\'')) --begin;
  return text.substr(begin, end - begin);
}

struct Source {
  std::string without_comments;  // string literals still there, but for raw ones: what directives are read from
  std::string code;              // without either
};

// Both texts keep the length and the line breaks of the original: what is taken out becomes blanks.
Source read_source(std::string_view text) {
  Source out{std::string(text), std::string(text)};
  auto blank = [&](size_t begin, size_t end, bool in_both) {
    for (size_t i = begin; i < std::min(end, text.size()); ++i) {
      if (text[i] == '\n') continue;
      out.code[i] = ' ';
      if (in_both) out.without_comments[i] = ' ';
    }
  };
  auto find = [&](std::string_view what, size_t from) { return std::min(text.find(what, from), text.size()); };

  size_t i = 0;
  while (i < text.size()) {
    std::string_view rest = text.substr(i);
    size_t end = i + 1;
    if (rest.starts_with("//")) {
      end = i;
      do {  // a backslash at its end carries the comment on
        end = find("\n", end + 1);
      } while (end < text.size() && text[end - 1] == '\\');
      blank(i, end, true);
    } else if (rest.starts_with("/*")) {
      end = find("*/", i + 2) + 2;
      blank(i, end, true);
    } else if (rest[0] == '"') {
      std::string_view prefix = word_before(text, i);
      if (prefix == "R" || prefix == "u8R" || prefix == "uR" || prefix == "UR" || prefix == "LR") {
        size_t open = find("(", i);
        std::string close = ")" + std::string(text.substr(i + 1, open - i - 1)) + "\"";
        end = find(close, open) + close.size();
        blank(i, end, true);
      } else {
        while (end < text.size() && text[end] != '"' && text[end] != '\n') end += text[end] == '\\' ? 2 : 1;
        blank(i + 1, end, false);
        if (end < text.size() && text[end] == '"') ++end;
      }
    } else if (rest[0] == '\'') {
      std::string_view word = word_before(text, i);
      bool in_number = !word.empty() && std::isdigit(static_cast<unsigned char>(word[0])) != 0;
      if (!in_number) {
        while (end < text.size() && text[end] != '\'' && text[end] != '\n') end += text[end] == '\\' ? 2 : 1;
        blank(i + 1, end, false);
        if (end < text.size() && text[end] == '\'') ++end;
      }
    }
    i = end;
  }
  return out;
}

struct Include {
  int line;
  std::string path;
};

std::vector<Include> includes_of(const std::string& without_comments) {
  std::vector<Include> out;
  std::istringstream lines(without_comments);
  std::string text;
  for (int line = 1; std::getline(lines, text); ++line) {
    std::string_view rest = text;
    auto skip_blanks = [&] { rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size())); };
    skip_blanks();
    if (!rest.starts_with('#')) continue;
    rest.remove_prefix(1);
    skip_blanks();
    if (!rest.starts_with("include")) continue;
    rest.remove_prefix(std::string_view("include").size());
    skip_blanks();
    if (rest.empty() || (rest[0] != '"' && rest[0] != '<')) continue;
    size_t end = rest.find(rest[0] == '"' ? '"' : '>', 1);
    if (end != std::string_view::npos) out.push_back({line, std::string(rest.substr(1, end - 1))});
  }
  return out;
}

std::string room_of(const std::string& path) { return path.substr(0, path.find('/')); }
bool is_header(const std::string& path) { return !path.ends_with(".cc") && !path.ends_with(".cpp"); }

// An entry that ends in '/' or '_' stands for all that begins so, and an empty one for everything.
bool matches(const std::string& path, const Strings& entries) {
  return std::any_of(entries.begin(), entries.end(), [&](const std::string& entry) {
    bool is_prefix = entry.empty() || entry.back() == '/' || entry.back() == '_';
    return is_prefix ? path.starts_with(entry) : path == entry;
  });
}

std::string joined(const std::set<std::string>& names, const std::string& but) {
  std::string out;
  for (const std::string& name : names) {
    if (name == but) continue;
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out.empty() ? "no other room" : out;
}

// ---- The three checks ----------------------------------------------------------------------------------------------

// The path from the root that an #include means. One that leads out of its own folder ("../store/store.h") or names a
// neighbour ("loop.h") is followed, so that a relative path is no way around an arrow.
std::string target_of(const Tree& tree, const std::string& file, const std::string& include) {
  if (tree.contains(include) || kMaySee.contains(room_of(include))) return include;
  auto beside = std::filesystem::path(file).parent_path() / include;
  return beside.lexically_normal().generic_string();
}

void check_arrow(const std::string& file, const Include& include, const std::string& target,
                 std::vector<Refusal>& out) {
  const std::string from = room_of(file);
  const std::string to = room_of(target);
  auto seen = kMaySee.find(from);
  if (seen == kMaySee.end()) {
    out.push_back({file, include.line,
                   "\"" + from +
                       "\" is no room of the house; move the file into one, or add the room and what it "
                       "may see to kMaySee in tests/tidy_test.cc"});
  } else if (!seen->second.contains(to)) {
    out.push_back({file, include.line,
                   from + " must not include " + to + " (" + include.path + "); it may see " +
                       joined(seen->second, from) +
                       ". Use an interface or plain data of a room it may see, and let "
                       "daemon bring the two together"});
  }
}

void check_vendor(const std::string& file, const Include& include, std::vector<Refusal>& out) {
  auto vendor =
      std::find_if(kVendors.begin(), kVendors.end(), [&](const Vendor& v) { return matches(include.path, v.headers); });
  if (vendor == kVendors.end()) {
    const bool is_cpp = include.path.find_first_of("./") == std::string::npos;
    const bool is_system = include.path.find('/') == std::string::npos ? kSystemHeaders.contains(include.path)
                                                                       : kSystemFolders.contains(room_of(include.path));
    if (!is_cpp && !is_system) {
      out.push_back({file, include.line,
                     "<" + include.path +
                         "> is of no library that has a room; use one that has, or give it a room in "
                         "kVendors in tests/tidy_test.cc"});
    }
    return;
  }
  const bool in_tests = room_of(file) == "tests";
  // A test may drive any library itself, to check ours against it; its own headers are held like all others.
  if (vendor->name == "Catch2" && in_tests) return;
  if (is_header(file)) {
    out.push_back({file, include.line,
                   vendor->name + " (" + include.path +
                       ") must not be in a header; declare what you need of it "
                       "forward, or use " +
                       vendor->instead + ", and include it in the .cc"});
  } else if (!in_tests && !matches(file, vendor->places)) {
    std::string places;
    for (const std::string& place : vendor->places) places += (places.empty() ? "" : ", ") + place;
    out.push_back(
        {file, include.line, vendor->name + " (" + include.path + ") stays in " + places + "; use " + vendor->instead});
  }
}

// One word of the code and what stands around it, blanks left out.
struct Word {
  size_t line;
  size_t end;  // its offset in the code
  std::string text;
  std::string before;  // the word or up to two signs before it
  std::string after;   // up to two signs after it
};

std::vector<Word> words_of(const std::string& code) {
  std::vector<Word> out;
  size_t line = 1;
  std::string before;
  for (size_t i = 0; i < code.size();) {
    if (!is_word(code[i])) {
      if (code[i] == '\n') ++line;
      if (!is_space(code[i])) {
        if (before.empty() || is_word(before.back()) || before.size() > 1) before.clear();
        before += code[i];
      }
      ++i;
      continue;
    }
    size_t end = i;
    while (end < code.size() && is_word(code[end])) ++end;
    std::string after;
    for (size_t j = end; j < code.size() && after.size() < 2; ++j) {
      if (is_word(code[j])) break;
      if (!is_space(code[j])) after += code[j];
    }
    out.push_back({line, end, code.substr(i, end - i), before, after});
    before = out.back().text;
    i = end;
  }
  return out;
}

// Whether the brackets that open at or after `begin` hold one argument of a call: neither none nor several, and no
// parameter's type and name (const std::string& name).
bool has_one_argument(const std::string& code, size_t begin) {
  int depth = 0;
  bool is_empty = true;
  bool follows_word = false;  // with only blanks, & and * since
  for (size_t i = code.find('(', begin); i < code.size(); ++i) {
    const bool opens = code[i] == '(' || code[i] == '{' || code[i] == '[';
    const bool closes = code[i] == ')' || code[i] == '}' || code[i] == ']';
    if (closes && --depth == 0) break;
    if (depth > 0 && !is_space(code[i])) is_empty = false;
    if (depth == 1 && code[i] == ',') return false;
    if (is_word(code[i])) {
      if (follows_word && !is_word(code[i - 1])) return false;
      follows_word = true;
    } else if (!is_space(code[i]) && code[i] != '&' && code[i] != '*') {
      follows_word = false;
    }
    if (opens) ++depth;
  }
  return !is_empty;
}

// time() of the C library: not a member (reply.time()), not another scope's (http::time()), not a declaration
// (Millis time() const), nor a function that takes something else (time(row, column)).
bool reads_c_time(const std::string& code, const std::vector<Word>& words, size_t i) {
  static const std::set<std::string> kNoType = {"return", "co_return", "co_yield", "co_await", "throw",
                                                "else",   "do",        "and",      "or",       "not"};
  const Word& word = words[i];
  if (word.text != "time" || !word.after.starts_with('(') || !has_one_argument(code, word.end)) return false;
  if (word.before == "::") {
    const bool scope_is_named = i > 0 && words[i - 1].after == "::" && !kNoType.contains(words[i - 1].text);
    return !scope_is_named || words[i - 1].text == "std";
  }
  if (word.before == "->" || word.before.ends_with('.')) return false;
  return word.before.empty() || !is_word(word.before.back()) || kNoType.contains(word.before);
}

void check_clock(const std::string& file, const std::string& code, std::vector<Refusal>& out) {
  if (file == kClockHome) return;
  const std::vector<Word> words = words_of(code);
  // `using Wall = std::chrono::system_clock;` gives a clock another name in this file.
  std::set<std::string> clocks;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i].text != "using" || !words[i + 1].after.starts_with('=')) continue;
    size_t last = i + 2;
    while (last < words.size() && words[last].after == "::") ++last;
    if (last < words.size() && words[last].text.ends_with("_clock")) clocks.insert(words[i + 1].text);
  }
  for (size_t i = 0; i < words.size(); ++i) {
    const Word& word = words[i];
    std::string read;
    if (kClockReads.contains(word.text)) {
      read = word.text;
    } else if (reads_c_time(code, words, i)) {
      read = "time()";
    } else if (word.text == "now" && word.before == "::" && i > 0 &&
               (words[i - 1].text.ends_with("_clock") || clocks.contains(words[i - 1].text))) {
      read = words[i - 1].text + "::now";
    } else {
      continue;
    }
    out.push_back({file, static_cast<int>(word.line),
                   read + " reads the clock outside " + kClockHome +
                       "; use the Clock of base/clock.h that was handed "
                       "down to you, which tests can advance"});
  }
}

std::vector<Refusal> check(const Tree& tree) {
  std::vector<Refusal> out;
  for (const auto& [file, text] : tree) {
    const Source source = read_source(text);
    for (const Include& include : includes_of(source.without_comments)) {
      const std::string target = target_of(tree, file, include.path);
      if (tree.contains(target) || kMaySee.contains(room_of(include.path)) || include.path.starts_with("..")) {
        check_arrow(file, include, target, out);
      } else {
        check_vendor(file, include, out);
      }
    }
    check_clock(file, source.code, out);
  }
  return out;
}

Tree read_tree(const std::filesystem::path& root) {
  static const std::set<std::string> kExtensions = {".cc", ".h", ".cpp", ".hpp", ".def", ".inc"};
  Tree tree;
  for (auto it = std::filesystem::recursive_directory_iterator(root); it != end(it); ++it) {
    const std::string name = it->path().filename().string();
    if (it->is_directory() && (name.starts_with('.') || name == "build" || name == "node_modules")) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file() && kExtensions.contains(it->path().extension().string())) {
      std::ifstream in(it->path(), std::ios::binary);
      std::ostringstream text;
      text << in.rdbuf();
      tree[it->path().lexically_relative(root).generic_string()] = text.str();
    }
  }
  return tree;
}

// ---- Planted trees -------------------------------------------------------------------------------------------------

struct Plant {
  std::string file;
  std::string text;
  int line;             // of the one refusal; 0 where there must be none
  std::string mention;  // a part of what it says
};

void check_plants(const std::vector<Plant>& plants) {
  for (const Plant& plant : plants) {
    const std::vector<Refusal> refusals = check({{plant.file, plant.text}});
    std::ostringstream said;
    for (const Refusal& refusal : refusals) said << refusal << "\n";
    INFO(plant.file << ":\n" << plant.text << "\nsaid: " << said.str());
    if (plant.line == 0) {
      CHECK(refusals.empty());
      continue;
    }
    REQUIRE(refusals.size() == 1);
    CHECK(refusals[0].file == plant.file);
    CHECK(refusals[0].line == plant.line);
    CHECK_THAT(refusals[0].why, Catch::Contains(plant.mention));
  }
}

std::string included(const std::string& path) { return "#include \"" + path + "\"\n"; }
std::string included_system(const std::string& path) { return "#include <" + path + ">\n"; }

}  // namespace

TEST_CASE("an arrow that the house does not have is refused", "[tidy]") {
  for (const auto& [from, seen] : kMaySee) {
    for (const auto& [to, ignored] : kMaySee) {
      const std::string file = from + "/here.cc";
      const auto refusals = check({{file, "\n" + included(to + "/there.h")}});
      INFO(from << " -> " << to);
      REQUIRE(refusals.size() == (seen.contains(to) ? 0 : 1));
      if (refusals.empty()) continue;
      CHECK(refusals[0].file == file);
      CHECK(refusals[0].line == 2);
      CHECK_THAT(refusals[0].why, Catch::StartsWith(from + " must not include ") && Catch::Contains(" " + to + " (") &&
                                      Catch::Contains("Use "));
    }
  }
}

TEST_CASE("the arrows are those of the house", "[tidy]") {
  check_plants({
      {"base/a.cc", included("message/message.h"), 1, "may see no other room"},
      {"message/a.h", included("store/store.h"), 1, "message must not include store"},
      {"store/a.cc", included("queue/queue.h"), 1, "store must not include queue"},
      {"queue/a.cc", included("config/config.h"), 1, "queue must not include config"},
      {"audit/a.cc", included("store/store.h"), 1, "audit must not include store"},
      {"providers/a.cc", included("daemon/app.h"), 1, "providers must not include daemon"},
      {"config/a.cc", included("message/message.h"), 1, "config must not include message"},
      {"daemon/delivery/a.cc", included("tests/fakes/a.h"), 1, "daemon must not include tests"},
      {"store/a.cc", included_system("queue/queue.h"), 1, "store must not include queue"},
      {"store/a.cc", included("../queue/queue.h"), 1, "store must not include queue"},
      {"store/a.cc", "# \tinclude \"queue/queue.h\"\n", 1, "store must not include queue"},
      {"store/a.cc", "#include /* why */ \"queue/queue.h\"\n", 1, "store must not include queue"},
      {"store/a.cc", "auto s = R\"x(\n)\" )x\";\n" + included("queue/queue.h"), 3, "store must not include queue"},
      {"attic/a.cc", included("base/clock.h"), 1, "no room of the house"},
      {"main.cc", included("base/clock.h"), 1, "no room of the house"},
  });
}

TEST_CASE("an include that is only prose, or leads within the room, is allowed", "[tidy]") {
  check_plants({
      {"store/a.cc", "// " + included("queue/queue.h"), 0, ""},
      {"store/a.cc", "/*\n" + included("queue/queue.h") + "*/\n", 0, ""},
      {"store/a.cc", "// carried on \\\n" + included("queue/queue.h"), 0, ""},
      {"store/a.cc", "auto s = R\"(\n" + included("queue/queue.h") + ")\";\n", 0, ""},
      {"daemon/main.cc", included("store/store.h") + included("queue/queue.h") + included("config/config.h"), 0, ""},
      {"tests/daemon/a_test.cc", included("daemon/app.h") + included("tests/fakes/fake_clock.h"), 0, ""},
      {"base/a.cc", included_system("vector") + included_system("sys/socket.h") + included_system("errno.h"), 0, ""},
  });
  CHECK(check({{"base/a.cc", included("b.h")}, {"base/b.h", ""}}).empty());
  CHECK(check({{"daemon/http/a.cc", included("../app.h")}, {"daemon/app.h", ""}}).empty());
}

TEST_CASE("a vendor's header outside its room is refused", "[tidy]") {
  check_plants({
      {"daemon/a.cc", included_system("openssl/evp.h"), 1, "use base/crypto.h"},
      {"store/a.cc", included_system("spdlog/spdlog.h"), 1, "use base/log.h"},
      {"store/a.cc", included_system("fmt/format.h"), 1, "use base/log.h"},
      {"daemon/a.cc", included_system("systemd/sd-daemon.h"), 1, "use base/notify.h"},
      {"daemon/access/a.cc", included_system("argon2.h"), 1, "use base/password.h"},
      {"daemon/delivery/a.cc", included_system("uv.h"), 1, "use base/loop.h"},
      {"daemon/delivery/a.cc", included("uv.h"), 1, "use base/loop.h"},
      {"daemon/api/a.cc", included_system("dtl/dtl.hpp"), 1, "use message/diff.h"},
      {"providers/a.cc", included_system("phonenumbers/phonenumberutil.h"), 1, "use message/phone.h"},
      {"daemon/a.cc", included_system("hpdf.h"), 1, "use audit/pdf.h"},
      {"daemon/a.cc", included_system("archive_entry.h"), 1, "use audit/bundle.h"},
      {"daemon/a.cc", included_system("hiredis/read.h"), 1, "use queue/redis_client.h"},
      {"daemon/a.cc", "\n\n" + included_system("curl/curl.h"), 3, "use providers/transport.h"},
      {"daemon/a.cc", included_system("gmime/gmime.h"), 1, "use providers/mime.h"},
      {"store/a.cc", included_system("simdjson.h"), 1, "use nlohmann/json"},
      {"daemon/api/a.cc", included_system("libpq-fe.h"), 1, "use store/store.h"},
      {"daemon/a.cc", included_system("yaml-cpp/yaml.h"), 1, "use config/config.h"},
      {"daemon/api/a.cc", included_system("boost/beast/http.hpp"), 1, "use daemon/http/request.h"},
      {"daemon/api/a.cc", included_system("cjose/cjose.h"), 1, "use daemon/intake/redis_intake.h"},
      {"daemon/app.cc", included_system("CLI/CLI.hpp"), 1, "handed down from daemon/main.cc"},
      {"base/a.cc", included_system("catch2/catch.hpp"), 1, "a test in tests/"},
      {"store/a.cc", included_system("sqlite3.h"), 1, "no library that has a room"},
      {"base/a.cc", included_system("absl/strings/str_cat.h"), 1, "no library that has a room"},
  });
}

TEST_CASE("a vendor's header in a header is refused, in its own room as well", "[tidy]") {
  check_plants({
      {"base/crypto.h", included_system("openssl/evp.h"), 1, "must not be in a header"},
      {"base/loop.h", included_system("uv.h"), 1, "must not be in a header"},
      {"store/pg_pipeline.h", included_system("libpq-fe.h"), 1, "must not be in a header"},
      {"message/message.h", included_system("nlohmann/json.hpp"), 1, "a type of our own"},
      {"message/message.h", included_system("nlohmann/json_fwd.hpp"), 1, "a type of our own"},
      {"providers/a.def", included_system("curl/curl.h"), 1, "must not be in a header"},
      {"tests/fakes/a.h", included_system("uv.h"), 1, "must not be in a header"},
  });
}

TEST_CASE("a vendor's header at home is allowed", "[tidy]") {
  check_plants({
      {"base/tls.cc", included_system("openssl/ssl.h") + included_system("uv.h"), 0, ""},
      {"store/pg_pipeline.cc", included_system("libpq-fe.h") + included_system("uv.h"), 0, ""},
      {"daemon/http/server.cc", included_system("boost/beast/http.hpp") + included_system("simdjson.h"), 0, ""},
      {"daemon/main.cc", included_system("CLI/CLI.hpp"), 0, ""},
      {"daemon/api/messages.cc", included_system("nlohmann/json.hpp"), 0, ""},
      {"providers/curl_transport.cc", included_system("curl/curl.h"), 0, ""},
      {"tests/providers/resend_test.cc", included_system("curl/curl.h") + included_system("catch2/catch.hpp"), 0, ""},
      {"tests/fakes/a.h", included_system("catch2/catch.hpp"), 0, ""},
      {"daemon/a.cc", "// not " + included_system("curl/curl.h"), 0, ""},
      {"daemon/a.cc", included_system("cctype") + included_system("netinet/in.h"), 0, ""},
  });
}

TEST_CASE("a clock read outside base/clock.cc is refused", "[tidy]") {
  check_plants({
      {"daemon/a.cc", "auto t = std::chrono::steady_clock::now();", 1, "steady_clock::now"},
      {"daemon/a.cc", "using namespace std::chrono;\nauto t = system_clock :: now();", 2, "system_clock::now"},
      {"daemon/a.h", "auto t() { return std::chrono::high_resolution_clock\n  ::now(); }", 2, "high_resolution_clock"},
      {"tests/a_test.cc", "auto now = &std::chrono::utc_clock::now;", 1, "utc_clock::now"},
      {"daemon/a.cc", "using Wall = std::chrono::system_clock;\nauto t = Wall::now();", 2, "Wall::now"},
      {"base/log.cc", "\n\nauto t = time(nullptr);", 3, "time()"},
      {"base/log.cc", "auto t = std::time(nullptr);", 1, "time()"},
      {"base/log.cc", "auto t = ::time(nullptr);", 1, "time()"},
      {"base/log.cc", "int t() { return time (0); }", 1, "time()"},
      {"base/log.cc", "int t() { return ::time(0); }", 1, "time()"},
      {"base/log.cc", "bool is_late = deadline > time(&t) && !done;", 1, "time()"},
      {"base/log.cc", "bool is_late = time(static_cast<time_t*>(0)) > deadline;", 1, "time()"},
      {"base/log.cc", "long u; auto t = time(pick(&u, 1));", 1, "time()"},
      {"store/a.cc", "timeval t; gettimeofday(&t, nullptr);", 1, "gettimeofday"},
      {"store/a.cc", "timespec t; clock_gettime(CLOCK_REALTIME, &t);", 1, "clock_gettime"},
      {"store/a.cc", "int n = 1'000; clock_gettime(CLOCK_REALTIME, &t); // it's", 1, "clock_gettime"},
      {"store/a.cc", "char c = '\"'; auto t = uv_now(loop);", 1, "uv_now"},
      {"queue/a.cc", "auto t = uv_hrtime();", 1, "use the Clock of base/clock.h"},
      {"queue/a.cc", "#error don't\nauto t = uv_hrtime();", 2, "uv_hrtime"},
      {"queue/a.cc", "auto s = \"a \\\" b\"; auto t = uv_hrtime();", 1, "uv_hrtime"},
      {"queue/a.cc", "auto s = R\"(\")\"; auto t = uv_hrtime();", 1, "uv_hrtime"},
  });
}

TEST_CASE("what only looks like a clock read is allowed", "[tidy]") {
  check_plants({
      {"base/clock.cc", "auto t = std::chrono::steady_clock::now(); auto w = time(nullptr);", 0, ""},
      {"daemon/a.cc", "// steady_clock::now() would be wrong here, as is time(nullptr)", 0, ""},
      {"daemon/a.cc", "/* uv_hrtime()\n gettimeofday(&t, 0) */", 0, ""},
      {"store/a.cc", "auto sql = \"select now(), clock_gettime(1), time(0)\";", 0, ""},
      {"store/a.cc", "auto sql = R\"(select \" steady_clock::now())\";", 0, ""},
      {"store/a.cc", "auto sql = R\"sql(\ntime(0) )\" \n)sql\";", 0, ""},
      {"daemon/a.cc", "auto t = clock.now(); auto u = clock_->now_ms(); auto v = Clock::now();", 0, ""},
      {"daemon/a.cc", "auto t = reply.time(); auto u = reply->time(); auto v = http::time(1);", 0, ""},
      {"daemon/a.h", "struct Row { Millis time() const; std::chrono::system_clock::time_point at; };", 0, ""},
      {"store/a.cc", "auto t = time(row, column); auto u = time(); auto v = time({1, 2}, 3);", 0, ""},
      {"daemon/a.h", "std::optional<WallTime> time(const std::string& name);", 0, ""},
      {"daemon/a.h", "const Row& time(int row);", 0, ""},
      {"daemon/a.cc", "auto d = lease_time(3); auto e = time_left(4); int time = 5; use(time);", 0, ""},
      {"daemon/a.cc", "#include <time.h>\n#include <sys/time.h>\n#include <ctime>", 0, ""},
  });
}

TEST_CASE("every refusal of a file is told, each with its line", "[tidy]") {
  const auto refusals = check({
      {"queue/a.cc", included("store/store.h") + included_system("curl/curl.h") + "auto t = uv_hrtime();\n"},
      {"store/b.cc", included("base/clock.h")},
      {"store/c.h", "\n" + included("libpq-fe.h")},
  });
  REQUIRE(refusals.size() == 4);
  const std::vector<std::pair<std::string, int>> expected = {
      {"queue/a.cc", 1}, {"queue/a.cc", 2}, {"queue/a.cc", 3}, {"store/c.h", 2}};
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(refusals[i].file == expected[i].first);
    CHECK(refusals[i].line == expected[i].second);
  }
}

TEST_CASE("the tree keeps to the arrows, the vendors' rooms and the one clock", "[tidy]") {
  const Tree tree = read_tree(SIGNET_SOURCE_DIR);
  // Else the wrong folder was read, and nothing would be found in it.
  REQUIRE(tree.contains(kClockHome));
  REQUIRE(tree.contains("tests/tidy_test.cc"));
  std::ostringstream said;
  for (const Refusal& refusal : check(tree)) said << refusal << "\n";
  CHECK_THAT(said.str(), Catch::Equals(""));
}
