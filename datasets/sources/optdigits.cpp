// Handwritten digits as 8 x 8 counts 0 to 16: 3,823 for training from 30 writers, 1,797 for testing from 13 others.
// Comes with Shoal. E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, doi 10.24432/C50P49, CC BY 4.0.
#include <cmath>
#include <filesystem>

#include "datasets/readers/csv.hpp"
#include "datasets/sources/shared/contents.hpp"
#include "datasets/sources/shared/published.hpp"
#include "datasets/sources/shared/shipped.hpp"
#include "sim/task/data.hpp"

namespace shoal::sources {
namespace {

constexpr std::int64_t features = 64, largest = 16, classes = 10;

struct Half {
  std::string_view name, sha256;
  std::int64_t rows;
};
constexpr Half train_half = {"optdigits.tra", "e1b683cc211604fe8fd8c4417e6a69f31380e0c61d4af22e93cc21e9257ffedd", 3823};
constexpr Half test_half = {"optdigits.tes", "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8", 1797};

Examples read_half(const std::string& folder, const Half& half) {
  const std::string path = (std::filesystem::path(folder) / half.name).string();
  std::error_code failure;
  if (!std::filesystem::exists(path, failure)) {
    user_error(
        "file '{}' does not exist (expected {}, sha-256 {}). Set 'folder', or get it from the UCI Machine Learning "
        "Repository, doi 10.24432/C50P49.",
        path, half.name, half.sha256);
  }
  const readers::Bytes content = readers::read_unpacked(path, 16 << 20);
  check_published(path, half.sha256, std::as_bytes(std::span(content)));
  const readers::Table table = readers::parse_csv(content, path, features + 1);
  if (table.rows() != half.rows) {
    user_error("file '{}' has {} rows (expected {}). Download it again.", path, table.rows(), half.rows);
  }
  Examples examples;
  examples.form = {.features = Form::Features::bytes, .shape = {1, 8, 8}, .classes = classes, .scale = 1.0F / largest};
  for (std::int64_t i = 0; i < table.rows(); ++i) {
    const auto row = table.row(i);
    for (std::int64_t j = 0; j <= features; ++j) {
      const double number = row[j];
      const std::int64_t most = j < features ? largest : classes - 1;
      if (number < 0 || number > most || number != std::floor(number)) {
        user_error("file '{}', line {}, column {} is {} (expected an integer, 0 to {}). Download it again.", path,
                   i + 1, j + 1, number, most);
      }
      if (j < features) {
        examples.bytes.push_back(number);
      } else {
        examples.labels.push_back(number);
      }
    }
  }
  return examples;
}

class Optdigits final : public Source {
 public:
  explicit Optdigits(Settings& s)
      : folder_(s.text("folder", "", "folder of the files; empty: the ones that come with Shoal")) {}

  Dataset load() const override {
    const std::string folder = folder_.empty() ? shipped_folder("optdigits") : folder_;
    Examples train = read_half(folder, train_half);
    return dataset_of(std::move(train), read_half(folder, test_half));
  }

 private:
  std::string folder_;
};

}  // namespace

std::unique_ptr<Source> optdigits(Settings& settings) { return std::make_unique<Optdigits>(settings); }

}  // namespace shoal::sources
