// Tables and model parameters as HDF5 data sets.

#include "sim/record/hdf5_file.hpp"

#include <algorithm>
#include <utility>

#include "sim/error.hpp"

namespace shoal::hdf5 {
namespace {

constexpr hsize_t compressed_from = 64 * 1024;  // bytes of a table
constexpr hsize_t chunk_rows = 4096;

Handle row_type(std::span<const Field> fields, std::size_t size) {
  Handle type(H5Tcreate(H5T_COMPOUND, size), H5Tclose, "make a row type");
  for (const Field& field : fields) {
    const hid_t column = field.type == FieldType::integer ? H5T_STD_I64LE : H5T_IEEE_F64LE;
    check(H5Tinsert(type, field.name, field.offset, column), "make a row type");
  }
  return type;
}

// Deflate cannot shrink more than about 1032 times: a larger claim is damage, seen before memory is asked for.
void require_plausible(std::uint64_t bytes, hid_t data, const std::string& name) {
  const std::uint64_t stored = H5Dget_storage_size(data);
  if (bytes / 1100 > stored) system_error("'{}' claims {} bytes but stores {}", name, bytes, stored);
}

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

template <class Row>
void write_table(hid_t place, const std::string& name, const std::vector<Row>& rows, const std::string& axes) {
  const std::string what = "write table '" + name + "'";
  const Handle type = row_type(fields<Row>(), sizeof(Row));
  const hsize_t count = rows.size();
  const Handle space(H5Screate_simple(1, &count, nullptr), H5Sclose, what);
  const Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, what);
  if (count * sizeof(Row) > compressed_from) {
    const hsize_t chunk = std::min(count, chunk_rows);
    check(H5Pset_chunk(layout, 1, &chunk), what);
    check(H5Pset_shuffle(layout), what);
    check(H5Pset_deflate(layout, 4), what);
  }
  const Handle data(H5Dcreate2(place, name.c_str(), type, space, H5P_DEFAULT, layout, H5P_DEFAULT), H5Dclose, what);
  if (count > 0) check(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows.data()), what);
  write_attribute(data, "units", units(fields<Row>()));
  write_attribute(data, "axes", axes);
}

template <class Row>
std::vector<Row> read_table(hid_t place, const std::string& name) {
  const std::string what = "read table '" + name + "'";
  const Handle data(H5Dopen2(place, name.c_str(), H5P_DEFAULT), H5Dclose, what);
  const Handle space(H5Dget_space(data), H5Sclose, what);
  hsize_t count = 0;
  if (H5Sget_simple_extent_ndims(space) != 1) system_error("table '{}' is not a list of rows", name);
  check(H5Sget_simple_extent_dims(space, &count, nullptr), what);
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(count, sizeof(Row), &bytes)) system_error("table '{}' is too large", name);
  require_plausible(bytes, data, name);
  std::vector<Row> rows(count);
  // HDF5 matches columns by name.
  const Handle type = row_type(fields<Row>(), sizeof(Row));
  if (count > 0) check(H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows.data()), what);
  return rows;
}

template void write_table(hid_t, const std::string&, const std::vector<RoundRow>&, const std::string&);
template void write_table(hid_t, const std::string&, const std::vector<ParticipationRow>&, const std::string&);
template std::vector<RoundRow> read_table(hid_t, const std::string&);
template std::vector<ParticipationRow> read_table(hid_t, const std::string&);

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
