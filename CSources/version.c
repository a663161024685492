/* version.c - the version that was compiled. */
#include "weir/version.h"

unsigned int weir_version(void) {
  return WEIR_VERSION_HEX;
}

const char *weir_version_string(void) {
  return WEIR_VERSION_STRING;
}
