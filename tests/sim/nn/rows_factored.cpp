// Factored rows against sums of outer products, term by term.
#include "sim/nn/factored_rows.hpp"

#include <gtest/gtest.h>

#include "sim/error.hpp"
#include "tests/sim/nn/rows_of.hpp"

namespace shoal {
namespace {

// The rows by the definition, in float64.
at::Tensor multiplied_out(const FactoredRows& rows) {
  at::Tensor all = at::zeros({rows.count(), rows.width}, at::kDouble);
  auto value = all.accessor<double, 2>();
  for (const FactoredLayer& layer : rows.layers) {
    const at::Tensor x = layer.x.to(at::kDouble), d = layer.d.to(at::kDouble);
    const auto in = x.accessor<double, 3>(), out = d.accessor<double, 3>();
    for (std::int64_t k = 0; k < rows.count(); ++k) {
      for (std::int64_t i = 0; i < x.size(1); ++i) {
        for (std::int64_t a = 0; a < d.size(2); ++a) {
          for (std::int64_t b = 0; b < x.size(2); ++b) {
            value[k][layer.offset + a * x.size(2) + b] += out[k][i][a] * in[k][i][b];
          }
        }
      }
    }
  }
  return all;
}

double distance(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(FactoredRows, AreSumsOfOuterProducts) {
  EXPECT_LT(distance(Rows(test::factored()).dense(), multiplied_out(test::factored())), 1e-5);
  EXPECT_LT(distance(Rows(test::factored(at::kDouble)).dense(), multiplied_out(test::factored(at::kDouble))), 1e-13);
}

TEST(FactoredRows, AreSummedAsOneProduct) {
  const FactoredRows rows = test::factored(at::kDouble);
  const std::vector<std::int64_t> weights{3, 1, 20}, sum = test::sum_of(Rows(rows), weights, 40);
  const at::Tensor factors = at::tensor({3.0, 1.0, 20.0}, at::kDouble).unsqueeze(1);
  const at::Tensor expected = (multiplied_out(rows) * factors).sum(0);
  for (std::int64_t i = 0; i < rows.width; ++i) {
    EXPECT_NEAR(std::ldexp(sum[i], -40), expected[i].item<double>(), 0x1p-41 + 1e-13) << i;
  }
  EXPECT_EQ(test::sum_of(Rows(rows), std::vector<double>{3, 1, 20}, 40), sum);
}

TEST(FactoredRows, LeaveOutRowsOfWeightZero) {
  FactoredRows rows = test::factored();
  rows.layers[0].x[1][2][0] = NAN;
  const std::vector<std::int64_t> sum = test::sum_of(Rows(rows), std::vector<std::int64_t>{2, 0, 1}, 20);
  const at::Tensor dense = multiplied_out(rows);
  for (std::int64_t i = 0; i < rows.width; ++i) {
    EXPECT_NEAR(std::ldexp(sum[i], -20), 2 * dense[0][i].item<double>() + dense[2][i].item<double>(), 2e-5) << i;
  }
  EXPECT_EQ(test::sum_of(Rows(rows), std::vector<std::int64_t>{0, 0, 0}, 20), std::vector<std::int64_t>(20));
  EXPECT_THROW(test::sum_of(Rows(rows), std::vector<std::int64_t>{0, 1, 0}, 20), std::overflow_error);
}

TEST(FactoredRows, HaveTheNormsOfTheirProducts) {
  const std::vector<double> norms = Rows(test::factored()).norms();
  const at::Tensor expected = multiplied_out(test::factored()).norm(2, 1);
  for (std::int64_t k = 0; k < 3; ++k) EXPECT_NEAR(norms[k], expected[k].item<double>(), 1e-12);
  FactoredRows cancelled = test::factored();
  for (FactoredLayer& layer : cancelled.layers) {
    layer.x = at::cat({layer.x, layer.x}, 1);
    layer.d = at::cat({layer.d, -layer.d}, 1);
  }
  for (const double norm : Rows(cancelled).norms()) EXPECT_LT(norm, 1e-6);
}

TEST(FactoredRows, BoundTheirProducts) {
  for (std::uint64_t seed = 10; seed < 40; ++seed) {
    const FactoredRows rows{
        6, {{0, test::normal({4, 1, 3}, at::kFloat, seed), test::normal({4, 1, 2}, at::kFloat, ~seed)}}};
    const std::vector<double> bounds = Rows(rows).bounds();
    const at::Tensor largest = Rows(rows).dense().abs().amax(1).to(at::kDouble);
    for (std::int64_t k = 0; k < 4; ++k) {
      EXPECT_GE(bounds[k], largest[k].item<double>());
      EXPECT_LE(bounds[k], largest[k].item<double>() * 1.000001);  // one outer product: the bound is reached
    }
  }
}

TEST(FactoredRows, ShowWhatIsNotFinite) {
  for (const float bad : {NAN, INFINITY}) {
    FactoredRows rows = test::factored();
    rows.layers[0].x[0][1][1] = bad;
    rows.layers[1].d[2][4][0] = bad;
    rows.layers[0].d[0].zero_();  // infinity times 0 is not finite either
    const std::vector<double> bounds = Rows(rows).bounds();
    EXPECT_FALSE(std::isfinite(bounds[0]));
    EXPECT_TRUE(std::isfinite(bounds[1]));
    EXPECT_FALSE(std::isfinite(bounds[2]));
  }
}

TEST(FactoredRows, AreScaledInOneFactor) {
  Rows rows = test::factored(at::kDouble);
  const Rows before = rows.kept();
  rows.scale(std::vector<double>{0.5, 3, -1});
  const at::Tensor factors = at::tensor({0.5, 3.0, -1.0}, at::kDouble).unsqueeze(1);
  EXPECT_LT(distance(rows.dense(), before.dense() * factors), 1e-13);
}

TEST(FactoredRows, RefuseLayersThatDoNotFit) {
  FactoredRows rows = test::factored();
  rows.width = 19;
  EXPECT_THROW(Rows{rows}, BrokenInvariant);
  rows = test::factored();
  rows.layers[1].offset = 13;  // the first layer ends at 14
  EXPECT_THROW(Rows{rows}, BrokenInvariant);
  rows = test::factored();
  rows.layers[1].d = rows.layers[1].d.narrow(1, 0, 4);
  EXPECT_THROW(Rows{rows}, BrokenInvariant);
  EXPECT_THROW(Rows(FactoredRows{.width = 3, .layers = {}}), BrokenInvariant);
  EXPECT_THROW(Rows(test::factored()).stored(0), BrokenInvariant);
}

}  // namespace
}  // namespace shoal
