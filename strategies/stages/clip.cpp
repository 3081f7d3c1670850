// Clip: each client's update is scaled down to a Euclidean norm of at most `bound`, as central differential privacy and
// robust training require. McMahan et al., ICLR 2018 (arXiv 1710.06963).

#include <algorithm>

#include "sim/round/stage.hpp"

namespace shoal::stages {
namespace {

class Clip final : public Stage {
 public:
  explicit Clip(const Settings& s) : bound_(s.number("bound", 1, "largest norm of an update", positive())) {}

  void client_side(const Message&, ClientBlock&, UpdateBlock& update, const PartContext&) const override {
    // The update is the strategy's first channel; others, such as control variates, are not changes of the parameters.
    std::vector<double> factors = update.channels[0].norms();
    for (double& factor : factors) factor = factor > bound_ ? bound_ / factor : 1;
    update.channels[0].scale(factors);
  }

 private:
  double bound_;
};

}  // namespace

std::unique_ptr<Stage> clip(Settings& settings) { return std::make_unique<Clip>(settings); }

}  // namespace shoal::stages
