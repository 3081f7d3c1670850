// Masks on the device. A thread generates one block of key stream per mask and adds it to sums in its registers: the
// sums are read and written once, however many masks there are.
#include <stdexcept>
#include <string>

#include "kernels/mask.hpp"

namespace shoal {
namespace {

template <class Word>
struct AddMasks {
  static constexpr int per_block = 64 / sizeof(Word);
  Word* sum;
  std::int64_t size;
  const Mask* masks;
  std::int64_t count;
  std::uint64_t first;

  SHOAL_HD void operator()(std::int64_t i) const {
    const std::uint64_t block = first / per_block + i;
    Word total[per_block] = {};
    for (std::int64_t m = 0; m < count; ++m) {
      const ChaChaBlock bits = chacha20(masks[m].stream, block);
      const Word sign = static_cast<std::int64_t>(masks[m].sign);
      for (int w = 0; w < per_block; ++w) {
        if constexpr (sizeof(Word) == 8)
          total[w] += sign * (Word{bits.word[2 * w + 1]} << 32 | bits.word[2 * w]);
        else
          total[w] += sign * bits.word[w];
      }
    }
    const std::int64_t begin = block * per_block - first;  // negative if the range starts within this block
    for (int w = 0; w < per_block; ++w)
      if (begin + w >= 0 && begin + w < size) sum[begin + w] += total[w];
  }
};

}  // namespace

template <class Word>
void add_masks(OnDevice device, Word* sum, std::int64_t size, const Mask* masks, std::int64_t count,
               std::uint64_t first) {
  if (first > mask_words<Word> || static_cast<std::uint64_t>(size) > mask_words<Word> - first)
    throw std::invalid_argument("mask of " + std::to_string(size) + " words from word " + std::to_string(first) +
                                " (a key stream has " + std::to_string(mask_words<Word>) + ")");
  if (size == 0) return;
  constexpr std::uint64_t per_block = AddMasks<Word>::per_block;
  const std::uint64_t blocks = (first + size - 1) / per_block - first / per_block + 1;
  run_elements(device, blocks, AddMasks<Word>{sum, size, masks, count, first});
}

template void add_masks<std::uint32_t>(OnDevice, std::uint32_t*, std::int64_t, const Mask*, std::int64_t,
                                       std::uint64_t);
template void add_masks<std::uint64_t>(OnDevice, std::uint64_t*, std::int64_t, const Mask*, std::int64_t,
                                       std::uint64_t);

}  // namespace shoal
