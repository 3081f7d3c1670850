#pragma once
// The phases that an aggregator's protocol adds to the download, training and upload of every participation.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sim/participation.hpp"

namespace shoal {

/// One phase, such as an exchange of keys before the download or the recovery of masks after the upload (Bonawitz et
/// al., CCS 2017). On a device it lasts `seconds` + bytes / bandwidth, each way, + operations / speed.
struct ProtocolPhase {
  enum class Place { before_download, after_upload };

  std::string name;
  Place place = Place::after_upload;
  double seconds = 0;                         // time that is the same for all clients
  std::int64_t bytes_down = 0, bytes_up = 0;  // counted in the participation's traffic
  double operations = 0;                      // floating-point operations; they draw the power of transfers
  double passes = 0;  // the same of so many passes over the client's training examples, forward and backward
  // If true, the phase begins for all clients at once: when the last one that has not dropped out has ended the phase
  // before. Waiting belongs to the phase; it draws the power of transfers, and clients that go offline drop out in it.
  bool waits = false;
  // If false, a client that drops out in the phase has contributed already: its update is part of the aggregate.
  bool binding = true;
};

/// Whether the update of the participation can be committed: it completes, or it drops out in a phase that is not
/// binding. `protocol` holds the aggregator's phases in the order in which Outcome numbers them.
bool contributes(const Participation& p, std::span<const ProtocolPhase> protocol);

}  // namespace shoal
