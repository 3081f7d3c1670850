#pragma once
// `shoal calibrate`: how many clients per second this machine trains, by block size and form, and which is fastest.

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/program/json.hpp"
#include "experiments/program/run/block_table.hpp"

namespace shoal {

struct CalibrateOptions {
  std::vector<std::string> models;                                 // empty: all
  std::vector<std::int64_t> clients{1, 2, 4, 8, 16, 32, 64, 128};  // block sizes to try
  std::vector<std::int64_t> batches{10, 32};
  double seconds = 0.2;  // for each block size and form, in four passes of at least one block each
};

/// One way to train clients and how fast it was.
struct MeasuredBlock {
  BlockChoice way;
  double seconds = 0;  // per client, in the fastest pass
};

/// One model on examples of one shape.
struct CalibratedCase {
  BlockCase of;
  std::string what;  // the model's settings and the shape of an example
  double flops = 0;  // per client
  std::vector<MeasuredBlock> measured;
  BlockChoice best;
};

/// When two ways differ by less than this share, the one with fewer clients is taken.
constexpr double worth_a_larger_block = 0.1;

/// The block to write into the table: among those within `worth_a_larger_block` of the fastest, the one with the fewest
/// clients, then the plainest form. If that is one client, the form is that of the fastest larger block, for
/// experiments that set the size themselves.
BlockChoice best_of(const std::vector<MeasuredBlock>& measured);

/// Trains clients of 60 synthetic examples, one epoch, on one core, alone and in blocks: every model on 8 x 8 and
/// 28 x 28 images, and some MLPs. Measures processor time, not wall time. UserError when a model does not exist.
std::vector<CalibratedCase> calibrate(const CalibrateOptions& options);

/// Floating-point operations per second of a matrix product on one core: an upper bound for training.
double product_rate();

/// Clients per second for each way, compared with one client at a time and with the bound; text for a terminal.
std::string calibration_text(const std::vector<CalibratedCase>& cases, double product_rate);
Json calibration_json(const std::vector<CalibratedCase>& cases, double product_rate);

}  // namespace shoal
