/* ts_state.h - the scanner as its own parts see it. */
#ifndef WEIR_TS_STATE_H
#define WEIR_TS_STATE_H

#include "ts_search.h"
#include "weir/ts.h"

#pragma GCC visibility push(hidden)

#define WEIR__TS_MAGIC 0x57545343u /* "WTSC" */
/* Bytes that are added to those held back while it searches. */
#define WEIR__TS_STEP 2048u
/* First bytes of what is searched that are kept, to say what it looks like. */
#define WEIR__TS_HEAD 64u
/* Longest PAT or PMT section: section_length is 1021 at most. */
#define WEIR__TS_SECTION_MAX 1024u
/* Sections of a PAT; of one with more nothing is taken. */
#define WEIR__TS_PAT_SECTIONS 4u
/* Sections that are being put together from several packets. */
#define WEIR__TS_ASSEMBLIES 8u
/* table_id, and the shortest section of each. */
#define WEIR__TS_TABLE_PAT 0u
#define WEIR__TS_TABLE_PMT 2u
#define WEIR__TS_PAT_MIN   12u
#define WEIR__TS_PMT_MIN   16u

/* What a PID is to the scanner, in the upper byte of its state. The lower one
 * is its continuity counter and these. */
#define WEIR__TS_ROLE_PSI   0x01u
#define WEIR__TS_ROLE_WATCH 0x80u /* with the slot of its programme */
#define WEIR__TS_CC_KNOWN   0x80u
#define WEIR__TS_CC_REPEAT  0x40u /* its last packet was a duplicate */
#define WEIR__TS_CC_ANY     0x20u /* the input broke off: any one may follow */

/* A whole section, or the beginning of one. */
typedef struct weir__ts_section {
  uint16_t length; /* 0: none */
  uint16_t pid;
  uint8_t bytes[WEIR__TS_SECTION_MAX];
} weir__ts_section_t;

/* A start of a PES packet that is being looked into. */
typedef struct weir__ts_watch {
  uint64_t packet;
  uint64_t offset;
  uint16_t pid; /* WEIR_TS_NO_PID: the programme has nothing to watch */
  uint8_t type; /* stream_type */
  uint8_t is_video;
  uint8_t step;    /* of looking into it; 0: it is not looked into */
  uint16_t budget; /* bytes that may still be looked at */
  uint16_t at;     /* bytes of the PES header that passed */
  uint16_t skip;   /* of it that are still to pass */
  uint16_t value;  /* of a field of an SEI message */
  uint8_t facts;   /* what came before the picture */
  uint32_t last;   /* the last four bytes */
} weir__ts_watch_t;

typedef struct weir__ts_slot {
  weir_ts_program_t program;
  weir__ts_watch_t watch;
  weir__ts_section_t pmt; /* the last whole one */
  int is_listed;          /* in the current PAT */
} weir__ts_slot_t;

typedef struct weir__ts_clock {
  uint16_t pid; /* WEIR_TS_NO_PID: not known yet */
  uint8_t is_running;
  uint32_t steps;  /* counted */
  uint64_t value;  /* of the last PCR */
  uint64_t packet; /* that it was in */
  uint64_t total;  /* ticks */
  double ticks[2]; /* of this span, and of the one before */
  double packets[2];
} weir__ts_clock_t;

/* A packet on its way through the parts. */
typedef struct weir__ts_packet {
  const uint8_t *bytes;
  const uint8_t *payload;
  size_t length; /* of the payload */
  size_t field;  /* of the adaptation field, with the byte of its length */
  uint64_t number;
  uint64_t offset;
  uint16_t pid;
  uint8_t flags; /* of the adaptation field */
  uint8_t is_start;
  uint8_t is_gap; /* something of its PID is missing before it */
} weir__ts_packet_t;

struct weir_ts {
  uint32_t magic;
  weir_allocator_t allocator;
  weir_ts_settings_t settings;
  void *data;
  weir_ts_counters_t counters;
  int is_inspecting; /* anybody wants to know more than where packets are */
  int is_foreign;

  /* Where the input stands. */
  weir__ts_search_t search;
  uint32_t stride;   /* 0 while searching */
  size_t gap;        /* bytes before the next packet that are still to come */
  uint64_t offset;   /* of the first byte that is held back, or else comes */
  uint64_t searched; /* bytes since the search began */
  uint64_t begin_bytes; /* the counters when the input began */
  uint64_t begin_packets;
  size_t head_length;
  uint8_t head[WEIR__TS_HEAD];

  /* What is known of the stream. */
  uint16_t pids[WEIR_TS_PIDS];
  weir__ts_clock_t clock;
  weir__ts_section_t pat[WEIR__TS_PAT_SECTIONS];
  uint32_t pat_have; /* a bit for each section of it */
  uint8_t pat_last;
  uint8_t pat_version;
  uint8_t listed; /* programmes in `list` */
  uint8_t list[WEIR_TS_PROGRAMS_MAX];
  weir__ts_slot_t slots[WEIR_TS_PROGRAMS_MAX];
  weir__ts_section_t assemblies[WEIR__TS_ASSEMBLIES];

  size_t held;
  uint8_t carry[WEIR__TS_WINDOW + WEIR__TS_STEP];
};

static inline uint16_t weir__ts_get13(const uint8_t *from) {
  return (uint16_t)((from[0] & 0x1f) << 8 | from[1]);
}

/* ts_packet.c: reads one packet that is put out. */
void weir__ts_inspect(weir_ts_t *ts, const uint8_t *bytes, uint64_t number,
                      uint64_t offset);
/* The input broke off: nothing that follows continues what was. */
void weir__ts_break(weir_ts_t *ts);

/* ts_clock.c: a packet that may have a PCR. */
void weir__ts_clock(weir_ts_t *ts, const weir__ts_packet_t *packet);
/* Rate and duration are by the PCRs of this PID from now on. */
void weir__ts_clock_follow(weir_ts_t *ts, uint16_t pid);

/* ts_section.c: a packet with payload of the PAT's PID or a PMT's. */
void weir__ts_sections(weir_ts_t *ts, const weir__ts_packet_t *packet);

/* ts_program.c: the section of the same place that was read last, perhaps of
 * length 0; NULL when there is no such place. */
const weir__ts_section_t *weir__ts_kept(weir_ts_t *ts, uint16_t pid,
                                        const uint8_t *section);
/* Whether every table that is expected on a PID has been read. */
int weir__ts_is_read(const weir_ts_t *ts, uint16_t pid);
/* A whole section of a PAT or PMT that is new, right and applies now. */
void weir__ts_table(weir_ts_t *ts, uint16_t pid, const uint8_t *bytes,
                    size_t length, uint64_t packet);
/* Forgets programmes, continuity and clock. */
void weir__ts_forget(weir_ts_t *ts);

/* ts_access.c: a packet of a PID that is watched. */
void weir__ts_access(weir_ts_t *ts, weir__ts_watch_t *watch,
                     const weir__ts_packet_t *packet);

/* ts_foreign.c */
weir_ts_foreign_t weir__ts_looks_like(const uint8_t *bytes, size_t length);

#pragma GCC visibility pop

#endif
