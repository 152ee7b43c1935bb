// Mail to one relay over a pool of sessions that are kept between messages.
#pragma once

#include <memory>

#include "providers/transport.h"

namespace signet {

// Settings read here are those of providers/smtp_session.h, smtp_options().
std::unique_ptr<Transport> make_smtp_transport(Loop& loop, const Clock& clock, Log& log,
                                               std::shared_ptr<const Provider> provider,
                                               const ProviderSettings& settings, TransportOptions options);

}  // namespace signet
