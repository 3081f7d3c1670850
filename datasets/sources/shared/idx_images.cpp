#include "datasets/sources/shared/idx_images.hpp"

#include "datasets/readers/idx.hpp"
#include "datasets/sources/shared/contents.hpp"

namespace shoal {
namespace {

constexpr std::int64_t classes = 10;

// Images and labels that belong together, checked against each other.
Examples read_pair(const std::string& images_path, const std::string& labels_path) {
  using readers::IdxType;
  readers::IdxArray images = readers::read_idx(images_path, {.type = IdxType::uint8, .dimensions = 3});
  const readers::IdxArray labels = readers::read_idx(labels_path, {.type = IdxType::uint8, .dimensions = 1});
  const std::int64_t count = images.shape[0];
  if (count != labels.shape[0]) {
    user_error("file '{}' holds {} images, but '{}' holds {} labels (expected as many). Use files of one data set.",
               images_path, count, labels_path, labels.shape[0]);
  }
  Examples examples;
  examples.shape = {1, images.shape[1], images.shape[2]};
  examples.classes = classes;
  if (count == 0 || examples.shape.size() == 0) {
    user_error("file '{}' holds {} images of {} x {} pixels (expected at least one of each). Download it again.",
               images_path, count, examples.shape.height, examples.shape.width);
  }
  examples.bytes = std::move(images.bytes);
  examples.labels.assign(labels.bytes.begin(), labels.bytes.end());
  for (std::size_t i = 0; i < examples.labels.size(); ++i) {
    if (examples.labels[i] >= classes) {
      user_error("file '{}' has label {} at example {} (expected 0 to {}). Check that it is the right file.",
                 labels_path, examples.labels[i], i, classes - 1);
    }
  }
  return examples;
}

class IdxImages final : public Source {
 public:
  IdxImages(const PublishedImages& published, Settings& s)
      : published_(published),
        folder_(s.text("folder", "", fmt::format("folder of the files; empty: $SHOAL_DATA/{}", published.folder))),
        standard_(s.choice(
            "normalise", false, {{"unit", false}, {"standard", true}},
            fmt::format("unit: x / 255; standard: (x / 255 - {}) / {}", published.mean, published.deviation))) {}

  Dataset load() const override {
    const std::vector<PublishedFile> files = {published_.train_images, published_.train_labels, published_.test_images,
                                              published_.test_labels};
    const std::vector<std::string> paths =
        find_published({published_.title, published_.folder, published_.page}, files, folder_);
    const std::string &train_images = paths[0], &train_labels = paths[1], &test_images = paths[2],
                      &test_labels = paths[3];
    Dataset data{
        .train = read_pair(train_images, train_labels), .test = read_pair(test_images, test_labels), .digest = {}};
    if (data.train.shape != data.test.shape) {
      user_error(
          "file '{}' has images of {} x {} pixels, but '{}' of {} x {} (expected the same). Use files of one data set.",
          test_images, data.test.shape.height, data.test.shape.width, train_images, data.train.shape.height,
          data.train.shape.width);
    }
    for (Examples* half : {&data.train, &data.test}) {
      half->scale = standard_ ? 1 / (255 * published_.deviation) : 1.0 / 255;
      half->offset = standard_ ? -published_.mean / published_.deviation : 0;
    }
    data.digest = contents_digest(data.train, data.test);
    return data;
  }

 private:
  PublishedImages published_;
  std::string folder_;
  bool standard_;
};

}  // namespace

std::unique_ptr<Source> idx_images(const PublishedImages& published, Settings& settings) {
  return std::make_unique<IdxImages>(published, settings);
}

}  // namespace shoal
