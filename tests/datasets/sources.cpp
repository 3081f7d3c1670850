// Does every source give the published examples, or one clear error?

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "datasets/sources/shared/contents.hpp"
#include "datasets/sources/shared/shipped.hpp"
#include "sim/task/data.hpp"
#include "sim/task/dense_store.hpp"
#include "tests/datasets/readers/files.hpp"

namespace shoal {
namespace {

using namespace shoal::testing;

// A copy of what a store of images or vectors holds.
Examples examples_of(const ExampleStore& store) {
  const auto& from = dynamic_cast<const DenseStore&>(store);
  Examples out;
  out.form = from.form();
  out.bytes.assign(from.bytes().begin(), from.bytes().end());
  out.floats.assign(from.floats().begin(), from.floats().end());
  out.labels.assign(from.labels().begin(), from.labels().end());
  out.groups.assign(from.groups().begin(), from.groups().end());
  return out;
}

struct Loaded {
  Examples train, test;
  std::string digest;
};

std::int64_t count(const Examples& examples) { return std::ssize(examples.labels); }

Loaded load(const std::string& name, const std::string& toml = "") {
  Settings settings = Settings::parse(toml, "test.toml");
  const auto source = find_part<Source>("source", name).make(settings);
  settings.finish();
  const Dataset data = source->load();
  return {examples_of(*data.train), examples_of(*data.test), data.digest};
}

std::string in_folder(const Folder& folder) { return fmt::format("folder = '{}'", folder.path()); }

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Sets SHOAL_DATA for a test and restores it at the end.
class DataFolder {
 public:
  explicit DataFolder(const char* path) : had_(std::getenv("SHOAL_DATA") != nullptr) {
    if (had_) before_ = std::getenv("SHOAL_DATA");
    path != nullptr ? setenv("SHOAL_DATA", path, 1) : unsetenv("SHOAL_DATA");
  }
  ~DataFolder() { had_ ? setenv("SHOAL_DATA", before_.c_str(), 1) : unsetenv("SHOAL_DATA"); }

