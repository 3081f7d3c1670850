#pragma once
// The facts about a part that adds noise, for the accounting of differential privacy.

#include <cstdint>
#include <string>
#include <vector>

namespace shoal {

enum class Law : std::int8_t { gaussian, laplace, randomized_response, discrete_gaussian, skellam };

const char* name(Law law);

/// Noise that a part adds in every round, as an accountant sees it.
struct Mechanism {
  std::string name;                   // section of the part
  std::vector<std::string> channels;  // channels that the noise protects together
  Law law = Law::gaussian;
  double sensitivity = 0;       // largest norm of one client's contribution to the sum
  double noise_multiplier = 0;  // standard deviation of the noise on the sum / sensitivity
  std::vector<double> factors;  // factors of noise that is correlated over rounds; empty: independent in every round
};

}  // namespace shoal
