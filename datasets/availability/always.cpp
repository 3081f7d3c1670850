// Every client can take part at any time.

#include "sim/clients/availability.hpp"

namespace shoal::availability {
namespace {

class Always final : public Availability {
 public:
  Stretch at(const Who&, Ticks) const override { return {}; }
  bool is_always() const override { return true; }
};

}  // namespace

std::unique_ptr<Availability> always(Settings&) { return std::make_unique<Always>(); }

}  // namespace shoal::availability
