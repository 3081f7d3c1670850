#pragma once
// Image data sets in the layout of MNIST: four IDX files in one folder.

#include <string>
#include <string_view>

#include "datasets/sources/shared/published.hpp"
#include "sim/task/data.hpp"
#include "sim/task/dense_store.hpp"

namespace shoal {

/// A data set of grey images with labels 0 to 9, as published.
struct PublishedImages {
  std::string_view title, folder, page;  // as in Publication
  PublishedFile train_images, train_labels, test_images, test_labels;
  double mean, deviation;  // mean and standard deviation of the training pixels / 255, as papers round them
};

inline constexpr PublishedImages mnist_images = {
    .title = "MNIST",
    .folder = "mnist",
    .page = "http://yann.lecun.com/exdb/mnist/",
    .train_images = {"train-images-idx3-ubyte", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                     "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
    .train_labels = {"train-labels-idx1-ubyte", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                     "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
    .test_images = {"t10k-images-idx3-ubyte", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
    .test_labels = {"t10k-labels-idx1-ubyte", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
    .mean = 0.1307,
    .deviation = 0.3081,
};

/// Settings `folder` (default: `$SHOAL_DATA/<folder>`) and `normalise`.
struct ImageSettings {
  ImageSettings(const PublishedImages& published, Settings& settings);

  std::string folder;
  bool standard;  // mean 0 and deviation 1 over the training pixels instead of 0 to 1
};

/// The examples of both halves.
struct ImagePair {
  Examples train, test;
};

/// Reads and checks the files. UserError.
ImagePair read_images(const PublishedImages& published, const ImageSettings& how);

/// The source that reads them.
std::unique_ptr<Source> idx_images(const PublishedImages& published, Settings& settings);

}  // namespace shoal
