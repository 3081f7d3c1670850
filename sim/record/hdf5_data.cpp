// Tables and model parameters as HDF5 data sets.

#include "sim/record/hdf5_file.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "sim/error.hpp"
#include "sim/record/run_file.hpp"

namespace shoal::hdf5 {
namespace {

constexpr hsize_t compressed_from = 64 * 1024;  // bytes of a table
constexpr hsize_t chunk_rows = 4096;

hid_t column_type(FieldType type) { return type == FieldType::integer ? H5T_STD_I64LE : H5T_IEEE_F64LE; }

// The name of a column in files of a schema version.
const char* name_in(std::int64_t schema, const Field& field) {
  const bool renamed = schema < 3 && std::string_view(field.name) == "dropouts";
  return renamed ? "dropped" : field.name;
}

Handle row_type(std::span<const Field> fields, std::size_t size, std::int64_t schema = run_schema_version) {
  Handle type(H5Tcreate(H5T_COMPOUND, size), H5Tclose, "make a row type");
  for (const Field& field : fields) {
    check(H5Tinsert(type, name_in(schema, field), field.offset, column_type(field.type)), "make a row type");
  }
  return type;
}

void insert_columns(const Handle& type, const std::vector<Column>& columns, std::size_t offset) {
  for (const Column& column : columns) {
    check(H5Tinsert(type, column.name.c_str(), offset, column_type(column.type)), "make a row type");
    offset += 8;
  }
}

Handle row_type(const std::vector<Column>& columns) {
  Handle type(H5Tcreate(H5T_COMPOUND, 8 * columns.size()), H5Tclose, "make a row type");
  insert_columns(type, columns, 0);
  return type;
}

std::string units(const std::vector<Column>& columns) {
  std::string text;
  for (const Column& column : columns) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", column.name, column.unit);
  }
  return text;
}

// A measure's row: round, a name of `length` bytes, value.
Handle measure_type(std::size_t length) {
  const Handle text(H5Tcopy(H5T_C_S1), H5Tclose, "make a text type");
  check(H5Tset_size(text, length), "make a text type");
  check(H5Tset_cset(text, H5T_CSET_UTF8), "make a text type");
  check(H5Tset_strpad(text, H5T_STR_NULLPAD), "make a text type");
  Handle type(H5Tcreate(H5T_COMPOUND, 16 + length), H5Tclose, "make a row type");
  check(H5Tinsert(type, "round", 0, H5T_STD_I64LE), "make a row type");
  check(H5Tinsert(type, "name", 8, text), "make a row type");
  check(H5Tinsert(type, "value", 8 + length, H5T_IEEE_F64LE), "make a row type");
  return type;
}

// Deflate cannot shrink data more than about 1032 times: a larger claim is damage, found before memory is allocated.
void require_plausible(std::uint64_t bytes, hid_t data, const std::string& name) {
  const std::uint64_t stored = H5Dget_storage_size(data);
  if (bytes / 1100 > stored) system_error("'{}' claims {} bytes but stores {}", name, bytes, stored);
}

// A table that is being read; sizes are checked before memory is allocated.
class OpenRows {
 public:
  OpenRows(hid_t place, const std::string& name)
      : name_(name),
        what_("read table '" + name + "'"),
        data_(H5Dopen2(place, name.c_str(), H5P_DEFAULT), H5Dclose, what_),
        type_(H5Dget_type(data_), H5Tclose, what_) {
    const Handle space(H5Dget_space(data_), H5Sclose, what_);
    if (H5Sget_simple_extent_ndims(space) != 1) system_error("table '{}' is not a list of rows", name_);
    check(H5Sget_simple_extent_dims(space, &count_, nullptr), what_);
    if (H5Tget_class(type_) != H5T_COMPOUND) system_error("table '{}' has no columns", name_);
  }

  // Bytes of a row in the file.
  std::size_t width() const { return H5Tget_size(type_); }
  // The number of rows, each of which takes `row_bytes` in memory.
  std::size_t count(std::size_t row_bytes) const {
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(count_, row_bytes, &bytes)) system_error("table '{}' is too large", name_);
    require_plausible(bytes, data_, name_);
    return count_;
  }
  // The names of the columns, and whether they hold integers.
  std::vector<std::pair<std::string, bool>> columns() const {
    std::vector<std::pair<std::string, bool>> all;
    const int count = H5Tget_nmembers(type_);
    for (int c = 0; c < count; ++c) {
      char* name = H5Tget_member_name(type_, c);
      if (name == nullptr) system_error("table '{}' has a column without a name", name_);
      all.emplace_back(name, H5Tget_member_class(type_, c) == H5T_INTEGER);
      H5free_memory(name);
    }
    return all;
  }
  void read(const Handle& type, void* rows) const {
    if (count_ > 0) check(H5Dread(data_, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows), what_);
  }

 private:
  std::string name_, what_;
  Handle data_, type_;
  hsize_t count_ = 0;
};

