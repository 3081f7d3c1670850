#pragma once
// Clients' devices: speed, bandwidths, power and memory.

#include "sim/clients/availability.hpp"

namespace shoal {

/// One client's device. Rates are medians, or means where a table gives means.
struct Device {
  double flops_per_second = 1e9;
  double down_bytes_per_second = 4e6, up_bytes_per_second = 1e6;
  // Standard deviations of the bandwidths between participations; each is a normal draw, at least a tenth of the mean.
  double down_deviation = 0, up_deviation = 0;  // bytes per second
  double dropout = 0;                           // probability that this kind of device drops out in a participation
  double training_watts = 3, radio_watts = 1;   // power while training, and while downloading or uploading
  double memory_bytes = std::numeric_limits<double>::infinity();  // memory that a task may take; infinite unless given
  int tier = 0;                                                   // number of its kind, in forms that have kinds
};

/// A form of devices. The parts are files in datasets/devices.
class Devices {
 public:
  virtual ~Devices() = default;
  /// Reads the files that this form needs and makes the keys of its draws; UserError if it cannot serve a population of
  /// that many clients.
  virtual void open(const Opening&) {}
  /// The client's device, derived from `base`, which [population] describes for all clients. A pure function.
  virtual Device device(const Who& who, const Device& base) const = 0;
};

template <>
std::span<const Part<Devices>> parts<Devices>();  // generated from datasets/devices

}  // namespace shoal
