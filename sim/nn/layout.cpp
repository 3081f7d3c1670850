#include "sim/nn/layout.hpp"

#include <ATen/ops/empty.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "sim/error.hpp"

namespace shoal {
namespace {

std::vector<std::string_view> parts_of(std::string_view name) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t dot = name.find('.');
    parts.push_back(name.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    name.remove_prefix(dot + 1);
  }
}

std::string_view without_number(std::string_view part) {
  return part.substr(0, part.find_last_not_of("0123456789") + 1);
}

bool matches(std::string_view name, std::string_view pattern) {
  const std::vector<std::string_view> has = parts_of(name), wanted = parts_of(pattern);
  const auto same = [](std::string_view part, std::string_view want) {
    return part == want || without_number(part) == want;
  };
  return !std::ranges::search(has, wanted, same).empty();
}

std::string_view layer_of(std::string_view name) { return name.substr(0, std::min(name.rfind('.'), name.size())); }

void append(std::vector<Range>& ranges, const Range& next) {
  if (next.size == 0) return;
  if (!ranges.empty() && ranges.back().first + ranges.back().size == next.first) {
    ranges.back().size += next.size;
  } else {
    ranges.push_back(next);
  }
}

std::vector<Range> chosen(std::span<const Parameter> parameters, const auto& choose) {
  std::vector<Range> ranges;
  for (const Parameter& p : parameters) {
    if (choose(p)) append(ranges, {p.offset, p.size});
  }
  return ranges;
}

}  // namespace

std::string_view name_of(Role role) {
  constexpr std::array<std::string_view, 4> names = {"shared", "personal", "buffer",
                                                     "frozen"};  // in order of the roles
  return names.at(static_cast<std::size_t>(role));
}

std::vector<std::string> ParameterLayout::names() const {
  std::vector<std::string> names;
  for (const Parameter& p : parameters) names.push_back(p.name);
  return names;
}

std::vector<Range> ParameterLayout::ranges(Role role) const {
  return chosen(parameters, [&](const Parameter& p) { return p.role == role; });
}

std::vector<Range> ParameterLayout::ranges(std::span<const std::string> patterns) const {
  const auto fits = [&](const Parameter& p, const std::string& pattern) {
    if (pattern == "head") return layer_of(p.name) == layer_of(parameters.back().name);
    return pattern == name_of(p.role) || matches(p.name, pattern);
  };
  for (const std::string& pattern : patterns) {
    if (std::ranges::none_of(parameters, [&](const Parameter& p) { return fits(p, pattern); })) {
      user_error("no parameter of the model matches '{}' (it has {}). Name parts of these.", pattern,
                 fmt::join(names(), ", "));
    }
  }
  return chosen(parameters, [&](const Parameter& p) {
    return std::ranges::any_of(patterns, [&](const std::string& pattern) { return fits(p, pattern); });
  });
}

std::vector<Range> ParameterLayout::without(std::span<const Range> left_out) const {
  std::vector<Range> rest;
  std::int64_t at = 0;
  for (const Range& range : left_out) {
    append(rest, {at, range.first - at});
    at = range.first + range.size;
  }
  append(rest, {at, size - at});
  return rest;
}

at::Tensor places_in(const ParameterLayout& part, const ParameterLayout& whole) {
  at::Tensor places = at::empty({part.size}, at::kLong);
  auto* to = places.mutable_data_ptr<std::int64_t>();
  for (const Parameter& p : part.parameters) {
    const auto found = std::ranges::find(whole.parameters, p.name, &Parameter::name);
    const bool fits = found != whole.parameters.end() && found->shape.size() == p.shape.size() &&
                      std::ranges::equal(p.shape, found->shape, std::less_equal<>{});
    if (!fits)
      user_error("parameter {} does not fit into the whole model. Build the part from the same layers.", p.name);
    for (std::int64_t i = 0; i < p.size; ++i) {
      std::int64_t rest = i, stride = 1, place = found->offset;
      for (std::size_t side = p.shape.size(); side-- > 0;) {
        place += rest % p.shape[side] * stride;
        rest /= p.shape[side];
        stride *= found->shape[side];
      }
      *to++ = place;
    }
  }
  return places;
}

}  // namespace shoal
