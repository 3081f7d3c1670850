#pragma once
// Pretrained weights of a transformer for the small language, which come with the program.

#include <cstddef>
#include <span>

namespace shoal {

/// The bytes of datasets/language/talk.safetensors when the program was built. They are part of the executable, so
/// that an installed program has them. Made by `shoal pretrain --out datasets/language/talk.safetensors`.
std::span<const std::byte> shipped_weights();

}  // namespace shoal
