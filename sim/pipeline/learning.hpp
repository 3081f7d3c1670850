#pragma once
// Settings of an update.

#include <cstdint>

#include "sim/settings/settings.hpp"

namespace shoal::pipeline {

struct LearningSettings {
  explicit LearningSettings(const Settings& s);
  std::int64_t batch;    // samples per update
  double rate;           // learning rate of Adam
  bool kl_to_teacher;    // replies without a hint have a KL penalty to the teacher, as published
  std::int64_t refresh;  // updates between refreshes of the teacher with the current policy; 0: never
};

}  // namespace shoal::pipeline
