#include "datasets/contents.hpp"

#include <array>

#include "datasets/readers/digest.hpp"

namespace shoal {

std::string contents_digest(const Examples& train, const Examples& test) {
  readers::Sha256 digest;
  for (const Examples* half : {&train, &test}) {
    // Sizes first, so that no two different data sets are the same sequence of bytes.
    const std::array<std::int64_t, 7> sizes = {half->shape.channels,
                                               half->shape.height,
                                               half->shape.width,
                                               half->classes,
                                               static_cast<std::int64_t>(half->bytes.size()),
                                               static_cast<std::int64_t>(half->floats.size()),
                                               half->count()};
    digest.add_values(std::span<const std::int64_t>(sizes));
    digest.add_values(std::span<const std::uint8_t>(half->bytes));
    digest.add_values(std::span<const float>(half->floats));
    digest.add_values(std::span<const std::int32_t>(half->labels));
  }
  return digest.hex();
}

}  // namespace shoal
