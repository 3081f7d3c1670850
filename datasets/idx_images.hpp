#pragma once
// Image data sets in the layout of MNIST: four IDX files in one folder.

#include <array>
#include <string>
#include <string_view>

#include "sim/task/data.hpp"

namespace shoal {

/// A file as its publisher offers it.
struct PublishedFile {
  std::string_view stem, sha256;  // the name without .gz; SHA-256 of the file with .gz
};

/// A data set of grey images with labels 0 to 9, as published.
struct PublishedImages {
  std::string_view title, folder, page;  // what errors call it; below SHOAL_DATA; where to get it
  PublishedFile train_images, train_labels, test_images, test_labels;
  double mean, deviation;  // of the training pixels / 255, as papers round them
};

/// The source that reads them. Settings `folder` (default: `$SHOAL_DATA/<folder>`) and `normalise`.
std::unique_ptr<Source> idx_images(const PublishedImages& published, Settings& settings);

}  // namespace shoal
