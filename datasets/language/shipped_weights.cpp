#include "datasets/language/shipped_weights.hpp"

__asm__(
    ".pushsection .rodata\n"
    ".balign 64\n"
    "shoal_weights_begin: .incbin \"" SHOAL_WEIGHTS
    "\"\n"
    "shoal_weights_end: .byte 0\n"
    ".popsection\n");
extern "C" const std::byte shoal_weights_begin, shoal_weights_end;

namespace shoal {

std::span<const std::byte> shipped_weights() { return {&shoal_weights_begin, &shoal_weights_end}; }

}  // namespace shoal
