#include "providers/transport.h"

#include "providers/curl_transport.h"
#include "providers/smtp_transport.h"

namespace signet {

std::unique_ptr<Transport> make_transport(Loop& loop, const Clock& clock, Log& log,
                                          std::shared_ptr<const Provider> provider, const ProviderSettings& settings,
                                          TransportOptions options) {
  auto make = provider->protocol() == Protocol::smtp ? make_smtp_transport : make_curl_transport;
  return make(loop, clock, log, std::move(provider), settings, options);
}

}  // namespace signet
