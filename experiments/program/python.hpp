#pragma once
// Starts modules of the Python package `shoal`, which draws and tabulates runs.

#include <string>
#include <vector>

namespace shoal {

/// Becomes `python -m MODULE ARGUMENTS`. Python is $SHOAL_PYTHON, that in .venv of the program's checkout, or python3;
/// the package is that of the checkout, or the installed one. UserError if there is no Python; a Python without the
/// package says what to install, with exit code 2.
[[noreturn]] void become_python(const std::string& module, const std::vector<std::string>& arguments);

}  // namespace shoal
