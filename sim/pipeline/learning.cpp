#include "sim/pipeline/learning.hpp"

#include <charconv>
#include <string>

namespace shoal::pipeline {
namespace {

std::int64_t read_refresh(const Settings& s) {
  const std::string teacher =
      s.text("teacher", "frozen",
             "the policy that reads hints: frozen, the untrained one; live, the current one; refresh:K, "
             "the current one every K updates");
  if (teacher == "frozen") return 0;
  if (teacher == "live") return 1;
  std::int64_t every = 0;
  const std::string_view prefix = "refresh:";
  if (teacher.starts_with(prefix)) {
    const char* end = teacher.data() + teacher.size();
    const auto [at, error] = std::from_chars(teacher.data() + prefix.size(), end, every);
    if (error != std::errc{} || at != end) every = 0;
  }
  if (every < 1) {
    user_error("{}: unknown teacher \"{}\". Use \"frozen\", \"live\" or \"refresh:4\".", s.where(), teacher);
  }
  return every;
}

}  // namespace

LearningSettings::LearningSettings(const Settings& s)
    : batch(s.integer("batch", 16, "samples per update", between(1, 1 << 20))),
      rate(s.number("rate", 0.15, "learning rate of Adam; 0: no learning, the chance level", at_least(0))),
      kl_to_teacher(s.flag("anchor", false, "KL penalty to the teacher for replies without a hint too, as published")),
      refresh(read_refresh(s)) {}

}  // namespace shoal::pipeline
