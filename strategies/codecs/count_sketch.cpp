// Count sketch: each client sends `rows` x `columns` sums of its coordinates with random signs instead of its update;
// sketches are added, and the server recovers the `keep` largest coordinates of the mean, together with what it has not
// recovered before, from the medians of its rows. Charikar, Chen and Farach-Colton, ICALP 2002; Rothchild et al.
// (FetchSGD), ICML 2020 (arXiv 2007.07682), algorithm 1 without momentum.
// Try: codec.columns = 8, codec.keep = 2

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "kernels/sparsify.hpp"
#include "sim/round/codec.hpp"

namespace shoal::codecs {
namespace {

// A public hash of a coordinate in one row of the sketch: its column and its sign. The finalizer of SplitMix64 (Steele,
// Lea and Flood, OOPSLA 2014) mixes the bits.
struct Place {
  std::int64_t column;
  float sign;
};
Place place_of(std::int64_t row, std::int64_t coordinate, std::int64_t columns) {
  std::uint64_t x = 0x9e3779b97f4a7c15ULL * (static_cast<std::uint64_t>(coordinate) + 1) +
                    0xd1342543de82ef95ULL * (static_cast<std::uint64_t>(row) + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  x ^= x >> 31;
  const std::uint64_t high = x >> 32;
  return {static_cast<std::int64_t>((high * static_cast<std::uint64_t>(columns)) >> 32), (x & 1) != 0 ? 1.0F : -1.0F};
}

class CountSketch final : public Codec {
 public:
  explicit CountSketch(const Settings& s)
      : rows_(s.integer("rows", 5, "rows of the sketch; an odd number has a single median", between(1, 99))),
        columns_(s.integer("columns", 1024, "columns of the sketch", between(1, 1 << 30))),
        keep_(s.integer("keep", 256, "coordinates that the server recovers in a round", at_least(1))) {}

  Wire wire(Wire before, const ParameterLayout& layout) const override {
    if (before.support != Support::dense || before.ring_bits > 0) {
      user_error("the codec 'count_sketch' sketches plain values. Put it before the codecs that change them.");
    }
    // A cell holds size / columns coordinates in the mean, some several times as many. A client with values at the
    // bound that all have one sign in a cell may be rejected.
    const double share = 1 + 4.0 * before.channel.size / columns_;
    before.channel.bound = *before.channel.bound * std::min<double>(share, before.channel.size);
    before.channel.size = rows_ * columns_;
    return {.channel = before.channel,
            .values = before.channel.size,
            .expected_bytes = plain_wire(before.channel, layout.type).expected_bytes,
            .largest_bytes = plain_wire(before.channel, layout.type).largest_bytes};
  }

  Encoded encode(Encoded before, const Wire& wire, const Message&, ClientBlock&, const PartContext&) const override {
    const at::Tensor update = before.words.dense().cpu();
    const at::Tensor sketch = at::zeros({update.size(0), wire.channel.size}, update.options());
    if (update.scalar_type() == at::kDouble) {
      add_sketches<double>(update, sketch);
    } else {
      add_sketches<float>(update, sketch);
    }
    before.words = Rows(sketch).to(before.words.device());
    std::ranges::fill(before.value_bytes, wire.largest_bytes);
    return before;
  }

  at::Tensor decode_sum(at::Tensor mean, State& state, const Wire& before) const override {
    const at::Tensor own = mean.cpu().to(at::kDouble);
    const std::string name = "error/" + before.channel.name;
    if (!state.tensors().contains(name)) state.put(name, at::zeros_like(own));
    at::Tensor& error = state.tensor(name);
    error.add_(own);
    const std::int64_t size = before.channel.size;
    std::vector<float> estimates(size);
    const auto* cells = error.const_data_ptr<double>();
    std::vector<double> seen(rows_);
    for (std::int64_t j = 0; j < size; ++j) estimates[j] = estimate(cells, j, seen);

    std::vector<std::uint32_t> largest(std::min(keep_, size));
    top_k(estimates, largest);
    const at::Tensor recovered = at::zeros({1, size}, own.options());
    auto* values = recovered.mutable_data_ptr<double>();
    for (const std::uint32_t j : largest) values[j] = estimates[j];
    const at::Tensor taken = at::zeros({1, own.numel()}, own.options());
    add_sketches<double>(recovered, taken);
    error.sub_(taken[0]);
    return recovered[0].to(mean.options());
  }
  bool decodes_rows() const override { return false; }

 private:
  template <class T>
  void add_sketches(const at::Tensor& update, const at::Tensor& sketch) const {
    const std::int64_t size = update.size(1), cells = sketch.size(1);
    const T* from = update.const_data_ptr<T>();
    T* to = sketch.mutable_data_ptr<T>();
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t j = 0; j < size; ++j) {
        const auto [column, sign] = place_of(row, j, columns_);
        T* cell = to + row * columns_ + column;
        for (std::int64_t k = 0; k < update.size(0); ++k) cell[k * cells] += sign * from[k * size + j];
      }
    }
  }

  double estimate(const double* cells, std::int64_t coordinate, std::vector<double>& seen) const {
    for (std::int64_t row = 0; row < rows_; ++row) {
      const auto [column, sign] = place_of(row, coordinate, columns_);
      seen[row] = sign * cells[row * columns_ + column];
    }
    std::ranges::sort(seen);
    return (seen[(rows_ - 1) / 2] + seen[rows_ / 2]) / 2;
  }

  std::int64_t rows_, columns_, keep_;
};

}  // namespace

std::unique_ptr<Codec> count_sketch(Settings& settings) { return std::make_unique<CountSketch>(settings); }

}  // namespace shoal::codecs