 private:
  bool had_;
  std::string before_;
};

void expect_consistent(const Examples& examples) {
  const std::int64_t numbers = count(examples) * examples.form.shape.size();
  EXPECT_EQ(std::ssize(examples.bytes) + std::ssize(examples.floats), numbers);
  EXPECT_TRUE(examples.bytes.empty() || examples.floats.empty());
  for (const std::int32_t label : examples.labels) ASSERT_TRUE(label >= 0 && label < examples.form.classes);
}

TEST(Sources, ExplainTheirSettings) {
  for (const auto& part : parts<Source>()) {
    Settings none;
    EXPECT_NE(part.make(none), nullptr) << part.name;
    EXPECT_FALSE(none.declared().empty()) << part.name;
    EXPECT_FALSE(part.about.empty()) << part.name;
  }
}

TEST(Optdigits, HasThePublishedCounts) {
  const Loaded data = load("optdigits");
  EXPECT_EQ(count(data.train), 3823);
  EXPECT_EQ(count(data.test), 1797);
  EXPECT_EQ(data.train.form.shape, (Shape{1, 8, 8}));
  EXPECT_EQ(
      data.digest,
      "a7cc1f4a179423b80c7969c2e8ad4c65602670b12f4bdd1fd33cb75176bfa777");  // recorded in run files: must never change
  expect_consistent(data.train);
  expect_consistent(data.test);
  // optdigits.names, section 9.
  const std::vector<int> train = {376, 389, 380, 389, 387, 376, 377, 387, 380, 382};
  const std::vector<int> test = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
  for (const auto& [half, expected] : {std::pair(&data.train, train), std::pair(&data.test, test)}) {
    std::vector<int> counts(10);
    for (const std::int32_t label : half->labels) ++counts[label];
    EXPECT_EQ(counts, expected);
  }
  const std::vector<std::uint8_t> first = {0, 1, 6, 15, 12, 1, 0, 0, 0, 7, 16, 6, 6, 10, 0, 0};
  EXPECT_EQ(std::vector<std::uint8_t>(data.train.bytes.begin(), data.train.bytes.begin() + 16), first);
  EXPECT_EQ(data.train.labels[0], 0);
  EXPECT_EQ(data.train.labels[2], 7);
  EXPECT_EQ(data.train.form.scale, 1.0F / 16);
  EXPECT_EQ(data.train.form.offset, 0);
}

TEST(Optdigits, HasEveryNumberOfTheFiles) {
  // The files are read here by other means.
  const Loaded data = load("optdigits");
  for (const auto& [name, half] : {std::pair("optdigits.tra", &data.train), std::pair("optdigits.tes", &data.test)}) {
    std::ifstream file(shipped_folder("optdigits") + "/" + name);
    int number = 0;
    char separator = 0;
    for (std::int64_t i = 0; i < count(*half); ++i) {
      for (std::int64_t j = 0; j < 65; ++j) {
        file >> number;
        if (j < 64) file >> separator;
        ASSERT_EQ(number, j < 64 ? half->bytes[64 * i + j] : half->labels[i]);
      }
    }
    EXPECT_FALSE(file >> number);
  }
}

TEST(Optdigits, RefusesDamagedFiles) {
  const std::string train = text_of(shipped_folder("optdigits") + "/optdigits.tra");
  const std::string test = text_of(shipped_folder("optdigits") + "/optdigits.tes");
  const Folder folder;
  const auto error = [&](const std::string& broken) {
    folder.write("optdigits.tra", bytes(broken));
    return user_error_of([&] { load("optdigits", in_folder(folder)); });
  };
  EXPECT_TRUE(contains(user_error_of([&] { load("optdigits", in_folder(folder)); }), "10.24432/C50P49"));
  folder.write("optdigits.tes", bytes(test));
  EXPECT_TRUE(contains(error(train.substr(0, train.find('\n', 1000) + 1)), "rows (expected 3823)"));
  EXPECT_TRUE(contains(error(train.substr(0, 1000)), "cut short"));
  EXPECT_TRUE(contains(error(test), "has 1797 rows (expected 3823)"));
  EXPECT_TRUE(contains(error("17" + train.substr(1)), "line 1, column 1 is 17 (expected an integer, 0 to 16)"));
  EXPECT_TRUE(contains(error("0.5" + train.substr(1)), "column 1 is 0.5"));
  EXPECT_TRUE(contains(error("-1" + train.substr(1)), "column 1 is -1"));
  const std::size_t line = train.find('\n');
  EXPECT_TRUE(contains(error(train.substr(0, line - 1) + "10" + train.substr(line)),
                       "column 65 is 10 (expected an integer, 0 to 9)"));
  folder.write("optdigits.tra", bytes(train));
  EXPECT_EQ(load("optdigits", in_folder(folder)).digest, load("optdigits").digest);
}

// The four files of a tiny MNIST, to be damaged one by one.
struct Tiny {
  Bytes train_images = idx(0x08, {3, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255});
  Bytes train_labels = idx(0x08, {3}, {0, 5, 9});
  Bytes test_images = idx(0x08, {1, 2, 2}, {9, 8, 7, 6});
  Bytes test_labels = idx(0x08, {1}, {3});

