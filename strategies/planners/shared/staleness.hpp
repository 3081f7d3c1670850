#pragma once
// How the weight of an update falls with its staleness: the server steps since the client's download. Xie, Koyejo and
// Gupta 2019 (arXiv 1903.03934), section 5.2.

#include <cmath>

#include "sim/settings/settings.hpp"

namespace shoal::planners {

class StalenessWeight {
 public:
  explicit StalenessWeight(const Settings& s)
      : form_(s.choice("staleness_weight", Form::polynomial,
                       {{"polynomial", Form::polynomial}, {"hinge", Form::hinge}, {"constant", Form::constant}},
                       "how an update's weight falls with its staleness")),
        exponent_(
            s.number("exponent", 0.5, "exponent of the polynomial weight 1 / (1 + staleness)^exponent", at_least(0))),
        slope_(
            s.number("hinge_slope", 10, "slope of the hinge weight 1 / (slope (staleness - delay) + 1)", positive())),
        delay_(s.number("hinge_delay", 4, "staleness up to which the hinge weight is 1", at_least(0))) {}

  double operator()(std::int64_t staleness) const {
    const double steps = staleness;
    if (form_ == Form::polynomial) return std::pow(1 + steps, -exponent_);
    if (form_ == Form::hinge && steps > delay_) return 1 / (slope_ * (steps - delay_) + 1);
    return 1;
  }

 private:
  enum class Form { polynomial, hinge, constant };
  Form form_;
  double exponent_, slope_, delay_;
};

}  // namespace shoal::planners
