// Short messages over the binds that each loop keeps to one SMSC. They are bound from the start, since receipts come
// over them whether anything is sent or not.
#pragma once

#include <memory>

#include "providers/transport.h"

namespace signet {

// Settings read here are those of providers/smpp_session.h, smpp_options().
std::unique_ptr<Transport> make_smpp_transport(Loop& loop, const Clock& clock, Log& log,
                                               std::shared_ptr<const Provider> provider,
                                               const ProviderSettings& settings, TransportOptions options);

}  // namespace signet
