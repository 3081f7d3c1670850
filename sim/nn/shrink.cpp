#include "sim/nn/shrink.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "sim/nn/layers/scaler.hpp"

namespace shoal {

std::int64_t Shrunk::width(std::int64_t of_whole) const {
  if (ratio_ == 1) return of_whole;
  constexpr double rounding = 1e-9;  // 50 * 0.14 is a little more than 7 in floating point
  return std::max<std::int64_t>(1, std::ceil(of_whole * ratio_ * (1 - rounding)));
}

Network& Shrunk::hidden(Network& to, std::shared_ptr<const Layer> layer) const {
  to.add(std::move(layer));
  if (scales_ && ratio_ < 1) to.add(layers::scaler(1 / ratio_));
  return to;
}

Shrink::Shrink(const Settings& model)
    : ratios_(model.numbers("shrink", {1},
                            "ratios of hidden widths, one for each variant of the model; the first is 1, the whole",
                            {.least = 0, .most = 1, .least_excluded = true})),
      scales_(
          model.flag("scaler", false, "whether smaller variants divide hidden outputs by their ratio in training")) {
  const bool falls = std::ranges::adjacent_find(ratios_, std::less_equal<>{}) == ratios_.end();
  if (ratios_.empty() || ratios_.front() != 1 || !falls) {
    user_error("{}: 'shrink' is {} (it must begin with 1, the whole model, and fall). Write it like [1, 0.5, 0.25].",
               model.where(), ratios_);
  }
}

std::shared_ptr<const Network> Shrink::build(at::Device device,
                                             const std::function<Network(const Shrunk&)>& make) const {
  Network whole = make({1, scales_});
  whole.on(device);
  for (const double ratio : std::span(ratios_).subspan(1)) whole.vary(make({ratio, scales_}));
  return std::make_shared<const Network>(std::move(whole));
}

}  // namespace shoal
