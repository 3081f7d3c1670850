#pragma once
// Measured block sizes and forms, for experiments whose [local] leaves them open. They depend on neither a clock at run
// time nor the number of ranks, which would change a result's bits.

#include <functional>
#include <string>
#include <vector>

#include "sim/task/block_choice.hpp"

namespace shoal {

/// The facts that the best block depends on.
struct BlockCase {
  std::string model;            // the model's name
  std::int64_t parameters = 0;  // number of the model's parameters
  std::int64_t batch = 0;       // examples per local step; 0 is the full batch
  std::string device = "cpu";   // type of device
};

class BlockTable {
 public:
  struct Row {
    BlockCase of;
    BlockChoice best;
  };

  /// experiments/tables/blocks.toml as it was when the program was built.
  static BlockTable built_in();
  /// Reads a file of that format. UserError.
  static BlockTable load(const std::string& path);

  /// The row of the same model and device that is nearest in parameters and batch, within a factor of two of each;
  /// if there is none, one client after the other.
  BlockChoice choose(const BlockCase& wanted) const;

  const std::vector<Row>& rows() const { return rows_; }
  /// Replaces the row of the same case, or adds one.
  void put(const Row& row);
  /// The table as the text of a file, its rows sorted.
  std::string toml() const;

 private:
  static BlockTable parse(const std::string& text, const std::string& origin);
  std::vector<Row> rows_;
};

/// Settles the block of an experiment whose [local] leaves it open.
using ChooseBlock = std::function<BlockChoice(const BlockCase&)>;
/// Chooses by the built-in table.
BlockChoice built_in_choice(const BlockCase& wanted);

}  // namespace shoal
