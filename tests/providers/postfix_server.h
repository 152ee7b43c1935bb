// A Postfix of the test's own: a scratch folder, loopback, mail for nobody but the domains that the test names. Needs
// root, as Postfix does.
#pragma once

#include <memory>
#include <string>

#include "tests/fakes/process.h"

namespace signet::testing {

class PostfixServer {
 public:
  // `transports`: lines of transport(5), "discarded.example discard:". `pipe`: a command for the transport "report:",
  // run as nobody with the mail on its standard input; empty: there is none.
  PostfixServer(const std::string& transports, const std::string& pipe);
  ~PostfixServer();
  PostfixServer(const PostfixServer&) = delete;
  PostfixServer& operator=(const PostfixServer&) = delete;
  int port() const { return port_; }
  std::string log() const;
  const std::string& folder() const { return folder_; }  // may be entered by anybody

 private:
  std::string folder_;
  int port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace signet::testing
