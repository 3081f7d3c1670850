#pragma once
// The figures that are measured of one client's work in a round.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace shoal {

/// One client's figures, from the trainer that measures them to the record. What only one task measures is in
/// `figures`; to add a figure that every task has: this struct, the trainers, the fields of sim/record.
struct ClientFigures {
  // From the trainer.
  double loss = 0;                                   // mean over the local steps of the loss on the step's batch
  std::int64_t steps = 0;                            // local steps done
  std::int64_t examples = 0, rejected_examples = 0;  // trained on; refused as malformed or not finite
  // From the engine.
  std::int64_t bytes_up = 0;  // sent over all channels
  bool accepted = false;      // its update is finite and within the channels' bounds
  // From the trainer: a value for each name of Task::figures, NaN where it could not be measured.
  std::vector<double> figures{};

  /// Numbers of a client in a task with this many `figures`.
  static constexpr std::size_t packed_size(std::size_t figures) { return 6 + figures; }
  /// Fills `to` with integers to be summed over ranks, of which all but one have zeros; reals travel as their bits.
  void pack(std::span<std::int64_t> to) const {
    const auto bits = [](double real) { return std::bit_cast<std::int64_t>(real); };
    const std::int64_t own[] = {bits(loss), steps, examples, rejected_examples, bytes_up, accepted};
    std::ranges::transform(figures, std::ranges::copy(own, to.begin()).out, bits);
  }
  static ClientFigures unpack(std::span<const std::int64_t> from) {
    const auto real = [](std::int64_t bits) { return std::bit_cast<double>(bits); };
    ClientFigures client{.loss = real(from[0]),
                         .steps = from[1],
                         .examples = from[2],
                         .rejected_examples = from[3],
                         .bytes_up = from[4],
                         .accepted = from[5] != 0};
    for (const std::int64_t bits : from.subspan(packed_size(0))) client.figures.push_back(real(bits));
    return client;
  }
};

/// The clients' figures from integers that have been summed over ranks, one client after the other.
inline std::vector<ClientFigures> unpack_all(std::span<const std::int64_t> packed, std::size_t figures) {
  std::vector<ClientFigures> all;
  const std::size_t size = ClientFigures::packed_size(figures);
  for (std::size_t at = 0; at < packed.size(); at += size) {
    all.push_back(ClientFigures::unpack(packed.subspan(at, size)));
  }
  return all;
}

}  // namespace shoal
