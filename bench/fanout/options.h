/*
 * options.h - the load client's command line, as listeners.c describes it.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

struct options {
  const char *url;
  uint32_t count, stall, trickle, sources, sample, frame;
  double seconds, warmup, ramp, join_within, expect, connect_timeout;
  double wake_after; /* 0: never */
  unsigned seed;
  int positions, quiet, cpu;
  int stall_buffer;
  size_t trickle_bytes;
  const char *verify_out;
};

/* Overwrites the defaults in *options. Ends the program on a wrong one. */
void options_parse(struct options *options, int argc, char **argv);

/* Says what is wrong and ends the program with status 2. */
_Noreturn void options_wrong(const char *what);

#endif
