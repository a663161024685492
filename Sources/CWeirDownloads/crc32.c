#include "CWeirDownloads.h"

#include <libdeflate.h>

uint32_t weir_crc32(uint32_t crc, const void *bytes, size_t count) {
  return libdeflate_crc32(crc, bytes, count);
}
