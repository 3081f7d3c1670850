#include "sim/random.hpp"

#include <algorithm>
#include <numbers>
#include <vector>

namespace shoal {

namespace {

struct NumberedPurpose {
  std::string_view name;
  std::uint32_t number;
};

// Purposes whose keys come from a small number; recorded results depend on these numbers. The list is closed: any other
// name is hashed and needs no line here.
constexpr NumberedPurpose numbered[] = {
    {"model/initial_parameters", 1},
    {"partition", 2},
    {"task/holdout", 3},
    {"planner/selection", 4},
    {"clients/dropout", 5},
    {"clients/speed", 6},
    {"task/shuffle", 7},
    {"source/synthetic", 8},
    {"task/quadratic", 9},
    {"stage/noise", 10},
    {"round/personal_evaluation", 11},
    {"clients/availability", 40},
    {"clients/traced_device", 41},
    {"clients/region", 42},
    {"clients/outage", 43},
    {"clients/consent", 44},
    {"clients/charging", 45},
    {"clients/sleep", 46},
    {"clients/at_home", 47},
    {"clients/in_use", 48},
    {"clients/hotspot", 49},
    {"planner/stragglers", 50},
    {"planner/ranking", 51},
    {"clients/battery", 60},
    {"clients/check_in", 61},
    {"clients/partial_work", 62},
    {"clients/bandwidth", 63},
    {"clients/unmetered", 64},
    {"clients/tier", 65},
    {"agents/world", 80},
    {"agents/judge", 81},
    {"agents/hint_gain", 82},
    {"agents/pretraining", 83},
    {"agents/users", 84},
    {"agents/serving", 85},
    {"agents/judging", 86},
    {"agents/training", 87},
    {"agents/population", 88},
    {"agents/rollout", 89},
    {"agents/evaluation", 90},
};

constexpr bool all_differ() {
  for (const NumberedPurpose& a : numbered) {
    for (const NumberedPurpose& b : numbered) {
      if (&a != &b && (a.name == b.name || a.number == b.number)) return false;
    }
  }
  return true;
}
static_assert(all_differ());

// FNV-1a with 64 bits (Fowler, Noll, Vo). Its weak mixing does not matter, since Philox mixes.
std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3U;
  return hash;
}

// A listed purpose's number under a fixed upper half, or the hash of any other name. Listed numbers differ from each
// other; a hash equals one of them, or the hash of one of a thousand other names, with a probability of 6e-17.
std::uint64_t number_of(std::string_view purpose) {
  const auto* const found = std::ranges::find(numbered, purpose, &NumberedPurpose::name);
  if (found == std::end(numbered)) return fnv1a(purpose);
  return std::uint64_t{0x5368616f} << 32 | found->number;
}

std::uint32_t low_half(std::uint64_t number) { return number; }
std::uint32_t high_half(std::uint64_t number) { return number >> 32; }

void require_participation(std::int64_t participation) {
  if (participation < 0 || participation > 0xffffffffLL) {
    user_error("participation {} does not fit the 32 bits that random draws have for it. Split the run.",
               participation);
  }
}

}  // namespace

RandomKey random_key(std::uint64_t seed, std::string_view purpose) {
  // Philox itself is the hash: a bijection of (seed, number of the purpose), cut to two words.
  const std::uint64_t number = number_of(purpose);
  const PhiloxBlock out = philox(PhiloxBlock{low_half(seed), high_half(seed), low_half(number), high_half(number)},
                                 PhiloxKey{0x6c6b6579U, 0x76310000U});
  return {out[0], out[1]};
}

RandomStream::RandomStream(RandomKey key, std::int64_t client, std::int64_t participation)
    : key_{key.word0, key.word1},
      client_low_(low_half(client)),
      client_high_(high_half(client)),
      participation_(low_half(participation)) {
  require_participation(participation);
}

PhiloxStream philox_stream(RandomKey key, std::int64_t client, std::int64_t participation) {
  require_participation(participation);
  return {{key.word0, key.word1}, {low_half(client), high_half(client), low_half(participation)}};
}

void RandomStream::refill() {
  ensure(block_ <= 0xffffffffULL, "more than 2^34 random words drawn for one participation and purpose");
  words_ = philox(PhiloxBlock{client_low_, client_high_, participation_, low_half(block_)}, key_);
  ++block_;
  used_ = 0;
}

std::uint32_t RandomStream::bits() {
  if (used_ == 4) refill();
  return words_[used_++];
}

double RandomStream::uniform() {
  const std::uint32_t high = bits();
  return uniform_double(high, bits());
}

std::uint64_t RandomStream::below(std::uint64_t n) {
  // Lemire's multiply-shift with rejection of the biased remainder.
  const auto draw_times_n = [&] {
    const std::uint64_t high = bits();  // a statement of its own: the operands of | have no order
    const unsigned __int128 draw = high << 32 | bits();
    return draw * n;
  };
  unsigned __int128 product = draw_times_n();
  std::uint64_t remainder = product;  // the lower 64 bits
  if (remainder < n) {
    const std::uint64_t threshold = (0 - n) % n;
    while (remainder < threshold) {
      product = draw_times_n();
      remainder = product;
    }
  }
  return product >> 64;
}

