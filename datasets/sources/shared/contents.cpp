#include "datasets/sources/shared/contents.hpp"

#include "sim/digest.hpp"

namespace shoal {

std::string contents_digest(const ExampleStore& train, const ExampleStore& test) {
  Sha256 digest;
  for (const ExampleStore* half : {&train, &test}) {
    // Sizes first, so that no two different data sets are the same sequence of bytes.
    const Form& form = half->form();
    const std::vector<std::span<const std::byte>> contents = half->contents();
    std::vector<std::int64_t> sizes = {form.shape.channels, form.shape.height, form.shape.width, form.classes};
    if (form.features != Form::Features::tokens && form.targets == Form::Targets::labels) {
      sizes.push_back(std::ssize(contents[0]));      // bytes
      sizes.push_back(std::ssize(contents[1]) / 4);  // floats
    } else {
      for (const auto& part : contents) sizes.push_back(std::ssize(part));
      for (const std::int64_t kind : {form.vocabulary, form.longest}) sizes.push_back(kind);
      sizes.push_back(static_cast<std::int64_t>(form.features));
      sizes.push_back(static_cast<std::int64_t>(form.targets));
    }
    sizes.push_back(half->count());
    digest.add(std::as_bytes(std::span(sizes)));
    for (const auto& part : contents) digest.add(part);
  }
  return digest.hex();
}

Dataset dataset_of(Examples train, Examples test) {
  Dataset data{.train = stored(std::move(train)), .test = stored(std::move(test)), .digest = {}};
  data.digest = contents_digest(*data.train, *data.test);
  return data;
}

}  // namespace shoal
