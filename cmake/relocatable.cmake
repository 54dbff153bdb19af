# cmake -DFILE=PROGRAM -P relocatable.cmake: the installed program looks for libraries beside itself only.
file(STRINGS "${FILE}" written REGEX "^\\$ORIGIN/../../lib/hellora:" LIMIT_COUNT 1)
if(NOT written)
  message(FATAL_ERROR "${FILE} is no installed program of hellora: it has no search path that begins beside it")
endif()
file(RPATH_CHANGE FILE "${FILE}" OLD_RPATH "${written}" NEW_RPATH "$ORIGIN/../../lib/hellora")
