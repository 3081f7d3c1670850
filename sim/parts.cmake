# A part is one file: its name is its registration, its first comment is what `shoal explain` prints.
#
#   shoal_parts(TARGET shoal_strategies FOLDER strategies/algorithms CONTRACT Strategy HEADER sim/round/strategy.hpp)
#
# collects FOLDER/*.cpp into TARGET and generates the table that `parts<Strategy>()` returns. A part file `fed_prox.cpp`
# defines, in the namespace named after its folder, `std::unique_ptr<Strategy> fed_prox(Settings&)`.
#
# FOLDER/shared/ is for what parts share: its *.cpp are compiled into TARGET and not registered.
#
# A part that cannot be tried with the settings of the conformance test says in its first comment which ones it needs:
#
#   // Try: planner.cohort = 12, data.server = 50
#
# holds assignments in the syntax of experiment files, separated by commas; several such lines are tried one after the
# other. The conformance test reads them from the file when it runs; here they are only left out of what `shoal explain`
# prints.

# What the first comment of a part's file says about the part: its lines, joined, without those that begin with "Try:".
function(shoal_part_about text about)
  string(REGEX MATCH "^(//[^\n]*\n)+" comment "${text}")
  string(REGEX REPLACE "(^|\n)//[ ]*Try:[^\n]*" "" comment "${comment}")
  string(REGEX REPLACE "(^|\n)//[ ]?" "\\1" comment "${comment}")
  string(STRIP "${comment}" comment)
  set(${about} "${comment}" PARENT_SCOPE)
endfunction()

function(shoal_parts)
  cmake_parse_arguments(PART "" "TARGET;FOLDER;CONTRACT;HEADER" "" ${ARGN})
  get_filename_component(folder "${PART_FOLDER}" NAME)
  file(GLOB files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${PART_FOLDER}/*.cpp")
  list(SORT files)
  set(declarations "")
  set(rows "")
  foreach(file ${files})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    get_filename_component(name "${file}" NAME_WE)
    file(READ "${file}" text LIMIT 2000)
    shoal_part_about("${text}" comment)
    if(comment STREQUAL "")
      message(FATAL_ERROR "${file} has no comment on its first line (it is what `shoal explain ${name}` prints). Say what the part does and its source?")
    endif()
    string(APPEND declarations "std::unique_ptr<${PART_CONTRACT}> ${name}(Settings&);\n")
    string(APPEND rows "    {\"${name}\", R\"~~(${comment})~~\", &${folder}::${name}},\n")
  endforeach()
  set(count 0)
  list(LENGTH files count)
  file(GLOB shared CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${PART_FOLDER}/shared/*.cpp")
  set(generated "${PROJECT_BINARY_DIR}/parts/${folder}.cpp")
  file(CONFIGURE OUTPUT "${generated}" @ONLY CONTENT [=[
// Generated from @PART_FOLDER@: the table of parts that implement @PART_CONTRACT@.
#include "@PART_HEADER@"

namespace shoal {
namespace @folder@ {
@declarations@}  // namespace @folder@

template <>
std::span<const Part<@PART_CONTRACT@>> parts<@PART_CONTRACT@>() {
  static const std::array<Part<@PART_CONTRACT@>, @count@> table = {{
@rows@  }};
  return table;
}

}  // namespace shoal
]=])
  target_sources(${PART_TARGET} PRIVATE ${files} ${shared} "${generated}")
endfunction()