hid_t disk_type(ValueType type) { return type == ValueType::float32 ? H5T_IEEE_F32LE : H5T_IEEE_F64LE; }

ModelParameter read_parameter(hid_t group, const std::string& name) {
  const std::string what = "read parameter '" + name + "'";
  const Handle data(H5Dopen2(group, name.c_str(), H5P_DEFAULT), H5Dclose, what);
  const Handle space(H5Dget_space(data), H5Sclose, what);
  const Handle type(H5Dget_type(data), H5Tclose, what);
  ModelParameter parameter{.name = name, .shape = {}, .values = {}};
  if (H5Tget_class(type) != H5T_FLOAT) system_error("parameter '{}' has no floating-point values", name);
  parameter.type = H5Tget_size(type) == 4 ? ValueType::float32 : ValueType::float64;
  std::vector<hsize_t> sides(std::max(0, H5Sget_simple_extent_ndims(space)));
  check(H5Sget_simple_extent_dims(space, sides.data(), nullptr), what);
  std::uint64_t bytes = bytes_of(parameter.type);
  for (const hsize_t side : sides) {
    parameter.shape.push_back(side);
    if (__builtin_mul_overflow(bytes, side, &bytes)) system_error("parameter '{}' is too large", name);
  }
  require_plausible(bytes, data, name);
  parameter.values.resize(bytes);
  check(H5Dread(data, disk_type(parameter.type), H5S_ALL, H5S_ALL, H5P_DEFAULT, parameter.values.data()), what);
  return parameter;
}

}  // namespace

TableWriter::TableWriter(hid_t place, const std::string& name, Handle type, std::int64_t count,
                         const std::string& units, const std::string& axes)
    : what_("write table '" + name + "'"),
      type_(std::move(type)),
      data_([&] {
        const hsize_t rows = count;
        const Handle space(H5Screate_simple(1, &rows, nullptr), H5Sclose, what_);
        const Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, what_);
        if (rows * H5Tget_size(type_) > compressed_from) {
          const hsize_t chunk = std::min(rows, chunk_rows);
          check(H5Pset_chunk(layout, 1, &chunk), what_);
          check(H5Pset_shuffle(layout), what_);
          check(H5Pset_deflate(layout, 4), what_);
        }
        return Handle(H5Dcreate2(place, name.c_str(), type_, space, H5P_DEFAULT, layout, H5P_DEFAULT), H5Dclose, what_);
      }()),
      width_(H5Tget_size(type_)),
      count_(count) {
  write_attribute(data_, "units", units);
  write_attribute(data_, "axes", axes);
}

template <class Row>
TableWriter TableWriter::of_rows(hid_t place, const std::string& name, std::int64_t count, const std::string& axes,
                                 const std::vector<Column>& further) {
  Handle type = row_type(fields<Row>(), sizeof(Row) + 8 * further.size());
  insert_columns(type, further, sizeof(Row));
  const std::string own = units(fields<Row>());
  return {place, name, std::move(type), count, further.empty() ? own : own + "; " + units(further), axes};
}

TableWriter TableWriter::of_columns(hid_t place, const std::string& name, const std::vector<Column>& columns,
                                    std::int64_t count, const std::string& axes) {
  return {place, name, row_type(columns), count, units(columns), axes};
}

TableWriter TableWriter::of_measures(hid_t place, std::int64_t count, std::size_t length) {
  return {place,
          "measures",
          measure_type(length),
          count,
          "round: count from 1; name: of the measure; value: see name",
          "row: one measure of one round, in order"};
}

void TableWriter::add(std::span<const std::byte> rows) {
  const std::size_t full = chunk_rows * width_;  // a chunk is compressed once
  while (!rows.empty()) {
    const std::size_t taken = std::min(rows.size(), full - piece_.size());
    piece_.insert(piece_.end(), rows.begin(), rows.begin() + taken);
    rows = rows.subspan(taken);
    if (piece_.size() == full) write_piece();
  }
}

template <class Row>
void TableWriter::add(const std::vector<Row>& rows, const Table& further) {
  if (further.columns.empty()) return add(std::as_bytes(std::span(rows)));
  const std::size_t width = further.columns.size();
  ensure(further.rows() == std::ssize(rows), "{}: {} rows, and {} of further columns", what_, rows.size(),
         further.rows());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    add(std::as_bytes(std::span(&rows[r], 1)));
    add(std::as_bytes(std::span(further.values).subspan(r * width, width)));
  }
}

void TableWriter::add(const MeasureRow& measure) {
  const std::size_t length = width_ - 16;
  std::vector<std::byte> row(width_);
  std::memcpy(row.data(), &measure.round, 8);
  std::memcpy(row.data() + 8, measure.name.data(), std::min(length, measure.name.size()));
  std::memcpy(row.data() + 8 + length, &measure.value, 8);
  add(row);
}

