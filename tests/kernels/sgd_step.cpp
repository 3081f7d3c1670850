// Does the fused local step follow torch.optim.SGD with corrections, for every combination of terms?
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/vector_ops.hpp"
#include "tests/kernels/random_values.hpp"

namespace {

using shoal::testing::random_values;

enum Terms { with_anchor = 1, with_shift = 2, with_momentum = 4, with_nesterov = 8, with_decay = 16 };

// The textbook in double, one coordinate at a time, with an explicit first step.
struct Textbook {
  int terms;
  double momentum_value = 0;
  bool first = true;

  double step(double y, double g, double anchor, double shift) {
    double gradient = g;
    if (terms & with_anchor) gradient += 0.3 * (y - anchor);
    if (terms & with_shift) gradient += shift;
    if (terms & with_decay) gradient += 0.01 * y;
    if (terms & with_momentum) {
      momentum_value = first ? gradient : 0.9 * momentum_value + gradient;
      first = false;
      gradient = (terms & with_nesterov) ? gradient + 0.9 * momentum_value : momentum_value;
    }
    return y - 0.05 * gradient;
  }
};

template <class T>
class SgdStep : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(SgdStep, Reals);

template <class T>
void compare(int terms, std::size_t n) {
  auto y = random_values<T>(n, 1);
  const auto start = y, anchor = random_values<T>(n, 2), shift = random_values<T>(n, 3);
  const std::vector<std::vector<T>> gradients = {random_values<T>(n, 4), random_values<T>(n, 5),
                                                 random_values<T>(n, 6)};
  std::vector<T> buffer(n);

  shoal::SgdStep<T> step;
  step.rate = 0.05;
  if (terms & with_anchor) {
    step.pull = 0.3;
    step.anchor = anchor;
  }
  if (terms & with_shift) step.shift = shift;
  if (terms & with_decay) step.decay = 0.01;
  if (terms & with_momentum) {
    step.momentum = 0.9;
    step.buffer = buffer;
  }
  step.nesterov = terms & with_nesterov;
  for (const auto& g : gradients) shoal::sgd_step<T>(y, g, step);

  // Three steps of about eight roundings each, on values below 10.
  const double tolerance = 100 * double{std::numeric_limits<T>::epsilon()};
  for (std::size_t i = 0; i < n; ++i) {
    Textbook textbook{terms};
    double expected = start[i];
    for (const auto& g : gradients) expected = textbook.step(expected, g[i], anchor[i], shift[i]);
    ASSERT_NEAR(y[i], expected, tolerance) << "terms " << terms << ", value " << i << " of " << n;
  }
}

TYPED_TEST(SgdStep, FollowsTheTextbookForAllTerms) {
  for (int terms = 0; terms < 32; ++terms)
    for (const std::size_t n : {0, 1, 31, 257}) compare<TypeParam>(terms, n);
}

TYPED_TEST(SgdStep, FollowsTheTextbookOnLongRows) { compare<TypeParam>(31, 1'000'003); }

TYPED_TEST(SgdStep, ByHand) {
  std::vector<TypeParam> y = {1, 2}, buffer = {0, 0};
  const std::vector<TypeParam> g = {4, -8};
  shoal::SgdStep<TypeParam> step;
  step.rate = 0.5;
  step.momentum = 0.5;
  step.buffer = buffer;
  shoal::sgd_step<TypeParam>(y, g, step);  // buffer = g, y -= 0.5 g
  EXPECT_EQ(y, (std::vector<TypeParam>{-1, 6}));
  shoal::sgd_step<TypeParam>(y, g, step);  // buffer = 1.5 g, y -= 0.75 g
  EXPECT_EQ(y, (std::vector<TypeParam>{-4, 12}));
  EXPECT_EQ(buffer, (std::vector<TypeParam>{6, -12}));
}

TYPED_TEST(SgdStep, KeepsNanInItsCoordinate) {
  std::vector<TypeParam> y(31, TypeParam{1}), g(31, TypeParam{2});
  g[7] = std::numeric_limits<TypeParam>::quiet_NaN();
  shoal::SgdStep<TypeParam> step;
  step.rate = 0.25;
  shoal::sgd_step<TypeParam>(y, g, step);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_TRUE(i == 7 ? y[i] != y[i] : y[i] == TypeParam{0.5});
}

TYPED_TEST(SgdStep, RefusesSizesThatDiffer) {
  std::vector<TypeParam> y(3), two(2);
  const std::vector<TypeParam> g(3);
  EXPECT_THROW(shoal::sgd_step<TypeParam>(y, two, {}), std::invalid_argument);
  for (int array = 0; array < 3; ++array) {
    shoal::SgdStep<TypeParam> step;
    if (array == 0) step.anchor = two;
    if (array == 1) step.shift = two;
    if (array == 2) step.buffer = two;
    EXPECT_THROW(shoal::sgd_step<TypeParam>(y, g, step), std::invalid_argument);
  }
}

}  // namespace
