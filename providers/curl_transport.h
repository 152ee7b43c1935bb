// HTTP by libcurl's multi interface on our loop. Differs from libcurl's habits in two things: it never repeats a
// request by itself (libcurl 7.88 does, up to five times, when a reused connection dies without a reply byte), and the
// moment between connecting and the first request byte belongs to us: there the deadline is checked.
#pragma once

#include <memory>

#include "providers/transport.h"

namespace signet {

// Settings read here: `proxy` (http://host:port; none by default, the environment is not asked), `ca_file`.
std::unique_ptr<Transport> make_curl_transport(Loop& loop, const Clock& clock, Log& log,
                                               std::shared_ptr<const Provider> provider,
                                               const ProviderSettings& settings, TransportOptions options);

}  // namespace signet
