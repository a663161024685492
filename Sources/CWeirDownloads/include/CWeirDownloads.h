/* Bytes of downloads on their way between store, disk and readers. */
#ifndef WEIR_DOWNLOADS_H
#define WEIR_DOWNLOADS_H

#include <stddef.h>
#include <stdint.h>

#include "fill.h"

/* CRC-32 (ISO 3309) of more bytes: of none it is 0. Any thread. */
uint32_t weir_crc32(uint32_t crc, const void *bytes, size_t count);

#endif
