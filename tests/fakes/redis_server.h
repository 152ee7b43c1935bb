// A real redis-server for tests: on a free port of 127.0.0.1, in a directory of its own, nothing persisted. Gone with
// this object, and with the test program if that dies first. Blocking; any one thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace signet::test {

int free_port();  // of 127.0.0.1, at this moment

class RedisServer {
 public:
  explicit RedisServer(std::vector<std::string> more_arguments = {});  // e.g. {"--requirepass", "x"}; starts it
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  void start();  // answers PING when this returns; on the same port as before, empty. Throws if it does not start
  void start_from(const std::string& dump_file);  // likewise, but with what dump() kept there
  void dump(const std::string& file) const;       // what it holds now; blocks it meanwhile
  void stop();                                    // SIGTERM
  void kill9();                                   // SIGKILL
  void freeze();                                  // SIGSTOP: connections stay, nothing answers
  void thaw();
  bool is_running() const { return pid_ > 0; }
  int port() const { return port_; }
  std::string url() const;  // redis://127.0.0.1:port
  // One command over a connection of its own. Texts, integers and status as text; arrays a line an element; an error
  // reply throws.
  std::string command(const std::vector<std::string>& arguments) const;
  // Every command that the server runs while `work` does, those of scripts too: MONITOR's lines.
  std::vector<std::string> commands_during(const std::function<void()>& work) const;

 private:
  void launch();
  void end(int signal);
  std::vector<std::string> more_arguments_;
  std::string directory_;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace signet::test
