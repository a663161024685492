/*
 * body.h - checks the body that a listener of a warm station got against the
 * stream that source.c wrote.
 *
 * What it must be: a PAT and a PMT; then the stream from a random-access
 * point of that programme on, packet by packet. It may break only where the
 * listener skipped, forward and onto a random-access point, behind one marker
 * packet, of the PID that has the PCRs; or where the source itself was away,
 * which each PID says before its next packet. Continuity counters never jump
 * but where a marker of their PID says so, or a skip was.
 */
#ifndef WARM_BODY_H
#define WARM_BODY_H

#include "packets.h"

#define BODY_SEGMENTS 32u
#define BODY_SETS     2u

/* Packets that follow one another. */
struct body_segment {
  uint64_t first, count; /* numbers, as packets.h has them */
};

struct body {
  /* Rules that do not hold for every stream. */
  uint8_t is_lossy; /* datagrams get lost: packets may be missing */
  uint8_t is_mixed; /* and come in another order */

  uint64_t position; /* of the first packet: number - first, in bytes */
  uint64_t packets;  /* of the stream */
  uint64_t next;     /* number */
  uint64_t written;  /* of the last packet: its stamp */
  uint64_t markers;
  uint64_t skips;
  uint64_t skipped;  /* bytes */
  uint64_t missing;  /* packets: lossy streams */
  uint64_t turned;   /* packets before their turn: mixed streams */
  uint64_t preamble; /* packets */
  uint64_t kept;     /* times it went on behind a marker without a loss */
  uint64_t runs;     /* changes of the source's run */
  uint64_t early;    /* markers before the first packet: skipped at once */

  /* What must not be. */
  uint64_t torn;    /* no packet where one must be */
  uint64_t forged;  /* a packet whose hash is wrong */
  uint64_t broken;  /* a break without a marker, or backwards */
  uint64_t doubled; /* more markers than say what happened */
  uint64_t blind;   /* a start or landing that is no random-access point */
  uint64_t unsaid;  /* a preamble that is not what a decoder needs */
  uint64_t counted; /* continuity counters that collide */

  uint32_t segments; /* in all; the first are kept */
  struct body_segment segment[BODY_SEGMENTS];

  unsigned set; /* of programmes */
  int has_begun;
  unsigned ahead;                    /* markers since the last packet */
  unsigned ahead_of;                 /* PID of the last of them, as below */
  int counter_of[1 + 2 * BODY_SETS]; /* PAT; PMT and video of each set; -1: any
                                        is right */
  uint8_t partial[PACKET];
  size_t partial_length;
};

void body_init(struct body *body);

/* Takes the next bytes of it, in any pieces. */
void body_feed(struct body *body, const uint8_t *bytes, size_t length);

/* How many things are wrong. */
uint64_t body_faults(const struct body *body);

#endif
