#pragma once
// What is learned, as a part: a file in experiments/tasks makes the process of a cell from the cell's settings.

#include <map>
#include <memory>
#include <string>

#include "experiments/program/run/block_table.hpp"
#include "sim/round/process.hpp"
#include "sim/settings/part.hpp"
#include "sim/task/data.hpp"

namespace shoal {

/// Data sets that cells of one process share.
class Datasets {
 public:
  /// Loads what [data] describes, once per different description.
  std::shared_ptr<const Dataset> load(const Settings& data);
  std::size_t count() const { return loaded_.size(); }

 private:
  std::map<std::string, std::shared_ptr<const Dataset>> loaded_;
};

/// Where a process is made: what its cell does not say.
struct Place {
  at::Device device;  // for tasks that can compute on a GPU
  Datasets& data;
  const ChooseBlock& choose_block;  // settles the block of clients where [local] leaves it open
};

/// A kind of task. Reads all sections of the experiment that it needs; a key that nobody has read is an error later.
class TaskKind {
 public:
  virtual ~TaskKind() = default;
  virtual std::unique_ptr<Process> make(const Settings& root, const Place& place) const = 0;
};

template <>
std::span<const Part<TaskKind>> parts<TaskKind>();  // generated from experiments/tasks

}  // namespace shoal
