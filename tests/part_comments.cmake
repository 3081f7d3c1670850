# Checks the text that `shoal explain` takes from a part's first comment (sim/parts.cmake).
cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/../sim/parts.cmake")

function(expect_about text expected)
  shoal_part_about("${text}" about)
  if(NOT about STREQUAL expected)
    message(SEND_ERROR "the comment\n${text}\ngives\n${about}\n(expected ${expected})")
  endif()
endfunction()

expect_about("// One line.\n#include <a>\n" "One line.")
expect_about("// Two lines;\n// [joined].\n\n// Not this one.\n" "Two lines;\n[joined].")
expect_about("// The end.\n// Try: planner.cohort = 12, data.server = 50\n\nint a;\n" "The end.")
expect_about("// Try: a.b = [1, 2]\n// The start.\n" "The start.")
expect_about("// Both\n// Try: a.b = \"x\"; c = 1\n// Try: a.b = \"y\"\n// sides.\n" "Both\nsides.")
expect_about("// Try:a.b = 1\n//Try: a.b = 2\n" "")
expect_about("// Try this: a // Try: is no line of its own.\n" "Try this: a // Try: is no line of its own.")
expect_about("#include <a>\n// Too late.\n" "")
