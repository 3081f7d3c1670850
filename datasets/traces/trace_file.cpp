// Trace files: offsets and intervals, the layout of datasets/traces/trace.hpp as HDF5.
//
//   /offsets    int64 [n + 1]    device i has the intervals offsets[i] to offsets[i + 1]
//   /intervals  int64 [m, 2]     begin and end, microseconds since the beginning of the device's period
//   /periods    int64 [n, 2]     length of the period, and the virtual time at which one begins, microseconds;
//                                last in the file
//   /digest     int64 [2]        BLAKE2b-128 of the three, in this order: two numbers of 16 hexadecimal digits

#include "datasets/traces/trace_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "sim/digest.hpp"
#include "sim/files/inputs.hpp"
#include "sim/files/replace_file.hpp"
#include "sim/record/hdf5_file.hpp"

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

// An array in a file: its offset in bytes, and its number of rows.
struct Place {
  std::uint64_t offset, rows;
};

Place find_array(hid_t file, const char* name, hsize_t columns) {
  const std::string what = fmt::format("read '{}'", name);
  const hdf5::Handle data(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose, what);
  const hdf5::Handle space(H5Dget_space(data), H5Sclose, what);
  const hdf5::Handle type(H5Dget_type(data), H5Tclose, what);
  hsize_t sides[2] = {0, 1};
  const int dimensions = H5Sget_simple_extent_ndims(space);
  if (dimensions != (columns == 1 ? 1 : 2)) system_error("'{}' has {} dimensions", name, dimensions);
  hdf5::check(H5Sget_simple_extent_dims(space, sides, nullptr), what);
  if (sides[1] != columns) system_error("'{}' has {} columns instead of {}", name, sides[1], columns);
  if (H5Tequal(type, H5T_STD_I64LE) <= 0) system_error("'{}' is not of little-endian 64-bit integers", name);
  if (sides[0] == 0) return {0, 0};
  const haddr_t offset = H5Dget_offset(data);
  if (offset == HADDR_UNDEF) system_error("'{}' is not stored in one piece", name);
  if (offset % alignof(std::int64_t) != 0) system_error("'{}' begins in the middle of a number", name);
  return {offset, sides[0]};
}

std::array<std::int64_t, 2> digest_of(const TraceView& trace) {
  Digest digest;
  digest.add(std::as_bytes(trace.offsets)).add(std::as_bytes(trace.intervals)).add(std::as_bytes(trace.rows));
  const std::string text = digest.hex();
  const auto half = [&](std::size_t at) -> std::int64_t { return std::stoull(text.substr(at, 16), nullptr, 16); };
  return {half(0), half(16)};
}

// The bytes of a file, mapped read-only until the last copy of the pointer is gone.
struct Mapping {
  std::shared_ptr<const std::byte> bytes;
  std::uint64_t size = 0;

  explicit Mapping(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat facts {};
    if (file < 0 || fstat(file, &facts) != 0) system_error("cannot open it ({})", std::strerror(errno));
    size = facts.st_size;
    void* begin = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
    const int failure = errno;
    close(file);  // a mapping outlives its descriptor
    if (begin == MAP_FAILED) system_error("cannot map it ({})", std::strerror(failure));
    bytes = {static_cast<const std::byte*>(begin),
             [size = size](const std::byte* p) { munmap(const_cast<std::byte*>(p), size); }};
  }

  template <class Value>
  std::span<const Value> array(const Place& place, const char* name) const {
    if (place.offset > size || place.rows > (size - place.offset) / sizeof(Value)) {
      system_error("'{}' has {} rows from byte {} on in a file of {} bytes", name, place.rows, place.offset, size);
    }
    return {reinterpret_cast<const Value*>(bytes.get() + place.offset), place.rows};
  }
};

MappedTrace map_arrays(const std::string& path) {
  const hdf5::QuietErrors quiet;
  const hdf5::Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "open it");
  const Place offsets = find_array(file, "offsets", 1), intervals = find_array(file, "intervals", 2),
              periods = find_array(file, "periods", 2);
  // A file that is cut off loses its end first: it must hold the periods, which TraceView::at reads first.
  if (periods.offset <= std::max(offsets.offset, intervals.offset)) system_error("'periods' do not come last");
  const Mapping mapping(path);
  MappedTrace trace{{mapping.array<TraceView::Row>(periods, "periods"), mapping.array<std::int64_t>(offsets, "offsets"),
                     mapping.array<TraceView::Interval>(intervals, "intervals")},
                    mapping.bytes};
  // A file may have no digest.
  if (H5Lexists(file, "digest", H5P_DEFAULT) > 0) {
    const auto written = mapping.array<std::int64_t>(find_array(file, "digest", 1), "digest");
    if (!std::ranges::equal(written, digest_of(trace.view))) system_error("it is damaged: its digest differs");
  }
  note_input(path, std::span(mapping.bytes.get(), mapping.size));
  return trace;
}

}  // namespace

void write_trace(const Trace& trace, const std::string& path) {
  trace.check(path);
  const hdf5::QuietErrors quiet;
  hdf5::MemoryFile file;
  write_array(file.id(), "offsets", trace.offsets.data(), trace.offsets.size(), 1);
  write_array(file.id(), "intervals", trace.intervals.data(), trace.intervals.size(), 2);
  const auto digest = digest_of(trace.view());
  write_array(file.id(), "digest", digest.data(), digest.size(), 1);
  write_array(file.id(), "periods", trace.rows.data(), trace.rows.size(), 2);
  replace_file(path, file.image());
}

MappedTrace map_trace(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) {
    user_error("there is no trace file '{}'. Make one with 'shoal trace'.", path);
  }
  try {
    MappedTrace trace = map_arrays(path);
    trace.view.check(path);
    return trace;
  } catch (const SystemError& error) {
    user_error("'{}' is not a trace file ({}). Make one with 'shoal trace'.", path, error.what());
  }
}

}  // namespace shoal
