#include "sim/task/network.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "sim/error.hpp"

namespace shoal {

namespace {

// Settings may ask for any width; sizes are counted in 64 bits.
void require_possible(std::int64_t before, const std::vector<std::int64_t>& weight) {
  constexpr double most = 1e12;
  double values = 1;
  for (const std::int64_t side : weight) values *= static_cast<double>(side);
  values += static_cast<double>(before) + static_cast<double>(weight.front());
  if (values > most)
    user_error("a model of {:.3g} parameters (at most {:.0e} are possible). Lower its widths?", values, most);
}

}  // namespace

Network& Network::add(std::shared_ptr<const Layer> layer) {
  const Shape after = layer->output(output_);
  Place place{std::move(layer), output_, layout_.parameters.size(), 0};
  const std::vector<std::int64_t> weight = place.layer->weight(output_);
  if (!weight.empty()) {
    require_possible(layout_.size, weight);
    const auto same_kind = [&](const Place& p) { return p.layer->kind() == place.layer->kind(); };
    const auto number = 1 + std::count_if(places_.begin(), places_.end(), same_kind);
    const std::string name = fmt::format("{}{}", place.layer->kind(), number);
    layout_.add(name + ".weight", weight);
    layout_.add(name + ".bias", {weight.front()});
    place.parameters = 2;
  }
  places_.push_back(std::move(place));
  output_ = after;
  return *this;
}

at::Tensor Network::initial_parameters(RandomKey key) const {
  at::Tensor out = at::empty({layout_.size}, at::kFloat);
  float* next = out.mutable_data_ptr<float>();
  std::int64_t layer = 0;
  for (const Place& place : places_) {
    if (place.parameters == 0) continue;
    const Parameter& weight = layout_.parameters[place.first_parameter];
    const double bound = 1 / std::sqrt(static_cast<double>(weight.size / weight.shape.front()));
    RandomStream random(key, layer++);
    for (std::int64_t left = weight.size + weight.shape.front(); left > 0; --left) {
      *next++ = static_cast<float>(bound * (2 * random.uniform() - 1));
    }
  }
  return out.to(layout_.device);  // drawn on the host: the same bits everywhere
}

double Network::flops_per_example() const {
  double sum = 0;
  bool first = true;
  for (const Place& place : places_) {
    const double forward = place.layer->flops(place.input);
    sum += forward * (first ? 2 : 3);
    if (place.parameters > 0) first = false;
  }
  return sum;
}

}  // namespace shoal
