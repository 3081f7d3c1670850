#include "sim/files/seal.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "sim/digest.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

constexpr std::string_view introduction = "shoal content is";

}  // namespace

std::string seal_of(std::span<const std::byte> content) {
  return std::string(introduction) + Digest().add(content).hex();
}

std::string seal_of_file(const std::string& path, std::int64_t content) {
  std::ifstream file(path, std::ios::binary);
  Digest digest;
  std::vector<char> piece(1 << 20);
  for (std::int64_t left = content; left > 0 && file;) {
    const std::int64_t count = std::min<std::int64_t>(left, std::ssize(piece));
    file.read(piece.data(), count);
    digest.add(std::as_bytes(std::span(piece).first(count)));
    left -= count;
  }
  if (!file) system_error("cannot read '{}': {}", path, std::strerror(errno));
  return std::string(introduction) + digest.hex();
}

Seal seal_at_end(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::int64_t size = file.tellg();
  const std::int64_t content = size - seal_size;
  if (content < 0) return Seal::none;
  std::string seal(seal_size, '\0');
  file.seekg(content).read(seal.data(), seal_size);
  if (!seal.starts_with(introduction)) return Seal::none;
  return seal == seal_of_file(path, content) ? Seal::whole : Seal::broken;
}

}  // namespace shoal
