// What the daemon says: a text and named fields. Under systemd the fields go to the journal as fields; else to
// standard error, as text or as one JSON object a line. Never a recipient, a message text or a secret (Phi and Secret
// do not convert). Handed down from main; any thread.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace signet {

enum class LogLevel { debug, info, warn, error };
enum class LogFormat { automatic, text, json };  // automatic: the journal when standard error is its stream, else text

struct LogField {
  std::string_view name;  // snake_case; in the journal SIGNET_NAME
  std::string value;
};

class Log {
 public:
  virtual ~Log() = default;
  virtual void write(LogLevel level, std::string_view text, std::initializer_list<LogField> fields) = 0;
  void debug(std::string_view text, std::initializer_list<LogField> f = {}) { write(LogLevel::debug, text, f); }
  void info(std::string_view text, std::initializer_list<LogField> f = {}) { write(LogLevel::info, text, f); }
  void warn(std::string_view text, std::initializer_list<LogField> f = {}) { write(LogLevel::warn, text, f); }
  void error(std::string_view text, std::initializer_list<LogField> f = {}) { write(LogLevel::error, text, f); }
};

std::unique_ptr<Log> make_log(LogLevel level, LogFormat format);

}  // namespace signet