  void write(const Folder& folder) const {
    folder.write("train-images-idx3-ubyte", train_images);
    folder.write("train-labels.idx1-ubyte", train_labels);
    folder.write("t10k-images.idx3-ubyte.gz", gzip(test_images));
    folder.write("t10k-labels-idx1-ubyte.gz", gzip(test_labels));
  }
  std::string error() const {
    const Folder folder;
    write(folder);
    return user_error_of([&] { load("mnist", in_folder(folder)); });
  }
};

TEST(IdxImages, ReadsFilesOfAnyNameAndPacking) {
  const Folder folder;
  Tiny tiny;
  tiny.write(folder);
  const Loaded data = load("mnist", in_folder(folder));
  EXPECT_EQ(data.train.form.shape, (Shape{1, 2, 2}));
  EXPECT_EQ(data.train.labels, (std::vector<std::int32_t>{0, 5, 9}));
  EXPECT_EQ(data.train.bytes.back(), 255);
  EXPECT_EQ(data.test.bytes, (Bytes{9, 8, 7, 6}));
  EXPECT_EQ(data.train.form.scale, 1.0F / 255);
  EXPECT_EQ(data.train.form.offset, 0);
  const Loaded standard = load("fashion_mnist", in_folder(folder) + "\nnormalise = 'standard'");
  EXPECT_NEAR(255 * standard.train.form.scale + standard.train.form.offset, (1 - 0.2860) / 0.3530, 1e-6);
  EXPECT_NEAR(standard.test.form.offset, -0.2860 / 0.3530, 1e-6);
  EXPECT_EQ(standard.digest, data.digest);  // a setting, not the data
  tiny.test_labels.back() = 4;
  tiny.write(folder);
  EXPECT_NE(load("mnist", in_folder(folder)).digest, data.digest);
}

TEST(IdxImages, RefusesFilesThatDoNotFit) {
  Tiny tiny;
  tiny.train_labels = idx(0x08, {2}, {0, 5});
  EXPECT_TRUE(contains(tiny.error(), "holds 3 images, but"));
  tiny = {};
  tiny.train_labels = idx(0x08, {3}, {0, 10, 9});
  EXPECT_TRUE(contains(tiny.error(), "has label 10 at example 1 (expected 0 to 9)"));
  tiny = {};
  tiny.test_images = idx(0x08, {1, 1, 4}, {9, 8, 7, 6});
  EXPECT_TRUE(contains(tiny.error(), "(expected the same)"));
  tiny = {};
  std::swap(tiny.train_images, tiny.train_labels);
  EXPECT_TRUE(contains(tiny.error(), "expected 0x00000803"));
  tiny = {};
  tiny.test_images = idx(0x08, {0, 2, 2}, {});
  tiny.test_labels = idx(0x08, {0}, {});
  EXPECT_TRUE(contains(tiny.error(), "holds 0 images"));
  tiny = {};
  tiny.test_images = idx(0x08, {1, 0, 0}, {});
  EXPECT_TRUE(contains(tiny.error(), "of 0 x 0 pixels"));
  tiny = {};
  tiny.test_images.pop_back();
  EXPECT_TRUE(contains(tiny.error(), "3 bytes after its header (expected 4"));
}

TEST(IdxImages, SaysWhereToGetMissingFiles) {
  const Folder folder;
  Tiny().write(folder);
  std::filesystem::remove(folder.path() + "/train-labels.idx1-ubyte");
  const std::string one = user_error_of([&] { load("mnist", in_folder(folder)); });
  EXPECT_TRUE(contains(
      one, "train-labels-idx1-ubyte.gz (sha-256 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c)"));
  EXPECT_FALSE(contains(one, "train-images"));
  EXPECT_TRUE(contains(one, "yann.lecun.com")) << one;
  const DataFolder unset(nullptr);
  const std::string all = user_error_of([] { load("fashion_mnist"); });
  EXPECT_TRUE(contains(all, "neither 'folder' nor the environment's SHOAL_DATA")) << all;
  EXPECT_TRUE(contains(all, "zalandoresearch/fashion-mnist")) << all;
}

TEST(IdxImages, TakesTheFolderFromTheEnvironment) {
  const Folder folder;
  std::filesystem::create_directory(folder.path() + "/mnist");
  const DataFolder set(folder.path().c_str());
  EXPECT_TRUE(contains(user_error_of([] { load("mnist"); }), folder.path() + "/mnist"));
}

struct Expected {
  const char* name;
  double mean, deviation;
  const char* digest;
};

// Checks the published data against values counted in them.
void check_published(const Expected& expected) {
  if (std::getenv("SHOAL_DATA") == nullptr) GTEST_SKIP() << "SHOAL_DATA is not set";
  const Loaded data = load(expected.name);
  EXPECT_EQ(data.digest, expected.digest);
  EXPECT_EQ(count(data.train), 60000);
  EXPECT_EQ(count(data.test), 10000);
  EXPECT_EQ(data.train.form.shape, (Shape{1, 28, 28}));
  expect_consistent(data.train);
  expect_consistent(data.test);
  double sum = 0, squares = 0;
  for (const std::uint8_t byte : data.train.bytes) {
    const double x = byte / 255.0;
    sum += x;
    squares += x * x;
  }
  const double n = data.train.bytes.size(), mean = sum / n;
  EXPECT_NEAR(mean, expected.mean, 5.1e-6);
  EXPECT_NEAR(std::sqrt(squares / n - mean * mean), expected.deviation, 5.1e-6);
}

TEST(IdxImages, Mnist) {
  check_published({"mnist", .13066, .30811, "832a777be8a865d77418120defd6782a82e70b5e627b920223ed5c0a57b76efc"});
  if (IsSkipped()) return;
  const Loaded data = load("mnist");
  const std::vector<std::int32_t> first = {5, 0, 4, 1, 9, 2, 1, 3, 1, 4};
  EXPECT_EQ(std::vector<std::int32_t>(data.train.labels.begin(), data.train.labels.begin() + 10), first);
}

TEST(IdxImages, FashionMnist) {
  check_published(
      {"fashion_mnist", .28604, .35302, "5b2483432cc85dc4fcfe5ef6d1b9975a5186efd07b57ccaebc2e6aeaf4e06531"});
}

// A tiny MNIST with QMNIST's rows for it: class, series, writer, index, class in NIST, number, duplicate, unused.
struct TinyQmnist {
  Tiny images;
  Bytes train = idx(0x0c, {3, 8}, words({0, 0, 500, 1, 2, 3, 0, 0, 5, 0, 12, 1, 2, 3, 0, 0, 9, 4, 500, 1, 2, 3, 0, 0}));
  Bytes test = idx(0x0c, {2, 8}, words({3, 4, 2600, 0, 0, 0, 0, 0, 8, 4, 2601, 0, 0, 0, 0, 0}));

