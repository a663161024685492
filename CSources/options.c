/* options.c - reads the option structs of every host. */
#include "options.h"

#include <string.h>

#include "weir/errors.h"

int weir__options_read(void *to, size_t known, const void *from, size_t least) {
  size_t size;
  if (from == NULL) return WEIR_EOPTION;
  memcpy(&size, from, sizeof size);
  if (size < least) return WEIR_EOPTION;
  memset(to, 0, known);
  memcpy(to, from, size < known ? size : known);
  return 0;
}
