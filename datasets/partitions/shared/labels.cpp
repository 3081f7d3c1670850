#include "datasets/partitions/shared/labels.hpp"

#include "sim/error.hpp"

namespace shoal {

std::span<const std::int32_t> labels_of(const ExampleStore& train, const std::string& where) {
  if (train.form().targets != Form::Targets::labels) {
    user_error("{}: the examples have no labels to be dealt by. Use another partition, such as \"natural\" or \"iid\".",
               where);
  }
  return train.labels();
}

std::vector<std::vector<std::int32_t>> examples_by_class(const ExampleStore& train, const std::string& where) {
  const std::span<const std::int32_t> labels = labels_of(train, where);
  std::vector<std::vector<std::int32_t>> of_class(train.form().classes);
  for (std::size_t i = 0; i < labels.size(); ++i) of_class.at(labels[i]).push_back(i);
  return of_class;
}

}  // namespace shoal
