/* error.c - names and texts of error numbers. */
#include <uv.h>

#include "weir/errors.h"

const char *weir_strerror(int error) {
  switch (error) {
#define XX(name, number, text) \
  case number:                 \
    return text;
    WEIR_ERRNO_MAP(XX)
#undef XX
#define XX(code, text) \
  case UV_##code:      \
    return text;
    UV_ERRNO_MAP(XX)
#undef XX
    default:
      return "unknown error";
  }
}

const char *weir_err_name(int error) {
  switch (error) {
#define XX(name, number, text) \
  case number:                 \
    return #name;
    WEIR_ERRNO_MAP(XX)
#undef XX
#define XX(code, text) \
  case UV_##code:      \
    return #code;
    UV_ERRNO_MAP(XX)
#undef XX
    default:
      return "UNKNOWN";
  }
}
