#pragma once
// The task of a cell, as a part: a file in experiments/tasks makes the cell's process from its settings.

#include <map>
#include <memory>
#include <string>

#include "experiments/program/run/block_table.hpp"
#include "sim/files/inputs.hpp"
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
  struct Loaded {
    std::shared_ptr<const Dataset> data;
    InputFiles files;  // files from which it was read
  };
  std::map<std::string, Loaded> loaded_;
};

/// Everything that a process needs and the settings of its cell do not say.
struct Place {
  at::Device device;  // for tasks that can compute on a GPU
  Datasets& data;
  const ChooseBlock& choose_block;  // settles the block of clients if [local] leaves it open
};

/// A kind of task. Reads all sections of the experiment that it needs; a key that is left unread is an error later.
class TaskKind {
 public:
  virtual ~TaskKind() = default;
  virtual std::unique_ptr<Process> make(const Settings& root, const Place& place) const = 0;
};

template <>
std::span<const Part<TaskKind>> parts<TaskKind>();  // generated from experiments/tasks

}  // namespace shoal
