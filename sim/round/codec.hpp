#pragma once
// How an update travels: its words on the wire and their exact number of bytes.

#include <span>
#include <vector>

#include "sim/participation.hpp"
#include "sim/random.hpp"
#include "sim/round/channel.hpp"
#include "sim/settings/part.hpp"

namespace shoal {

/// A block's channel as it is sent.
struct Encoded {
  Rows words;
  std::vector<std::int64_t> bytes;  // [K], on the wire
};

class Codec {
 public:
  virtual ~Codec() = default;
  /// Bytes of `size` values of a client before they are known: what the virtual clock uses.
  virtual std::int64_t expected_bytes(std::int64_t size, at::ScalarType type) const = 0;
  virtual Encoded encode(Rows rows, RandomKey key, std::span<const Participation> block) const = 0;
  /// Whether encoded words may be added (`decode_sum` then sees their mean) or each must be decoded first.
  virtual bool summable() const = 0;
  /// Whether each client's row can be had from its words, as robust aggregators need it. A codec is one of the two, or
  /// both.
  virtual bool decodes_rows() const { return !summable(); }
  /// The rows behind the words. For codecs that decode rows.
  virtual Rows decode_rows(const Encoded& encoded) const = 0;
  /// The mean behind the mean of the words. For summable codecs.
  virtual at::Tensor decode_sum(at::Tensor mean) const = 0;
};

template <>
std::span<const Part<Codec>> parts<Codec>();  // generated from strategies/codecs

}  // namespace shoal
