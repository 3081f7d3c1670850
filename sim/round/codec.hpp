#pragma once
// A codec turns updates into the words that clients send and counts their exact number of bytes. Codecs form a chain:
// each encodes the rows that the one before it has left, and sums are decoded in reverse order.

#include <span>
#include <vector>

#include "sim/round/client_block.hpp"
#include "sim/round/part.hpp"
#include "sim/round/wire.hpp"
#include "sim/round/written_memory.hpp"

namespace shoal {

/// One channel of a block in the form in which it is sent.
struct Encoded {
  Rows words;
  std::vector<std::int64_t> index_bytes, value_bytes;  // [K]; each client sends their sum
};

/// Channels that need a mean are sent unchanged and skip all codecs.
class Codec : public RoundPart {
 public:
  /// The channel's wire after this codec; `before` is the plain one for the first codec of the chain. UserError if the
  /// codec cannot follow those before it.
  virtual Wire wire(Wire before, const ParameterLayout& layout) const = 0;
  /// The words of a block's rows in the channel of `wire`, which is this codec's own. The key belongs to this codec and
  /// channel, and client memory is the codec's own. Rows of clients that have been rejected hold zeros. A quantizer
  /// replaces `value_bytes` and keeps `index_bytes`.
  virtual Encoded encode(Encoded before, const Wire& wire, const Message& message, ClientBlock& clients,
                         const PartContext& context) const = 0;
  /// Recovers the mean of the rows [before.channel.size] from the mean of the words. `before` is the wire of the rows
  /// before this codec, `state` the codec's section.
  virtual at::Tensor decode_sum(at::Tensor mean, State& /*state*/, const Wire& /*before*/) const { return mean; }
  /// Whether what clients remember depends on the round's sum: `settle` is then called.
  virtual bool settles() const { return false; }
  /// Completes what one client has remembered for this codec, such as a residual against the decoded mean, before it is
  /// stored: `decoded` is what `decode_sum` has returned for the rows before this codec, which must not change and lies
  /// on the device of the sums; `state` is the codec's section after it. Called for each accepted client, for several
  /// at once. A real client would have to receive what is used here: codecs broadcast it, which counts as download.
  virtual void settle(WrittenMemory& /*client*/, const at::Tensor& /*decoded*/, const State& /*state*/,
                      const Wire& /*before*/) const {}
  /// True if the words are rows of the update already, as robust rules need them; false if only sums can be decoded.
  virtual bool decodes_rows() const { return true; }
  /// True if rows pass unchanged, so that the engine checks them once.
  virtual bool changes_nothing() const { return false; }
};

template <>
std::span<const Part<Codec>> parts<Codec>();  // generated from strategies/codecs

}  // namespace shoal
