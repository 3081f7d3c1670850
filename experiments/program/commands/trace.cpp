#include "experiments/program/commands/options.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "datasets/traces/convert.hpp"
#include "datasets/traces/trace_file.hpp"
#include "experiments/program/commands/all.hpp"
#include "sim/files/replace_file.hpp"

namespace shoal {
namespace {

struct TraceOptions {
  std::string layout, in, out;
};

Answer convert_trace(const TraceOptions& options) {
  if (options.layout != "fedscale" && options.layout != "flash") {
    user_error("there is no layout of traces called '{}'. Use fedscale or flash.", options.layout);
  }
  check_output(options.out, {"\x89HDF\r\n\x1a\n", "HDF5 file"}, {options.in});
  if (std::filesystem::exists(options.out)) map_trace(options.out);  // the HDF5 file of another is not replaced
  const Trace trace = options.layout == "flash" ? convert_flash(options.in) : convert_fedscale(options.in);
  write_trace(trace, options.out);
  return {.text = fmt::format("{}: {} devices, {} intervals of availability\n", options.out, trace.devices(),
                              trace.intervals.size()),
          .json = {{"file", options.out}, {"devices", trace.devices()}, {"intervals", trace.intervals.size()}}};
}

CommandAction declare_trace(CLI::App& app, const Arguments&) {
  const auto options = std::make_shared<TraceOptions>();
  app.add_option("LAYOUT", options->layout, "fedscale or flash")->required();
  app.add_option("IN.json", options->in, "recording, as JSON")->required();
  app.add_option("OUT.h5", options->out, "trace file to write")->required();
  return action(app, options, convert_trace);
}

}  // namespace

Command trace_command() {
  return {"trace", "Convert a recording of clients' availability to a trace file",
          "  shoal trace fedscale behaviour.json trace.h5\n  shoal trace flash state_traces.json trace.h5\n"
          "  then, in an experiment: population.availability = {name = \"trace\", file = \"trace.h5\"}",
          declare_trace};
}

}  // namespace shoal
