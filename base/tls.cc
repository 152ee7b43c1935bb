#include "base/tls.h"
namespace signet {
struct TlsContext::Impl {};
TlsContext::~TlsContext() = default;
struct TlsSession::Impl {};
TlsSession::TlsSession(std::shared_ptr<TlsContext>, const std::string&) {}
TlsSession::~TlsSession() = default;
Result<TlsSession::State> TlsSession::feed(std::string_view, std::string&) { return Error{ErrorCode::unavailable, "not built yet"}; }
Result<void> TlsSession::write(std::string_view) { return Error{ErrorCode::unavailable, "not built yet"}; }
void TlsSession::close() {}
std::string TlsSession::take_wire() { return ""; }
TlsSession::State TlsSession::state() const { return State::handshake; }
}
