// Random crops: an image is padded with zeros on all sides and cut back to its size at a random place, and mirrored at
// random if `flip` is set. A client sees one crop of each of its examples in a round, whatever the batch. He et al.,
// CVPR 2016 (arXiv 1512.03385), section 4.2: padding 4, with flips, on CIFAR-10.
#include <algorithm>
#include <cstring>

#include "sim/task/example_transform.hpp"

namespace shoal::transforms {
namespace {

// out[y][x] = in[y + down][x + right] where that is in the image, elsewhere `zero`; in place.
void shift(float* image, const Shape& s, std::int64_t down, std::int64_t right, float zero) {
  const std::int64_t stride = s.width * s.channels;
  const std::int64_t first = std::max<std::int64_t>(0, -right), last = std::min(s.width, s.width - right);
  for (std::int64_t i = 0; i < s.height; ++i) {
    const std::int64_t y = down >= 0 ? i : s.height - 1 - i;  // rows that are still needed are written last
    const std::int64_t from = y + down;
    float* to = image + y * stride;
    if (from < 0 || from >= s.height) {
      std::fill_n(to, stride, zero);
      continue;
    }
    std::memmove(to + first * s.channels, image + from * stride + (first + right) * s.channels,
                 (last - first) * s.channels * sizeof(float));
    std::fill_n(to, first * s.channels, zero);
    std::fill(to + last * s.channels, to + stride, zero);
  }
}

void mirror(float* image, const Shape& s) {
  for (std::int64_t y = 0; y < s.height; ++y) {
    float* row = image + y * s.width * s.channels;
    for (std::int64_t left = 0, right = s.width - 1; left < right; ++left, --right) {
      std::swap_ranges(row + left * s.channels, row + (left + 1) * s.channels, row + right * s.channels);
    }
  }
}

class RandomCrop final : public ExampleTransform {
 public:
  explicit RandomCrop(const Settings& s)
      : padding_(s.integer("padding", 4, "zeros that are added on each side, in pixels", between(0, 1e6))),
        flip_(s.flag("flip", false, "mirror each image from left to right with probability 1/2")),
        where_(s.where()) {}

  void check(const Form& form) const override {
    const Shape& s = form.shape;
    if (form.features == Form::Features::tokens || s.height * s.width == 1) {
      user_error("{}: random crops need images. Leave 'random_crop' out.", where_);
    }
    if (padding_ < std::min(s.height, s.width)) return;
    user_error("{}: a padding of {} could move images of {} x {} pixels out of sight. Lower 'padding'.", where_,
               padding_, s.height, s.width);
  }

  void apply(const Batch& batch, Gathered& to, RandomKey key) const override {
    const Shape& shape = batch.form.shape;
    const float zero = batch.form.offset;  // a stored 0, as the model sees it
    float* image = to.features.mutable_data_ptr<float>();
    for (const std::int32_t position : batch.positions) {
      RandomStream random = draws_of(key, *batch.who, position);
      const std::int64_t down = random.below(2 * padding_ + 1) - padding_;
      const std::int64_t right = random.below(2 * padding_ + 1) - padding_;
      shift(image, shape, down, right, zero);
      if (flip_ && random.below(2) == 1) mirror(image, shape);
      image += shape.size();
    }
  }

 private:
  std::int64_t padding_;
  bool flip_;
  std::string where_;
};

}  // namespace

std::unique_ptr<ExampleTransform> random_crop(Settings& settings) { return std::make_unique<RandomCrop>(settings); }

}  // namespace shoal::transforms
