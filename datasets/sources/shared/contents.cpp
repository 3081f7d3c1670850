#include "datasets/sources/shared/contents.hpp"

#include <array>

#include "sim/digest.hpp"

namespace shoal {

std::string contents_digest(const Examples& train, const Examples& test) {
  Sha256 digest;
  for (const Examples* half : {&train, &test}) {
    // Sizes first, so that no two different data sets are the same sequence of bytes.
    const std::array<std::int64_t, 7> sizes = {half->shape.channels, half->shape.height,      half->shape.width,
                                               half->classes,        std::ssize(half->bytes), std::ssize(half->floats),
                                               half->count()};
    digest.add(std::as_bytes(std::span(sizes)));
    digest.add(std::as_bytes(std::span(half->bytes)));
    digest.add(std::as_bytes(std::span(half->floats)));
    digest.add(std::as_bytes(std::span(half->labels)));
    digest.add(std::as_bytes(std::span(half->groups)));
  }
  return digest.hex();
}

}  // namespace shoal
