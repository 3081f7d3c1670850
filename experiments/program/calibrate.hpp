#pragma once
// `shoal calibrate`: how many clients this machine trains a second, by block size and form, and what is fastest.

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/program/run/block_table.hpp"

namespace shoal {

struct CalibrateOptions {
  std::vector<std::string> models;                                 // empty: all
  std::vector<std::int64_t> clients{1, 2, 4, 8, 16, 32, 64, 128};  // block sizes to try
  std::vector<std::int64_t> batches{10, 32};
  double seconds = 0.2;  // for each way, in four turns of at least one block each
};

/// One way to train clients and how fast it was.
struct MeasuredBlock {
  BlockChoice way;
  double seconds = 0;  // of one client, the shortest that was seen
};

/// One model on examples of one shape.
struct CalibratedCase {
  BlockCase of;
  std::string what;  // the model's settings and the shape of an example
  double flops = 0;  // of one client
  std::vector<MeasuredBlock> measured;
  BlockChoice best;
};

/// Of ways that differ by less than this share, the one with fewer clients is taken.
constexpr double worth_a_larger_block = 0.1;

/// What to write into the table. The fastest; among those within `worth_a_larger_block` of it, the one with the fewest
/// clients, then the plainest form. Where that is one client, the form is the fastest of the larger blocks: for
/// experiments that set the size themselves.
BlockChoice best_of(const std::vector<MeasuredBlock>& measured);

/// Trains clients of 60 synthetic examples, one epoch, on one core, alone and in blocks: every registered model on 8 x
/// 8 and 28 x 28 images, and some MLPs. Processor time, not wall time. UserError when a model is not registered.
std::vector<CalibratedCase> calibrate(const CalibrateOptions& options);

/// The rate that a matrix product reaches on one core, in floating-point operations per second: the bound of all of it.
double product_rate();

/// Clients a second for each way, beside one client at a time and the bound; text for a terminal.
std::string calibration_text(const std::vector<CalibratedCase>& cases, double product_rate);

}  // namespace shoal
