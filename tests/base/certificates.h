// Certificates of the day, by the openssl command.
#pragma once

#include <cstdlib>
#include <string>

#include "base/check.h"
#include "tests/base/files.h"

namespace signet {

struct Certificates {
  Certificates() {
    make("server", "subjectAltName=DNS:localhost,IP:127.0.0.1");
    make("stranger", "subjectAltName=DNS:localhost");
  }
  std::string certificate(const std::string& name = "server") const { return dir / (name + ".pem"); }
  std::string key(const std::string& name = "server") const { return dir / (name + ".key"); }

  TestDir dir;

 private:
  void make(const std::string& name, const std::string& names) const {
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=" + name +
        " -addext " + names + " -keyout " + key(name) + " -out " + certificate(name) + " 2>/dev/null";
    SIGNET_CHECK(std::system(command.c_str()) == 0);
  }
};

inline const Certificates& certificates() {
  static const Certificates made;
  return made;
}

}  // namespace signet
