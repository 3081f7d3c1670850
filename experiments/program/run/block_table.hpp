#pragma once
// Block sizes and forms that were measured: what [local] takes where it leaves them open. Never a clock's word at run
// time, never the number of ranks: those would change a result's bits.

#include <functional>
#include <string>
#include <vector>

#include "sim/task/block_choice.hpp"

namespace shoal {

/// What the best block depends on.
struct BlockCase {
  std::string model;            // its name
  std::int64_t parameters = 0;  // d
  std::int64_t batch = 0;       // examples per local step; 0 is the full batch
  std::string device = "cpu";   // type
};

class BlockTable {
 public:
  struct Row {
    BlockCase of;
    BlockChoice best;
  };

  /// experiments/tables/blocks.toml as it was when the program was built.
  static BlockTable built_in();
  /// A table like it. UserError.
  static BlockTable load(const std::string& path);

  /// The row of the same model and device that is nearest in parameters and batch, within a factor of two of each;
  /// without one, one client after the other.
  BlockChoice choose(const BlockCase& wanted) const;

  const std::vector<Row>& rows() const { return rows_; }
  /// Replaces the row of the same case, or adds one.
  void put(const Row& row);
  /// As a file; rows sorted.
  std::string toml() const;

 private:
  static BlockTable parse(const std::string& text, const std::string& origin);
  std::vector<Row> rows_;
};

/// How a composed experiment settles what [local] leaves open.
using ChooseBlock = std::function<BlockChoice(const BlockCase&)>;
/// By the built-in table.
BlockChoice built_in_choice(const BlockCase& wanted);

}  // namespace shoal
