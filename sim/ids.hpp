#pragma once
// Strong types for the numbers that everything else is keyed by.

#include <algorithm>
#include <cmath>
#include <compare>
#include <concepts>
#include <cstdint>
#include <functional>

namespace shoal {

/// One simulated client; 0 to population size - 1. 64 bits, so that the type never limits a population.
enum class ClientId : std::int64_t {};
/// One attempt of one client to take part; numbered by the plan in the order of starts, the same on every rank.
enum class ParticipationId : std::int64_t {};
/// A version of the server's model; 0 is the initial one, each server update makes the next.
enum class Version : std::int64_t {};
/// One of the tasks that are learned over one population; 0 where there is one.
enum class TaskId : std::int64_t {};
/// Virtual time in microseconds since the start of the run.
enum class Ticks : std::int64_t {};

template <class T>
concept StrongNumber = std::same_as<T, ClientId> || std::same_as<T, ParticipationId> || std::same_as<T, Version> ||
                       std::same_as<T, TaskId> || std::same_as<T, Ticks>;

constexpr std::int64_t value(StrongNumber auto number) { return static_cast<std::int64_t>(number); }

constexpr Ticks operator+(Ticks a, Ticks b) { return Ticks{value(a) + value(b)}; }
constexpr Ticks operator-(Ticks a, Ticks b) { return Ticks{value(a) - value(b)}; }
constexpr double seconds(Ticks ticks) { return value(ticks) * 1e-6; }
/// Rounds to the nearest microsecond; at most 4e18 of them, so that sums with other times do not overflow.
inline Ticks ticks(double seconds) { return Ticks{std::llround(std::min(seconds * 1e6, 4e18))}; }

}  // namespace shoal
