// Speeds in the proportions of the AI Benchmark: each client has one of the phone models that FLASH's tables score; its
// speed is that of [population] times the score over the models' median. Bandwidths are those of [population].
// Ignatov et al., ICCV workshops 2019 (arXiv 1910.06663); tables of Yang et al., WWW 2021 (arXiv 2006.06983).

#include <algorithm>

#include "datasets/devices/shared/flash_tables.hpp"
#include "sim/clients/devices.hpp"

namespace shoal::devices {
namespace {

class AiBenchmark final : public Devices {
 public:
  explicit AiBenchmark(const Settings& s)
      : folder_(s.text("folder", "",
                       "folder with benchmark2score.json and real2benchmark.json; empty: flash-devices in SHOAL_DATA")),
        settings_(s) {}

  void open(const Opening& opening) override {
    key_ = random_key(opening.seed, "clients/tier");
    const std::string folder = flash::tables_folder(folder_, settings_);
    scores_ = flash::scores(folder);
    std::erase(scores_, 0);
    if (scores_.empty()) user_error("'{}': no phone model has a score. Download FLASH's tables again.", folder);
    std::ranges::sort(scores_);
    median_ = (scores_[(scores_.size() - 1) / 2] + scores_[scores_.size() / 2]) / 2;
  }

  Device device(const Who& who, const Device& base) const override {
    const std::size_t model = who.draws(key_).below(scores_.size());
    Device device = base;
    device.tier = 3 * model / scores_.size();  // slow, middle and fast third of the models
    device.flops_per_second *= scores_[model] / median_;
    return device;
  }

 private:
  std::string folder_;
  Settings settings_;
  RandomKey key_;
  std::vector<double> scores_;
  double median_ = 1;
};

}  // namespace

std::unique_ptr<Devices> ai_benchmark(Settings& settings) { return std::make_unique<AiBenchmark>(settings); }

}  // namespace shoal::devices
