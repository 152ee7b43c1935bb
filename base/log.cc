#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/bytes.h"
#include "base/canonical_json.h"
#include "base/check.h"

namespace signet {
namespace {

constexpr size_t kNameMax = 64 - 7;  // the journal's limit, less "SIGNET_"

// Names are literals of ours: a bad one is a bug that any test of the line finds.
void check_name(std::string_view name) {
  SIGNET_CHECK(!name.empty() && name.size() <= kNameMax && name.front() >= 'a' && name.front() <= 'z');
  for (const char c : name) SIGNET_CHECK((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
}

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

// What came from outside must not forge lines or steer the terminal: C0, DEL and C1 controls, broken UTF-8.
void append_escaped(std::string& to, std::string_view text, bool is_quoted) {
  const bool is_whole = is_utf8(text);
  for (size_t i = 0; i < text.size(); i++) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool is_c1 = is_whole && c == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c == '\n') {
      to += "\\n";
    } else if (c == '\r') {
      to += "\\r";
    } else if (c == '\t') {
      to += "\\t";
    } else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_whole)) {
      to += "\\x" + to_hex(text.substr(i, 1));
    } else if (is_c1) {
      to += "\\x" + to_hex(text.substr(++i, 1));
    } else if (c == '\\' || (is_quoted && c == '"')) {
      to += '\\';
      to += static_cast<char>(c);
    } else {
      to += static_cast<char>(c);
    }
  }
}

std::string text_line(LogLevel level, std::string_view text, std::initializer_list<LogField> fields) {
  std::string line(name_of(level));
  line += ' ';
  append_escaped(line, text, false);
  for (const auto& field : fields) {
    line += ' ';
    line += field.name;
    line += '=';
    const bool needs_quotes = field.value.empty() || field.value.find_first_of(" =\"") != std::string::npos;
    if (needs_quotes) line += '"';
    append_escaped(line, field.value, needs_quotes);
    if (needs_quotes) line += '"';
  }
  return line;
}

// JSON must be UTF-8: bytes that are not become U+FFFD.
std::string as_utf8(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80)
      out += c;
    else
      out += "\xef\xbf\xbd";
  }
  return out;
}

// The members after "time", which spdlog writes.
std::string json_members(LogLevel level, std::string_view text, std::initializer_list<LogField> fields) {
  std::string line = "\"level\":\"" + std::string(name_of(level)) + "\",\"text\":";
  append_json_string(line, as_utf8(text));
  for (const auto& field : fields) {
    line += ",\"";
    line += field.name;
    if (field.name == "time" || field.name == "level" || field.name == "text") line += '_';  // ours came first
    line += "\":";
    append_json_string(line, as_utf8(field.value));
  }
  return line;
}

// spdlog stamps the time, serializes threads and writes each line at once.
std::unique_ptr<spdlog::logger> stderr_logger(const char* pattern) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc, "\n"));
  auto logger = std::make_unique<spdlog::logger>("signet", std::move(sink));
  logger->set_level(spdlog::level::trace);  // ours decides
  return logger;
}

class StderrLog : public Log {
 public:
  StderrLog(LogLevel level, bool is_json)
      : level_(level),
        is_json_(is_json),
        logger_(stderr_logger(is_json ? "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",%v}" : "%Y-%m-%dT%H:%M:%S.%eZ %v")) {}

  void write(LogLevel level, std::string_view text, std::initializer_list<LogField> fields) override {
    for (const auto& field : fields) check_name(field.name);
    if (level < level_) return;
    const std::string line = is_json_ ? json_members(level, text, fields) : text_line(level, text, fields);
    logger_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  const LogLevel level_;
  const bool is_json_;
  const std::unique_ptr<spdlog::logger> logger_;
};

int priority_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return LOG_DEBUG;
    case LogLevel::info:
      return LOG_INFO;
    case LogLevel::warn:
      return LOG_WARNING;
    case LogLevel::error:
      return LOG_ERR;
  }
  return LOG_ERR;
}

class JournalLog : public Log {
 public:
  explicit JournalLog(LogLevel level) : level_(level), otherwise_(level, false) {}

  void write(LogLevel level, std::string_view text, std::initializer_list<LogField> fields) override {
    for (const auto& field : fields) check_name(field.name);
    if (level < level_) return;
    std::vector<std::string> entries;
    entries.reserve(fields.size() + 3);
    entries.push_back("PRIORITY=" + std::to_string(priority_of(level)));
    entries.push_back("SYSLOG_IDENTIFIER=signetd");
    entries.push_back("MESSAGE=" + std::string(text));  // the journal is length-prefixed: nothing to escape
    for (const auto& field : fields) {
      std::string entry = "SIGNET_";
      for (const char c : field.name) entry += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
      entries.push_back(entry + "=" + field.value);
    }
    std::vector<iovec> parts;
    parts.reserve(entries.size());
    for (auto& entry : entries) parts.push_back({entry.data(), entry.size()});
    // A journal that refuses must not silence us (one that is not there at all libsystemd passes over).
    if (sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) < 0) otherwise_.write(level, text, fields);
  }

 private:
  const LogLevel level_;
  StderrLog otherwise_;
};

// systemd.exec(5): $JOURNAL_STREAM holds the device and inode of the journal's end; a child that redirects its standard
// error inherits the variable, so only the comparison tells. Read here and not in main, because it says something about
// the descriptor this file writes to and is no setting of ours.
bool is_stderr_the_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  unsigned long long device = 0, inode = 0;
  struct stat info {};
  return stream != nullptr && std::sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
         ::fstat(STDERR_FILENO, &info) == 0 && info.st_dev == device && info.st_ino == inode;
}

}  // namespace

std::unique_ptr<Log> make_log(LogLevel level, LogFormat format) {
  if (format == LogFormat::automatic && is_stderr_the_journal()) return std::make_unique<JournalLog>(level);
  return std::make_unique<StderrLog>(level, format == LogFormat::json);
}

}  // namespace signet
