/* data.h - what is scanned: buffers of any size, the same for the same seed. */
#ifndef TS_DATA_H
#define TS_DATA_H

#include <stddef.h>
#include <stdint.h>

enum { PACKET = 188, SYNC = 0x47 };

/* Memory that ends the program when there is none. */
uint8_t *data_allocate(size_t bytes);

/* A transport stream of whole packets, `bytes` rounded down: H.264 and AAC at
 * 20 Mbit/s, a picture every 20 ms, one to decode from every 2 s, the tables
 * every 100 ms. What the pictures hold is random. */
void data_stream(uint8_t *to, size_t bytes, uint64_t seed);

/* The whole packets of a file, over and over. Nonzero: there are none. */
int data_file(uint8_t *to, size_t bytes, const char *path);

/* Random bytes, with sync bytes among them or without. */
void data_random(uint8_t *to, size_t bytes, int with_sync, uint64_t seed);

#endif
