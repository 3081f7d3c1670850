// Phones and networks as FLASH measured them: Yang et al., WWW 2021 (arXiv 2006.06983). Each client has the bandwidths
// of one of 19 measured users, with their spread from one transfer to the next, and the speed of one of three phones,
// the speed of [population] being the middle one's. The class is that of the client's phone model, by the AI Benchmark
// score nearest (on a log scale) to the three; a model without a score is in a class by the shares 18820 : 16428 : 159.

#include <cmath>

#include "datasets/devices/shared/flash_tables.hpp"
#include "sim/clients/devices.hpp"
#include "sim/clients/shares.hpp"

namespace shoal::devices {
namespace {

constexpr double benchmarks[] = {383, 6702, 33289};  // scores of Google Nexus S, Redmi Note 7 Pro, Google Pixel 4

class Flash final : public Devices {
 public:
  explicit Flash(const Settings& s)
      : folder_(s.text("folder", "",
                       "folder with speed_distri.json, benchmark2score.json, real2benchmark.json; "
                       "empty: flash-devices in SHOAL_DATA")),
        settings_(s),
        unknown_({18820, 16428, 159}) {
    // Seconds for a batch on the three phones.
    const bool images =
        s.choice("workload", true, {{"femnist", true}, {"reddit", false}},
                 "workload whose seconds per batch set how far the classes are apart: a CNN (1.64, 0.59, "
                 "0.18 s) or an LSTM (2.60, 0.92, 0.53 s)");
    seconds_ = images ? std::vector<double>{1.64, 0.59, 0.18} : std::vector<double>{2.60, 0.92, 0.53};
  }

  void open(const Opening& opening) override {
    key_ = random_key(opening.seed, "clients/tier");
    const std::string folder = flash::tables_folder(folder_, settings_);
    networks_ = flash::networks(folder);
    scores_ = flash::scores(folder);
    if (networks_.empty() || scores_.empty())
      user_error("'{}': FLASH's tables are empty. Download them again.", folder);
  }

  Device device(const Who& who, const Device& base) const override {
    RandomStream random = who.draws(key_);
    const flash::Network& network = networks_[random.below(networks_.size())];
    const double score = scores_[random.below(scores_.size())], draw = random.uniform();
    Device device = base;
    device.tier = score > 0 ? nearest_class(score) : unknown_.choose(draw);
    device.flops_per_second *= seconds_[1] / seconds_[device.tier];
    device.down_bytes_per_second = network.down;
    device.up_bytes_per_second = network.up;
    device.down_deviation = network.down_deviation;
    device.up_deviation = network.up_deviation;
    return device;
  }

 private:
  static int nearest_class(double score) {
    int best = 0;
    for (int c = 1; c < 3; ++c) {
      if (std::abs(std::log(score / benchmarks[c])) < std::abs(std::log(score / benchmarks[best]))) best = c;
    }
    return best;
  }

  std::string folder_;
  Settings settings_;
  RandomKey key_;
  Shares unknown_;
  std::vector<double> seconds_;
  std::vector<flash::Network> networks_;
  std::vector<double> scores_;
};

}  // namespace

std::unique_ptr<Devices> flash(Settings& settings) { return std::make_unique<Flash>(settings); }

}  // namespace shoal::devices
