#pragma once
// The recorded order of a live run: which letter each component took next, and when.

#include <cstdint>
#include <span>
#include <vector>

#include "sim/comm/mailbox.hpp"

namespace shoal::pipeline {

/// A letter as its component took it. The letter itself is not kept: replayed, its sender writes it again.
struct Taken {
  Endpoint to, from;
  LetterKind kind;
  std::uint64_t print;  // fingerprint of its body
  Ticks now;            // when it was handled

  friend bool operator==(const Taken&, const Taken&) = default;
};

/// The letters that one mailbox handed over, in order.
using Record = std::vector<Taken>;

Taken taken(const Letter& letter, Ticks now);

/// A record as bytes, to bring it to another process or to keep it.
Bytes pack_record(std::span<const Taken> record);
/// Throws UserError where the bytes are no record.
Record unpack_record(std::span<const std::byte> bytes);

}  // namespace shoal::pipeline
