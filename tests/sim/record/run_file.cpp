#include "sim/record/run_file.hpp"

#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "sim/error.hpp"
#include "sim/record/cell_hash.hpp"

namespace shoal {
namespace {

namespace fs = std::filesystem;

class RunFileTest : public testing::Test {
 protected:
  RunFileTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(testing::TempDir()) / (std::string("shoal_") + test->name() + std::to_string(::getpid()));
    fs::create_directory(folder_);
    path_ = (folder_ / "run.h5").string();
  }
  ~RunFileTest() override { fs::remove_all(folder_); }

  // A cell of `rounds` rounds with 20 participations each; `finished` ones have a model.
  std::string journal(std::int64_t index, std::int64_t rounds, bool finished) const {
    const std::string path = (folder_ / ("cell" + std::to_string(index))).string();
    CellJournal journal(path, {.index = index,
                               .label = "fed_avg µ " + std::to_string(index),
                               .seed = index + 1,
                               .config = "rounds = " + std::to_string(rounds) + "\n",
                               .provenance = {{"commit", "abc"}, {"torch", "2.x"}}});
    for (std::int64_t round = 1; round <= rounds; ++round) {
      std::vector<ParticipationRow> rows;
      for (std::int64_t k = 0; k < 20; ++k) {
        rows.push_back({.round = round, .participation = 20 * round + k, .client = k * k, .loss = 0.125});
      }
      RoundRows all{.participations = rows, .measures = {{"norm", 0.5}}};
      all.round = {.round = round, .time_us = 1000 * round, .bytes_up = 7, .train_loss = 1.0 / round};
      if (round % 2 == 0) all.measures["entropy of all"] = 1.0 / round;
      Table& edges = all.tables["edges"];
      edges.columns = {{"to", FieldType::integer, "client"}, {"weight", FieldType::real, "share"}};
      edges.add({round, 0.25});
      journal.round(all);
    }
    if (finished) journal.finish(result(rounds), model());
    return path;
  }
  static CellResult result(std::int64_t rounds) {
    return {.status = "finished", .hash = "00ff", .final_accuracy = 0.75, .best_accuracy = 0.8, .rounds = rounds};
  }
  static std::vector<ModelParameter> model() {
    ModelParameter weight{"layer/1.weight", {2, 3}, ValueType::float32, std::vector<std::byte>(24)};
    const float values[6] = {1, 2, 3, 4, 5, 6};
    std::memcpy(weight.values.data(), values, sizeof values);
    ModelParameter bias{"a.bias", {}, ValueType::float64, std::vector<std::byte>(8)};
    ModelParameter none{"none", {0}, ValueType::float32, {}};
    return {weight, bias, none};
  }
  std::string error_of_reading() const {
    try {
      read_run_file(path_);
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  }
  void set_schema_version(std::int64_t version) const {
    const hid_t file = H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    const hid_t attribute = H5Aopen(file, "schema_version", H5P_DEFAULT);
    H5Awrite(attribute, H5T_NATIVE_INT64, &version);
    H5Aclose(attribute);
    H5Fclose(file);
  }

  bool has_partial_files() const {
    return std::ranges::any_of(fs::directory_iterator(folder_), [](const auto& entry) {
      return entry.path().string().find(".partial") != std::string::npos;
    });
  }

  fs::path folder_;
  std::string path_;
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(RunFileTest, GivesBackAllCellsInOrder) {
  const std::vector<std::string> journals = {journal(10, 3, false), journal(2, 100, true), journal(0, 0, false)};
  assemble_run_file(path_, {"mnist", "0.1.0"}, journals);
  const RunContents run = read_run_file(path_);
  EXPECT_EQ(run.info.name, "mnist");
  EXPECT_EQ(run.info.program, "0.1.0");
  EXPECT_EQ(run.hash, run_hash({"", "00ff", ""}));
  ASSERT_EQ(run.cells.size(), 3);
  EXPECT_EQ(run.cells[0].header.index, 0);
  EXPECT_EQ(run.cells[1].header.index, 2);
  EXPECT_EQ(run.cells[2].header.index, 10);
  EXPECT_TRUE(run.cells[0].rounds.empty());
  EXPECT_FALSE(run.cells[2].result);

  const CellContents& cell = run.cells[1];
  const CellContents expected = read_cell(journals[1]);
  EXPECT_EQ(cell.header.label, expected.header.label);
  EXPECT_EQ(cell.header.seed, 3);
  EXPECT_EQ(cell.header.config, expected.header.config);
  EXPECT_EQ(cell.header.provenance, expected.header.provenance);
  ASSERT_EQ(cell.rounds.size(), 100);
  EXPECT_EQ(std::memcmp(cell.rounds.data(), expected.rounds.data(), 100 * sizeof(RoundRow)), 0);
  ASSERT_EQ(cell.participations.size(), 2000);  // more than 64 KB: compressed
  EXPECT_EQ(std::memcmp(cell.participations.data(), expected.participations.data(), 2000 * sizeof(ParticipationRow)),
            0);
  ASSERT_EQ(cell.measures.size(), 150);
  for (std::size_t i = 0; i < cell.measures.size(); ++i) {
    EXPECT_EQ(cell.measures[i].round, expected.measures[i].round);
    EXPECT_EQ(cell.measures[i].name, expected.measures[i].name);
    EXPECT_EQ(cell.measures[i].value, expected.measures[i].value);
  }
  EXPECT_EQ(cell.tables.at("edges").values, expected.tables.at("edges").values);
  EXPECT_EQ(cell.tables.at("edges").columns[0].name, "to");
  EXPECT_EQ(cell.tables.at("edges").columns[0].type, FieldType::integer);
  EXPECT_TRUE(run.cells[0].measures.empty());
  ASSERT_TRUE(cell.result);
  EXPECT_EQ(cell.result->status, "finished");
  EXPECT_EQ(cell.result->hash, "00ff");
  EXPECT_EQ(cell.result->best_accuracy, 0.8);
  EXPECT_EQ(cell.result->rounds, 100);
  ASSERT_EQ(cell.model.size(), 3);  // in the order of the layout, not of the names
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(cell.model[i].name, model()[i].name);
    EXPECT_EQ(cell.model[i].shape, model()[i].shape);
    EXPECT_EQ(cell.model[i].type, model()[i].type);
    EXPECT_EQ(cell.model[i].values, model()[i].values);
  }
  EXPECT_FALSE(has_partial_files());
}

// Uses the C interface only, as another program would.
TEST_F(RunFileTest, HasTheLayoutThatOthersRelyOn) {
  assemble_run_file(path_, {"mnist", "0.1.0"}, {journal(0, 100, true)});
  const hid_t file = H5Fopen(path_.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  ASSERT_GE(file, 0);
  std::int64_t version = 0;
  hid_t attribute = H5Aopen(file, "schema_version", H5P_DEFAULT);
  H5Aread(attribute, H5T_NATIVE_INT64, &version);
  H5Aclose(attribute);
  EXPECT_EQ(version, 3);

  const hid_t rounds = H5Dopen2(file, "/cells/0/rounds", H5P_DEFAULT);
  ASSERT_GE(rounds, 0);
  const hid_t type = H5Dget_type(rounds);
  const char* names[] = {"round",         "version",  "time_us",           "started",
                         "committed",     "dropouts", "rejected",          "examples",
                         "bytes_down",    "bytes_up", "train_loss",        "accuracy",
                         "loss",          "verdict",  "personal_accuracy", "personal_accuracy_p10",
                         "personal_loss", "task"};
  ASSERT_EQ(H5Tget_nmembers(type), 18);
  for (unsigned i = 0; i < 18; ++i) {
    char* name = H5Tget_member_name(type, i);
    EXPECT_STREQ(name, names[i]);
    H5free_memory(name);
  }
  const hid_t column = H5Tcreate(H5T_COMPOUND, 8);
  H5Tinsert(column, "time_us", 0, H5T_NATIVE_INT64);
  std::vector<std::int64_t> times(100);
  EXPECT_GE(H5Dread(rounds, column, H5S_ALL, H5S_ALL, H5P_DEFAULT, times.data()), 0);
  EXPECT_EQ(times[99], 100000);

  attribute = H5Aopen(rounds, "units", H5P_DEFAULT);
  const hid_t text = H5Aget_type(attribute);
  EXPECT_GT(H5Tis_variable_str(text), 0);
  EXPECT_EQ(H5Tget_cset(text), H5T_CSET_UTF8);
  char* units = nullptr;
  H5Aread(attribute, text, &units);
  EXPECT_TRUE(contains(units, "time_us: virtual microseconds"));
  H5free_memory(units);

  const hid_t clients = H5Dopen2(file, "/cells/0/clients", H5P_DEFAULT);
  const hid_t layout = H5Dget_create_plist(clients);
  EXPECT_EQ(H5Pget_layout(layout), H5D_CHUNKED);
  EXPECT_LT(H5Dget_storage_size(clients), 2000 * sizeof(ParticipationRow) / 4);

  const hid_t weight = H5Dopen2(file, "/cells/0/model/layer/1.weight", H5P_DEFAULT);
  float values[6] = {};
  EXPECT_GE(H5Dread(weight, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), 0);
  EXPECT_EQ(values[5], 6);
  EXPECT_GT(H5Aexists_by_name(file, "/cells/0", "final_accuracy", H5P_DEFAULT), 0);
  EXPECT_GT(H5Aexists_by_name(file, "/cells/0/provenance", "commit", H5P_DEFAULT), 0);

  for (const hid_t data : {rounds, clients, weight}) H5Dclose(data);
  for (const hid_t each : {type, column, text}) H5Tclose(each);
  H5Pclose(layout);
  H5Aclose(attribute);
  H5Fclose(file);
}

// A task's own figures are columns of `clients`, after those that every task has; 2,000 rows are compressed.
TEST_F(RunFileTest, HasTheFiguresOfClientsAsColumns) {
  const std::string path = (folder_ / "figures").string();
  CellHash hash;
  RoundRows all{
      .figures = {.columns = {{"entropy", FieldType::real, "nats"}, {"tokens", FieldType::integer, "count"}}}};
  for (std::int64_t k = 0; k < 2000; ++k) {
    all.participations.push_back({.round = 1, .participation = k, .client = k * k, .loss = 0.125});
    all.figures.add({1.0 / static_cast<double>(k + 1), k});
  }
  all.round = {.round = 1};
  hash.add(all);
  {
    CellJournal journal(path, {.index = 0, .label = "", .config = "", .provenance = {}});
    journal.round(all);
    journal.finish({.status = "finished", .hash = hash.finish(model())}, model());
  }
  assemble_run_file(path_, {"agents", "0.1.0"}, {path, journal(1, 2, true)});
  const RunContents run = read_run_file(path_);
  const CellContents& cell = run.cells[0];
  ASSERT_EQ(cell.participations.size(), 2000);
  EXPECT_EQ(std::memcmp(cell.participations.data(), all.participations.data(), 2000 * sizeof(ParticipationRow)), 0);
  ASSERT_EQ(cell.figures.columns.size(), 2);
  EXPECT_EQ(cell.figures.columns[0].name, "entropy");
  EXPECT_EQ(cell.figures.columns[1].type, FieldType::integer);
  EXPECT_EQ(cell.figures.values, all.figures.values);
  EXPECT_TRUE(run.cells[1].figures.columns.empty()) << "a cell has the columns of another";

  const hid_t file = H5Fopen(path_.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t clients = H5Dopen2(file, "/cells/0/clients", H5P_DEFAULT);
  const hid_t type = H5Dget_type(clients);
  ASSERT_EQ(H5Tget_nmembers(type), 24);
  char* name = H5Tget_member_name(type, 22);
  EXPECT_STREQ(name, "entropy");
  H5free_memory(name);
  const hid_t attribute = H5Aopen(clients, "units", H5P_DEFAULT);
  const hid_t text = H5Aget_type(attribute);
  char* units = nullptr;
  H5Aread(attribute, text, &units);
  EXPECT_TRUE(contains(units, "variant, from 0; entropy: nats; tokens: count")) << units;
  H5free_memory(units);
  for (const hid_t each : {type, text}) H5Tclose(each);
  H5Aclose(attribute);
  H5Dclose(clients);
  H5Fclose(file);

  // The hash of a result covers every value of a figure, and its name.
  const std::string stated = cell.result->hash;
  const auto hash_of = [&](const RoundRows& rows) {
    CellHash other;
    other.add(rows);
    return other.finish(model());
  };
  EXPECT_EQ(hash_of(all), stated);
  RoundRows changed = all;
  changed.figures.values[3999] += 1;
  EXPECT_NE(hash_of(changed), stated);
  changed = all;
  changed.figures.columns[0].name = "kl";
  EXPECT_NE(hash_of(changed), stated);
  changed = all;
  changed.figures.columns[0].unit = "bits";
  EXPECT_EQ(hash_of(changed), stated);
}

TEST_F(RunFileTest, RefusesOtherSchemasAndForeignFiles) {
  assemble_run_file(path_, {"mnist", "0.1.0"}, {journal(0, 1, true)});
  set_schema_version(run_schema_version + 1);
  EXPECT_TRUE(contains(error_of_reading(), "has schema version 4 (this program reads 2 to 3)")) << error_of_reading();
  H5Fclose(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
  EXPECT_TRUE(contains(error_of_reading(), "not a run file of Shoal")) << error_of_reading();
  std::ofstream(path_) << "round,accuracy\n";
  EXPECT_TRUE(contains(error_of_reading(), "not a whole run file")) << error_of_reading();
  fs::remove(path_);
  EXPECT_TRUE(contains(error_of_reading(), "No such file")) << error_of_reading();
}

TEST_F(RunFileTest, RefusesTruncatedFiles) {
  assemble_run_file(path_, {"mnist", "0.1.0"}, {journal(0, 100, true)});
  for (auto size = fs::file_size(path_) - 1; size > 0; size /= 2) {
    fs::resize_file(path_, size);
    EXPECT_TRUE(contains(error_of_reading(), "not a whole run file")) << size << error_of_reading();
  }
}

// Without the seal HDF5 would have to notice the damage, and some damage crashes it.
TEST_F(RunFileTest, NoticesFlippedBitsBeforeHdf5Does) {
  assemble_run_file(path_, {"mnist", "0.1.0"}, {journal(0, 3, true)});
  std::ifstream in(path_, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  const auto written = [&](const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; };
  for (std::size_t at = 0; at < whole.size(); at += at + 48 < whole.size() ? 37 : 1) {
    std::string flipped = whole;
    flipped[at] ^= 1 << (at % 8);
    written(flipped);
    const std::string error = error_of_reading();
    // A seal whose first words are damaged is taken for other bytes after the data.
    const bool known = contains(error, "does not match its own hash") || contains(error, "not a whole run file");
    ASSERT_TRUE(known) << "byte " << at << " of " << whole.size() << ": " << error;
  }
  written(whole + "x");
  EXPECT_TRUE(contains(error_of_reading(), "not a whole run file")) << error_of_reading();
  written(whole);
  EXPECT_EQ(error_of_reading(), "");
}

TEST_F(RunFileTest, ReadsFilesOtherProgramsChanged) {
  assemble_run_file(path_, {"mnist", "0.1.0"}, {journal(0, 3, true)});
  const auto size = fs::file_size(path_);
  set_schema_version(run_schema_version);
  EXPECT_LT(fs::file_size(path_), size) << "HDF5 has kept the seal of the old content";
  EXPECT_EQ(error_of_reading(), "");
}

TEST_F(RunFileTest, KeepsTheOldFileWhenTheDiskIsFull) {
  assemble_run_file(path_, {"old", "0.1.0"}, {journal(0, 1, true)});
  const std::string large = journal(1, 3000, true);
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{50000, 50000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      assemble_run_file(path_, {"new", "0.1.0"}, {large});
    } catch (const SystemError& error) {
      if (contains(error.what(), "File too large")) std::exit(0);
      std::fprintf(stderr, "%s\n", error.what());
      std::exit(3);
    }
    std::exit(4);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(read_run_file(path_).info.name, "old");
  EXPECT_FALSE(has_partial_files());
}

// The file was written by the version of Shoal with schema 2: SCAFFOLD on ten quadratics, three rounds.
TEST_F(RunFileTest, ReadsSchema2) {
  const char* source = std::getenv("SHOAL_SOURCE");
  if (source == nullptr) GTEST_SKIP() << "SHOAL_SOURCE is not set (ctest sets it)";
  const RunContents run = read_run_file(std::string(source) + "/tests/fixtures/runs/schema_2.h5");
  EXPECT_EQ(run.schema_version, 2);
  EXPECT_EQ(run.info.name, "schema-2");
  ASSERT_EQ(run.cells.size(), 1);
  const CellContents& cell = run.cells[0];
  ASSERT_EQ(cell.rounds.size(), 3);
  EXPECT_EQ(cell.rounds[2].dropouts, 1);  // from the column that was called `dropped`
  EXPECT_EQ(cell.rounds[2].started, 4);
  EXPECT_NEAR(cell.rounds[2].loss, 1.53004471, 1e-8);
  EXPECT_EQ(cell.rounds[2].task, 0);  // the file does not have this column
  ASSERT_EQ(cell.participations.size(), 12);
  EXPECT_EQ(cell.participations[0].group, 0);
  EXPECT_EQ(cell.result->dropouts, 3);
  EXPECT_EQ(cell.result->bytes_up, 216);
  EXPECT_TRUE(cell.measures.empty());
  EXPECT_TRUE(cell.tables.empty());
  EXPECT_EQ(cell.model.size(), 1);
}

TEST_F(RunFileTest, ChecksThePathBeforeTheRun) {
  const auto error_of = [](const std::string& path) -> std::string {
    try {
      check_writable(path);
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(error_of(path_), "");
  EXPECT_FALSE(has_partial_files());
  EXPECT_TRUE(contains(error_of("/nowhere/run.h5"), "folder '/nowhere' of '/nowhere/run.h5' does not exist"));
  EXPECT_TRUE(contains(error_of(folder_.string()), "is a folder"));
  std::ofstream(folder_ / "file") << "x";
  EXPECT_TRUE(contains(error_of((folder_ / "file/run.h5").string()), "does not exist"));
  EXPECT_TRUE(contains(error_of("/proc/run.h5"), "cannot be written (")) << error_of("/proc/run.h5");
  EXPECT_THROW(assemble_run_file("/nowhere/run.h5", {}, {}), SystemError);
}

}  // namespace
}  // namespace shoal
