// Weighted mean in floating point, for benchmarks and for tests in float64. Its last bits depend on the number of ranks
// and threads, and the run file says so.

#include <ATen/ops/zeros.h>

#include "sim/comm/device_comm.hpp"
#include "sim/nn/device.hpp"
#include "sim/round/aggregator.hpp"

namespace shoal::aggregators {
namespace {

class FloatSums final : public Collector {
 public:
  explicit FloatSums(const AggregationPlan& plan)
      : plan_(plan), channels_(plan.wires.size()), counts_(plan.groups * (channels_ + 1), 0) {
    for (std::int32_t g = 0; g < plan.groups; ++g) {
      for (const Wire& wire : plan.wires_of(g)) sums_.push_back(at::zeros({wire.channel.size}, plan.options()));
    }
  }

  void add(const Contribution& contribution) override {
    std::vector<at::Tensor> rows;
    for (const Rows& channel : contribution.channels) rows.push_back(channel.dense());
    for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
      if (!contribution.accepted[k]) continue;
      const std::size_t group = contribution.group(k);
      const std::span<std::int64_t> counts = counts_of(group);
      for (std::size_t c = 0; c < channels_; ++c) {
        const double weight = contribution.weights[c][k];
        sums_[group * channels_ + c].add_(rows[c][k].to(plan_.device), weight);
        counts[c] += contribution.shares[c][k];
      }
      ++counts.back();
    }
  }

  void merge(Collector& other) override {
    auto& theirs = static_cast<FloatSums&>(other);
    for (std::size_t c = 0; c < sums_.size(); ++c) sums_[c].add_(theirs.sums_[c]);
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += theirs.counts_[i];
  }

  Intake finish(Communicator& comm, ThreadPool&, State&) override {
    comm.sum(counts_);
    Intake intake;
    for (std::int32_t g = 0; g < plan_.groups; ++g) {
      const std::span<const std::int64_t> counts = counts_of(g);
      Aggregate total{.clients = counts.back()};
      for (std::size_t c = 0; c < channels_; ++c) {
        at::Tensor& sum = sums_[g * channels_ + c];
        if (plan_.type == at::kDouble) {
          reduce<double>(sum, comm);
        } else {
          reduce<float>(sum, comm);
        }
        const double weight = counts[c];
        total.means.push_back(weight > 0 ? sum.div_(weight) : sum);
        total.weights.push_back(weight * plan_.scales[c].weight_unit);
      }
      intake.sums.push_back(std::move(total));
    }
    return intake;
  }

 private:
  template <class T>
  static void reduce(at::Tensor& sums, Communicator& comm) {
    T* values = sums.mutable_data_ptr<T>();
    const std::size_t size = sums.numel();
    if (on_device(sums)) {
      comm.device().sum_inexact(current_stream(), values, size);
    } else {
      comm.sum_inexact(std::span(values, size));
    }
  }

  std::span<std::int64_t> counts_of(std::size_t group) {
    return std::span(counts_).subspan(group * (channels_ + 1), channels_ + 1);
  }

  const AggregationPlan& plan_;
  std::size_t channels_;
  std::vector<at::Tensor> sums_;      // per group and channel
  std::vector<std::int64_t> counts_;  // per group: total weight per channel, number of accepted clients
};

class FloatSum final : public Aggregator {
 public:
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override {
    return std::make_unique<FloatSums>(plan);
  }
  bool reproducible() const override { return false; }
  bool keeps_groups() const override { return true; }
};

}  // namespace

std::unique_ptr<Aggregator> float_sum(Settings&) { return std::make_unique<FloatSum>(); }

}  // namespace shoal::aggregators
