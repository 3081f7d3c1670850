// Hadamard rotation on the device: tiles of 8,192 values in shared memory. Pieces up to that size take one launch;
// longer pieces take another launch for every eight further stages.
#include <cmath>

#include "kernels/hadamard.hpp"
#include "kernels/hadamard_pieces.hpp"

namespace shoal {
namespace {

using hadamard::Pass;

constexpr std::int64_t capacity = 8192;

enum class Signs { none, before, after };

// One pass over neighbouring pieces of each row, from `in` to `out`, times `factor`.
struct Transform {
  static constexpr int lanes = 256;
  struct Shared {
    float value[capacity];
    std::uint32_t sign[capacity / 32 + 1];
  };
  Pass pass;
  std::int64_t begin, pieces;  // the first piece's start in its row, and the number of pieces
  RowView<const float> in;     // values beyond its columns count as zero
  RowView<float> out;          // values beyond its columns are not stored
  const PhiloxStream* signs;
  Signs when;
  float factor;

  SHOAL_HD void operator()(const Block& block, Shared& shared) const {
    const std::int64_t per_row = pieces * pass.tiles(), n = pass.tile();
    const std::int64_t row = block.index() / per_row, t = block.index() % per_row;
    const std::int64_t start = begin + t / pass.tiles() * pass.size, tile = t % pass.tiles();
    const std::int64_t first = start + pass.place(tile, 0);
    const float* from = in.at(row);
    float* to = out.at(row);
    if (when != Signs::none) {
      // Word w has the signs of the tile's values from 32 w - first % 32 on. Tiles of distant values start at multiples
      // of 32 and have rows of 32, so that this holds for them too.
      const std::int64_t apart = pass.first == 1 ? tile_row : pass.first;
      block.each([&](int lane) {
        for (std::int64_t w = lane; w * tile_row < first % tile_row + n; w += lanes) {
          const std::int64_t word = (first + w * apart) / tile_row;
          shared.sign[w] = signs[row].block(word / 4)[word % 4];
        }
      });
    }
    const auto signed_value = [&](std::int64_t i, float x) {
      const std::int64_t bit = first % tile_row + i;
      return (shared.sign[bit / tile_row] >> (bit % tile_row) & 1) != 0 ? -x : x;
    };
    block.each([&](int lane) {
      for (std::int64_t i = lane; i < n; i += lanes) {
        const std::int64_t at = start + pass.place(tile, i);
        float x = 0;
        if (at < in.columns()) x = when == Signs::before ? signed_value(i, from[at]) : from[at];
        shared.value[i] = x;
      }
    });
    std::int64_t h = pass.columns;
    for (; 4 * h <= n; h *= 4)
      block.each([&](int lane) {
        for (std::int64_t i = lane; i < n / 4; i += lanes) {
          float* x = shared.value + i / h * 4 * h + i % h;
          hadamard::butterfly(x[0], x[h], x[2 * h], x[3 * h]);
        }
      });
    if (h < n)
      block.each([&](int lane) {
        for (std::int64_t i = lane; i < n / 2; i += lanes) {
          float* x = shared.value + i / h * 2 * h + i % h;
          hadamard::butterfly(x[0], x[h]);
        }
      });
    block.each([&](int lane) {
      for (std::int64_t i = lane; i < n; i += lanes) {
        const std::int64_t at = start + pass.place(tile, i);
        const float x = shared.value[i] * factor;
        if (at < out.columns()) to[at] = when == Signs::after ? signed_value(i, x) : x;
      }
    });
  }

 private:
  static constexpr std::int64_t tile_row = hadamard::tile_columns;
  static_assert(tile_row == 32, "one word of signs per row of a tile");
};

// All passes over `pieces` pieces of `size` values from `begin` on; `middle` holds the values between passes.
void transform(OnDevice device, RowView<const float> in, RowView<float> middle, RowView<float> out, std::int64_t begin,
               std::int64_t size, std::int64_t pieces, const PhiloxStream* signs, Signs when) {
  if (pieces == 0 || size == 0) return;
  const float factor = 1 / std::sqrt(size);
  std::int64_t done = 1;
  do {
    const Pass pass = hadamard::next_pass(size, done, capacity);
    const bool is_first = pass.first == 1, is_last = pass.last == size;
    done = pass.last;
    const bool with_signs = when == Signs::before ? is_first : is_last;
    const Transform body = {pass,
                            begin,
                            pieces,
                            is_first ? in : RowView<const float>(middle),
                            is_last ? out : middle,
                            signs,
                            with_signs ? when : Signs::none,
                            is_last ? factor : 1.0f};
    run_blocks(device, in.rows() * pieces * pass.tiles(), body);
  } while (done < size);
}

void require_rotated(std::int64_t d, std::int64_t rows, std::int64_t block, RowView<const float> rotated) {
  require_size("rotated row", rotated.columns(), rotated_size(d, block));
  require_size("rotated rows", rotated.rows(), rows);
}

}  // namespace

void rotate(OnDevice device, RowView<float> out, RowView<const float> rows, std::int64_t block,
            const PhiloxStream* signs) {
  require_rotated(rows.columns(), rows.rows(), block, out);
  const auto [full, last] = hadamard::cut(rows.columns(), block);
  transform(device, rows, out, out, 0, block, full, signs, Signs::before);
  transform(device, rows, out, out, full * block, last, 1, signs, Signs::before);
}

void rotate_back(OnDevice device, RowView<float> rows, RowView<float> rotated, std::int64_t block,
                 const PhiloxStream* signs) {
  require_rotated(rows.columns(), rows.rows(), block, rotated);
  const auto [full, last] = hadamard::cut(rows.columns(), block);
  transform(device, rotated, rotated, rows, 0, block, full, signs, Signs::after);
  transform(device, rotated, rotated, rows, full * block, last, 1, signs, Signs::after);
}

}  // namespace shoal