  static Bytes words(const std::vector<int>& numbers) {
    Bytes out;
    for (const int n : numbers) {
      for (const int shift : {24, 16, 8, 0}) out.push_back(n >> shift);
    }
    return out;
  }
  std::string settings(const Folder& folder) const {
    images.write(folder);
    folder.write("qmnist-train-labels-idx2-int.gz", gzip(train));
    folder.write("qmnist-test-labels-idx2-int", test);
    return in_folder(folder) + fmt::format("\nlabel_folder = '{}'", folder.path());
  }
  std::string error() const {
    const Folder folder;
    return user_error_of([&] { load("qmnist", settings(folder)); });
  }
};

TEST(Qmnist, KnowsTheWritersOfTheImages) {
  const Folder folder;
  TinyQmnist tiny;
  const Loaded data = load("qmnist", tiny.settings(folder));
  EXPECT_EQ(data.train.groups, (std::vector<std::int32_t>{500, 12, 500}));
  EXPECT_EQ(data.test.groups, (std::vector<std::int32_t>{2600}));
  const Loaded images = load("mnist", in_folder(folder));
  EXPECT_EQ(data.train.bytes, images.train.bytes);
  EXPECT_NE(data.digest, images.digest);
}

TEST(Qmnist, RefusesLabelsOfOtherImages) {
  TinyQmnist tiny;
  tiny.images.train_labels = idx(0x08, {3}, {0, 6, 9});
  EXPECT_TRUE(contains(tiny.error(), "has label 5 at example 1 (MNIST has 6)"));
  tiny = {};
  tiny.train = tiny.test;
  EXPECT_TRUE(contains(tiny.error(), "holds 2 x 8 numbers (expected 3 rows or more of 8)"));
  const Folder folder;
  Tiny().write(folder);
  const std::string missing =
      user_error_of([&] { load("qmnist", in_folder(folder) + fmt::format("\nlabel_folder = '{}'", folder.path())); });
  EXPECT_TRUE(contains(missing, "files of QMNIST are missing")) << missing;
  EXPECT_TRUE(contains(missing, "facebookresearch/qmnist")) << missing;
}

TEST(Qmnist, HasThePublishedWriters) {
  if (std::getenv("SHOAL_DATA") == nullptr) GTEST_SKIP() << "SHOAL_DATA is not set";
  const Loaded data = load("qmnist");
  const auto writers = [](const Examples& half) {
    return std::set<std::int32_t>(half.groups.begin(), half.groups.end()).size();
  };
  EXPECT_EQ(data.train.groups.size(), 60000U);
  EXPECT_EQ(data.test.groups.size(), 10000U);
  EXPECT_EQ(writers(data.train), 539U);
  EXPECT_EQ(writers(data.test), 297U);
  EXPECT_EQ(load("mnist").train.bytes, data.train.bytes);
}

TEST(Synthetic, ClustersAsStated) {
  const Loaded data =
      load("synthetic", "examples = 4000\ntest_examples = 100\nfeatures = 50\nclasses = 8\nseparation = 6\nseed = 3");
  EXPECT_EQ(count(data.train), 4000);
  EXPECT_EQ(count(data.test), 100);
  EXPECT_EQ(data.train.form.shape, (Shape{50, 1, 1}));
  EXPECT_EQ(data.train.form.classes, 8);
  expect_consistent(data.train);
  expect_consistent(data.test);
  std::vector<std::vector<double>> centre(8, std::vector<double>(50));
  for (std::size_t i = 0; i < 4000; ++i) {
    for (std::size_t j = 0; j < 50; ++j) {
      centre[data.train.labels[i]][j] += data.train.floats[50 * i + j] / 500;
    }
  }
  double within = 0, between = 0;
  for (std::size_t i = 0; i < 4000; ++i) {
    for (std::size_t j = 0; j < 50; ++j) {
      const double x = data.train.floats[50 * i + j] - centre[data.train.labels[i]][j];
      within += x * x / (4000 * 50);
    }
  }
  for (std::size_t a = 0; a < 8; ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      for (std::size_t j = 0; j < 50; ++j) between += std::pow(centre[a][j] - centre[b][j], 2) / 28;
    }
  }
  EXPECT_NEAR(within, 499.0 / 500, 0.02);        // standard error .003
  EXPECT_NEAR(between, 36 + 2 * 50 / 500.0, 8);  // 7 * 50 normal coordinates: standard error 36 sqrt(2 / 350) = 2.7
}

// Within a device feature j has variance j^-1.2; over devices the mean of a device's features has variance beta^2 +
// 1/60 and the features of one device have unit variance around it. The data that the paper's authors publish agree.
TEST(SyntheticAlphaBeta, IsDistributedAsStated) {
  const Loaded data = load("synthetic_alpha_beta", "devices = 400\nbeta = 2\nseed = 5");
  expect_consistent(data.train);
  constexpr std::size_t features = 60;
  struct Device {
    double count = 0;
    std::vector<double> sum = std::vector<double>(features), squares = std::vector<double>(features);
    std::set<std::int32_t> labels;
  };
  std::map<std::int32_t, Device> devices;
  for (std::size_t i = 0; i < data.train.labels.size(); ++i) {
    Device& device = devices[data.train.groups[i]];
    ++device.count;
    device.labels.insert(data.train.labels[i]);
    for (std::size_t j = 0; j < features; ++j) {
      const double x = data.train.floats[i * features + j];
      device.sum[j] += x;
      device.squares[j] += x * x;
    }
  }
  EXPECT_EQ(devices.size(), 400U);
  EXPECT_NEAR(1.0 * count(data.test) / count(data.train), 1.0 / 9, 0.01);
  double middle = 0, centres = 0, spread = 0, few_labels = 0;
  std::vector<double> variance(features), sizes;
  for (const auto& [id, device] : devices) {
    EXPECT_GE(device.count, 45);
    sizes.push_back(device.count / 0.9);
    double mean = 0, square = 0;
    for (std::size_t j = 0; j < features; ++j) {
      const double m = device.sum[j] / device.count;
      variance[j] += (device.squares[j] - device.count * m * m) / (device.count - 1) / 400;
      mean += m / features;
      square += m * m / features;
    }
    centres += mean * mean / 400;
    spread += (square - mean * mean) * features / (features - 1) / 400;
    few_labels += device.labels.size() <= 4 ? 1.0 / 400 : 0;
    middle += device.count / 0.9 < 50 + std::exp(4.0) ? 1.0 / 400 : 0;
  }
  for (const std::size_t j : {0U, 1U, 9U, 59U}) {
    EXPECT_NEAR(variance[j] * std::pow(j + 1, 1.2), 1, 0.06) << "feature " << j;
  }
  EXPECT_NEAR(centres, 4 + 1.0 / 60, 4.5 * 4 * std::sqrt(2.0 / 400));
  EXPECT_NEAR(spread, 1, 0.03);
  EXPECT_NEAR(middle, 0.5, 4.5 * 0.5 / std::sqrt(400.0));  // the median size is 50 + e^4
  EXPECT_GT(few_labels, 0.5);
  EXPECT_NE(load("synthetic_alpha_beta", "beta = 0.5").digest, load("synthetic_alpha_beta").digest);
}

TEST(Synthetic, DependsOnItsSeedAlone) {
  const std::string sizes = "examples = 50\ntest_examples = 20\n";
  const Loaded data = load("synthetic", sizes + "seed = 1");
  EXPECT_EQ(load("synthetic", sizes + "seed = 1").digest, data.digest);
  EXPECT_NE(load("synthetic", sizes + "seed = 2").digest, data.digest);
  EXPECT_NE(load("synthetic", sizes + "seed = 1\nseparation = 4").digest, data.digest);
  // More examples leave the first ones as they were; training and test examples differ.
  const Loaded more = load("synthetic", "examples = 60\ntest_examples = 20\nseed = 1");
  EXPECT_TRUE(std::equal(data.train.floats.begin(), data.train.floats.end(), more.train.floats.begin()));
  EXPECT_NE(data.train.floats[0], data.test.floats[0]);
}

TEST(Synthetic, RefusesImpossibleSettings) {
  for (const char* toml : {"examples = 0", "test_examples = 0", "features = 0", "classes = 1", "separation = -1",
                           "seed = -1", "examples = 2_000_000_000", "examples = 1_000_000\nfeatures = 1_000_000"}) {
    SCOPED_TRACE(toml);
    user_error_of([&] { load("synthetic", toml); });
  }
}

TEST(Digest, DependsOnEveryPart) {
  Examples train, test;
  train.form.shape = test.form.shape = {1, 1, 2};
  train.form.classes = test.form.classes = 2;
  train.form.features = test.form.features = Form::Features::bytes;
  train.bytes = {1, 2};
  train.labels = {0};
  const auto contents_digest = [](const Examples& one, const Examples& two) {
    return shoal::contents_digest(DenseStore(one), DenseStore(two));
  };
  const std::string digest = contents_digest(train, test);
  EXPECT_NE(contents_digest(test, train), digest);
  Examples other = train;
  other.labels = {1};
  EXPECT_NE(contents_digest(other, test), digest);
  other = train;
  other.form.shape = {2, 1, 1};
  EXPECT_NE(contents_digest(other, test), digest);
  other = train;
  other.form.scale = 7;
  EXPECT_EQ(contents_digest(other, test), digest);
}

}  // namespace
}  // namespace shoal
