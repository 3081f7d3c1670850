#include "sim/files/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/error.hpp"
#include "sim/files/read_file.hpp"
#include "sim/files/replace_file.hpp"

namespace shoal {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t longest_header = 100'000'000;  // the limit of the reference implementation
constexpr int deepest_nesting = 3;
const std::string metadata_key = "__metadata__";

const char* name_of(ValueType type) { return type == ValueType::float32 ? "F32" : "F64"; }

template <class... Args>
[[noreturn]] void refuse(const std::string& origin, fmt::format_string<Args...> format, Args&&... args) {
  user_error("'{}' is not a safetensors file: {}. Check that it is complete.", origin,
             fmt::format(format, std::forward<Args>(args)...));
}

// By itself the parser keeps the last of two equal names and accepts any depth.
Json parse_header(std::string_view text, const std::string& origin) {
  std::vector<std::set<std::string>> names;
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > deepest_nesting) refuse(origin, "its header is nested {} deep", depth);
    if (event == Json::parse_event_t::object_start) names.emplace_back();
    if (event == Json::parse_event_t::object_end) names.pop_back();
    if (event == Json::parse_event_t::key && !names.back().insert(value.get<std::string>()).second) {
      refuse(origin, "its header names '{}' twice", value.get<std::string>());
    }
    return true;
  };
  Json header;
  try {
    header = Json::parse(text.begin(), text.end(), check);
  } catch (const Json::exception& error) {
    refuse(origin, "its header is not JSON ({})", error.what());
  }
  if (!header.is_object()) refuse(origin, "its header is not an object");
  return header;
}

TensorMetadata take_metadata(const Json& entry, const std::string& origin) {
  if (!entry.is_object()) refuse(origin, "its metadata is not an object");
  TensorMetadata metadata;
  for (const auto& [name, value] : entry.items()) {
    if (!value.is_string()) refuse(origin, "its metadata '{}' is not text", name);
    metadata[name] = value.get<std::string>();
  }
  return metadata;
}

// Sizes and offsets: JSON integers that are not negative and fit int64.
std::vector<std::int64_t> take_counts(const Json& entry, const char* key, const std::string& what,
                                      const std::string& origin) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array()) refuse(origin, "{} has no list '{}'", what, key);
  std::vector<std::int64_t> counts;
  for (const Json& value : *found) {
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
      refuse(origin, "{} has {} in '{}'", what, value.dump(), key);
    }
    counts.push_back(value.get<std::int64_t>());
  }
  return counts;
}

ValueType take_type(const Json& entry, const std::string& what, const std::string& origin) {
  const auto found = entry.find("dtype");
  if (found == entry.end() || !found->is_string()) refuse(origin, "{} has no 'dtype'", what);
  const auto type = found->get<std::string>();
  if (type != "F32" && type != "F64") {
    user_error("{} in '{}' has type {} (this program reads F32 and F64). Convert it first.", what, origin, type);
  }
  return type == "F32" ? ValueType::float32 : ValueType::float64;
}

struct Place {
  ModelParameter parameter;  // still without values
  std::int64_t begin = 0, end = 0;
};

Place take_place(const std::string& name, const Json& entry, const std::string& origin) {
  const std::string what = fmt::format("tensor '{}'", name);
  if (!entry.is_object() || entry.size() != 3) refuse(origin, "{} is not made of dtype, shape and data_offsets", what);
  Place place;
  place.parameter.name = name;
  place.parameter.type = take_type(entry, what, origin);
  place.parameter.shape = take_counts(entry, "shape", what, origin);
  const std::vector<std::int64_t> offsets = take_counts(entry, "data_offsets", what, origin);
  if (offsets.size() != 2 || offsets[0] > offsets[1]) refuse(origin, "{} has no begin and end", what);
  place.begin = offsets[0];
  place.end = offsets[1];
  return place;
}

}  // namespace

