#include "datasets/readers/idx.hpp"

#include <filesystem>
#include <span>

#include "sim/error.hpp"
#include "sim/files/mapped_file.hpp"

namespace shoal::readers {
namespace {

std::uint32_t big_endian(std::span<const std::uint8_t> bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

const char* word(IdxType type) { return type == IdxType::uint8 ? "uint8" : "int32"; }

// Size of the header, whose magic number must be the expected one.
std::size_t check_header(std::span<const std::uint8_t> content, const std::string& name, const IdxExpected& expected) {
  const std::size_t header = 4 + 4 * expected.dimensions;
  if (content.size() < 4) {
    user_error("file '{}' holds {} bytes (an IDX file has at least 4). Download it again.", name, content.size());
  }
  const std::uint32_t magic = big_endian(content);
  const std::uint32_t wanted = std::uint32_t{static_cast<std::uint8_t>(expected.type)} << 8 | expected.dimensions;
  if (magic != wanted) {
    user_error(
        "file '{}' begins with 0x{:08x} (expected 0x{:08x}: IDX, {}, {} dimensions). Check that it is the right file.",
        name, magic, wanted, word(expected.type), expected.dimensions);
  }
  if (content.size() < header) {
    user_error("file '{}' holds {} bytes (its IDX header alone has {}). Download it again.", name, content.size(),
               header);
  }
  return header;
}

// Compares numbers alone: nothing is allocated for a size that the file does not have.
std::vector<std::int64_t> read_shape(std::span<const std::uint8_t> content, std::size_t header, const std::string& name,
                                     const IdxExpected& expected) {
  std::vector<std::int64_t> shape;
  std::string shown;
  std::size_t bytes = expected.type == IdxType::uint8 ? 1 : 4;
  bool overflow = false;
  for (std::size_t at = 4; at < header; at += 4) {
    const std::size_t extent = big_endian(content.subspan(at));
    shape.push_back(extent);
    shown += fmt::format("{}{}", shown.empty() ? "" : " x ", extent);
    overflow |= __builtin_mul_overflow(bytes, extent, &bytes);
  }
  const std::size_t found = content.size() - header;
  if (overflow || found != bytes) {
    user_error("file '{}' holds {} bytes after its header (expected {} for {} of {}). Download it again.", name, found,
               overflow ? "more than any file has" : std::to_string(bytes), shown, word(expected.type));
  }
  return shape;
}

}  // namespace

IdxArray parse_idx(Bytes content, const std::string& name, const IdxExpected& expected) {
  ensure(expected.dimensions >= 1 && expected.dimensions <= 255, "IDX array of {} dimensions", expected.dimensions);
  const std::size_t header = check_header(content, name, expected);
  IdxArray array;
  array.shape = read_shape(content, header, name, expected);
  if (expected.type == IdxType::uint8) {
    content.erase(content.begin(), content.begin() + header);
    array.bytes = std::move(content);
  } else {
    array.ints.reserve((content.size() - header) / 4);
    for (std::size_t at = header; at < content.size(); at += 4) {
      array.ints.push_back(big_endian(std::span(content).subspan(at)));
    }
  }
  return array;
}

IdxArray read_idx(const std::string& path, const IdxExpected& expected) {
  return parse_idx(read_unpacked(path, expected.limit), path, expected);
}

std::optional<MappedIdx> map_idx(const std::string& path, int dimensions) {
  std::error_code ignored;  // opening the file reports it
  const std::filesystem::file_type type = std::filesystem::status(path, ignored).type();
  if (type == std::filesystem::file_type::fifo) return std::nullopt;  // a pipe can only be read
  const auto file = std::make_shared<const MappedFile>(path);
  const std::span<const std::uint8_t> content = file->bytes();
  if (is_gzip(content)) return std::nullopt;
  const IdxExpected expected{.type = IdxType::uint8, .dimensions = dimensions};
  const std::size_t header = check_header(content, path, expected);
  return MappedIdx{read_shape(content, header, path, expected), content.subspan(header), file};
}

std::string find_idx(const std::string& folder, const std::string& stem) {
  std::string dotted = stem;
  if (const std::size_t at = dotted.rfind("-idx"); at != std::string::npos) dotted[at] = '.';
  for (const std::string& name : {stem + ".gz", stem, dotted + ".gz", dotted}) {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    std::error_code ignored;  // a folder that cannot be read has no such file
    if (std::filesystem::exists(path, ignored)) return path.string();
  }
  return {};
}

}  // namespace shoal::readers
