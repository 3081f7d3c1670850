#pragma once
// The figures that are measured of one client's work in a round.

#include <array>
#include <bit>
#include <cstdint>
#include <span>

namespace shoal {

/// One client's figures, from the trainer that measures them to the record. To add one: this struct, the trainer, the
/// fields of sim/record.
struct ClientFigures {
  // From the trainer.
  double loss = 0;                                   // mean over the local steps of the loss on the step's batch
  std::int64_t steps = 0;                            // local steps done
  std::int64_t examples = 0, rejected_examples = 0;  // trained on; refused as malformed or not finite
  // From the engine.
  std::int64_t bytes_up = 0;  // sent over all channels
  bool accepted = false;      // its update is finite and within the channels' bounds

  static constexpr std::size_t packed_size = 6;
  /// Integers to be summed over ranks, of which all but one have zeros; the loss travels as the bits of its double.
  std::array<std::int64_t, packed_size> pack() const {
    return {std::bit_cast<std::int64_t>(loss), steps, examples, rejected_examples, bytes_up, accepted};
  }
  static ClientFigures unpack(std::span<const std::int64_t, packed_size> from) {
    return {.loss = std::bit_cast<double>(from[0]),
            .steps = from[1],
            .examples = from[2],
            .rejected_examples = from[3],
            .bytes_up = from[4],
            .accepted = from[5] != 0};
  }
};

}  // namespace shoal
