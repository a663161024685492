#include "CWeirDownloads.h"

#include <libdeflate.h>

uint32_t weir_crc32(uint32_t crc, const void *bytes, size_t count) {
  return libdeflate_crc32(crc, bytes, count);
}

/*
 * A CRC is the remainder of a polynomial over GF(2), its highest power in the
 * lowest bit. More bytes behind it multiply it by x^8 for each of them, so the
 * CRC of two runs is that of the first times x^(8 count), plus the second's.
 */
#define CRC_POLYNOMIAL 0xEDB88320u
#define CRC_ONE        0x80000000u
#define CRC_X8         0x00800000u

/* The product's remainder. */
static uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (int power = 0; power < 32; power++) {
    if (a & (CRC_ONE >> power)) product ^= b;
    b = (b >> 1) ^ (b & 1 ? CRC_POLYNOMIAL : 0);
  }
  return product;
}

uint32_t weir_crc32_combine(uint32_t first, uint32_t second, uint64_t count) {
  uint32_t square = CRC_X8;
  for (; count > 0; count >>= 1) {
    if (count & 1) first = multiply(first, square);
    square = multiply(square, square);
  }
  return first ^ second;
}
