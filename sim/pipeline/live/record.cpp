#include "sim/pipeline/live/record.hpp"

#include "sim/files/packing.hpp"

namespace shoal::pipeline {
namespace {

constexpr std::string_view first_words = "shoal pipeline record 2";

// FNV-1a over words of 8 bytes, the last one filled up with zeros.
std::uint64_t fingerprint(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0xcbf29ce484222325 ^ bytes.size();
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, std::min<std::size_t>(8, bytes.size() - i));
    hash = (hash ^ word) * 0x100000001b3;
    hash ^= hash >> 32;  // the product's high bits depend on all bits of the word, its low bits do not
  }
  return hash;
}

}  // namespace

Taken taken(const Letter& letter, Ticks now) {
  const std::span<const std::byte> body = letter.body ? std::span(*letter.body) : std::span<const std::byte>();
  return {letter.to, letter.from, letter.kind, fingerprint(body), now};
}

Bytes pack_record(std::span<const Taken> record) {
  Packer to;
  to.text(first_words).number<std::uint64_t>(record.size());
  for (const Taken& t : record) {
    to.number(value(t.to)).number(value(t.from)).number(value(t.kind)).number(t.print).number(value(t.now));
  }
  return {to.bytes().begin(), to.bytes().end()};
}

Record unpack_record(std::span<const std::byte> bytes) {
  Unpacker from(bytes, "a record of the pipeline");
  if (from.text() != first_words) user_error("these bytes are not a record of the pipeline. Use what it wrote.");
  Record record;
  // Read one by one, so that a false count ends with the bytes and takes no memory.
  for (auto count = from.number<std::uint64_t>(); count > 0; --count) {
    const Endpoint to{from.number<std::int64_t>()}, sender{from.number<std::int64_t>()};
    const LetterKind kind{from.number<std::int32_t>()};
    const auto print = from.number<std::uint64_t>();
    record.push_back({to, sender, kind, print, Ticks{from.number<std::int64_t>()}});
  }
  from.finish();
  return record;
}

}  // namespace shoal::pipeline
