#pragma once
// A transformer's weights for the small language, which come with the program.

#include <cstddef>
#include <span>

namespace shoal {

/// The bytes of datasets/language/talk.safetensors when the program was built. They travel inside the program, so that
/// an installed one has them. Made by `shoal pretrain --out datasets/language/talk.safetensors`.
std::span<const std::byte> shipped_weights();

}  // namespace shoal
