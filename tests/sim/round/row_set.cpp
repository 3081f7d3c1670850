// Are rows sorted and complete on any ranks, are their products exact to double and free of the sharding, and do mixed
// rows have the products and values that matrices give?
#include "sim/round/row_set.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "sim/error.hpp"
#include "tests/sim/round/row_sets.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

at::Tensor ids(std::span<const ClientId> clients) {
  std::vector<std::int64_t> found;
  for (const ClientId client : clients) found.push_back(value(client));
  return at::tensor(found, at::kLong);
}

at::Tensor all_rows(RowSet& rows) {
  std::vector<at::Tensor> found;
  for (std::int64_t i = 0; i < rows.count(); ++i) found.push_back(rows.row(i));
  return found.empty() ? at::empty({0, rows.width()}, rows.type()) : at::stack(found);
}

// Row products in long double.
at::Tensor exact_gram(const at::Tensor& rows) {
  const at::Tensor x = rows.to(at::kDouble).contiguous();
  const std::int64_t n = x.size(0), d = x.size(1);
  const double* values = x.const_data_ptr<double>();
  at::Tensor gram = at::empty({n, n}, at::kDouble);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j <= i; ++j) {
      long double sum = 0;
      for (std::int64_t c = 0; c < d; ++c) sum += static_cast<long double>(values[i * d + c]) * values[j * d + c];
      gram.mutable_data_ptr<double>()[i * n + j] = gram.mutable_data_ptr<double>()[j * n + i] = sum;
    }
  }
  return gram;
}

// A sum of n products in double errs by at most n u / (1 - n u) times the product of both norms (Higham, Accuracy and
// Stability of Numerical Algorithms, 3.1, and Cauchy-Schwarz), u = 2^-53: here for the products of a chunk of 2,048
// columns. Chunks are added exactly.
constexpr double product_error = 2048 * 0x1p-53 * 1.01;

// The largest error of a product, as a share of the product of both norms.
double gram_error(const at::Tensor& gram, const at::Tensor& exact) {
  const at::Tensor norms = exact.diagonal().sqrt();
  return ((gram.view_as(exact) - exact) / at::outer(norms, norms)).abs().max().item<double>();
}

at::Tensor gram_of(RowSet& rows, Communicator&) { return doubles(rows.gram()); }

TEST(RowSet, SortsRowsByClientAndParticipation) {
  const at::Tensor rows = at::arange(12, at::kFloat).view({6, 2});
  const Arrival arrival{.clients = {4, 0, 9, 4, 2, 0}};
  const at::Tensor found = on_any_ranks(rows, arrival, [](RowSet& set, Communicator&) { return all_rows(set); });
  EXPECT_TRUE(at::equal(found, rows.index_select(0, at::tensor({1, 5, 4, 0, 3, 2}))));
  const at::Tensor clients = on_any_ranks(rows, arrival, [](RowSet& set, Communicator&) { return ids(set.clients()); });
  EXPECT_TRUE(at::equal(clients, at::tensor({0, 0, 2, 4, 4, 9}, at::kLong)));
}

TEST(RowSet, KeepsEveryValueOnAnyRanks) {
  for (const std::int64_t d : {1, 5, 2048, 2049, 9000}) {
    const at::Tensor rows = normal_rows(7, d, at::kFloat);
    const at::Tensor found = on_any_ranks(rows, {}, [](RowSet& set, Communicator&) { return all_rows(set); });
    EXPECT_TRUE(at::equal(found, rows)) << d;
  }
}

// 2 rows of more than 2^22 values need several pieces a row.
TEST(RowSet, SendsLongRowsInPieces) {
  const at::Tensor rows = at::arange(2 * 4'400'001, at::kFloat).view({2, 4'400'001});
  const at::Tensor found = with_rows(rows, {.ranks = 3}, [](RowSet& set, Communicator&) { return set.row(1); });
  EXPECT_TRUE(at::equal(found, rows[1]));
}

