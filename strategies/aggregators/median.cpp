// Coordinate-wise median over the clients: unweighted, with the mean of the two middle values for an even number of
// clients. Yin, Chen, Ramchandran and Bartlett, ICML 2018 (arXiv 1803.01498), definition 1. Withstands malicious
// clients if they are fewer than half. Weights by examples or staleness have no effect. Rows on a GPU are copied to the
// host, which computes the medians.

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstring>

#include "kernels/order_statistics.hpp"
#include "sim/round/aggregator.hpp"

namespace shoal::aggregators {
namespace {

constexpr std::int64_t exchanged_values = 1 << 22;  // per rank and exchange

// Every rank keeps its clients' rows, then computes the medians of its share of the coordinates over all clients. With
// n clients of d values on R ranks, a rank holds n d / R values and two exchanged pieces of 2^22 values; it sends n d /
// R values, receives as many, and gathers the d medians.
class MedianRows final : public Collector {
 public:
  explicit MedianRows(const AggregationPlan& plan) : plan_(plan) {
    for (const Channel& channel : plan_.channels) values_ += channel.size;
  }

  void add(const Contribution& contribution) override {
    for (std::size_t k = 0; k < contribution.accepted.size(); ++k) {
      if (!contribution.accepted[k]) continue;
      at::Tensor row = at::empty({values_}, at::TensorOptions(plan_.type));  // on the host, for MPI
      std::int64_t at = 0;
      for (std::size_t c = 0; c < plan_.channels.size(); ++c) {
        const std::int64_t size = plan_.channels[c].size;
        row.narrow(0, at, size).copy_(contribution.channels[c].dense()[k]);
        at += size;
      }
      rows_.push_back(std::move(row));
    }
  }

  void merge(Collector& other) override {
    auto& theirs = static_cast<MedianRows&>(other).rows_;
    std::ranges::move(theirs, std::back_inserter(rows_));
    theirs.clear();
  }

  std::vector<Aggregate> finish(Communicator& comm) override {
    std::int64_t clients = std::ssize(rows_);
    comm.sum({&clients, 1});
    at::Tensor all = at::zeros({values_}, at::TensorOptions(plan_.type));
    if (clients > 0 && plan_.type == at::kDouble) fill<double>(all, clients, comm);
    if (clients > 0 && plan_.type != at::kDouble) fill<float>(all, clients, comm);
    Aggregate total{.clients = clients};
    std::int64_t at = 0;
    for (const Channel& channel : plan_.channels) {
      total.means.push_back(all.narrow(0, at, channel.size).to(plan_.device));
      total.weights.push_back(clients);
      at += channel.size;
    }
    return {std::move(total)};
  }

 private:
  // The coordinates that one rank handles in the exchange that begins with the coordinate `first`.
  struct Share {
    std::int64_t begin, count;
  };
  Share share(std::int64_t first, std::int64_t width, int rank) const {
    const std::int64_t begin = std::min(values_, first + rank * width);
    return {begin, std::min(width, values_ - begin)};
  }

  template <class T>
  void fill(at::Tensor& all, std::int64_t clients, Communicator& comm) const {
    const std::int64_t width = std::max<std::int64_t>(exchanged_values / clients, 1);
    for (std::int64_t first = 0; first < values_; first += comm.size() * width) {
      const Share mine = share(first, width, comm.rank());
      std::vector<Bytes> to_each(comm.size());
      for (int r = 0; r < comm.size(); ++r) {
        if (r == comm.rank()) continue;
        const Share theirs = share(first, width, r);
        Bytes& bytes = to_each[r];
        bytes.reserve(rows_.size() * theirs.count * sizeof(T));
        for (const at::Tensor& row : rows_) {
          const auto piece = std::as_bytes(std::span(row.const_data_ptr<T>() + theirs.begin, theirs.count));
          bytes.insert(bytes.end(), piece.begin(), piece.end());
        }
      }
      const std::vector<Bytes> from_each = comm.exchange(to_each);
      std::vector<T> found(mine.count);
      if (mine.count > 0) medians<T>(pieces<T>(from_each, mine), found);
      const auto bytes = std::as_bytes(std::span(found));
      const std::vector<Bytes> gathered = comm.gather_all({bytes.begin(), bytes.end()});
      for (int r = 0; r < comm.size(); ++r) {
        const Bytes& theirs = gathered[r];
        if (theirs.empty()) continue;
        std::memcpy(all.mutable_data_ptr<T>() + share(first, width, r).begin, theirs.data(), theirs.size());
      }
    }
  }

  // The addresses of this rank's coordinates for all clients: in its own rows, then in the pieces from other ranks.
  template <class T>
  std::vector<const T*> pieces(const std::vector<Bytes>& from_each, const Share& mine) const {
    std::vector<const T*> found;
    for (const at::Tensor& row : rows_) found.push_back(row.const_data_ptr<T>() + mine.begin);
    for (const Bytes& bytes : from_each) {
      const auto* values = reinterpret_cast<const T*>(bytes.data());
      const std::int64_t rows = bytes.size() / sizeof(T) / mine.count;
      for (std::int64_t i = 0; i < rows; ++i) found.push_back(values + i * mine.count);
    }
    return found;
  }

  AggregationPlan plan_;
  std::int64_t values_ = 0;  // values of one client in all channels
  std::vector<at::Tensor> rows_;
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
