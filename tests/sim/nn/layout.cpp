// Ranges of the flat vector by role and by name, and the places of a smaller model in the whole.
#include "sim/nn/layout.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "sim/error.hpp"
#include "sim/nn/layers/batch_norm.hpp"
#include "sim/nn/layers/conv2d.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/residual.hpp"

namespace shoal {
namespace {

ParameterLayout small() {
  ParameterLayout layout;
  layout.add("conv1.weight", {2, 3});
  layout.add("norm1.weight", {2});
  layout.add("norm1.running_mean", {2}, Role::buffer);
  layout.add("residual1.norm1.weight", {4});
  layout.add("residual1.norm1.running_mean", {1}, Role::buffer);
  layout.add("dense1.weight", {5});
  layout.add("dense10.weight", {7});
  layout.add("dense10.bias", {1});
  return layout;
}

std::vector<Range> matching(std::vector<std::string> patterns) { return small().ranges(patterns); }

TEST(Layout, FindsValuesByRole) {
  EXPECT_EQ(small().ranges(Role::buffer), (std::vector<Range>{{8, 2}, {14, 1}}));
  EXPECT_EQ(small().trained(), (std::vector<Range>{{0, 8}, {10, 4}, {15, 13}}));
  EXPECT_EQ(small().ranges(Role::frozen), std::vector<Range>{});
}

TEST(Layout, FindsValuesByName) {
  EXPECT_EQ(matching({"norm"}), (std::vector<Range>{{6, 9}}));  // neighbours are joined
  EXPECT_EQ(matching({"residual1.norm"}), (std::vector<Range>{{10, 5}}));
  EXPECT_EQ(matching({"residual"}), (std::vector<Range>{{10, 5}}));
  EXPECT_EQ(matching({"dense1"}), (std::vector<Range>{{15, 5}}));  // not dense10
  EXPECT_EQ(matching({"dense"}), (std::vector<Range>{{15, 13}}));
  EXPECT_EQ(matching({"head"}), (std::vector<Range>{{20, 8}}));
  EXPECT_EQ(matching({"running_mean"}), small().ranges(Role::buffer));
  EXPECT_EQ(matching({"head", "norm1"}), (std::vector<Range>{{6, 9}, {20, 8}}));
  EXPECT_EQ(matching({"norm1.weight", "conv"}), (std::vector<Range>{{0, 8}, {10, 4}}));
  EXPECT_THROW(matching({"head", "embedding"}), UserError);
  EXPECT_THROW(matching({"orm"}), UserError);  // whole parts only
  EXPECT_EQ(matching({}), std::vector<Range>{});
}

TEST(Layout, FindsValuesByTheNameOfTheirRole) {
  EXPECT_EQ(matching({"buffer"}), small().ranges(Role::buffer));
  EXPECT_EQ(matching({"shared"}), small().trained());
  EXPECT_EQ(matching({"buffer", "head"}), (std::vector<Range>{{8, 2}, {14, 1}, {20, 8}}));
  EXPECT_EQ(matching({"norm", "buffer"}), matching({"norm"}));  // each value once
  EXPECT_THROW(matching({"frozen"}), UserError);
}

TEST(Layout, NamesTheParametersWhereAPatternMatchesNone) {
  try {
    matching({"gate"});
    FAIL() << "found a gate";
  } catch (const UserError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("gate"), std::string::npos) << text;
    for (const std::string& name : small().names()) EXPECT_NE(text.find(name), std::string::npos) << text;
  }
}

TEST(Layout, LeavesOutRanges) {
  const std::vector<Range> ends{{0, 6}, {27, 1}};
  EXPECT_EQ(small().without(ends), (std::vector<Range>{{6, 21}}));
  EXPECT_EQ(small().without({}), (std::vector<Range>{{0, 28}}));
}

Network network_of(std::int64_t channels, std::int64_t width) {
  Network block({channels, 3, 3}), network({2, 3, 3});
  block.add(layers::conv2d(channels, 3, 1)).add(layers::batch_norm());
  network.add(layers::conv2d(channels, 3, 1)).add(layers::residual(block)).add(layers::flatten());
  network.add(layers::linear(width)).add(layers::linear(4));
  return network;
}

// Slicing each tensor of the whole, as HeteroFL does, finds the same values.
TEST(Layout, PlacesAreTheFirstEntriesOfEachSide) {
  Network whole = network_of(4, 6);
  whole.vary(network_of(2, 3)).vary(network_of(4, 6));
  ASSERT_EQ(whole.variants(), 3);
  EXPECT_EQ(&whole.variant(0), &whole);
  EXPECT_FALSE(whole.layout().places.defined());
  const at::Tensor values = at::arange(whole.layout().size);
  const ParameterLayout& half = whole.variant(1).layout();
  ASSERT_EQ(half.places.numel(), half.size);
  for (std::size_t i = 0; i < half.parameters.size(); ++i) {
    const Parameter &own = half.parameters[i], &all = whole.layout().parameters[i];
    at::Tensor want = values.narrow(0, all.offset, all.size).view(all.shape);
    for (std::size_t side = 0; side < own.shape.size(); ++side) want = want.narrow(side, 0, own.shape[side]);
    EXPECT_TRUE(at::equal(values.take(half.places.narrow(0, own.offset, own.size)), want.reshape({-1}))) << own.name;
  }
  EXPECT_TRUE(at::equal(whole.variant(2).layout().places, values));
  EXPECT_THROW(whole.vary(network_of(5, 3)), UserError);
  EXPECT_THROW(whole.variant(3), BrokenInvariant);
}

}  // namespace
}  // namespace shoal
