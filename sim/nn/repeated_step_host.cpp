// A build without nvcc: nothing to record.
#include "sim/nn/repeated_step.hpp"

namespace shoal {

struct RepeatedStep::Graph {};

RepeatedStep::RepeatedStep(at::Device) {}
RepeatedStep::~RepeatedStep() = default;
RepeatedStep::RepeatedStep(RepeatedStep&&) noexcept = default;
RepeatedStep& RepeatedStep::operator=(RepeatedStep&&) noexcept = default;

void RepeatedStep::operator()(const std::function<void()>& step) { step(); }

}  // namespace shoal
