#include "sim/record/hdf5_file.hpp"

#include <utility>

#include "sim/error.hpp"

namespace shoal::hdf5 {
namespace {

herr_t keep_text(unsigned position, const H5E_error2_t* error, void* text) {
  if (position == 0 && error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
  return 0;
}

// The walk upward begins at the function that noticed the error.
std::string innermost_error() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_text, &text);
  return text.empty() ? "HDF5 gives no reason" : text;
}

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "make a text type");
  check(H5Tset_size(type, H5T_VARIABLE), "make a text type");
  check(H5Tset_cset(type, H5T_CSET_UTF8), "make a text type");
  return type;
}

Handle scalar() { return {H5Screate(H5S_SCALAR), H5Sclose, "make a scalar"}; }

void write_scalar(hid_t object, const std::string& name, hid_t type, const void* value) {
  const std::string what = "write attribute '" + name + "'";
  const Handle attribute(H5Acreate2(object, name.c_str(), type, scalar(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, what);
  check(H5Awrite(attribute, type, value), what);
}

// A foreign file may hold an array where one value is expected.
void require_scalar(hid_t space, const std::string& name) {
  if (H5Sget_simple_extent_npoints(space) != 1) system_error("'{}' is not one value", name);
}

// `space` must be one value of variable-length text; `read` fills a pointer that HDF5 allocates.
template <class Read>
std::string take_text(const Handle& type, const Handle& space, const std::string& name, Read&& read) {
  if (H5Tis_variable_str(type) <= 0) system_error("'{}' is not a text", name);
  require_scalar(space, name);
  char* text = nullptr;
  const Handle memory = text_type();
  check(read(hid_t(memory), &text), "read '" + name + "'");
  std::string copy = text == nullptr ? "" : text;
  if (text != nullptr) check(H5Dvlen_reclaim(memory, space, H5P_DEFAULT, &text), "free '" + name + "'");
  return copy;
}

template <class Number>
Number read_number(hid_t object, const std::string& name, H5T_class_t kind, hid_t memory) {
  const std::string what = "read attribute '" + name + "'";
  const Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose, what);
  require_scalar(Handle(H5Aget_space(attribute), H5Sclose, what), name);
  if (H5Tget_class(Handle(H5Aget_type(attribute), H5Tclose, what)) != kind) {
    system_error("attribute '{}' is of another type", name);
  }
  Number number{};
  check(H5Aread(attribute, memory, &number), what);
  return number;
}

}  // namespace

QuietErrors::QuietErrors() {
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

QuietErrors::~QuietErrors() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }

void check(herr_t code, std::string_view what) {
  if (code < 0) system_error("cannot {} ({})", what, innermost_error());
}

Handle::Handle(hid_t id, herr_t (*close)(hid_t), std::string_view what) : id_(id), close_(close) {
  check(id < 0 ? -1 : 0, what);
}

Handle::Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}

Handle::~Handle() {
  if (id_ >= 0) close_(id_);
}

Handle open_file(const std::string& path) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0) {
    const std::string reason = innermost_error();
    if (reason.find("unable to lock file") != std::string::npos) throw Locked(reason);
    if (reason.find("already open for write") != std::string::npos) throw Locked(reason);
  }
  return {file, H5Fclose, "open it"};
}

MemoryFile::MemoryFile()
    : file_([] {
        const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "make a file in memory");
        constexpr std::size_t growth = 1 << 20;
        check(H5Pset_fapl_core(access, growth, 0), "make a file in memory");
        return Handle(H5Fcreate("run", H5F_ACC_TRUNC, H5P_DEFAULT, access), H5Fclose, "make a file in memory");
      }()) {}

std::span<const std::byte> MemoryFile::image() {
  check(H5Fflush(file_, H5F_SCOPE_GLOBAL), "flush a file in memory");
  const ssize_t size = H5Fget_file_image(file_, nullptr, 0);
  check(size < 0 ? -1 : 0, "measure a file in memory");
  void* place = nullptr;  // the address of the driver's own pointer to the bytes
  check(H5Fget_vfd_handle(file_, H5P_DEFAULT, &place), "find a file in memory");
  return std::span(*static_cast<std::byte**>(place), size);
}

DiskFile::DiskFile(const std::string& path)
    : file_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose, "make a file") {}

std::int64_t DiskFile::flush() {
  check(H5Fflush(file_, H5F_SCOPE_GLOBAL), "flush a file");
  haddr_t end = 0;
  check(H5Fget_eoa(file_, &end), "find the end of a file");
  return end;
}

void check_extent(hid_t file, std::uint64_t bytes) {
  haddr_t end = 0;
  check(H5Fget_eoa(file, &end), "find its end");
  if (end != bytes) system_error("its data end after {} bytes, not {}", end, bytes);
}

Handle make_group(hid_t place, const std::string& name) {
  return {H5Gcreate2(place, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose,
          "make group '" + name + "'"};
}

Handle open_group(hid_t place, const std::string& name) {
  return {H5Gopen2(place, name.c_str(), H5P_DEFAULT), H5Gclose, "open group '" + name + "'"};
}

void write_attribute(hid_t object, const std::string& name, const std::string& text) {
  const char* first = text.c_str();
  write_scalar(object, name, text_type(), &first);
}

void write_attribute(hid_t object, const std::string& name, std::int64_t number) {
  write_scalar(object, name, H5T_STD_I64LE, &number);
}

void write_attribute(hid_t object, const std::string& name, double number) {
  write_scalar(object, name, H5T_IEEE_F64LE, &number);
}

std::string read_text_attribute(hid_t object, const std::string& name) {
  const std::string what = "read attribute '" + name + "'";
  const Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose, what);
  const Handle type(H5Aget_type(attribute), H5Tclose, what), space(H5Aget_space(attribute), H5Sclose, what);
  return take_text(type, space, name, [&](hid_t memory, char** text) { return H5Aread(attribute, memory, text); });
}

std::int64_t read_integer_attribute(hid_t object, const std::string& name) {
  return read_number<std::int64_t>(object, name, H5T_INTEGER, H5T_NATIVE_INT64);
}

double read_real_attribute(hid_t object, const std::string& name) {
  return read_number<double>(object, name, H5T_FLOAT, H5T_NATIVE_DOUBLE);
}

bool has_attribute(hid_t object, const std::string& name) { return H5Aexists(object, name.c_str()) > 0; }

std::vector<std::string> attribute_names(hid_t object) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5A_info_t*, void* names) -> herr_t {
    static_cast<std::vector<std::string>*>(names)->emplace_back(name);
    return 0;
  };
  check(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names), "list attributes");
  return names;
}

std::vector<std::string> member_names(hid_t group) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* names) -> herr_t {
    static_cast<std::vector<std::string>*>(names)->emplace_back(name);
    return 0;
  };
  check(H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names), "list a group");
  return names;
}

void write_text(hid_t place, const std::string& name, const std::string& text) {
  const std::string what = "write '" + name + "'";
  const Handle type = text_type();
  const Handle data(H5Dcreate2(place, name.c_str(), type, scalar(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose,
                    what);
  const char* first = text.c_str();
  check(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &first), what);
}

std::string read_text(hid_t place, const std::string& name) {
  const std::string what = "read '" + name + "'";
  const Handle data(H5Dopen2(place, name.c_str(), H5P_DEFAULT), H5Dclose, what);
  const Handle type(H5Dget_type(data), H5Tclose, what), space(H5Dget_space(data), H5Sclose, what);
  return take_text(type, space, name, [&](hid_t memory, char** text) {
    return H5Dread(data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, text);
  });
}

}  // namespace shoal::hdf5
