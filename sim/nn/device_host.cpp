// A build without nvcc: device forms run on the host and have no streams.
#include "sim/nn/device.hpp"

namespace shoal {

OnDevice current_stream() { return {}; }
void fix_device_arithmetic() {}

}  // namespace shoal
