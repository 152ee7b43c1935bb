// A child process of a test: its output in a file, killed when this object goes.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace signet {

class Process {
 public:
  Process(const std::vector<std::string>& command, const std::string& output_file);
  ~Process();  // SIGKILL
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  void signal(int number) const;
  int wait();  // exit status, or 128 + signal
  bool is_running();
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int status_ = 0;
};

// Asks until `is_so` says yes; throws, naming `what`, after about `seconds`.
// Runs it to its end and gives what it said, which goes through that file. Throws if it ends with another status.
std::string said_by(const std::vector<std::string>& command, const std::string& file, int expected_status);
// The token in what `signetd token create` says. Throws if there is none.
std::string token_in(const std::string& text);
void wait_until(const std::string& what, const std::function<bool()>& is_so, int seconds = 60);
int free_tcp_port();
std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& text, int mode = 0600);

}  // namespace signet
