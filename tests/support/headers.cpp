// The source of the test_headers target, which precompiles what the torch-free tests include (tests/CMakeLists.txt).
