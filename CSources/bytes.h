/* bytes.h - little-endian numbers in memory, on any host. */
#ifndef WEIR_BYTES_H
#define WEIR_BYTES_H

#include <stdint.h>

static inline uint16_t weir__get16(const uint8_t *from) {
  return (uint16_t)(from[0] | from[1] << 8);
}

static inline uint32_t weir__get32(const uint8_t *from) {
  return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
         (uint32_t)from[3] << 24;
}

static inline uint64_t weir__get64(const uint8_t *from) {
  return (uint64_t)weir__get32(from) | (uint64_t)weir__get32(from + 4) << 32;
}

static inline void weir__put16(uint8_t *to, uint32_t value) {
  to[0] = (uint8_t)value;
  to[1] = (uint8_t)(value >> 8);
}

static inline void weir__put32(uint8_t *to, uint32_t value) {
  weir__put16(to, value);
  weir__put16(to + 2, value >> 16);
}

#endif
