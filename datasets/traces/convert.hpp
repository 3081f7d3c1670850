#pragma once
// Availability traces as other simulators publish them, converted once into Shoal's trace files. Both are JSON here:
// FedScale publishes a pickle, which runs code when it is opened; if you trust it, convert it with
// json.dump(pickle.load(open("client_behave_trace", "rb")), open("trace.json", "w")).

#include <string>

#include "datasets/traces/trace.hpp"

namespace shoal {

/// FedScale (Lai et al., ICML 2022, arXiv 2105.11367): an object of clients, each {"active": [...], "inactive": [...],
/// "finish_time": seconds}; available from active[i] to inactive[i], seconds, repeated every finish_time. Devices are
/// in the order of their numbers.
Trace convert_fedscale(const std::string& path);

/// FLASH (Yang et al., WWW 2021, arXiv 2006.06983): an object of users, each {"messages": "2020-01-29 08:00:00\tevent\n
/// ..."}; available while locked, on Wi-Fi and charging (screen_lock, screen_unlock; wifi, 2g to 5g, unknown;
/// battery_charged_on, battery_charged_off; all other states are off before their first event). The recording, from its
/// first to its last message, repeats; virtual time 0 is 2020-01-02 00:00:00. Devices are in the order of their names;
/// one whose recording takes no time is never available.
Trace convert_flash(const std::string& path);

}  // namespace shoal
