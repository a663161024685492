/* Bytes of downloads on their way between store, disk and readers. */
#ifndef WEIR_DOWNLOADS_H
#define WEIR_DOWNLOADS_H

#include <stddef.h>
#include <stdint.h>

#include "fill.h"
#include "image.h"
#include "spool.h"

/* CRC-32 (ISO 3309) of more bytes: of none it is 0. Any thread. */
uint32_t weir_crc32(uint32_t crc, const void *bytes, size_t count);

/*
 * The CRC-32 of two runs of bytes, one after the other, of which the CRCs are
 * `first` and `second`; `count` is how long the second is. Any thread.
 * Takes time by the logarithm of `count`.
 */
uint32_t weir_crc32_combine(uint32_t first, uint32_t second, uint64_t count);

#endif
