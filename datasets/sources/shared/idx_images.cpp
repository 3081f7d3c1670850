#include "datasets/sources/shared/idx_images.hpp"

#include "datasets/readers/idx.hpp"
#include "datasets/sources/shared/contents.hpp"

namespace shoal {
namespace {

constexpr std::int64_t classes = 10;

// Images without labels: where they lie if the file is not packed, in memory otherwise.
Examples read_features(const std::string& path, std::int64_t& count) {
  Examples examples;
  std::vector<std::int64_t> shape;
  if (auto mapped = readers::map_idx(path, 3)) {
    shape = mapped->shape;
    examples.mapped = mapped->bytes;
    examples.owner = mapped->file;
  } else {
    readers::IdxArray images = readers::read_idx(path, {.type = readers::IdxType::uint8, .dimensions = 3});
    shape = images.shape;
    examples.bytes = std::move(images.bytes);
  }
  count = shape[0];
  examples.form = {.features = Form::Features::bytes, .shape = {1, shape[1], shape[2]}, .classes = classes};
  return examples;
}

// Images and labels that belong together, checked against each other.
Examples read_pair(const std::string& images_path, const std::string& labels_path) {
  using readers::IdxType;
  std::int64_t count = 0;
  Examples examples = read_features(images_path, count);
  const readers::IdxArray labels = readers::read_idx(labels_path, {.type = IdxType::uint8, .dimensions = 1});
  if (count != labels.shape[0]) {
    user_error("file '{}' holds {} images, but '{}' holds {} labels (expected as many). Use files of one data set.",
               images_path, count, labels_path, labels.shape[0]);
  }
  const Shape& shape = examples.form.shape;
  if (count == 0 || shape.size() == 0) {
    user_error("file '{}' holds {} images of {} x {} pixels (expected at least one of each). Download it again.",
               images_path, count, shape.height, shape.width);
  }
  examples.labels.assign(labels.bytes.begin(), labels.bytes.end());
  for (std::size_t i = 0; i < examples.labels.size(); ++i) {
    if (examples.labels[i] >= classes) {
      user_error("file '{}' has label {} at example {} (expected 0 to {}). Check that it is the right file.",
                 labels_path, examples.labels[i], i, classes - 1);
    }
  }
  return examples;
}

}  // namespace

ImageSettings::ImageSettings(const PublishedImages& published, Settings& s)
    : folder(s.text("folder", "", fmt::format("folder of the files; empty: $SHOAL_DATA/{}", published.folder))),
      standard(
          s.choice("normalise", false, {{"unit", false}, {"standard", true}},
                   fmt::format("unit: x / 255; standard: (x / 255 - {}) / {}", published.mean, published.deviation))) {}

ImagePair read_images(const PublishedImages& published, const ImageSettings& how) {
  const std::vector<PublishedFile> files = {published.train_images, published.train_labels, published.test_images,
                                            published.test_labels};
  const std::vector<std::string> paths =
      find_published({published.title, published.folder, published.page}, files, how.folder);
  ImagePair data{read_pair(paths[0], paths[1]), read_pair(paths[2], paths[3])};
  const Shape &train = data.train.form.shape, &test = data.test.form.shape;
  if (train != test) {
    user_error(
        "file '{}' has images of {} x {} pixels, but '{}' of {} x {} (expected the same). Use files of one data set.",
        paths[2], test.height, test.width, paths[0], train.height, train.width);
  }
  for (Examples* half : {&data.train, &data.test}) {
    half->form.scale = how.standard ? 1 / (255 * published.deviation) : 1.0 / 255;
    half->form.offset = how.standard ? -published.mean / published.deviation : 0;
  }
  return data;
}

namespace {

class IdxImages final : public Source {
 public:
  IdxImages(const PublishedImages& published, Settings& s) : published_(published), how_(published, s) {}

  Dataset load() const override {
    ImagePair images = read_images(published_, how_);
    return dataset_of(std::move(images.train), std::move(images.test));
  }

 private:
  PublishedImages published_;
  ImageSettings how_;
};

}  // namespace

std::unique_ptr<Source> idx_images(const PublishedImages& published, Settings& settings) {
  return std::make_unique<IdxImages>(published, settings);
}

}  // namespace shoal
