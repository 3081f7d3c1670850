// A few kinds of devices with given shares: each multiplies the speed of [population], and its bandwidths, training
// power and memory where given, and may have a dropout of its own. The default is three kinds with equal shares, of 3,
// 1 and 0.333 times the speed.

#include "sim/clients/devices.hpp"
#include "sim/clients/shares.hpp"

namespace shoal::devices {
namespace {

class Tiers final : public Devices {
 public:
  explicit Tiers(const Settings& s)
      : speeds_(s.numbers("speeds", {3, 1, 0.333}, "factor of the speed, one for each tier", positive())),
        shares_(s, "shares", speeds_.size(), "share of the clients in each tier; empty: equal"),
        down_(each(s, "down", 1, "factor of the download bandwidth; empty: 1")),
        up_(each(s, "up", 1, "factor of the upload bandwidth; empty: 1")),
        dropout_(each(s, "dropout", 0, "probability that a client of the tier drops out in a participation; empty: 0")),
        watts_(each(s, "watts", 1, "factor of the power of training; empty: 1")),
        memory_(each(s, "memory", 1, "factor of the memory that a task may take; empty: 1")) {
    for (const double p : dropout_) {
      if (p > 1) user_error("{}: a dropout of {} (it is a probability). Write a number up to 1.", s.where(), p);
    }
  }

  void open(const Opening& opening) override { key_ = random_key(opening.seed, "clients/tier"); }

  Device device(const Who& who, const Device& base) const override {
    const int tier = shares_.choose(who.draws(key_).uniform());
    Device device = base;
    device.tier = tier;
    device.flops_per_second *= speeds_[tier];
    device.down_bytes_per_second *= down_[tier];
    device.up_bytes_per_second *= up_[tier];
    device.dropout = dropout_[tier];
    device.training_watts *= watts_[tier];
    device.memory_bytes *= memory_[tier];
    return device;
  }

 private:
  std::vector<double> each(const Settings& s, const char* key, double fallback, const char* meaning) const {
    const bool factor = fallback > 0;
    std::vector<double> values = s.numbers(key, {}, meaning, factor ? positive() : at_least(0));
    if (values.empty()) values.assign(speeds_.size(), fallback);
    if (values.size() == speeds_.size()) return values;
    user_error("{}: {} values of '{}' for {} speeds. List one for each tier.", s.where(), values.size(), key,
               speeds_.size());
  }

  std::vector<double> speeds_;
  RandomKey key_;
  Shares shares_;
  std::vector<double> down_, up_, dropout_, watts_, memory_;
};

}  // namespace

std::unique_ptr<Devices> tiers(Settings& settings) { return std::make_unique<Tiers>(settings); }

}  // namespace shoal::devices
