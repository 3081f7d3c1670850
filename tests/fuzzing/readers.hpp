#pragma once
// The readers of files that strangers may send, each as a function of bytes. Whatever the bytes are, a reader returns
// or throws a UserError; anything else is a fault.

#include <cstdint>
#include <span>

namespace shoal::fuzzing {

struct Reader {
  const char* name;  // the folder of its examples in tests/fuzzing/corpus
  void (*read)(std::span<const std::uint8_t> bytes);
};

/// All of them.
std::span<const Reader> readers();

}  // namespace shoal::fuzzing
