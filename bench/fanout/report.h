/*
 * report.h - what the load client found, as JSON and for people.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "connection.h"

struct report {
  const struct connection *connections;
  uint32_t count;
  uint32_t sample;      /* every n-th reader is looked at */
  double seconds;       /* measured */
  double cpu;           /* seconds the client itself used meanwhile */
  double expect;        /* bytes a second of the stream; 0: not known */
  uint64_t lost_before; /* listeners lost before measuring began */
  const struct latency *latency;
  const struct latency *join;
};

/* One line of JSON on stdout, and unless `quiet` a few lines on stderr. */
void report_print(const struct report *report, int quiet);

/* A line of JSON for each verified connection. 0, or -1 with errno. */
int report_verified(const struct report *report, const char *path);

#endif
