// Quantize: each value is rounded at random, without bias, to one of 2^bits - 1 levels between -scale and scale, and a
// client sends its levels and its scale. QSGD: Alistarh, Grubic, Li, Tomioka and Vojnovic, NeurIPS 2017 (arXiv
// 1610.02132), section 3; with `scale = "largest"` as in FedPAQ's and TernGrad's implementations. After top_k it
// rounds the values that are sent.

#include <algorithm>
#include <cmath>

#include "kernels/quantize.hpp"
#include "sim/nn/factored_rows.hpp"
#include "sim/round/codec.hpp"

namespace shoal::codecs {
namespace {

constexpr std::int64_t scale_bytes = 4;

class Quantize final : public Codec {
 public:
  explicit Quantize(const Settings& s)
      : bits_(s.integer("bits", 8, "bits of a value", between(2, most_code_bits))),
        rule_(s.choice("scale", ScaleRule::largest, {{"largest", ScaleRule::largest}, {"l2", ScaleRule::l2_norm}},
                       "what the levels are relative to: a client's largest magnitude or its Euclidean norm")) {}

  Wire wire(Wire before, const ParameterLayout&) const override {
    if (before.ring_bits > 0) {
      user_error("the codec 'quantize' rounds real values. Put it before the codecs that make integers.");
    }
    // Level times scale may be rounded up; a norm may belong to a single value.
    const double most = rule_ == ScaleRule::l2_norm ? std::sqrt(1.0 * before.values) : 1;
    before.channel.bound = *before.channel.bound * most * (1 + 0x1p-20);
    before.largest_bytes = before.expected_bytes =
        before.index_bytes + packed_bytes(before.values, bits_) + scale_bytes;
    return before;
  }

  Encoded encode(Encoded before, const Wire& wire, const Message&, ClientBlock&,
                 const PartContext& context) const override {
    Rows& rows = before.words;
    const at::Device device = rows.device();
    rows = (rows.factored() != nullptr ? Rows(rows.dense()) : rows).to(at::kCPU);
    std::vector<std::uint8_t> packed(packed_bytes(wire.values, bits_));
    std::vector<float> single;
    for (std::int64_t k = 0; k < rows.count(); ++k) {
      const Participation& p = context.block[k];
      const PhiloxStream random = philox_stream(context.key, value(p.client), value(p.id));
      const at::Tensor stored = rows.stored(k);
      const std::size_t size = stored.numel();
      if (rows.type() == at::kFloat) {
        round({stored.mutable_data_ptr<float>(), size}, random, packed);
      } else {
        auto* values = stored.mutable_data_ptr<double>();
        single.assign(values, values + size);
        round(single, random, packed);
        std::ranges::copy(single, values);
      }
      before.value_bytes[k] = packed_bytes(stored.numel(), bits_) + scale_bytes;
    }
    rows = rows.to(device);
    return before;
  }

 private:
  // Replaces the values by those that the receiver decodes.
  void round(std::span<float> values, const PhiloxStream& random, std::span<std::uint8_t> packed) const {
    const float scale = quantization_scale(values, rule_);
    if (!std::isfinite(scale)) return;  // the engine rejects such a client
    const std::span<std::uint8_t> codes = packed.first(packed_bytes(std::ssize(values), bits_));
    quantize(codes, values, scale, bits_, random);
    dequantize(values, codes, scale, bits_);
  }

  int bits_;
  ScaleRule rule_;
};

}  // namespace

std::unique_ptr<Codec> quantize(Settings& settings) { return std::make_unique<Quantize>(settings); }

}  // namespace shoal::codecs
