// Exact weighted mean: values become integers in units of a power of two that is chosen from the plan, so the sum is
// the same in any order and on any number of ranks and threads. The default.

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "kernels/fixed_point.hpp"
#include "sim/comm/device_comm.hpp"
#include "sim/nn/device.hpp"
#include "strategies/aggregators/shared/exact_sums.hpp"

namespace shoal::aggregators {
namespace {

// The same sums on a GPU. The totals that the host needs stay on the host, so there are two reductions; the second has
// 8 (channels + 1) bytes per rank and group.
class DeviceSums final : public Collector {
 public:
  explicit DeviceSums(const AggregationPlan& plan)
      : plan_(plan), part_(plan.wires.size() + 1), totals_(plan.groups * part_, 0) {
    std::int64_t values = 0;
    for (std::int32_t g = 0; g < plan_.groups; ++g) {
      begin_.push_back(values);
      for (const Wire& wire : plan_.wires_of(g)) values += wire.channel.size;
    }
    sums_ = at::zeros({values}, plan_.options().dtype(at::kLong));
    bad_rows_ = at::full({std::ssize(plan_.wires)}, no_row, sums_.options());
  }

  void add(const Contribution& contribution) override {
    for (const std::int32_t group : groups_of(contribution)) {
      std::int64_t at = begin_[group];
      for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
        const std::int64_t size = plan_.wires_of(group)[c].channel.size;
        add_channel(contribution, c, group,
                    {sums_.mutable_data_ptr<std::int64_t>() + at, size, bad_rows_.mutable_data_ptr<std::int64_t>() + c,
                     plan_.device},
                    plan_.scales[c]);
        at += size;
      }
    }
    for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
      if (!contribution.accepted[k]) continue;
      const std::span<std::int64_t> totals = std::span(totals_).subspan(contribution.group(k) * part_, part_);
      for (std::size_t c = 0; c < plan_.wires.size(); ++c) totals[c] += contribution.shares[c][k];
      ++totals.back();
    }
  }

  void merge(Collector& other) override {
    const auto& theirs = static_cast<DeviceSums&>(other);
    sums_.add_(theirs.sums_);
    bad_rows_.clamp_max_(theirs.bad_rows_);
    for (std::size_t i = 0; i < totals_.size(); ++i) totals_[i] += theirs.totals_[i];
  }

  Intake finish(Communicator& comm, ThreadPool&, State&) override {
    const OnDevice stream = current_stream();
    comm.device().sum(stream, sums_.mutable_data_ptr<std::int64_t>(), sums_.numel());
    comm.device().wait(stream);  // blocking MPI calls may deadlock while NCCL calls are pending
    // There are none, since ranges were checked before; if there are, this throws as the host's sums do.
    const at::Tensor bad_rows = bad_rows_.cpu();
    for (std::size_t c = 0; c < plan_.scales.size(); ++c) {
      require_no_row(bad_rows.const_data_ptr<std::int64_t>()[c], plan_.scales[c].exponent);
    }
    comm.sum(totals_);
    Intake intake;
    std::int64_t at = 0;
    for (std::int32_t g = 0; g < plan_.groups; ++g) {
      const std::span<const std::int64_t> totals = std::span(totals_).subspan(g * part_, part_);
      Aggregate total{.clients = totals.back()};
      for (std::size_t c = 0; c < plan_.wires.size(); ++c) {
        const double weight = totals[c] * plan_.scales[c].weight_unit;
        const std::int64_t size = plan_.wires_of(g)[c].channel.size;
        total.means.push_back(mean_of(sums_.narrow(0, at, size), weight, plan_.scales[c].exponent));
        total.weights.push_back(weight);
        at += size;
      }
      intake.sums.push_back(std::move(total));
    }
    return intake;
  }

 private:
  at::Tensor mean_of(const at::Tensor& sums, double weight, int exponent) const {
    at::Tensor mean = at::empty(sums.sizes(), plan_.options());
    if (weight == 0) return mean.zero_();  // no client was accepted
    const auto* from = sums.const_data_ptr<std::int64_t>();
    if (plan_.type == at::kDouble) {
      to_mean<double>(current_stream(), from, sums.numel(), exponent, weight, mean.mutable_data_ptr<double>());
    } else {
      to_mean<float>(current_stream(), from, sums.numel(), exponent, weight, mean.mutable_data_ptr<float>());
    }
    return mean;
  }

  const AggregationPlan& plan_;
  std::vector<std::int64_t> begin_;   // the place in `sums_` where each group begins
  std::size_t part_;                  // numbers of one group in `totals_`
  at::Tensor sums_, bad_rows_;        // [groups x values], [channels]
  std::vector<std::int64_t> totals_;  // per group: weight per channel, then the number of accepted clients
};

class ExactSum final : public Aggregator {
 public:
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override {
    if (on_device(at::empty({0}, plan.options()))) return std::make_unique<DeviceSums>(plan);
    return std::make_unique<ExactSums>(plan);
  }
  bool keeps_groups() const override { return true; }
};

}  // namespace

std::unique_ptr<Aggregator> exact_sum(Settings&) { return std::make_unique<ExactSum>(); }

}  // namespace shoal::aggregators
