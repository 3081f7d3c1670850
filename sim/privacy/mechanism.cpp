#include "sim/privacy/mechanism.hpp"

namespace shoal {

const char* name(Law law) {
  switch (law) {
    case Law::gaussian:
      return "gaussian";
    case Law::laplace:
      return "laplace";
    case Law::randomized_response:
      return "randomized response";
    case Law::discrete_gaussian:
      return "discrete gaussian";
    case Law::skellam:
      return "skellam";
  }
  return "unknown";
}

}  // namespace shoal
