/* Every error number has a name and a text of its own. */
#include "test.h"

int main(void) {
  CHECK(strcmp(weir_err_name(WEIR_EFORMAT), "EFORMAT") == 0);
  CHECK(strcmp(weir_err_name(UV_ENOMEM), "ENOMEM") == 0);
  CHECK(strcmp(weir_err_name(-1000000), "UNKNOWN") == 0);
  CHECK(strcmp(weir_strerror(-1000000), "unknown error") == 0);
  CHECK(strcmp(weir_strerror(UV_ENOENT), "no such file or directory") == 0);
#define XX(name, number, text)                     \
  CHECK(strcmp(weir_strerror(number), text) == 0); \
  CHECK(strcmp(weir_err_name(WEIR_##name), #name) == 0);
  WEIR_ERRNO_MAP(XX)
#undef XX
  CHECK_EQ(weir_version(), 0x000100);
  CHECK(strcmp(weir_version_string(), WEIR_VERSION_STRING) == 0);
  return 0;
}
