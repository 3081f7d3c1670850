// All devices are as [population] says: its speed, with its log-normal spread, and its bandwidths.

#include "sim/clients/devices.hpp"

namespace shoal::devices {
namespace {

class Plain final : public Devices {
 public:
  Device device(const Who&, const Device& base) const override { return base; }
};

}  // namespace

std::unique_ptr<Devices> plain(Settings&) { return std::make_unique<Plain>(); }

}  // namespace shoal::devices
