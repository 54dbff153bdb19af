# Finds libtorch inside a Python `torch` package: -DHELLORA_TORCH=<folder of the torch package>, the environment
# variable of that name, or the virtual environment .venv beside the sources. Accepts versions 2.11 to 2.13.

set(HELLORA_TORCH "$ENV{HELLORA_TORCH}" CACHE PATH "Folder of an installed torch package (the one that holds share/cmake/Torch)")
if(NOT HELLORA_TORCH)
  file(GLOB found ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  list(GET found 0 HELLORA_TORCH_FOUND)
  if(HELLORA_TORCH_FOUND)
    set(HELLORA_TORCH ${HELLORA_TORCH_FOUND} CACHE PATH "" FORCE)
  endif()
endif()
if(NOT EXISTS "${HELLORA_TORCH}/share/cmake/Torch/TorchConfig.cmake")
  message(FATAL_ERROR "libtorch not found at HELLORA_TORCH=\"${HELLORA_TORCH}\": run scripts/quickstart.sh, or set "
                      "HELLORA_TORCH to the folder of an installed torch package (2.11 to 2.13)")
endif()
list(APPEND CMAKE_PREFIX_PATH ${HELLORA_TORCH}/share/cmake)
find_package(Torch REQUIRED)
if(Torch_VERSION VERSION_LESS 2.11 OR Torch_VERSION VERSION_GREATER_EQUAL 2.14)
  message(FATAL_ERROR "torch ${Torch_VERSION} at ${HELLORA_TORCH}: hellora builds with 2.11 to 2.13")
endif()
message(STATUS "libtorch ${Torch_VERSION} from ${HELLORA_TORCH}")
set(Libtorch_FOUND TRUE)
