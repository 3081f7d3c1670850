// Trace files: offsets and intervals, the layout of sim/clients/trace.hpp as HDF5.
//
//   /offsets    int64 [n + 1]    device i has the intervals offsets[i] to offsets[i + 1]
//   /intervals  int64 [m, 2]     begin and end, microseconds of the device's period
//   /periods    int64 [n, 2]     length of the period, and the virtual time at which one begins, microseconds

#include <filesystem>

#include "sim/clients/trace.hpp"
#include "sim/record/hdf5_file.hpp"
#include "sim/record/replace_file.hpp"

namespace shoal {
namespace {

static_assert(sizeof(Trace::Interval) == 16 && sizeof(Trace::Row) == 16, "pairs of int64, as on disk");

void write_array(hid_t file, const char* name, const void* values, std::size_t rows, std::size_t columns) {
  const std::string what = fmt::format("write '{}'", name);
  const hsize_t sides[] = {rows, columns};
  const hdf5::Handle space(H5Screate_simple(columns == 1 ? 1 : 2, sides, nullptr), H5Sclose, what);
  const hdf5::Handle data(H5Dcreate2(file, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose,
                          what);
  if (rows > 0) hdf5::check(H5Dwrite(data, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), what);
}

template <class Value>
std::vector<Value> read_array(hid_t file, const char* name) {
  constexpr hsize_t columns = sizeof(Value) / sizeof(std::int64_t);
  const std::string what = fmt::format("read '{}'", name);
  const hdf5::Handle data(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose, what);
  const hdf5::Handle space(H5Dget_space(data), H5Sclose, what);
  hsize_t sides[2] = {0, 1};
  const int dimensions = H5Sget_simple_extent_ndims(space);
  if (dimensions != (columns == 1 ? 1 : 2)) system_error("'{}' has {} dimensions", name, dimensions);
  hdf5::check(H5Sget_simple_extent_dims(space, sides, nullptr), what);
  if (sides[1] != columns) system_error("'{}' has {} columns instead of {}", name, sides[1], columns);
  // Written without compression: a larger claim is damage, seen before memory is asked for.
  if (sides[0] > H5Dget_storage_size(data) / sizeof(Value)) system_error("'{}' claims {} rows", name, sides[0]);
  std::vector<Value> values(sides[0]);
  if (!values.empty()) {
    hdf5::check(H5Dread(data, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), what);
  }
  return values;
}

}  // namespace

void write_trace(const Trace& trace, const std::string& path) {
  trace.check(path);
  const hdf5::QuietErrors quiet;
  hdf5::MemoryFile file;
  write_array(file.id(), "offsets", trace.offsets.data(), trace.offsets.size(), 1);
  write_array(file.id(), "intervals", trace.intervals.data(), trace.intervals.size(), 2);
  write_array(file.id(), "periods", trace.rows.data(), trace.rows.size(), 2);
  replace_file(path, file.image());
}

Trace read_trace(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) {
    user_error("there is no trace file '{}'. Make one with 'shoal trace'?", path);
  }
  const hdf5::QuietErrors quiet;
  Trace trace;
  try {
    const hdf5::Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "open it");
    trace.offsets = read_array<std::int64_t>(file, "offsets");
    trace.intervals = read_array<Trace::Interval>(file, "intervals");
    trace.rows = read_array<Trace::Row>(file, "periods");
  } catch (const SystemError& error) {
    user_error("'{}' is no trace file ({}). Make one with 'shoal trace'?", path, error.what());
  }
  trace.check(path);
  return trace;
}

}  // namespace shoal
