// Does every reader of files take its examples, and what is like them, without a fault? The command tests/fuzz searches
// for longer, with libFuzzer and sanitizers; what it finds becomes an example.

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "sim/error.hpp"
#include "sim/random.hpp"
#include "tests/fuzzing/readers.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

std::vector<Bytes> examples(const std::string& reader) {
  const char* source = std::getenv("SHOAL_SOURCE");
  std::vector<Bytes> all;
  for (const auto& entry : fs::directory_iterator(fs::path(source ? source : ".") / "tests/fuzzing/corpus" / reader)) {
    std::ifstream file(entry.path(), std::ios::binary);
    all.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return all;
}

// One to four changes: a flipped bit, a copied, removed or repeated stretch, an extreme byte.
Bytes changed(Bytes bytes, RandomStream& random) {
  for (std::uint64_t left = 1 + random.below(4); left > 0 && !bytes.empty(); --left) {
    const std::size_t at = random.below(bytes.size()),
                      length = 1 + random.below(std::min<std::size_t>(16, bytes.size() - at));
    const auto from = bytes.begin() + at;
    switch (random.below(5)) {
      case 0:
        bytes[at] ^= 1 << random.below(8);
        break;
      case 1:
        std::copy_n(Bytes(from, from + length).begin(), length,
                    bytes.begin() + random.below(bytes.size() - length + 1));
        break;
      case 2:
        bytes.erase(from, from + length);
        break;
      case 3: {
        const Bytes stretch(from, from + length);
        bytes.insert(from, stretch.begin(), stretch.end());
        break;
      }
      default:
        bytes[at] = random.below(2) == 0 ? 0xff : 0x80;
    }
  }
  return bytes;
}

// Fails the test unless the reader returns or throws a UserError.
void feed(const fuzzing::Reader& reader, const Bytes& bytes) {
  try {
    reader.read(bytes);
  } catch (const UserError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << reader.name << ": " << error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << reader.name << ": " << error.what();
  }
}

TEST(FuzzedReaders, TakeTheirExamples) {
  for (const fuzzing::Reader& reader : fuzzing::readers()) {
    const std::vector<Bytes> all = examples(reader.name);
    EXPECT_FALSE(all.empty()) << reader.name;
    for (const Bytes& bytes : all) feed(reader, bytes);
  }
}

TEST(FuzzedReaders, TakeWhatIsLikeThem) {
  const char* wanted = std::getenv("SHOAL_FUZZ_SECONDS");  // for each reader
  const std::chrono::duration<double> time(wanted ? std::atof(wanted) : 0.5);
  for (const fuzzing::Reader& reader : fuzzing::readers()) {
    const std::vector<Bytes> all = examples(reader.name);
    RandomStream random(random_key(1, reader.name), 0);
    const auto end = std::chrono::steady_clock::now() + time;
    for (std::size_t n = 0; std::chrono::steady_clock::now() < end && !testing::Test::HasFailure(); ++n) {
      feed(reader, changed(all[n % all.size()], random));
    }
  }
}

}  // namespace
}  // namespace shoal
