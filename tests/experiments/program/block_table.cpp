// Do experiments that leave their block open get the right one? By hand, on a small table and on invented measurements.
#include "experiments/program/run/block_table.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "experiments/program/calibrate.hpp"
#include "experiments/program/run/experiment.hpp"

namespace shoal {
namespace {

const BlockChoice alone{1, BlockForm::in_turn}, eight{8, BlockForm::stacked}, many{32, BlockForm::grouped};

BlockTable table() {
  BlockTable out;
  out.put({{"mlp", 1000, 10, "cpu"}, eight});
  out.put({{"mlp", 1800, 10, "cpu"}, many});
  out.put({{"mlp", 1000, 10, "cuda"}, {128, BlockForm::stacked}});
  return out;
}

TEST(BlockTable, TakesTheNearestRowOfModelAndDevice) {
  EXPECT_EQ(table().choose({"mlp", 1000, 10, "cpu"}), eight);
  EXPECT_EQ(table().choose({"mlp", 1300, 10, "cpu"}), eight);  // 1.30 from 1000, 1.38 from 1800
  EXPECT_EQ(table().choose({"mlp", 1400, 10, "cpu"}), many);   // 1.40 from 1000, 1.29 from 1800
  EXPECT_EQ(table().choose({"mlp", 1000, 20, "cpu"}), eight);
  EXPECT_EQ(table().choose({"mlp", 1000, 10, "cuda"}).clients, 128);
}

TEST(BlockTable, TrainsClientsAloneWithoutANearRow) {
  EXPECT_EQ(table().choose({"mlp", 3700, 10, "cpu"}), alone);  // more than twice 1800
  EXPECT_EQ(table().choose({"mlp", 490, 10, "cpu"}), alone);
  EXPECT_EQ(table().choose({"mlp", 1000, 21, "cpu"}), alone);
  EXPECT_EQ(table().choose({"mlp", 1000, 0, "cpu"}), alone);  // the full batch
  EXPECT_EQ(table().choose({"cnn_fedjax", 1000, 10, "cpu"}), alone);
  EXPECT_EQ(table().choose({"mlp", 1000, 10, "rocm"}), alone);
}

TEST(BlockTable, IsTheSameAfterAFile) {
  const std::string path = ::testing::TempDir() + "block_table.toml";
  std::ofstream(path) << table().toml();
  const BlockTable read = BlockTable::load(path);
  EXPECT_EQ(read.toml(), table().toml());
  EXPECT_EQ(read.rows().size(), 3U);
  std::ofstream(path) << "rows = [{model = \"mlp\", parameters = 7, form = \"sideways\"}]\n";
  EXPECT_THROW(BlockTable::load(path), UserError);
  std::ofstream(path) << "rows = [{model = \"mlp\", parameters = 7, blocks = 3}]\n";
  EXPECT_THROW(BlockTable::load(path), UserError);
  std::filesystem::remove(path);
}

TEST(BlockTable, ReadsTheBuiltInTable) {
  EXPECT_EQ(built_in_choice({"no such model", 7, 10, "cpu"}), alone);
  const BlockTable table = BlockTable::built_in();
  for (const BlockTable::Row& row : table.rows()) EXPECT_EQ(built_in_choice(row.of), row.best);
}

LocalSettings composed(const std::string& local) {
  Datasets datasets;
  const ChooseBlock choose = [](const BlockCase& wanted) {
    EXPECT_EQ(wanted.model, "mlp");
    EXPECT_EQ(wanted.parameters, 9 * 7 + 7 + 7 * 4 + 4);
    return eight;
  };
  const std::string toml =
      "model = {name = \"mlp\", widths = [7]}\ndata = {name = \"synthetic\", examples = 400, "
      "test_examples = 20, features = 9, classes = 4}\npartition = {clients = 40}\n[local]\n";
  return compose(Settings::parse(toml + local, "test.toml"), datasets, choose)->federation()->local->at(1);
}

TEST(BlockTable, SettlesWhatLocalLeavesOpen) {
  EXPECT_EQ(composed("").block, 8);
  EXPECT_EQ(composed("").form, BlockForm::stacked);
  EXPECT_EQ(composed("block = 3").block, 3);
  EXPECT_EQ(composed("block = 3").form, BlockForm::stacked);
  EXPECT_EQ(composed("form = \"in_turn\"").block, 8);
  EXPECT_EQ(composed("form = \"in_turn\"").form, BlockForm::in_turn);
  EXPECT_EQ(composed("block = 1\nform = \"grouped\"").form, BlockForm::grouped);
  EXPECT_THROW(composed("form = \"sideways\""), UserError);
}

TEST(Calibration, TakesALargerBlockOnlyIfItPays) {
  const auto in_turn = BlockForm::in_turn, stacked = BlockForm::stacked, grouped = BlockForm::grouped;
  EXPECT_EQ(best_of({}), alone);
  EXPECT_EQ(best_of({{{1, in_turn}, 1.0}, {{8, stacked}, 0.5}, {{16, stacked}, 0.48}}), (BlockChoice{8, stacked}));
  EXPECT_EQ(best_of({{{1, in_turn}, 1.0}, {{8, stacked}, 0.95}}), (BlockChoice{1, stacked}));
  EXPECT_EQ(best_of({{{1, in_turn}, 1.0}, {{8, in_turn}, 1.1}, {{8, stacked}, 2.0}}), alone);
  EXPECT_EQ(best_of({{{1, in_turn}, 1.0}, {{4, grouped}, 0.5}, {{4, stacked}, 0.52}}), (BlockChoice{4, stacked}));
}

TEST(Calibration, MeasuresAndPrintsCases) {
  CalibrateOptions options{.models = {"logistic_regression"}, .clients = {1, 4}, .batches = {10}, .seconds = 0.001};
  const std::vector<CalibratedCase> cases = calibrate(options);
  ASSERT_EQ(cases.size(), 2U);  // on 8 x 8 and 28 x 28 images
  EXPECT_EQ(cases[0].of.parameters, 650);
  EXPECT_EQ(cases[1].of.parameters, 7850);
  EXPECT_EQ(cases[1].flops, 60 * 2 * 2 * 7840);  // forward and the weights' gradient
  for (const CalibratedCase& one : cases) {
    ASSERT_GE(one.measured.size(), 3U);  // alone, four in turn, four stacked
    for (const MeasuredBlock& m : one.measured) EXPECT_GT(m.seconds, 0);
  }
  EXPECT_NE(calibration_text(cases, product_rate()).find("650 parameters, batch 10"), std::string::npos);
  options.models = {"mpl"};
  EXPECT_THROW(calibrate(options), UserError);
}

}  // namespace
}  // namespace shoal
