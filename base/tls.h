// TLS 1.2 and later over memory (OpenSSL's memory BIOs), so that it runs on any stream.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace signet {

// Certificates and settings shared by sessions. Any thread once made.
class TlsContext {
 public:
  // Verifies peers against the system's certificates, or against `ca_file` if given. `verify` false only for
  // opportunistic STARTTLS (RFC 7435), where an unverified peer is better than clear text.
  static Result<std::shared_ptr<TlsContext>> client(const std::string& ca_file = "", bool verify = true);
  static Result<std::shared_ptr<TlsContext>> server(const std::string& certificate_file, const std::string& key_file);
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  ~TlsContext();
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// One connection's state; on one thread. Feed what came from the wire, take what must go to it after every call.
class TlsSession {
 public:
  // `host` is checked against the certificate and sent as SNI (unless it is an address); clients only.
  TlsSession(std::shared_ptr<TlsContext> context, const std::string& host);
  ~TlsSession();
  enum class State { handshake, open, closed };  // closed: close_notify came
  // Appends clear text to `plain`. An error is fatal: bad certificate, bad record, truncation told by the caller.
  Result<State> feed(std::string_view wire, std::string& plain);
  Result<void> write(std::string_view plain);  // kept until the handshake is done
  void close();                                // sends close_notify
  std::string take_wire();                     // empty if nothing is to be sent
  State state() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet
