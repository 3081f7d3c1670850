#pragma once
// From settings to the composed parts of one cell. The only code that looks parts up by name.

#include <map>
#include <memory>
#include <string>

#include "experiments/block_table.hpp"
#include "sim/round/federation.hpp"
#include "sim/settings.hpp"
#include "sim/task/data.hpp"

namespace shoal {

/// One cell, ready to run.
struct Experiment {
  Federation federation;
  std::int64_t rounds = 100;
  std::int64_t evaluate_every = 10;
  Split evaluate_on = Split::test;
  double target = 0;  // accuracy; 0: none
  bool stop_at_target = false;
  std::int64_t personal_clients = 0;  // whose own models are evaluated, on what they hold out; 0: none
  std::string data_digest;            // of the files or the generator; empty for tasks without data
};

/// Data sets that cells of one process share.
class Datasets {
 public:
  /// Loads what [data] describes, once per different description.
  std::shared_ptr<const Dataset> load(const Settings& data);
  std::size_t count() const { return loaded_.size(); }

 private:
  std::map<std::string, std::shared_ptr<const Dataset>> loaded_;
};

/// Composes the parts that `settings` names and checks that they fit together. Every key must have been read at the
/// end: an unknown one is a UserError. `choose` settles the block of clients where [local] leaves it open.
Experiment compose(const Settings& settings, Datasets& datasets, const ChooseBlock& choose = built_in_choice);

}  // namespace shoal