double RandomStream::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  const double angle = 2 * std::numbers::pi * uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

double RandomStream::gamma(double shape) {
  if (shape < 1) {
    // Gamma(a) = Gamma(a + 1) U^(1/a).
    const double boosted = gamma(shape + 1);
    return boosted * std::pow(1 - uniform(), 1 / shape);
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = normal();
    const double v = std::pow(1 + c * x, 3);
    if (v <= 0) continue;
    if (std::log(1 - uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

KeyedPermutation::KeyedPermutation(RandomKey key, std::uint64_t round, std::uint64_t n)
    : key_(key), round_(round), n_(n), half_bits_(1) {
  while (half_bits_ < 31 && (std::uint64_t{1} << (2 * half_bits_)) < n) ++half_bits_;
}

std::uint64_t KeyedPermutation::feistel(std::uint64_t x) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t left = x >> half_bits_, right = x & mask;
  for (std::uint32_t step = 0; step < 6; ++step) {
    const PhiloxBlock f = philox(PhiloxBlock{low_half(right), low_half(round_), high_half(round_), step},
                                 PhiloxKey{key_.word0, key_.word1});
    const std::uint64_t next = left ^ (f[0] & mask);
    left = right;
    right = next;
  }
  return (left << half_bits_) | right;
}

namespace {

constexpr std::size_t lanes = 16;
constexpr std::size_t fewest_in_lanes = 4;  // fewer values are faster one by one

// Ten rounds of kernels/philox.hpp, lane by lane; written so that compilers turn the inner loop into vector
// instructions.
void philox_lanes(std::uint32_t* __restrict a, std::uint32_t* __restrict b, std::uint32_t* __restrict c,
                  std::uint32_t* __restrict d, RandomKey key) {
  for (int round = 0; round < 10; ++round) {
    for (std::size_t l = 0; l < lanes; ++l) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * a[l], p1 = std::uint64_t{0xCD9E8D57u} * c[l];
      const std::uint32_t high0 = p0 >> 32, high1 = p1 >> 32;
      a[l] = high1 ^ b[l] ^ key.word0;
      c[l] = high0 ^ d[l] ^ key.word1;
      b[l] = p1;
      d[l] = p0;
    }
    key.word0 += 0x9E3779B9u;
    key.word1 += 0xBB67AE85u;
  }
}

}  // namespace

void KeyedPermutation::fill(std::uint64_t first, std::span<std::uint64_t> out) const {
  ensure(first <= n_ && out.size() <= n_ - first, "permutation of {} asked for {} positions from {} on", n_, out.size(),
         first);
  const std::uint32_t mask = (std::uint64_t{1} << half_bits_) - 1;  // halves have at most 31 bits
  std::vector<std::size_t> walking(out.size());                     // positions whose value is not below n yet
  for (std::size_t k = 0; k < out.size(); ++k) {
    walking[k] = k;
    out[k] = first + k;
  }
  while (!walking.empty()) {
    for (std::size_t at = 0; at < walking.size(); at += lanes) {
      const std::size_t count = std::min(lanes, walking.size() - at);
      if (count < fewest_in_lanes) {
        for (std::size_t l = 0; l < count; ++l) out[walking[at + l]] = feistel(out[walking[at + l]]);
        continue;
      }
      std::uint32_t left[lanes] = {}, right[lanes] = {};
      for (std::size_t l = 0; l < count; ++l) {
        left[l] = out[walking[at + l]] >> half_bits_;
        right[l] = out[walking[at + l]] & mask;
      }
      for (std::uint32_t step = 0; step < 6; ++step) {
        std::uint32_t word[lanes], low[lanes], high[lanes], last[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
          word[l] = right[l];
          low[l] = low_half(round_);
          high[l] = high_half(round_);
          last[l] = step;
        }
        philox_lanes(word, low, high, last, key_);
        for (std::size_t l = 0; l < lanes; ++l) {
          const std::uint32_t next = left[l] ^ (word[l] & mask);
          left[l] = right[l];
          right[l] = next;
        }
      }
      for (std::size_t l = 0; l < count; ++l) {
        out[walking[at + l]] = (std::uint64_t{left[l]} << half_bits_) | right[l];
      }
    }
    std::erase_if(walking, [&](std::size_t k) { return out[k] < n_; });
  }
}

std::uint64_t KeyedPermutation::operator()(std::uint64_t i) const {
  ensure(i < n_, "permutation of {} asked for position {}", n_, i);
  do i = feistel(i);
  while (i >= n_);  // the domain has at most 4 n values, so this ends after a few steps
  return i;
}

}  // namespace shoal
