#pragma once
// The format of letters in a socket, in the byte order of the machine that both processes run on.

#include <array>
#include <cstdint>

namespace shoal {

constexpr std::array<char, 8> socket_magic = {'S', 'H', 'O', 'A', 'L', 'B', 'O', 'X'};
constexpr std::uint32_t socket_version = 1;
constexpr std::uint32_t most_socket_endpoints = 4096;  // per process
constexpr std::int64_t most_socket_capacity = 1 << 24;

/// The first bytes in both directions; the numbers of the endpoints follow, 8 bytes each.
struct SocketGreeting {
  std::array<char, 8> magic = socket_magic;
  std::uint32_t version = socket_version;
  std::uint32_t endpoints = 0;
  std::int64_t capacity = 0;  // letters that this process takes before the first one is handed over
};

enum class FrameKind : std::int32_t { letter = 1, credit = 2, goodbye = 3 };

/// Everything after the greeting: a letter, whose body follows; a letter was handed over, so another one finds room;
/// the process leaves.
struct SocketFrame {
  FrameKind frame = FrameKind::letter;
  std::int32_t kind = 0;
  std::int64_t from = 0, to = 0;
  std::int64_t delay = 0;  // microseconds from sending to `due`: the clocks of the processes differ
  std::uint64_t size = 0;  // the body's bytes
};

static_assert(sizeof(SocketGreeting) == 24 && sizeof(SocketFrame) == 40, "no padding");

}  // namespace shoal
