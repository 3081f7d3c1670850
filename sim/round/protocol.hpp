#pragma once
// What an aggregator's protocol adds to every participation besides download, training and upload.

#include <cstdint>
#include <string>
#include <vector>

namespace shoal {

/// One phase, such as an exchange of keys before the download or the recovery of masks after the upload (Bonawitz et
/// al., CCS 2017). Its length on a device is `seconds` + bytes over bandwidths + operations over speed.
struct ProtocolPhase {
  enum class Place { before_download, after_upload };

  std::string name;
  Place place = Place::after_upload;
  double seconds = 0;                         // of waiting for others, and whatever else is the same for all
  std::int64_t bytes_down = 0, bytes_up = 0;  // on the wire, in the participation's traffic
  double operations = 0;                      // floating-point, at the device's speed; power as in transfers
};

}  // namespace shoal
