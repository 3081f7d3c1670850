#pragma once
// The few operations of HDF5 that a run file needs, with every return code checked. For sim/record only.

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/error.hpp"
#include "sim/record/cell_journal.hpp"

namespace shoal::hdf5 {

/// HDF5 prints its errors by default; while one of these exists, it does not.
class QuietErrors {
 public:
  QuietErrors();
  ~QuietErrors();
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

/// SystemError "cannot <what> (<innermost text of the HDF5 error stack>)" if `code` is negative.
void check(herr_t code, std::string_view what);

/// Another program has the file open for writing.
struct Locked : SystemError {
  using SystemError::SystemError;
};

/// Owns one HDF5 object.
class Handle {
 public:
  /// Throws as `check` does if `id` is negative.
  Handle(hid_t id, herr_t (*close)(hid_t), std::string_view what);
  Handle(Handle&& other) noexcept;
  Handle& operator=(Handle&&) = delete;
  ~Handle();
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

/// Opens a file for reading. Throws as `check` does, and Locked.
Handle open_file(const std::string& path);

/// A new file that HDF5 keeps in memory and never writes: HDF5 1.10 crashes at exit when the disk is full under an open
/// file.
class MemoryFile {
 public:
  MemoryFile();
  hid_t id() const { return file_; }
  /// The bytes that would be on disk; valid until the file changes.
  std::span<const std::byte> image();

 private:
  Handle file_;
};

/// A new file on disk, in place of what is at `path`. HDF5 1.10 crashes at exit when the disk is full under an open
/// file: room must have been reserved.
class DiskFile {
 public:
  explicit DiskFile(const std::string& path);
  hid_t id() const { return file_; }
  /// Writes everything; returns the number of bytes of the file, which may be longer.
  std::int64_t flush();

 private:
  Handle file_;
};

/// SystemError unless the data of an open file end after this many bytes.
void check_extent(hid_t file, std::uint64_t bytes);

Handle make_group(hid_t place, const std::string& name);
Handle open_group(hid_t place, const std::string& name);

void write_attribute(hid_t object, const std::string& name, const std::string& text);
void write_attribute(hid_t object, const std::string& name, std::int64_t number);
void write_attribute(hid_t object, const std::string& name, double number);
std::string read_text_attribute(hid_t object, const std::string& name);
std::int64_t read_integer_attribute(hid_t object, const std::string& name);
double read_real_attribute(hid_t object, const std::string& name);
bool has_attribute(hid_t object, const std::string& name);
std::vector<std::string> attribute_names(hid_t object);
/// Names of the groups and data sets directly inside `group`.
std::vector<std::string> member_names(hid_t group);

void write_text(hid_t place, const std::string& name, const std::string& text);
std::string read_text(hid_t place, const std::string& name);

/// A one-dimensional compound data set with the attributes `units` and `axes`, written piece by piece; above 64 KiB it
/// is compressed in chunks.
class TableWriter {
 public:
  /// Columns of Row and then `further`; `count` rows will be added.
  template <class Row>
  static TableWriter of_rows(hid_t place, const std::string& name, std::int64_t count, const std::string& axes,
                             const std::vector<Column>& further = {});
  /// Columns that are chosen at run time.
  static TableWriter of_columns(hid_t place, const std::string& name, const std::vector<Column>& columns,
                                std::int64_t count, const std::string& axes);
  /// Columns round, name (UTF-8 of `length` bytes, padded with zeros) and value.
  static TableWriter of_measures(hid_t place, std::int64_t count, std::size_t length);

  /// Adds rows in memory's layout, without gaps.
  void add(std::span<const std::byte> rows);
  template <class Row>
  void add(const std::vector<Row>& rows, const Table& further);
  void add(const Table& rows) { add(std::as_bytes(std::span(rows.values))); }
  void add(const MeasureRow& measure);
  /// Writes the last piece; all rows must have been added.
  void finish();

 private:
  TableWriter(hid_t place, const std::string& name, Handle type, std::int64_t count, const std::string& units,
              const std::string& axes);
  void write_piece();

  std::string what_;
  Handle type_, data_;
  std::size_t width_;
  std::int64_t count_, written_ = 0;
  std::vector<std::byte> piece_;
};

/// `schema`: version of the file; columns that it lacks keep their defaults.
template <class Row>
std::vector<Row> read_table(hid_t place, const std::string& name, std::int64_t schema);

/// The same for a table whose columns were chosen at run time, without their units.
Table read_table(hid_t place, const std::string& name);
/// The columns of a table that are not among `known`.
Table read_further_columns(hid_t place, const std::string& name, std::span<const Field> known);

std::vector<MeasureRow> read_measures(hid_t place);

/// One data set of the parameter's shape under its name; slashes in the name make groups.
void write_parameter(hid_t place, const ModelParameter& parameter, std::int64_t position);
/// All parameters at or below `group`, in order of their positions.
std::vector<ModelParameter> read_parameters(hid_t group);

}  // namespace shoal::hdf5
