#pragma once
// A dealt data set: which client holds which training example.

#include <cstdint>
#include <memory>
#include <span>

#include "sim/task/data.hpp"

namespace shoal {

/// Clients with the examples that `owner` gives them: example i belongs to client owner[i], so every example belongs to
/// exactly one client. Indices of a client are in ascending order. Four bytes per example and client.
std::unique_ptr<ClientExamples> dealt(std::span<const std::int32_t> owner, std::int64_t clients);

/// The setting `clients` that every partition has.
std::int64_t clients_setting(Settings& settings);

}  // namespace shoal
