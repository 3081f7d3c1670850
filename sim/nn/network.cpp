#include "sim/nn/network.hpp"

#include <ATen/ops/zeros.h>

#include <algorithm>

#include "sim/error.hpp"
#include "sim/nn/network_worker.hpp"

namespace shoal {

namespace {

// Settings may ask for any width, and sizes that do not fit 64 bits are refused.
void require_possible(std::int64_t before, const std::vector<Parameter>& added) {
  constexpr double most = 1e12;
  double values = before;
  for (const Parameter& parameter : added) {
    double size = 1;
    for (const std::int64_t side : parameter.shape) size *= side;
    values += size;
  }
  if (values > most) {
    user_error("a model of {:.3g} parameters (at most {:.0e} are possible). Lower its widths.", values, most);
  }
}

Range range_of(const ParameterLayout& layout, const Network::Place& place) {
  const Parameter& first = layout.parameters[place.first_parameter];
  const Parameter& last = layout.parameters[place.first_parameter + place.parameters - 1];
  return {first.offset, last.offset + last.size - first.offset};
}

}  // namespace

Network::Network(const Form& form) : form_(form), output_(form.shape) {
  if (form.features == Form::Features::tokens || form.targets != Form::Targets::labels) {
    user_error(
        "a model of layers for sequences of tokens or targets that are no labels. Choose another model or data.");
  }
}

Network& Network::add(std::shared_ptr<const Layer> layer) {
  const Shape after = layer->output(output_);
  const std::vector<Parameter> own = layer->parameters(output_);
  require_possible(layout_.size, own);
  const Place place{std::move(layer), output_, layout_.parameters.size(), own.size()};
  const std::string_view kind = place.layer->kind();
  const auto number = 1 + std::ranges::count(places_, kind, [](const Place& p) { return p.layer->kind(); });
  for (const Parameter& p : own) layout_.add(fmt::format("{}{}.{}", kind, number, p.name), p.shape, p.role);
  places_.push_back(place);
  output_ = after;
  form_.classes = after.size();
  return *this;
}

Network& Network::vary(Network smaller) {
  ensure(smaller.input() == input() && smaller.output() == output_, "a variant for other examples");
  smaller.layout_.places = places_in(smaller.layout_, layout_).to(layout_.device);
  smaller.layout_.device = layout_.device;
  smaller_.push_back(std::make_shared<const Network>(std::move(smaller)));
  return *this;
}

std::unique_ptr<Worker> Network::worker(std::int64_t clients, at::Device device) const {
  return std::make_unique<NetworkWorker>(*this, clients, device);
}

const Learnable& Network::variant(std::int32_t number) const {
  ensure(number >= 0 && number < variants(), "variant {} of {}", number, variants());
  if (number == 0) return *this;
  return *smaller_[number - 1];
}

at::Tensor Network::initial_parameters(RandomKey key) const {
  at::Tensor out = at::zeros({layout_.size}, at::kFloat);
  const std::span<float> values(out.mutable_data_ptr<float>(), layout_.size);
  std::int64_t stream = 0;
  for (const Place& place : places_) {
    if (place.parameters == 0) continue;
    const Range own = range_of(layout_, place);
    RandomStream random(key, stream++);
    place.layer->initialize(values.subspan(own.first, own.size), place.input, random);
  }
  return out.to(layout_.device);  // drawn on the host: the same bits everywhere
}

void Network::initialize(std::span<float> values, RandomStream& random) const {
  for (const Place& place : places_) {
    if (place.parameters == 0) continue;
    const Range own = range_of(layout_, place);
    place.layer->initialize(values.subspan(own.first, own.size), place.input, random);
  }
}

double Network::forward_flops() const {
  double sum = 0;
  for (const Place& place : places_) sum += place.layer->flops(place.input);
  return sum;
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
