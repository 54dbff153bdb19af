// Lists the tensors of a file with hellora's reader: what a project without libtorch can use.
#include <iostream>

#include "hellora/core/error.h"
#include "hellora/io/safetensors.h"

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  try {
    const hellora::SafetensorsFile file(argv[1]);
    for (const hellora::TensorInfo& tensor : file.tensors()) std::cout << tensor.name << " " << tensor.count() << "\n";
  } catch (const hellora::Error& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
  return 0;
}
