// Coordinate-wise median over the clients: unweighted, with the mean of the two middle values for an even number of
// clients. Yin, Chen, Ramchandran and Bartlett, ICML 2018 (arXiv 1803.01498), definition 1. Withstands malicious
// clients if they are fewer than half. Weights by examples or staleness have no effect. Rows on a GPU are copied to the
// host, which computes the medians.

#include <ATen/ops/zeros.h>

#include <numeric>

#include "kernels/order_statistics.hpp"
#include "strategies/aggregators/shared/kept_rows.hpp"

namespace shoal::aggregators {
namespace {

std::vector<std::size_t> all_of(const AggregationPlan& plan) {
  std::vector<std::size_t> channels(plan.wires.size());
  std::iota(channels.begin(), channels.end(), 0);
  return channels;
}

class MedianRows final : public Collector {
 public:
  explicit MedianRows(const AggregationPlan& plan) : plan_(plan), kept_(plan, all_of(plan), KeptRows::Values::sent) {}

  void add(const Contribution& contribution) override { kept_.add(contribution); }
  void merge(Collector& other) override { kept_.merge(static_cast<MedianRows&>(other).kept_); }

  Intake finish(Communicator& comm, ThreadPool& pool, State&) override {
    RowSet rows = kept_.take(comm, pool);
    const std::int64_t clients = rows.count();
    at::Tensor all = at::zeros({rows.width()}, at::TensorOptions(plan_.type));
    if (clients > 0) {
      rows.transform(1, []<class T>(RowView<const T> from, RowView<T> to, std::int64_t) {
        std::vector<const T*> starts;
        for (std::int64_t i = 0; i < from.rows(); ++i) starts.push_back(from.at(i));
        medians<T>(starts, to.row(0));
      });
      all = rows.row(0);
    }
    Aggregate total{.clients = clients};
    std::int64_t at = 0;
    for (const Wire& wire : plan_.wires) {
      total.means.push_back(all.narrow(0, at, wire.channel.size).to(plan_.device));
      total.weights.push_back(clients);
      at += wire.channel.size;
    }
    return {.sums = {std::move(total)}};
  }

 private:
  const AggregationPlan& plan_;
  KeptRows kept_;
};

class Median final : public Aggregator {
 public:
  std::unique_ptr<Collector> open(const AggregationPlan& plan) const override {
    return std::make_unique<MedianRows>(plan);
  }
  bool needs_rows() const override { return true; }
  bool gives_means() const override { return false; }
};

}  // namespace

std::unique_ptr<Aggregator> median(Settings&) { return std::make_unique<Median>(); }

}  // namespace shoal::aggregators
