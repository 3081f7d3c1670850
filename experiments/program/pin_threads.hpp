#pragma once
// One thread for each of LibTorch's libraries: matrix products change bits between one and two.

namespace shoal {

/// Starts the program anew with the thread counts set to 1 in its environment, unless they are; then returns.
void pin_library_threads(char** argv);

}  // namespace shoal
