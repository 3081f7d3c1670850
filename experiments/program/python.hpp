#pragma once
// Starts modules of the Python package `shoal`, which draws and tabulates runs.

#include <string>
#include <vector>

namespace shoal {

/// The output of `python -m MODULE ARGUMENTS`; its warnings are printed too. Python is $SHOAL_PYTHON, that in .venv of
/// the program's checkout, or python3; the package is that of the checkout, or the installed one. UserError if there is
/// no Python, with what to install if the package is missing, and with the module's own message if it refuses its
/// input.
std::string call_python(const std::string& module, const std::vector<std::string>& arguments);

}  // namespace shoal
