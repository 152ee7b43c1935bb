#include "base/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace signet {
namespace {

struct FreeContext {
  void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
};
struct FreeSession {
  void operator()(SSL* s) const { SSL_free(s); }
};

// The first error tells the cause; OpenSSL stacks what followed from it on top.
std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "OpenSSL error " + std::to_string(code);
}

bool is_address(const std::string& host) {
  unsigned char octets[16];
  return inet_pton(AF_INET, host.c_str(), octets) == 1 || inet_pton(AF_INET6, host.c_str(), octets) == 1;
}

}  // namespace

struct TlsContext::Impl {
  std::unique_ptr<SSL_CTX, FreeContext> context;
  bool is_server = false;
  bool verifies = false;
};

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

namespace {

std::unique_ptr<TlsContext::Impl> new_context(const SSL_METHOD* method) {
  auto impl = std::make_unique<TlsContext::Impl>();
  impl->context.reset(SSL_CTX_new(method));
  SSL_CTX* context = impl->context.get();
  SIGNET_CHECK(context != nullptr && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
  // Memory BIOs take everything at once; idle connections give their 34 KB of buffers back.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // Without it an encrypted key file would ask on the terminal.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });
  return impl;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::client(const std::string& ca_file, bool verify) {
  auto impl = new_context(TLS_client_method());
  SSL_CTX* context = impl->context.get();
  impl->verifies = verify;
  ERR_clear_error();
  if (ca_file.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) != 1)
      return Error{ErrorCode::io, "cannot load the system's certificates: " + openssl_reason()};
  } else if (SSL_CTX_load_verify_file(context, ca_file.c_str()) != 1) {
    return Error{ErrorCode::invalid, "cannot load certificates from " + ca_file + ": " + openssl_reason()};
  }
  SSL_CTX_set_verify(context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  return std::make_shared<TlsContext>(std::move(impl));
}

Result<std::shared_ptr<TlsContext>> TlsContext::server(const std::string& certificate_file,
                                                       const std::string& key_file) {
  auto impl = new_context(TLS_server_method());
  SSL_CTX* context = impl->context.get();
  impl->is_server = true;
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1)
    return Error{ErrorCode::invalid, "cannot load the certificate from " + certificate_file + ": " + openssl_reason()};
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return Error{ErrorCode::invalid, "cannot load the key from " + key_file +
                                         " (PEM, not encrypted, of the certificate " + certificate_file +
                                         "): " + openssl_reason()};
  return std::make_shared<TlsContext>(std::move(impl));
}

struct TlsSession::Impl {
  std::shared_ptr<TlsContext> context;
  std::unique_ptr<SSL, FreeSession> ssl;
  BIO* in = nullptr;  // owned by ssl
  BIO* out = nullptr;
  std::string host;
  State state = State::handshake;
  std::string kept;  // clear text until the handshake is done
  bool is_broken = false;

  Error failed() {
    is_broken = true;
    const long verdict = SSL_get_verify_result(ssl.get());
    if (context->impl().verifies && verdict != X509_V_OK) {
      ERR_clear_error();
      return {ErrorCode::unavailable,
              "the certificate for " + host + " does not verify: " + X509_verify_cert_error_string(verdict)};
    }
    return {ErrorCode::unavailable, openssl_reason()};
  }

  Result<void> advance_handshake() {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl.get());
    if (done == 1) {
      state = State::open;
      const std::string first = std::exchange(kept, {});
      return send(first);
    }
    const int why = SSL_get_error(ssl.get(), done);
    if (why == SSL_ERROR_WANT_READ) return {};
    return failed();
  }

  Result<void> send(std::string_view plain) {
    while (!plain.empty()) {
      ERR_clear_error();
      const int size = plain.size() > INT_MAX ? INT_MAX : static_cast<int>(plain.size());
      const int taken = SSL_write(ssl.get(), plain.data(), size);
      if (taken <= 0) return failed();  // a memory BIO grows, so there is nothing to wait for
      plain.remove_prefix(static_cast<size_t>(taken));
    }
    return {};
  }

