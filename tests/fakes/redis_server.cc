#include "tests/fakes/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace signet::test {
namespace {

sockaddr_in local_address(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

class Connection {  // blocking, RESP2
 public:
  explicit Connection(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = local_address(port);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      close(fd_);
      throw std::runtime_error("redis-server does not accept connections");
    }
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  std::string ask(const std::vector<std::string>& arguments) {
    std::string out = "*" + std::to_string(arguments.size()) + "\r\n";
    for (const auto& argument : arguments) out += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
    for (size_t sent = 0; sent < out.size();) {
      const ssize_t n = send(fd_, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) throw std::runtime_error("redis-server hung up");
      sent += static_cast<size_t>(n);
    }
    return reply();
  }

  std::string reply() {
    const std::string head = line();
    const std::string rest = head.substr(1);
    if (head[0] == '-') throw std::runtime_error("redis: " + rest);
    if (head[0] == '+' || head[0] == ':') return rest;
    const int size = std::stoi(rest);
    if (size < 0) return "";
    std::string text;
    if (head[0] == '*') {
      for (int i = 0; i < size; i++) text += reply() + "\n";
      return text;
    }
    while (in_.size() < static_cast<size_t>(size) + 2) more();
    text = in_.substr(0, static_cast<size_t>(size));
    in_.erase(0, static_cast<size_t>(size) + 2);
    return text;
  }

 private:
  void more() {
    char octets[65536];
    const ssize_t n = recv(fd_, octets, sizeof octets, 0);
    if (n <= 0) throw std::runtime_error("redis-server hung up");
    in_.append(octets, static_cast<size_t>(n));
  }
  std::string line() {
    size_t end = 0;
    while ((end = in_.find("\r\n")) == std::string::npos) more();
    std::string text = in_.substr(0, end);
    in_.erase(0, end + 2);
    return text;
  }

  int fd_;
  std::string in_;
};

// What it prints until it is ready, or all of it if it ends before.
std::string read_until_ready(int fd, bool& is_ready) {
  std::string text;
  char octets[4096];
  for (ssize_t n = 0; (n = read(fd, octets, sizeof octets)) > 0;) {
    text.append(octets, static_cast<size_t>(n));
    is_ready = text.find("Ready to accept connections") != std::string::npos;
    if (is_ready) break;
  }
  return text;
}

}  // namespace

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = local_address(0);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("no free port");
  close(fd);
  return ntohs(address.sin_port);
}

RedisServer::RedisServer(std::vector<std::string> more_arguments) : more_arguments_(std::move(more_arguments)) {
  std::string directory = (std::filesystem::temp_directory_path() / "signet-redis-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) throw std::runtime_error("no temporary directory");
  directory_ = directory;
  for (int attempt = 0;; attempt++) {  // another program may take the port meanwhile
    port_ = free_port();
    try {
      start();
      break;
    } catch (const std::runtime_error&) {
      if (attempt == 4) throw;
    }
  }
}

RedisServer::~RedisServer() {
  if (is_running()) kill9();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void RedisServer::start() {
  std::filesystem::remove(directory_ + "/dump.rdb");
  launch();
}

void RedisServer::start_from(const std::string& dump_file) {
  std::filesystem::copy_file(dump_file, directory_ + "/dump.rdb", std::filesystem::copy_options::overwrite_existing);
  launch();
}

void RedisServer::dump(const std::string& file) const {
  command({"SAVE"});
  std::filesystem::copy_file(directory_ + "/dump.rdb", file, std::filesystem::copy_options::overwrite_existing);
}

void RedisServer::launch() {
  std::vector<std::string> arguments{
      "redis-server", "--port",  std::to_string(port_), "--bind", "127.0.0.1", "--appendonly", "no", "--save", "",
      "--dir",        directory_};
  arguments.insert(arguments.end(), more_arguments_.begin(), more_arguments_.end());
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    dup2(out[1], STDOUT_FILENO);
    execvp("redis-server", argv.data());
    _exit(127);
  }
  close(out[1]);
  bool is_ready = false;
  const std::string said = read_until_ready(out[0], is_ready);
  close(out[0]);  // what it says later is lost; it ignores SIGPIPE
  if (!is_ready) {
    end(SIGKILL);
    throw std::runtime_error("redis-server (apt install redis-server) did not start: " + said);
  }
  if (more_arguments_.empty() && command({"PING"}) != "PONG") throw std::runtime_error("redis-server is odd");
}

void RedisServer::end(int signal) {
  if (pid_ <= 0) return;
  ::kill(pid_, signal);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void RedisServer::stop() { end(SIGTERM); }
void RedisServer::kill9() { end(SIGKILL); }
void RedisServer::freeze() { ::kill(pid_, SIGSTOP); }
void RedisServer::thaw() { ::kill(pid_, SIGCONT); }

std::string RedisServer::url() const { return "redis://127.0.0.1:" + std::to_string(port_); }

std::vector<std::string> RedisServer::commands_during(const std::function<void()>& work) const {
  Connection monitor(port_);
  monitor.ask({"MONITOR"});
  work();
  const std::string mark = "the end of " + directory_;
  command({"ECHO", mark});
  std::vector<std::string> out;
  for (;;) {
    std::string line = monitor.reply();
    if (line.find(mark) != std::string::npos) return out;
    out.push_back(std::move(line));
  }
}

std::string RedisServer::command(const std::vector<std::string>& arguments) const {
  return Connection(port_).ask(arguments);
}

}  // namespace signet::test
