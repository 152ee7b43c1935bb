#include "providers/smtp_transport.h"
namespace signet {
std::unique_ptr<Transport> make_smtp_transport(Loop&, const Clock&, Log&, std::shared_ptr<const Provider>,
                                               const ProviderSettings&, TransportOptions) { return nullptr; }
}
