// A libFuzzer program for the reader that the environment's SHOAL_READER names (tests/fuzz starts it).

#include <cstdlib>
#include <string_view>

#include "sim/error.hpp"
#include "tests/fuzzing/readers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const shoal::fuzzing::Reader reader = [] {
    const char* wanted = std::getenv("SHOAL_READER");
    for (const shoal::fuzzing::Reader& one : shoal::fuzzing::readers()) {
      if (wanted != nullptr && std::string_view(wanted) == one.name) return one;
    }
    std::abort();
  }();
  try {
    reader.read({data, size});
  } catch (const shoal::UserError&) {  // the right answer to most bytes
  }
  return 0;
}
