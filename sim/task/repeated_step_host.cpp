// A build without nvcc: nothing to record.
#include "sim/task/repeated_step.hpp"

namespace shoal {

struct RepeatedStep::Graph {};

RepeatedStep::RepeatedStep(at::Device, std::function<void()> step) : step_(std::move(step)) {}
RepeatedStep::~RepeatedStep() = default;
RepeatedStep::RepeatedStep(RepeatedStep&&) noexcept = default;
RepeatedStep& RepeatedStep::operator=(RepeatedStep&&) noexcept = default;

void RepeatedStep::operator()() { step_(); }

}  // namespace shoal