TEST(RowSet, GivesExactProductsOnAnyRanks) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (const auto& [n, d] : {std::pair{1, 1}, {5, 3}, {3, 2048}, {7, 2049}, {12, 9000}}) {
      const at::Tensor rows = normal_rows(n, d, type);
      EXPECT_LT(gram_error(on_any_ranks(rows, {}, gram_of), exact_gram(rows)), product_error) << n << " " << d;
    }
    const at::Tensor many = normal_rows(140, 2100, type);
    EXPECT_LT(gram_error(with_rows(many, {.ranks = 2}, gram_of), exact_gram(many)), product_error);
  }
}

// One client with values of 10^6 beside others of 10^-6: a common unit of products would lose them.
TEST(RowSet, KeepsSmallRowsExactBesideLargeOnes) {
  at::Tensor rows = normal_rows(4, 5000);
  rows.mul_(1e-6);
  rows[2].mul_(1e12);
  rows[1].zero_();
  const at::Tensor gram = on_any_ranks(rows, {}, gram_of).view({4, 4});
  const at::Tensor exact = exact_gram(rows);
  const at::Tensor others = at::tensor({0, 2, 3});
  const auto chosen = [&](const at::Tensor& of) { return of.index_select(0, others).index_select(1, others); };
  EXPECT_LT(gram_error(chosen(gram), chosen(exact)), product_error);
  EXPECT_TRUE(at::equal(gram[1], at::zeros({4}, at::kDouble)));
}

TEST(RowSet, GivesProductsWithFurtherVectors) {
  const at::Tensor rows = normal_rows(6, 4100), more = normal_rows(2, 4100, at::kDouble, 2);
  const std::vector<at::Tensor> extra = {more[0] * 1e4, more[1]};
  const at::Tensor all = at::cat({rows, extra[0].unsqueeze(0), extra[1].unsqueeze(0)});
  const at::Tensor found = on_any_ranks(rows, {}, [&](RowSet& set, Communicator&) { return doubles(set.gram(extra)); });
  EXPECT_LT(gram_error(found, exact_gram(all)), product_error);
  // The same for mixed rows.
  const at::Tensor w = normal_rows(3, 6, at::kDouble, 3);
  const at::Tensor mixed = on_any_ranks(rows, {}, [&](RowSet& set, Communicator&) {
    set.mix(w);
    return doubles(set.gram(extra));
  });
  const at::Tensor expected = at::cat({w.mm(rows), extra[0].unsqueeze(0), extra[1].unsqueeze(0)});
  EXPECT_LT(gram_error(mixed, exact_gram(expected)), 4 * product_error);
}

TEST(RowSet, NormsAreRootsOfTheProducts) {
  const at::Tensor rows = normal_rows(6, 4100, at::kFloat) * 1e-3;
  const at::Tensor expected = exact_gram(rows).diagonal().sqrt();
  const auto norms = [](RowSet& set, Communicator&) { return doubles(set.norms()); };
  EXPECT_LT(difference(on_any_ranks(rows, {}, norms) / expected, at::ones({6})), product_error);
  const auto after_gram = [](RowSet& set, Communicator&) {
    set.gram();
    return doubles(set.norms());
  };
  EXPECT_LT(difference(on_any_ranks(rows, {}, after_gram) / expected, at::ones({6})), product_error);
}

// Two mixes, without and with products and values asked for in between.
TEST(RowSet, MixesRowsAsMatricesDo) {
  const at::Tensor rows = normal_rows(9, 4100);
  const at::Tensor first = normal_rows(5, 9, at::kDouble, 2), second = normal_rows(3, 5, at::kDouble, 3);
  const at::Tensor expected = second.mm(first.mm(rows));
  for (const bool looks : {false, true}) {
    const auto mixed = [&](RowSet& set, Communicator&) {
      if (looks) set.gram();
      set.mix(first);
      EXPECT_TRUE(set.clients().empty());
      EXPECT_EQ(set.weights()[0], 1);
      if (looks) {
        set.gram();
        set.columns();
      }
      set.mix(second);
      return at::cat({all_rows(set).flatten(), doubles(set.gram())});
    };
    const at::Tensor found = on_any_ranks(rows, {}, mixed);
    EXPECT_LT(difference(found.narrow(0, 0, 3 * 4100).view({3, 4100}), expected), 1e-13);
    EXPECT_LT(gram_error(found.narrow(0, 3 * 4100, 9), exact_gram(expected)), 4 * product_error);
  }
}

