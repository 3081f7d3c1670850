// Exact weighted mean: values become integers in units of a power of two chosen from the plan, so that the sum is the
// same for any order, any number of ranks and threads. The default.

#include <ATen/ops/empty.h>

#include "kernels/fixed_point.hpp"
#include "sim/round/aggregator.hpp"

namespace shoal::aggregators {
namespace {

// One flat vector for all channels, then one total weight per channel and the number of accepted clients: a single
// reduction of 8 (values + channels + 1) bytes per rank.
class ExactSums final : public Collector {
 public:
  explicit ExactSums(const AggregationPlan& plan) : plan_(plan) {
    std::size_t values = 0;
    for (const Channel& channel : plan_.channels) values += static_cast<std::size_t>(channel.size);
    sums_.assign(values + plan_.channels.size() + 1, 0);
  }

  void add(const Contribution& contribution) override {
    std::size_t at = 0;
    for (std::size_t c = 0; c < plan_.channels.size(); ++c) {
      const auto size = static_cast<std::size_t>(plan_.channels[c].size);
      for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
        if (!contribution.accepted[k]) continue;
        const std::int64_t weight = contribution.weights[c][k];
        const auto row = static_cast<std::int64_t>(k);
        const ChannelScale& scale = plan_.scales[c];
        if (scale.weight_unit == 1) {
          contribution.channels[c].add_to(std::span(sums_).subspan(at, size), row, weight, scale.exponent);
        } else {
          contribution.channels[c].add_weighted(std::span(sums_).subspan(at, size), row,
                                                static_cast<double>(weight) * scale.weight_unit, scale.exponent);
        }
        weight_of(c) += contribution.shares[c][k];
      }
      at += size;
    }
    for (const bool accepted : contribution.accepted) sums_.back() += accepted ? 1 : 0;
  }

  void merge(Collector& other) override {
    const auto& theirs = static_cast<ExactSums&>(other).sums_;
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += theirs[i];
  }

  std::vector<Aggregate> finish(Communicator& comm) override {
    comm.sum(sums_);
    Aggregate total{.clients = sums_.back()};
    std::size_t at = 0;
    for (std::size_t c = 0; c < plan_.channels.size(); ++c) {
      const auto size = static_cast<std::size_t>(plan_.channels[c].size);
      total.means.push_back(mean_of(std::span(sums_).subspan(at, size), weight_of(c), plan_.scales[c]));
      total.weights.push_back(static_cast<double>(weight_of(c)) * plan_.scales[c].weight_unit);
      at += size;
    }
    return {std::move(total)};
  }

 private:
  std::int64_t& weight_of(std::size_t channel) { return sums_[sums_.size() - 1 - plan_.channels.size() + channel]; }

  at::Tensor mean_of(std::span<const std::int64_t> sum, std::int64_t weight, const ChannelScale& scale) const {
    at::Tensor mean = at::empty({std::ssize(sum)}, at::TensorOptions(plan_.type));
    if (weight == 0) return mean.zero_();  // nobody was accepted; the round will be abandoned
    const double total = static_cast<double>(weight) * scale.weight_unit;
    if (plan_.type == at::kDouble) {
      to_mean<double>(sum, scale.exponent, total, {mean.mutable_data_ptr<double>(), sum.size()});
    } else {
      to_mean<float>(sum, scale.exponent, total, {mean.mutable_data_ptr<float>(), sum.size()});
    }
    return mean;
  }

  AggregationPlan plan_;
  std::vector<std::int64_t> sums_;
};

class ExactSum final : public Aggregator {
 public:
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override {
    return std::make_unique<ExactSums>(plan);
  }
};

}  // namespace

std::unique_ptr<Aggregator> exact_sum(Settings&) { return std::make_unique<ExactSum>(); }

}  // namespace shoal::aggregators
