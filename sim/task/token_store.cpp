#include "sim/task/token_store.hpp"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "sim/error.hpp"

namespace shoal {
namespace {

// A tensor for `rows` rows and, unless it is 0, `columns` columns: `t`, set to zero, or a new one where it is
// undefined.
void prepare(at::Tensor& t, std::int64_t rows, std::int64_t columns, at::ScalarType type) {
  if (!t.defined()) {
    t = columns == 0 ? at::zeros({rows}, type) : at::zeros({rows, columns}, type);
    return;
  }
  ensure(t.is_contiguous() && t.size(0) >= rows && (columns == 0 || (t.dim() == 2 && t.size(1) >= columns)),
         "{} examples of up to {} tokens are gathered to a tensor of {} values", rows, columns, t.numel());
  t.zero_();
}

}  // namespace

TokenStore::TokenStore(Sequences sequences) : own_(std::move(sequences)) {
  check();
  own_.form.longest = 0;
  for (std::int64_t i = 0; i < count(); ++i) own_.form.longest = std::max(own_.form.longest, length(i));
}

void TokenStore::check() const {
  const Form& form = own_.form;
  const auto counts = [&](Form::Targets kind, std::int64_t n) { return form.targets == kind ? n : 0; };
  ensure(form.features == Form::Features::tokens, "a store of sequences has tokens");
  ensure(!own_.begin.empty() && own_.begin.front() == 0 && own_.begin.back() == std::ssize(own_.tokens) &&
             std::ranges::adjacent_find(own_.begin, std::greater_equal<>{}) == own_.begin.end(),
         "{} sequences do not divide {} tokens", count(), own_.tokens.size());
  ensure(std::ssize(own_.next) == counts(Form::Targets::tokens, std::ssize(own_.tokens)) &&
             std::ssize(own_.labels) == counts(Form::Targets::labels, count()) &&
             std::ssize(own_.reals) == counts(Form::Targets::reals, count()),
         "{} targets, {} labels and {} real numbers for {} sequences", own_.next.size(), own_.labels.size(),
         own_.reals.size(), count());
  ensure(own_.groups.empty() || std::ssize(own_.groups) == count(), "{} groups for {} sequences", own_.groups.size(),
         count());
  const auto within = [](const std::vector<std::int32_t>& values, std::int64_t least, std::int64_t end) {
    return std::ranges::all_of(values, [&](std::int32_t v) { return v >= least && v < end; });
  };
  ensure(within(own_.tokens, 0, form.vocabulary) && within(own_.next, Sequences::none, form.vocabulary),
         "a token is not in the vocabulary of {}", form.vocabulary);
  ensure(within(own_.labels, 0, form.classes), "a label is not one of {} classes", form.classes);
}

std::int64_t TokenStore::longest(std::span<const std::int32_t> positions) const {
  std::int64_t most = 0;
  for (const std::int32_t i : positions) most = std::max(most, length(i));
  return most;
}

std::int64_t TokenStore::targets(std::span<const std::int32_t> positions) const {
  if (own_.form.targets != Form::Targets::tokens) return std::ssize(positions);
  std::int64_t count = 0;
  for (const std::int32_t i : positions) {
    const std::span<const std::int32_t> next = std::span(own_.next).subspan(own_.begin[i], length(i));
    count += std::ssize(next) - std::ranges::count(next, Sequences::none);
  }
  return count;
}

void TokenStore::gather(std::span<const std::int32_t> positions, Gathered& to) const {
  const std::int64_t rows = std::ssize(positions), columns = std::max<std::int64_t>(1, longest(positions));
  const Form::Targets targets = own_.form.targets;
  const bool per_token = targets == Form::Targets::tokens;
  prepare(to.features, rows, columns, at::kLong);
  prepare(to.mask, rows, columns, at::kFloat);
  prepare(to.targets, rows, per_token ? columns : 0, targets == Form::Targets::reals ? at::kFloat : at::kLong);
  const std::int64_t stride = to.features.size(1);
  ensure(to.mask.size(1) == stride && (!per_token || to.targets.size(1) == stride),
         "tokens, mask and targets have rows of different lengths");
  auto* tokens = to.features.mutable_data_ptr<std::int64_t>();
  auto* mask = to.mask.mutable_data_ptr<float>();
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t i = positions[row], first = own_.begin[i], used = length(i);
    std::copy_n(own_.tokens.begin() + first, used, tokens + row * stride);
    std::fill_n(mask + row * stride, used, 1.0F);
    if (per_token) {
      auto* next = to.targets.mutable_data_ptr<std::int64_t>() + row * stride;
      for (std::int64_t j = 0; j < used; ++j) {
        const std::int32_t target = own_.next[first + j];
        next[j] = target == Sequences::none ? 0 : target;
        if (target == Sequences::none) mask[row * stride + j] = 0;
      }
    } else if (targets == Form::Targets::reals) {
      to.targets.mutable_data_ptr<float>()[row] = own_.reals[i];
    } else {
      to.targets.mutable_data_ptr<std::int64_t>()[row] = own_.labels[i];
    }
  }
}

std::vector<std::span<const std::byte>> TokenStore::contents() const {
  return {std::as_bytes(std::span(own_.tokens)), std::as_bytes(std::span(own_.begin)),
          std::as_bytes(std::span(own_.next)),   std::as_bytes(std::span(own_.labels)),
          std::as_bytes(std::span(own_.reals)),  std::as_bytes(std::span(own_.groups))};
}

}  // namespace shoal
