#pragma once
// Policies: distributions over the next token given the tokens before. One file per policy in sim/agents/policies.

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/nn/layout.hpp"
#include "sim/random.hpp"
#include "sim/settings/part.hpp"

namespace shoal {

/// A token, by its index in the vocabulary.
using Token = std::int32_t;

/// A sampled reply. Ends with the end token unless it has the maximum length.
struct Reply {
  std::vector<Token> tokens;
  std::vector<double> log_probs;  // log-probability of each token when it was sampled, at the temperature used then
};

/// A prompt and the reply to it, to be scored.
struct Exchange {
  std::span<const Token> prompt;
  std::span<const Token> reply;
  double temperature = 1;  // temperature at which the reply was sampled: logits are divided by it
};

/// Number of positions of all replies, and so of rows in their table of log-probabilities.
inline std::int64_t positions(std::span<const Exchange> exchanges) {
  std::int64_t sum = 0;
  for (const Exchange& e : exchanges) sum += std::ssize(e.reply);
  return sum;
}

/// A reply that is sampled step by step. It keeps the weights that it began with, whatever its worker loads later, so
/// they must not change while it lives. For the worker's thread.
class Generation {
 public:
  virtual ~Generation() = default;
  /// Appends up to `tokens` tokens, at least one, to `reply`. False when the reply is complete: the last call.
  virtual bool step(std::int64_t tokens, RandomStream& random, Reply& reply) = 0;
};

/// Samples, scores and differentiates replies of a policy, for one thread; owns all buffers. Results depend on the
/// arguments of the call alone, so a batch that is composed from the plan gives the same bits anywhere.
class RolloutWorker {
 public:
  virtual ~RolloutWorker() = default;
  /// The weights [d] of the calls that follow. Shared, not copied: they must not change until the next call.
  virtual void load(const at::Tensor& params) = 0;
  /// Samples a reply to each prompt, all prompts together. Reply i draws from random[i] alone.
  virtual void reply(std::span<const std::span<const Token>> prompts, double temperature,
                     std::span<RandomStream> random, std::span<Reply> replies) = 0;
  /// Log-probabilities of the whole vocabulary at every position of every reply, float64 [positions, V]: the rows of
  /// the first reply, then those of the second, ...
  virtual at::Tensor log_probs(std::span<const Exchange> exchanges) = 0;
  /// Adds d/d(params) of sum(slopes * log_probs(exchanges)) to `gradient` [d]; slopes float64 [positions, V].
  virtual void add_gradient(std::span<const Exchange> exchanges, const at::Tensor& slopes, at::Tensor& gradient) = 0;
  /// Begins a reply to `prompt` in steps. Whatever their size, its tokens and draws are those of `reply` for this
  /// prompt alone. Null where this is no cheaper than a whole reply, as in policies that do not look at earlier tokens.
  virtual std::unique_ptr<Generation> generate(std::span<const Token> /*prompt*/, double /*temperature*/) {
    return nullptr;
  }
};

/// Gives the bytes of the weights that come with the program: a safetensors file.
using ShippedWeights = std::span<const std::byte> (*)();

/// The architecture of a policy and its initial parameters. Immutable once it is opened.
class Policy {
 public:
  virtual ~Policy() = default;
  /// Loads the weights, for policies that start from given ones. Called once, before every function below.
  virtual void open(ShippedWeights) {}
  virtual const ParameterLayout& layout() const = 0;
  /// Parameters [d] with which the policy generates replies and follows rules in its context.
  virtual at::Tensor initial_parameters() const = 0;
  virtual std::unique_ptr<RolloutWorker> rollout_worker() const = 0;
  /// Floating-point operations of one token in the forward pass.
  virtual double flops_per_token() const = 0;
  /// Digest of weights that come from a file, for the run's provenance; empty where there are none.
  virtual std::string digest() const { return {}; }
};

template <>
std::span<const Part<Policy>> parts<Policy>();  // generated from sim/agents/policies

}  // namespace shoal