TEST(RowSet, ProductsFollowColumnsThatWereAssigned) {
  const at::Tensor rows = normal_rows(4, 3000);
  const at::Tensor found = on_any_ranks(rows, {}, [](RowSet& set, Communicator&) {
    set.gram();
    set.assign(set.columns() * 2);
    EXPECT_EQ(set.clients().size(), 4U);  // as many rows as before keep their clients
    const at::Tensor twice = doubles(set.gram());
    set.assign(set.columns().narrow(0, 1, 2));
    EXPECT_TRUE(set.clients().empty());
    return at::cat({twice, doubles(set.gram())});
  });
  EXPECT_LT(gram_error(found.narrow(0, 0, 16), exact_gram(rows * 2)), product_error);
  EXPECT_LT(gram_error(found.narrow(0, 16, 4), exact_gram(rows.narrow(0, 1, 2) * 2)), product_error);
}

TEST(RowSet, TransformsRangesOfColumns) {
  const at::Tensor rows = normal_rows(3, 10'000, at::kFloat);
  const auto transformed = [](RowSet& set, Communicator&) {
    set.transform(2, []<class T>(RowView<const T> from, RowView<T> to, std::int64_t first) {
      for (std::int64_t j = 0; j < from.columns(); ++j) {
        to.at(0)[j] = first + j;
        to.at(1)[j] = from.at(0)[j] - from.at(2)[j];
      }
    });
    return all_rows(set);
  };
  const at::Tensor expected = at::stack({at::arange(10'000, at::kFloat), rows[0] - rows[2]});
  EXPECT_TRUE(at::equal(on_any_ranks(rows, {}, transformed), expected));
}

TEST(RowSet, ScalesRowsThatKeepTheirClients) {
  const at::Tensor rows = normal_rows(4, 2500);
  const std::vector<double> factors = {1, 0.5, 1, -3};
  const at::Tensor column = at::tensor(factors, at::kDouble).unsqueeze(1);
  const auto scaled = [&](bool looks) {
    return on_any_ranks(rows, {.weights = {{1, 2, 3, 4}}}, [&, looks](RowSet& set, Communicator&) {
      if (looks) set.gram();
      set.scale(factors);
      EXPECT_EQ(set.clients().size(), 4U);
      EXPECT_EQ(set.weights()[3], 4);
      return at::cat({all_rows(set).flatten(), doubles(set.gram())});
    });
  };
  EXPECT_TRUE(at::equal(scaled(false).narrow(0, 0, 4 * 2500), (rows * column).flatten()));
  for (const bool looks : {false, true}) {
    EXPECT_LT(gram_error(scaled(looks).narrow(0, 4 * 2500, 16), exact_gram(rows * column)), product_error);
  }
}

// Each channel has weights of its own; a channel whose weights are 0 has the mean 0.
TEST(RowSet, TakesTheWeightedMeanOfEachChannel) {
  const at::Tensor rows = normal_rows(5, 4103);
  const Arrival arrival{.widths = {4000, 3, 100}, .weights = {{1, 2, 3, 4, 5}, {0, 0, 1, 0, 1}, {0, 0, 0, 0, 0}}};
  const at::Tensor found = on_any_ranks(rows, arrival, [](RowSet& set, Communicator&) { return set.mean(); });
  const at::Tensor first = (rows * at::tensor({1, 2, 3, 4, 5}, at::kDouble).unsqueeze(1)).sum(0) / 15;
  const at::Tensor second = (rows[2] + rows[4]) / 2;
  EXPECT_LT(difference(found.narrow(0, 0, 4000), first.narrow(0, 0, 4000)), 1e-15);
  EXPECT_LT(difference(found.narrow(0, 4000, 3), second.narrow(0, 4000, 3)), 1e-15);
  EXPECT_TRUE(at::equal(found.narrow(0, 4003, 100), at::zeros({100}, at::kDouble)));
}

TEST(RowSet, GivesTheRowsOfAGroup) {
  const at::Tensor rows = normal_rows(5, 3000);
  const Arrival arrival{.weights = {{1, 2, 3, 4, 5}}, .groups = {1, 0, 1, 0, 1}};
  const at::Tensor found = on_any_ranks(rows, arrival, [](RowSet& set, Communicator&) {
    set.gram();
    RowSet group = set.of_group(0);
    EXPECT_TRUE(at::equal(ids(group.clients()), at::tensor({1, 3}, at::kLong)));
    EXPECT_EQ(group.weights()[1], 4);
    EXPECT_EQ(set.of_group(7).count(), 0);
    EXPECT_EQ(set.count(), 5);
    return at::cat({all_rows(group).flatten(), doubles(group.gram())});
  });
  const at::Tensor expected = at::stack({rows[1], rows[3]});
  EXPECT_TRUE(at::equal(found.narrow(0, 0, 6000), expected.flatten()));
  EXPECT_LT(gram_error(found.narrow(0, 6000, 4), exact_gram(expected)), product_error);
}

// The second channel lies in the columns of several ranks.
TEST(RowSet, GivesTheValuesOfAChannel) {
  const at::Tensor rows = normal_rows(4, 9000);
  const Arrival arrival{.widths = {1000, 7500, 500}, .weights = {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}}};
  const at::Tensor found = on_any_ranks(rows, arrival, [](RowSet& set, Communicator&) {
    return at::cat({set.channel(0), set.channel(1), set.channel(2)}, 1);
  });
  EXPECT_TRUE(at::equal(found, rows));
}

TEST(RowSet, MayHoldRowsOfNobody) {
  const at::Tensor rows = normal_rows(3, 5000);
  const at::Tensor found = on_any_ranks(rows, {}, [&](RowSet&, Communicator& comm) {
    ThreadPool pool(2);
    std::vector<SharedRow> shared;
    for (std::int32_t i = 0; i < 3; ++i) {
      shared.push_back({.group = i % 2, .weights = {1.0, 1.0 + i}, .values = rows[i]});
    }
    RowSet set(shared, {4000, 1000}, at::kDouble, comm, pool);
    EXPECT_TRUE(set.clients().empty());
    RowSet group = set.of_group(0);
    EXPECT_EQ(group.count(), 2);
    EXPECT_TRUE(group.clients().empty());
    return at::cat({all_rows(set).flatten(), group.mean()});
  });
  EXPECT_TRUE(at::equal(found.narrow(0, 0, 15000), rows.flatten()));
  const at::Tensor mean = found.narrow(0, 15000, 5000);
  EXPECT_LT(difference(mean.narrow(0, 0, 4000), ((rows[0] + rows[2]) / 2).narrow(0, 0, 4000)), 1e-15);
  EXPECT_LT(difference(mean.narrow(0, 4000, 1000), ((rows[0] + 3 * rows[2]) / 4).narrow(0, 4000, 1000)), 1e-15);
}

TEST(RowSet, MayBeCopied) {
  const at::Tensor rows = normal_rows(3, 100);
  const at::Tensor found = on_any_ranks(rows, {}, [](RowSet& set, Communicator&) {
    RowSet copy = set;
    copy.scale(std::vector<double>{2, 2, 2});
    copy.mix(at::ones({1, 3}, at::kDouble));
    copy.columns();
    return all_rows(set);
  });
  EXPECT_TRUE(at::equal(found, rows));
}

TEST(RowSet, MayBeEmpty) {
  const at::Tensor found = on_any_ranks(at::empty({0, 3000}, at::kFloat), {}, [](RowSet& set, Communicator&) {
    EXPECT_EQ(set.count(), 0);
    EXPECT_TRUE(set.gram().empty());
    EXPECT_TRUE(set.norms().empty());
    return set.mean();
  });
  EXPECT_TRUE(at::equal(found, at::zeros({3000})));
}

TEST(RowSet, RefusesProductsOfValuesNotFinite) {
  at::Tensor rows = normal_rows(3, 3000, at::kFloat);
  rows[1][2999] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(with_rows(rows, {.ranks = 2}, gram_of), BrokenInvariant);
}

}  // namespace
}  // namespace shoal