void TableWriter::write_piece() {
  const hsize_t first = written_, rows = piece_.size() / width_;
  ensure(piece_.size() % width_ == 0 && written_ + static_cast<std::int64_t>(rows) <= count_, "{}: more than {} rows",
         what_, count_);
  if (rows > 0) {
    const Handle file(H5Dget_space(data_), H5Sclose, what_),
        memory(H5Screate_simple(1, &rows, nullptr), H5Sclose, what_);
    check(H5Sselect_hyperslab(file, H5S_SELECT_SET, &first, nullptr, &rows, nullptr), what_);
    check(H5Dwrite(data_, type_, memory, file, H5P_DEFAULT, piece_.data()), what_);
  }
  written_ += rows;
  piece_.clear();
}

void TableWriter::finish() {
  write_piece();
  ensure(written_ == count_, "{}: {} rows of {}", what_, written_, count_);
}

template <class Row>
std::vector<Row> read_table(hid_t place, const std::string& name, std::int64_t schema) {
  const OpenRows data(place, name);
  std::vector<Row> rows(data.count(sizeof(Row)));
  // HDF5 matches columns by name.
  data.read(row_type(fields<Row>(), sizeof(Row), schema), rows.data());
  return rows;
}

template TableWriter TableWriter::of_rows<RoundRow>(hid_t, const std::string&, std::int64_t, const std::string&,
                                                    const std::vector<Column>&);
template TableWriter TableWriter::of_rows<ParticipationRow>(hid_t, const std::string&, std::int64_t, const std::string&,
                                                            const std::vector<Column>&);
template void TableWriter::add(const std::vector<RoundRow>&, const Table&);
template void TableWriter::add(const std::vector<ParticipationRow>&, const Table&);
template std::vector<RoundRow> read_table(hid_t, const std::string&, std::int64_t);
template std::vector<ParticipationRow> read_table(hid_t, const std::string&, std::int64_t);

Table read_table(hid_t place, const std::string& name) { return read_further_columns(place, name, {}); }

Table read_further_columns(hid_t place, const std::string& name, std::span<const Field> known) {
  const OpenRows data(place, name);
  Table table;
  for (const auto& column : data.columns()) {
    if (std::ranges::any_of(known, [&](const Field& field) { return column.first == field.name; })) continue;
    table.columns.push_back({column.first, column.second ? FieldType::integer : FieldType::real, ""});
  }
  if (table.columns.empty()) return table;
  table.values.resize(data.count(8 * table.columns.size()) * table.columns.size());
  data.read(row_type(table.columns), table.values.data());
  return table;
}

std::vector<MeasureRow> read_measures(hid_t place) {
  const OpenRows data(place, "measures");
  const std::size_t width = data.width();
  if (width <= 16) system_error("'measures' has rows of {} bytes", width);
  const std::size_t length = width - 16;
  std::vector<std::byte> bytes(data.count(width) * width);
  data.read(measure_type(length), bytes.data());
  std::vector<MeasureRow> measures(bytes.size() / width);
  const std::byte* from = bytes.data();
  for (MeasureRow& row : measures) {
    const char* name = reinterpret_cast<const char*>(from) + 8;
    std::memcpy(&row.round, from, 8);
    row.name.assign(name, ::strnlen(name, length));
    std::memcpy(&row.value, from + 8 + length, 8);
    from += width;
  }
  return measures;
}

void write_parameter(hid_t place, const ModelParameter& parameter, std::int64_t position) {
  const std::string what = "write parameter '" + parameter.name + "'";
  ensure(is_whole(parameter), "parameter '{}' does not fill its shape", parameter.name);
  const std::vector<hsize_t> sides(parameter.shape.begin(), parameter.shape.end());
  const Handle space(sides.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(sides.size(), sides.data(), nullptr),
                     H5Sclose, what);
  const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose, what);
  check(H5Pset_create_intermediate_group(links, 1), what);
  const hid_t type = disk_type(parameter.type);
  const Handle data(H5Dcreate2(place, parameter.name.c_str(), type, space, links, H5P_DEFAULT, H5P_DEFAULT), H5Dclose,
                    what);
  if (!parameter.values.empty()) {
    check(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, parameter.values.data()), what);
  }
  write_attribute(data, "position", position);
}

std::vector<ModelParameter> read_parameters(hid_t group) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5O_info_t* info, void* names) -> herr_t {
    if (info->type == H5O_TYPE_DATASET) static_cast<std::vector<std::string>*>(names)->emplace_back(name);
    return 0;
  };
  check(H5Ovisit2(group, H5_INDEX_NAME, H5_ITER_INC, add, &names, H5O_INFO_BASIC), "list the model");
  std::vector<std::pair<std::int64_t, std::string>> ordered;
  for (const std::string& name : names) {
    const Handle data(H5Dopen2(group, name.c_str(), H5P_DEFAULT), H5Dclose, "read parameter '" + name + "'");
    ordered.emplace_back(read_integer_attribute(data, "position"), name);
  }
  std::ranges::sort(ordered);
  std::vector<ModelParameter> model;
  for (const auto& [position, name] : ordered) model.push_back(read_parameter(group, name));
  return model;
}

}  // namespace shoal::hdf5