  Result<void> read_all(std::string& plain) {
    std::array<char, 16384> record;
    for (;;) {
      ERR_clear_error();
      const int size = SSL_read(ssl.get(), record.data(), static_cast<int>(record.size()));
      if (size > 0) {
        plain.append(record.data(), static_cast<size_t>(size));
        continue;
      }
      const int why = SSL_get_error(ssl.get(), size);
      if (why == SSL_ERROR_WANT_READ) return {};
      if (why != SSL_ERROR_ZERO_RETURN) return failed();
      state = State::closed;
      return {};
    }
  }
};

TlsSession::TlsSession(std::shared_ptr<TlsContext> context, const std::string& host) : impl_(std::make_unique<Impl>()) {
  auto& shared = context->impl();
  impl_->context = std::move(context);
  impl_->host = host;
  impl_->ssl.reset(SSL_new(shared.context.get()));
  SSL* ssl = impl_->ssl.get();
  impl_->in = BIO_new(BIO_s_mem());
  impl_->out = BIO_new(BIO_s_mem());
  SIGNET_CHECK(ssl != nullptr && impl_->in != nullptr && impl_->out != nullptr);
  BIO_set_mem_eof_return(impl_->in, -1);  // empty is "later", not the end
  BIO_set_mem_eof_return(impl_->out, -1);
  SSL_set_bio(ssl, impl_->in, impl_->out);
  if (shared.is_server) {
    SSL_set_accept_state(ssl);
    return;
  }
  SSL_set_connect_state(ssl);
  SIGNET_CHECK(!shared.verifies || !host.empty());  // any valid certificate of anybody would do
  if (is_address(host)) {
    SIGNET_CHECK(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1);
  } else if (!host.empty()) {
    const std::string name = host.back() == '.' ? host.substr(0, host.size() - 1) : host;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SIGNET_CHECK(SSL_set1_host(ssl, name.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, name.c_str()) == 1);
  }
  // Writes the ClientHello; what could go wrong here shows again at the next step.
  (void)impl_->advance_handshake();
}

TlsSession::~TlsSession() = default;

Result<TlsSession::State> TlsSession::feed(std::string_view wire, std::string& plain) {
  if (impl_->is_broken) return Error{ErrorCode::unavailable, "the TLS session has failed before"};
  if (impl_->state == State::closed) return impl_->state;
  while (!wire.empty()) {
    const int size = wire.size() > INT_MAX ? INT_MAX : static_cast<int>(wire.size());
    const int taken = BIO_write(impl_->in, wire.data(), size);
    SIGNET_CHECK(taken > 0);
    wire.remove_prefix(static_cast<size_t>(taken));
  }
  if (impl_->state == State::handshake) {
    if (auto advanced = impl_->advance_handshake(); !advanced) return advanced.error();
    if (impl_->state == State::handshake) return impl_->state;
  }
  if (auto read = impl_->read_all(plain); !read) return read.error();
  return impl_->state;
}

Result<void> TlsSession::write(std::string_view plain) {
  if (impl_->is_broken) return Error{ErrorCode::unavailable, "the TLS session has failed before"};
  if (impl_->state == State::handshake) {
    impl_->kept += plain;
    return {};
  }
  return impl_->send(plain);
}

void TlsSession::close() {
  if (impl_->is_broken || impl_->state == State::handshake) return;
  ERR_clear_error();
  SSL_shutdown(impl_->ssl.get());
}

std::string TlsSession::take_wire() {
  char* octets = nullptr;
  const long size = BIO_get_mem_data(impl_->out, &octets);
  std::string wire(octets, static_cast<size_t>(size < 0 ? 0 : size));
  (void)BIO_reset(impl_->out);
  return wire;
}

TlsSession::State TlsSession::state() const { return impl_->state; }

}  // namespace signet
