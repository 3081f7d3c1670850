// Plain: values are sent unchanged, 4 bytes for a float32.

#include "sim/round/codec.hpp"

namespace shoal::codecs {
namespace {

class Plain final : public Codec {
 public:
  std::int64_t expected_bytes(std::int64_t size, at::ScalarType type) const override {
    return size * at::elementSize(type);
  }
  Encoded encode(Rows rows, const PartContext&) const override {
    const std::int64_t bytes = expected_bytes(rows.width(), rows.type());
    std::vector<std::int64_t> each(rows.count(), bytes);
    return {std::move(rows), std::move(each)};
  }
  bool summable() const override { return true; }
  bool decodes_rows() const override { return true; }
  Rows decode_rows(const Encoded& encoded) const override { return encoded.words; }
  at::Tensor decode_sum(at::Tensor mean) const override { return mean; }
};

}  // namespace

std::unique_ptr<Codec> plain(Settings&) { return std::make_unique<Plain>(); }

}  // namespace shoal::codecs
