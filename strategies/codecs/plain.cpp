// Plain: values are sent unchanged, 4 bytes for a float32.

#include "sim/round/codec.hpp"

namespace shoal::codecs {
namespace {

class Plain final : public Codec {
 public:
  Wire wire(Wire before, const ParameterLayout&) const override { return before; }
  Encoded encode(Encoded before, const Wire&, const Message&, ClientBlock&, const PartContext&) const override {
    return before;
  }
  bool changes_nothing() const override { return true; }
};

}  // namespace

std::unique_ptr<Codec> plain(Settings&) { return std::make_unique<Plain>(); }

}  // namespace shoal::codecs
