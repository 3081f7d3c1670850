#include "sim/comm/mailbox.hpp"

namespace shoal {

NoSuchEndpoint::NoSuchEndpoint(Endpoint endpoint)
    : SystemError(fmt::format("endpoint {} is not there, or it has left", value(endpoint))) {}

}  // namespace shoal
