#pragma once
// What the clients' devices can do.

#include "sim/clients/availability.hpp"

namespace shoal {

/// One client's device. Rates are what it does at its median, or on average where a table says so.
struct Device {
  double flops_per_second = 1e9;
  double down_bytes_per_second = 4e6, up_bytes_per_second = 1e6;
  // Deviation of a transfer's bandwidth from one participation to the next; each is a normal draw, cut below a tenth.
  double down_deviation = 0, up_deviation = 0;  // bytes per second
  double dropout = 0;                           // probability that it drops out in a participation, by its kind
  double training_watts = 3, radio_watts = 1;   // of training, and of download and upload
  double memory_bytes = std::numeric_limits<double>::infinity();  // that a task may take; without end if nobody says
  int tier = 0;                                                   // number of its kind, in forms that have kinds
};

/// A form of devices; a part of sim/clients/devices.
class Devices {
 public:
  virtual ~Devices() = default;
  /// Reads the files that this form needs and makes the keys of its draws; UserError when it cannot serve a population
  /// of that many clients.
  virtual void open(const Opening&) {}
  /// The client's device, made of `base`: what [population] says of all. A pure function.
  virtual Device device(const Who& who, const Device& base) const = 0;
};

template <>
std::span<const Part<Devices>> parts<Devices>();  // generated from sim/clients/devices

}  // namespace shoal
