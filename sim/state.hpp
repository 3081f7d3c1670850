#pragma once
// The state that changes while parts stay const: named tensors, integers and bytes. It is the same on every rank, and a
// checkpoint holds all of it.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "sim/error.hpp"

namespace shoal {

/// One part's section of the state. Ordered by name, so that every rank walks it in the same order.
class State {
  template <class Map>
  static auto& find(Map& map, std::string_view name) {
    const auto found = map.find(name);
    ensure(found != map.end(), "the state has no tensor '{}'", name);
    return found->second;
  }

 public:
  /// The tensor called `name`; BrokenInvariant when there is none.
  at::Tensor& tensor(std::string_view name) { return find(tensors_, name); }
  const at::Tensor& tensor(std::string_view name) const { return find(tensors_, name); }
  void put(std::string_view name, at::Tensor value) { tensors_.insert_or_assign(std::string(name), std::move(value)); }

  /// The integer called `name`, 0 at first.
  std::int64_t& integer(std::string_view name) { return integers_[std::string(name)]; }
  std::int64_t integer(std::string_view name) const {
    const auto found = integers_.find(name);
    return found == integers_.end() ? 0 : found->second;
  }

  /// The bytes called `name`, empty at first.
  std::string& blob(std::string_view name) { return blobs_[std::string(name)]; }

  /// The server model, [d], which every strategy's section has.
  at::Tensor& params() { return tensor("params"); }
  const at::Tensor& params() const { return tensor("params"); }

  std::map<std::string, at::Tensor, std::less<>>& tensors() { return tensors_; }
  const std::map<std::string, at::Tensor, std::less<>>& tensors() const { return tensors_; }
  const std::map<std::string, std::int64_t, std::less<>>& integers() const { return integers_; }
  const std::map<std::string, std::string, std::less<>>& blobs() const { return blobs_; }

 private:
  std::map<std::string, at::Tensor, std::less<>> tensors_;
  std::map<std::string, std::int64_t, std::less<>> integers_;
  std::map<std::string, std::string, std::less<>> blobs_;
};

}  // namespace shoal
