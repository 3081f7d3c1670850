// Top-k with error feedback: each client sends the share `keep` of the coordinates in which its update, together with
// what it has not sent before, is largest, as positions and values, and keeps the rest for its next participation.
// Stich, Cordonnier and Jaggi, NeurIPS 2018 (arXiv 1809.07599), algorithm 1. Of equal magnitudes the first coordinates
// are sent. A client whose update is rejected keeps the memory that it had.

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "kernels/sparsify.hpp"
#include "sim/nn/device.hpp"
#include "sim/nn/sparse_rows.hpp"
#include "sim/round/codec.hpp"

namespace shoal::codecs {
namespace {

constexpr std::int64_t index_bytes = 4;

std::string slot_name(const Channel& channel) { return fmt::format("residual/{}", channel.name); }

// Moves the k values of largest magnitude out of `row`. In float64 the choice is made by the values rounded to float32.
template <class T>
void take_largest(std::span<T> row, std::span<std::uint32_t> positions, std::span<T> values) {
  if constexpr (std::is_same_v<T, float>) {
    top_k(row, positions);
    take(row, positions, values);
  } else {
    const std::vector<float> rounded(row.begin(), row.end());
    top_k(rounded, positions);
    for (std::size_t i = 0; i < positions.size(); ++i) values[i] = std::exchange(row[positions[i]], T{0});
  }
}

class TopK final : public Codec {
 public:
  explicit TopK(const Settings& s)
      : keep_(s.number("keep", 0.01, "share of the coordinates that a client sends",
                       {.least = 0, .most = 1, .least_excluded = true})),
        remembers_(s.flag("memory", true, "whether clients keep what they have not sent (error feedback)")) {}

  void check(const Composition&) const override {
    if (keep_ < 1 || !remembers_) return;
    user_error("the codec 'top_k' with keep = 1 leaves nothing to remember. Lower 'keep', or set memory = false.");
  }

  Wire wire(Wire before, const ParameterLayout& layout) const override {
    const Wire plain = plain_wire(before.channel, layout.type);
    if (before.support != Support::dense || before.ring_bits > 0 || before.largest_bytes != plain.largest_bytes) {
      user_error("the codec 'top_k' chooses among plain values. Put it before the codecs that change them.");
    }
    const std::int64_t k = kept(before.channel.size);
    before.support = Support::data_dependent;
    before.values = k;
    before.index_bytes = k * index_bytes;
    before.expected_bytes = before.largest_bytes = k * (index_bytes + elementSize(layout.type));
    return before;
  }

  std::vector<MemorySlot> memory(const ParameterLayout& layout, std::span<const Channel> channels) const override {
    std::vector<MemorySlot> slots;
    for (const Channel& channel : channels) {
      if (remembers_ && !channel.needs_mean) slots.push_back({slot_name(channel), channel.size, layout.type});
    }
    return slots;
  }

  Encoded encode(Encoded before, const Wire& wire, const Message&, ClientBlock& clients,
                 const PartContext&) const override {
    const at::Tensor update = before.words.dense();
    const std::int64_t count = update.size(0), k = wire.values;
    // All that the clients may send, [K, d]; what stays in it is not sent.
    at::Tensor pending = remembers_ ? clients.recall(slot_name(wire.channel)).add_(update) : update.clone();
    SparseRows top = SparseRows::with_room(count, k, wire.channel.size, pending.options());
    if (on_device(pending)) {
      ensure(pending.scalar_type() == at::kFloat, "top_k on a GPU needs float32");
      auto* positions = reinterpret_cast<std::uint32_t*>(top.positions.mutable_data_ptr<std::int32_t>());
      const RowView<float> rows(pending.mutable_data_ptr<float>(), count, wire.channel.size);
      top_k(current_stream(), RowView<const float>(rows), k, positions);
      take(current_stream(), rows, k, positions, top.values.mutable_data_ptr<float>());
    } else if (pending.scalar_type() == at::kDouble) {
      take_rows<double>(pending, top);
    } else {
      take_rows<float>(pending, top);
    }
    if (remembers_) clients.remember(slot_name(wire.channel), pending);
    const std::int64_t each = pending.element_size();
    return {.words = Rows(std::move(top)),
            .index_bytes = std::vector<std::int64_t>(count, k * index_bytes),
            .value_bytes = std::vector<std::int64_t>(count, k * each)};
  }

 private:
  std::int64_t kept(std::int64_t size) const { return std::max<std::int64_t>(1, std::llround(keep_ * size)); }

  template <class T>
  static void take_rows(at::Tensor& pending, const SparseRows& top) {
    const std::int64_t width = pending.size(1);
    for (std::int64_t row = 0; row < pending.size(0); ++row) {
      const std::span<T> values(pending.mutable_data_ptr<T>() + row * width, width);
      take_largest<T>(values, top.positions_of(row), top.values_of<T>(row));
    }
  }

  double keep_;
  bool remembers_;
};

}  // namespace

std::unique_ptr<Codec> top_k(Settings& settings) { return std::make_unique<TopK>(settings); }

}  // namespace shoal::codecs
