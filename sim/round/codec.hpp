#pragma once
// A codec turns updates into the words that clients send and counts their exact number of bytes.

#include <span>
#include <vector>

#include "sim/round/part.hpp"

namespace shoal {

/// One channel of a block in the form in which it is sent.
struct Encoded {
  Rows words;
  std::vector<std::int64_t> bytes;  // [K], sent by each client
};

/// Channels that need a mean are sent unchanged and skip the codec.
class Codec : public RoundPart {
 public:
  /// Bytes that a client is expected to send for `size` values; the virtual clock uses them before training.
  virtual std::int64_t expected_bytes(std::int64_t size, at::ScalarType type) const = 0;
  /// The words of a block's rows in one channel, which has a key of its own.
  virtual Encoded encode(Rows rows, const PartContext& context) const = 0;
  /// Whether encoded words may be added, so that `decode_sum` gets their mean; otherwise each row is decoded first.
  virtual bool summable() const = 0;
  /// Whether each client's row can be recovered from its words, as robust aggregators need it. A codec must be summable
  /// or decode rows; it may do both.
  virtual bool decodes_rows() const { return !summable(); }
  /// Recovers the rows from the words. Only for codecs that decode rows.
  virtual Rows decode_rows(const Encoded& encoded) const = 0;
  /// Recovers the mean of the rows from the mean of the words. Only for summable codecs.
  virtual at::Tensor decode_sum(at::Tensor mean) const = 0;
};

template <>
std::span<const Part<Codec>> parts<Codec>();  // generated from strategies/codecs

}  // namespace shoal
