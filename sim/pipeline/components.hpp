#pragma once
// All components of a run, by endpoint.

#include "sim/pipeline/asking.hpp"
#include "sim/pipeline/auditor.hpp"
#include "sim/pipeline/collection.hpp"
#include "sim/pipeline/judging.hpp"
#include "sim/pipeline/serving.hpp"
#include "sim/pipeline/training.hpp"

namespace shoal::pipeline {

/// The same for every driver. Components do not know each other, so several threads may use one each.
class Components {
 public:
  Components(const Setup& setup, const RunKey& run)
      : auditor_(setup, run),
        asking_(setup, run),
        serving_(setup, run),
        collection_(setup, run),
        judging_(setup, run),
        training_(setup, run) {}

  Auditor& auditor() { return auditor_; }
  Component& at(Endpoint endpoint) {
    const std::array<Component*, endpoints::all.size()> all{&auditor_,    &asking_,  &serving_,
                                                            &collection_, &judging_, &training_};
    ensure(value(endpoint) >= 0 && value(endpoint) < std::ssize(all), "there is no component {}", value(endpoint));
    return *all[value(endpoint)];
  }

  /// The letter with which a run begins, of the auditor to itself.
  static Letter start() {
    return {endpoints::auditor, endpoints::auditor, kind(Subject::start), pack(Timer{}), Ticks{}};
  }

 private:
  Auditor auditor_;
  Asking asking_;
  Serving serving_;
  Collection collection_;
  Judging judging_;
  Training training_;
};

}  // namespace shoal::pipeline
