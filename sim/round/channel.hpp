#pragma once
// The traffic between server and clients: down, an immutable message; up, channels that were declared before training.

#include <ATen/core/Tensor.h>

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/ids.hpp"
#include "sim/nn/layout.hpp"
#include "sim/nn/rows.hpp"

namespace shoal {

/// The rows that the server keeps for a client (Strategy::rows), in the order of their declaration, as another client
/// downloads them.
struct SentRows {
  ClientId of{};
  std::vector<at::Tensor> rows;  // [size] each
};

/// A client's download: one version of the model and everything else that the parts broadcast with it. Immutable: while
/// a participation still needs the version, the engine copies its tensors before a strategy changes the state in place.
struct Message {
  Version version{};
  std::map<std::string, at::Tensor, std::less<>> tensors;

  // Bytes of one download where the message travels compressed; unset: those of all tensors.
  std::optional<std::int64_t> wire_bytes{};
  // Bytes of one download for clients that hold one of these earlier versions, where the server sends them what has
  // changed since. A part that compresses changes sets the bytes that stand for "params"; those of the other tensors
  // are added.
  std::map<Version, std::int64_t> bytes_since{};
  std::int32_t group = 0;  // the group of clients that it is for
  // Kept rows of others that single clients of a block download with it (Strategy::sends).
  std::map<ClientId, std::vector<SentRows>> rows{};

  const at::Tensor& params() const { return tensors.at("params"); }
  /// The size of one download.
  std::int64_t bytes() const;
};

/// Names a message: its version and the group of clients that it is for.
struct MessageId {
  Version version;
  std::int32_t group;

  MessageId(Version of, std::int32_t for_group = 0)  // NOLINT(google-explicit-constructor): most runs have one group
      : version(of), group(for_group) {}
  auto operator<=>(const MessageId&) const = default;
};

/// The weights of the clients in the mean of a channel.
enum class Weighting : std::int8_t {
  examples,  // number of the client's training examples
  uniform,   // the same weight for all
  real,      // UpdateBlock::weight, rounded to units of 2^-24
};

/// A named vector that each client returns.
struct Channel {
  std::string name;
  std::int64_t size = 0;  // values per client
  Weighting weighting = Weighting::examples;
  // Largest magnitude of a value; a client with a larger one is rejected, like a client whose values are not finite.
  // Unset: the bound of [aggregator].
  std::optional<double> bound{};
  double largest_weight = 1;  // upper limit of one client's weight, for Weighting::real
  // True where only a mean has a meaning, such as for counts. Such a channel skips the codec, and a median is refused.
  bool needs_mean = false;
  bool is_private = true;  // whether differential privacy has to protect it
};

/// The index of the channel called `name`; there must be one.
std::size_t index_of(std::span<const Channel> channels, std::string_view name);

/// The channel for the change of the parameters, which is the only one of most strategies.
inline Channel delta_channel(const ParameterLayout& layout, Weighting weighting = Weighting::examples) {
  return {.name = "delta", .size = layout.size, .weighting = weighting};
}

/// The updates of the K clients of a block: one Rows [K, size] per declared channel, in order.
struct UpdateBlock {
  std::vector<Rows> channels;
  std::vector<double> weight{};  // [K]; only for Weighting::real
  // [K], the group in whose sum each client's update counts, where clients choose it; empty: the group whose message
  // they have downloaded.
  std::vector<std::int32_t> groups{};

  UpdateBlock() = default;
  UpdateBlock(Rows only) : channels{std::move(only)} {}  // NOLINT(google-explicit-constructor)
  UpdateBlock(std::vector<Rows> rows, std::vector<double> weights = {}, std::vector<std::int32_t> chosen = {})
      : channels(std::move(rows)), weight(std::move(weights)), groups(std::move(chosen)) {}
};

/// The weighted mean of each channel over the accepted clients of one group, or a robust rule's value in its place.
struct Aggregate {
  std::vector<at::Tensor> means;  // per channel, [size], in the model's type
  std::vector<double> weights;    // per channel, the divisor of the mean, usually the total weight
  std::int64_t clients = 0;       // number of accepted clients

  at::Tensor& mean(std::size_t channel = 0) { return means[channel]; }
  const at::Tensor& mean(std::size_t channel = 0) const { return means[channel]; }
};

}  // namespace shoal