bool is_whole(const ModelParameter& parameter) {
  if (parameter.type != ValueType::float32 && parameter.type != ValueType::float64) return false;
  std::int64_t bytes = bytes_of(parameter.type);
  for (const std::int64_t side : parameter.shape) {
    if (side < 0 || __builtin_mul_overflow(bytes, side, &bytes)) return false;
  }
  return bytes == std::ssize(parameter.values);
}

std::vector<std::byte> safetensors(std::span<const ModelParameter> model, const TensorMetadata& metadata) {
  std::vector<const ModelParameter*> in_order;
  for (const ModelParameter& parameter : model) in_order.push_back(&parameter);
  std::ranges::stable_sort(in_order, std::greater{}, [](const ModelParameter* p) { return bytes_of(p->type); });

  nlohmann::ordered_json header = Json::object();  // keeps the names in the order of the values
  if (!metadata.empty()) header[metadata_key] = metadata;
  std::size_t end = 0;
  for (const ModelParameter* parameter : in_order) {
    ensure(is_whole(*parameter), "parameter '{}' does not fill its shape", parameter->name);
    ensure(!header.contains(parameter->name), "two parameters '{}'", parameter->name);
    const std::size_t begin = end;
    end += parameter->values.size();
    header[parameter->name] = {
        {"dtype", name_of(parameter->type)}, {"shape", parameter->shape}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the values begin aligned

  const std::uint64_t length = text.size();
  std::vector<std::byte> file(sizeof length + text.size() + end);
  std::byte* to = file.data();
  const auto put = [&to](const void* from, std::size_t count) {
    if (count > 0) std::memcpy(to, from, count);
    to += count;
  };
  put(&length, sizeof length);
  put(text.data(), text.size());
  for (const ModelParameter* parameter : in_order) put(parameter->values.data(), parameter->values.size());
  return file;
}

SafeTensors parse_safetensors(std::span<const std::byte> file, const std::string& origin) {
  std::uint64_t length = 0;
  if (file.size() < sizeof length) refuse(origin, "it has {} bytes", file.size());
  std::memcpy(&length, file.data(), sizeof length);
  file = file.subspan(sizeof length);
  if (length > longest_header || length > file.size()) {
    refuse(origin, "its header of {} bytes does not fit into {}", length, file.size());
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()), length);
  const std::span<const std::byte> values = file.subspan(length);

  SafeTensors result;
  std::vector<Place> places;
  const Json header = parse_header(text, origin);
  for (const auto& [name, entry] : header.items()) {
    if (name == metadata_key) {
      result.metadata = take_metadata(entry, origin);
    } else {
      places.push_back(take_place(name, entry, origin));
    }
  }
  std::ranges::stable_sort(places, {}, [](const Place& place) { return std::pair(place.begin, place.end); });
  std::int64_t end = 0;
  for (Place& place : places) {
    ModelParameter& parameter = place.parameter;
    if (place.begin != end) refuse(origin, "tensor '{}' begins at {}, not at {}", parameter.name, place.begin, end);
    end = place.end;
    if (end > std::ssize(values)) {
      refuse(origin, "tensor '{}' ends at {} of {} bytes", parameter.name, end, values.size());
    }
    const auto own = values.subspan(place.begin, end - place.begin);
    parameter.values.assign(own.begin(), own.end());
    if (!is_whole(parameter)) {
      refuse(origin, "tensor '{}' has {} bytes, not those of its shape", parameter.name, own.size());
    }
    result.model.push_back(std::move(parameter));
  }
  if (end != std::ssize(values)) {
    refuse(origin, "its tensors end at {} of {} bytes", end, values.size());
  }
  return result;
}

void write_safetensors(const std::string& path, std::span<const ModelParameter> model, const TensorMetadata& metadata) {
  replace_file(path, safetensors(model, metadata));
}

SafeTensors read_safetensors(const std::string& path) {
  const std::string file = read_file(path);
  return parse_safetensors(std::as_bytes(std::span(file)), path);
}

}  // namespace shoal
