#include "providers/transport.h"

#include "providers/curl_transport.h"
#include "providers/smpp_transport.h"
#include "providers/smtp_transport.h"

namespace signet {

std::unique_ptr<Transport> make_transport(Loop& loop, const Clock& clock, Log& log,
                                          std::shared_ptr<const Provider> provider, const ProviderSettings& settings,
                                          TransportOptions options) {
  const auto protocol = provider->protocol();
  auto make = protocol == Protocol::smtp   ? make_smtp_transport
              : protocol == Protocol::smpp ? make_smpp_transport
                                           : make_curl_transport;
  return make(loop, clock, log, std::move(provider), settings, options);
}

}  // namespace signet
