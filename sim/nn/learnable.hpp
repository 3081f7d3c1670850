#pragma once
// A model as a task needs it, however it computes: a sequence of layers, a function that LibTorch differentiates,
// or a file of TorchScript.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>

#include "sim/error.hpp"
#include "sim/nn/form.hpp"
#include "sim/nn/layers/layer.hpp"
#include "sim/nn/layout.hpp"
#include "sim/random.hpp"

namespace shoal {

class Network;

/// A model at work on K clients, each with parameters of its own, for one thread. Batches may differ in size from call
/// to call, not from client to client.
class Worker {
 public:
  virtual ~Worker() = default;
  /// The parameters of the K clients and their gradients. Passes read `values` and the caller may overwrite them.
  virtual ParameterRows& rows() = 0;
  /// The forward pass of a training step: batches[k] is that of client k; the first `active` take part. Results have
  /// `active` in place of K and are valid until the next call. May change the buffers among the parameters.
  virtual Outputs forward(std::span<const Gathered> batches, std::int64_t active) = 0;
  /// The forward pass of an evaluation: changes nothing.
  virtual Outputs evaluate(std::span<const Gathered> batches, std::int64_t active) = 0;
  /// After `forward`, once: from the gradients of the outputs, those of the parameters. Undefined gradients count as 0.
  virtual void backward(const Outputs& gradients, const GradientUse& use) = 0;
};

/// A model: immutable, shared by all threads.
class Learnable {
 public:
  virtual ~Learnable() = default;
  /// The form of the examples that it was built for.
  virtual const Form& form() const = 0;
  virtual const ParameterLayout& layout() const = 0;
  /// [d], drawn on the host: the same bits on every device.
  virtual at::Tensor initial_parameters(RandomKey key) const = 0;
  /// Floating-point operations of the forward and backward pass for one example, or one token where targets are tokens.
  virtual double flops_per_example() const = 0;
  virtual std::unique_ptr<Worker> worker(std::int64_t clients, at::Device device) const = 0;

  /// Smaller models with some of the same parameters, for clients that cannot train the whole. Number 0 is the whole.
  virtual std::int32_t variants() const { return 1; }
  /// The layouts of the others say which places of the whole they have. Lives as long as this model.
  virtual const Learnable& variant(std::int32_t number) const {
    ensure(number == 0, "variant {} of a model without variants", number);
    return *this;
  }

  /// The model as a sequence of layers, which engines may put to work in forms of their own; null if it is none.
  virtual const Network* network() const { return nullptr; }
};

/// Scores per example, or per token where targets are tokens.
inline std::int64_t score_count(const Form& form) {
  if (form.targets == Form::Targets::reals) return 1;
  return form.targets == Form::Targets::labels ? form.classes : form.vocabulary;
}

}  // namespace shoal
