// MNIST with the person who wrote each digit: its images and labels, and the writers that QMNIST found for them (539 in
// the training set, 297 in the test set), for partition "natural". Needs the files of MNIST and the two label files of
// QMNIST. C. Yadav and L. Bottou, NeurIPS 2019 (arXiv 1905.10498); github.com/facebookresearch/qmnist.
#include <array>

#include "datasets/readers/idx.hpp"
#include "datasets/sources/shared/contents.hpp"
#include "datasets/sources/shared/idx_images.hpp"

namespace shoal::sources {
namespace {

constexpr Publication publication = {"QMNIST", "qmnist", "https://github.com/facebookresearch/qmnist"};
constexpr std::array<PublishedFile, 2> label_files = {
    {{"qmnist-train-labels-idx2-int", "2c05dc77f6b916b38e455e97ab129a42a444f3dbef09b278a366f82904e0dd9f",
      "bb1b6e1ec7b04fd5696f1ed50b5f58f8ef195118edd5c93c81783df9740b8ac5"},
     {"qmnist-test-labels-idx2-int", "9fbcbe594c3766fdf4f0b15c5165dc0d1e57ac604e01422608bb72c906030d06",
      "92d0ccb8c25f9c6534270fb4be7e1d24a1c6d315edfc8a638bfbd31c70f362dd"}}};
// Two of the eight columns; the others give the image's place in NIST's collection.
constexpr std::int64_t class_column = 0, writer_column = 2, columns = 8;

// After MNIST's 10,000, QMNIST's test labels continue with those of the images that MNIST had lost.
void add_writers(Examples& examples, const std::string& path) {
  const readers::IdxArray table = readers::read_idx(path, {.type = readers::IdxType::int32, .dimensions = 2});
  const std::int64_t count = std::ssize(examples.labels);
  if (table.shape[0] < count || table.shape[1] != columns) {
    user_error("file '{}' holds {} x {} numbers (expected {} rows or more of {}). Check that it is the right file.",
               path, table.shape[0], table.shape[1], count, columns);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t* row = table.ints.data() + i * columns;
    const std::int32_t label = examples.labels[i];
    if (row[class_column] != label) {
      user_error("file '{}' has label {} at example {} (MNIST has {}). Use files of one data set.", path,
                 row[class_column], i, label);
    }
    examples.groups.push_back(row[writer_column]);
  }
}

class Qmnist final : public Source {
 public:
  explicit Qmnist(Settings& s)
      : how_(mnist_images, s),
        folder_(s.text("label_folder", "", "folder of QMNIST's label files; empty: $SHOAL_DATA/qmnist")) {}

  Dataset load() const override {
    ImagePair data = read_images(mnist_images, how_);
    const std::vector<std::string> paths = find_published(publication, label_files, folder_);
    add_writers(data.train, paths[0]);
    add_writers(data.test, paths[1]);
    return dataset_of(std::move(data.train), std::move(data.test));
  }

 private:
  ImageSettings how_;
  std::string folder_;
};

}  // namespace

std::unique_ptr<Source> qmnist(Settings& settings) { return std::make_unique<Qmnist>(settings); }

}  // namespace shoal::sources
