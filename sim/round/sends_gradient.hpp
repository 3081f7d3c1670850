#pragma once
// Strategies whose clients take no step of their own.

namespace shoal {

/// Clients return the gradient at the model that they have downloaded, so nothing of [local] decides anything but the
/// block and its form; experiments that set more are refused.
class SendsGradient {
 public:
  virtual ~SendsGradient() = default;
};

}  // namespace shoal
