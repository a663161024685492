/*
 * ts.h - MPEG transport streams: the packets in a run of bytes, and what they
 * say (ISO/IEC 13818-1).
 *
 * A push parser. Bytes go in, in any chunks; whole packets of 188 bytes and
 * events come out through a settings struct of callbacks. Packets of 192
 * (M2TS: four bytes before each) and 204 bytes (sixteen after each) are
 * recognised and put out as 188.
 *
 *   SEARCH    no packet is believed. Locks after WEIR_TS_LOCK_PACKETS syncs
 *             at one stride, each with a plausible header
 *   LOCKED    each packet begins where the one before ended
 *   FLYWHEEL  a sync byte was wrong: the packet is dropped and counted, the
 *             stride kept. WEIR_TS_LOSS_PACKETS in a row: SEARCH again, from
 *             the first of them on
 *
 * However the input is cut into chunks, packets, events, offsets and counts
 * are the same. Memory is constant. Nothing is allocated after creation.
 */
#ifndef WEIR_TS_H
#define WEIR_TS_H

#include <stddef.h>
#include <stdint.h>

#include "allocator.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_TS_PACKET       188u /* bytes that are put out */
#define WEIR_TS_SYNC         0x47u
#define WEIR_TS_LOCK_PACKETS 5u /* syncs that lock */
#define WEIR_TS_LOCK_AT_END  3u /* the same at the end of the input */
#define WEIR_TS_LOSS_PACKETS 3u /* bad syncs in a row that unlock */
#define WEIR_TS_SEARCH_MAX   ((uint64_t)1 << 20) /* bytes: 1 MiB */
#define WEIR_TS_PIDS         8192u
#define WEIR_TS_NO_PID       0x1fffu   /* the null packets' */
#define WEIR_TS_CLOCK        27000000u /* PCR ticks a second */
#define WEIR_TS_PROGRAMS_MAX 32u       /* of a PAT; further ones are left out */
#define WEIR_TS_STREAMS_MAX  32u       /* of a programme; the same */

typedef struct weir_ts weir_ts_t;

typedef enum weir_ts_state {
  WEIR_TS_SEARCH,
  WEIR_TS_LOCKED,
  WEIR_TS_FLYWHEEL
} weir_ts_state_t;

/* Why a packet can be decoded from. */
typedef enum weir_ts_access_kind {
  WEIR_TS_ACCESS_INDICATOR, /* random_access_indicator at a start of video */
  WEIR_TS_ACCESS_PICTURE,   /* a start of video with an intra picture */
  WEIR_TS_ACCESS_AUDIO      /* a start of audio, where there is no video */
} weir_ts_access_kind_t;

/* What a stream that is no transport stream looks like. */
typedef enum weir_ts_foreign {
  WEIR_TS_FOREIGN_UNKNOWN,
  WEIR_TS_FOREIGN_HTML,
  WEIR_TS_FOREIGN_PLAYLIST, /* #EXTM3U */
  WEIR_TS_FOREIGN_RIFF,
  WEIR_TS_FOREIGN_MP4,
  WEIR_TS_FOREIGN_MATROSKA,
  WEIR_TS_FOREIGN_OGG,
  WEIR_TS_FOREIGN_FLV,
  WEIR_TS_FOREIGN_MP3,
  WEIR_TS_FOREIGN_JSON,
  WEIR_TS_FOREIGN_TEXT
} weir_ts_foreign_t;

/* An elementary stream of a programme, as its PMT has it. */
typedef struct weir_ts_stream {
  uint16_t pid;
  uint8_t type;     /* stream_type, ISO/IEC 13818-1 table 2-34 */
  uint8_t is_video; /* a video type that the scanner knows */
  uint8_t is_audio;
} weir_ts_stream_t;

typedef struct weir_ts_program {
  uint16_t number;
  uint16_t pmt_pid;
  uint16_t pcr_pid; /* WEIR_TS_NO_PID: none */
  uint8_t version;  /* of its PMT */
  uint8_t is_known; /* its PMT has been read */
  uint32_t streams; /* in the list below */
  weir_ts_stream_t stream[WEIR_TS_STREAMS_MAX];
} weir_ts_program_t;

/* Where decoding can begin. */
typedef struct weir_ts_access {
  uint64_t packet; /* number of the packet, from 0, among those put out */
  uint64_t offset; /* of its sync byte in the input */
  uint16_t pid;
  weir_ts_access_kind_t kind;
} weir_ts_access_t;

typedef struct weir_ts_pcr {
  uint64_t packet;
  uint64_t offset;
  uint64_t value; /* 27 MHz ticks, below 2^33 * 300 */
  uint16_t pid;
  uint8_t is_discontinuous; /* by discontinuity_indicator */
} weir_ts_pcr_t;

typedef struct weir_ts_counters {
  uint64_t bytes;   /* taken */
  uint64_t packets; /* put out */
  uint64_t dropped; /* packets with a bad sync byte while locked */
  uint64_t skipped; /* bytes in no packet: garbage, headers, trailers
                       of 192 and 204 not among them */
  uint64_t locks;
  uint64_t losses;
  uint64_t continuity;   /* continuity errors over all PIDs */
  uint64_t announced;    /* discontinuities: discontinuity_indicator */
  uint64_t duplicates;   /* legal ones */
  uint64_t transport;    /* packets with transport_error_indicator */
  uint64_t sections;     /* of PAT and PMT with a right CRC */
  uint64_t bad_sections; /* with a wrong one */
  uint64_t access_points;
} weir_ts_counters_t;

/*
 * Every field may be NULL. Without on_program, on_continuity, on_pid, on_pcr
 * and on_access the scanner touches one byte of a packet, and knows programmes,
 * continuity, rate and duration no more than before; with any of them it knows
 * all. Callbacks run within weir_ts_push() and weir_ts_end(), and must not
 * call these, weir_ts_reset() or weir_ts_destroy(). Pointers are valid during
 * the call only.
 *
 * Events carry the number of the packet they are of. An event of a packet may
 * come before or after the on_packets that hands the packet over, and an
 * access point's comes as late as its picture is known; the order among
 * events is that of the input, whatever the chunks.
 */
typedef struct weir_ts_settings {
  /* `count` whole packets of 188 bytes lie one after another at `packets`;
   * the first is number `first`. Their concatenation does not depend on the
   * chunks, how they are grouped does. */
  void (*on_packets)(weir_ts_t *ts, const uint8_t *packets, size_t count,
                     uint64_t first);
  /* Locked: the first packet's sync byte lies at `offset` of the input. */
  void (*on_lock)(weir_ts_t *ts, uint64_t offset, uint32_t stride);
  /* The lock is lost; searching goes on at `offset`. */
  void (*on_loss)(weir_ts_t *ts, uint64_t offset);
  /* The PAT (called for each of its programmes), or the PMT of a programme, is
   * new or has changed: its CRC is right and current_next_indicator set.
   * `packet` is the one that completed it. */
  void (*on_program)(weir_ts_t *ts, const weir_ts_program_t *program,
                     uint64_t packet);
  /* A continuity counter is not what it had to be. */
  void (*on_continuity)(weir_ts_t *ts, uint16_t pid, uint8_t expected,
                        uint8_t found, uint64_t packet);
  /* The first packet of a PID since the input began (creation, weir_ts_end(),
   * weir_ts_reset()); `continuity` is what the counter of a packet with payload
   * just before it would have been. */
  void (*on_pid)(weir_ts_t *ts, uint16_t pid, uint8_t continuity,
                 uint64_t packet);
  void (*on_pcr)(weir_ts_t *ts, const weir_ts_pcr_t *pcr);
  void (*on_access)(weir_ts_t *ts, const weir_ts_access_t *access);
  /* Searched through WEIR_TS_SEARCH_MAX bytes without a lock: nothing more is
   * taken, weir_ts_push() returns WEIR_ENOTTS until weir_ts_reset(). Or the
   * input ended and there was no packet in it. */
  void (*on_foreign)(weir_ts_t *ts, weir_ts_foreign_t looks_like);
} weir_ts_settings_t;

typedef struct weir_ts_options {
  size_t size;
  weir_ts_settings_t settings;
  const weir_allocator_t *allocator; /* NULL: malloc, free */
  void *data;
} weir_ts_options_t;

/* UV_ENOMEM, WEIR_EOPTION. */
WEIR_EXTERN WEIR_NODISCARD int weir_ts_create(weir_ts_t **ts,
                                              const weir_ts_options_t *options);
/* NULL is a no-op. */
WEIR_EXTERN void weir_ts_destroy(weir_ts_t *ts);

/* Takes the next bytes of the input. 0, or WEIR_ENOTTS. O(length). */
WEIR_EXTERN int weir_ts_push(weir_ts_t *ts, const void *bytes, size_t length);

/*
 * The input has ended: what is held back is decided by the rule for the end
 * (WEIR_TS_LOCK_AT_END); a trailing fragment is counted as skipped and never
 * glued to what is pushed afterwards. The scanner searches anew; counters,
 * packet numbers, offsets and what is known of programmes go on, but a
 * continuity counter or PCR that does not follow from the last one is none
 * that counts. WEIR_ENOTTS when no packet was found in a non-empty input.
 */
WEIR_EXTERN int weir_ts_end(weir_ts_t *ts);

/* Forgets the input so far, phase, programmes, continuity and clock; counters,
 * packet numbers and offsets go on. For a source that was connected again. */
WEIR_EXTERN void weir_ts_reset(weir_ts_t *ts);

WEIR_EXTERN weir_ts_state_t weir_ts_state(const weir_ts_t *ts);

/* 188, 192 or 204; 0 while it is not locked. */
WEIR_EXTERN uint32_t weir_ts_stride(const weir_ts_t *ts);

WEIR_EXTERN void weir_ts_counters(const weir_ts_t *ts,
                                  weir_ts_counters_t *counters);

/* Programmes of the current PAT. */
WEIR_EXTERN uint32_t weir_ts_programs(const weir_ts_t *ts);

/* The programme at `index`, below weir_ts_programs(); NULL beyond. Valid
 * until the next push. */
WEIR_EXTERN const weir_ts_program_t *weir_ts_program(const weir_ts_t *ts,
                                                     uint32_t index);

/*
 * Packets that a decoder needs before it can begin: the last whole PAT, and
 * the last whole PMT of each programme, rebuilt as packets of 188 bytes with
 * continuity counters 0 (`pids` tells which packet is whose, for the caller to
 * number them). At most `room` packets; returns how many, 0 while there is no
 * PAT, or WEIR_EOPTION when they are more than `room`.
 */
WEIR_EXTERN int weir_ts_psi(const weir_ts_t *ts, uint8_t *packets,
                            uint16_t *pids, size_t room);

/* The continuity counter of the last packet of a PID; -1 when there was none
 * since the last reset. */
WEIR_EXTERN int weir_ts_continuity(const weir_ts_t *ts, uint16_t pid);

/*
 * Bits a second by the PCRs of the first programme's PCR PID, over the last
 * seconds (about ten PCRs at first); 0 while not known. Steps back, or beyond
 * five seconds, and those across a discontinuity do not count.
 */
WEIR_EXTERN double weir_ts_bitrate(const weir_ts_t *ts);

/* Ticks from the first PCR of the first programme to its last, summed over
 * steps that count as above; 0 with less than two. Wraps are seen through. */
WEIR_EXTERN uint64_t weir_ts_duration(const weir_ts_t *ts);

WEIR_EXTERN void *weir_ts_data(const weir_ts_t *ts);

/* "a web page", "a playlist", ...; static storage. */
WEIR_EXTERN const char *weir_ts_foreign_name(weir_ts_foreign_t looks_like);

/*
 * One-shot search by the same rule: the offset >= from of the first sync byte
 * of a run of WEIR_TS_LOCK_PACKETS, or of as many as fit until the end but at
 * least WEIR_TS_LOCK_AT_END, and its stride. -1 when there is none. Pure, any
 * thread.
 */
WEIR_EXTERN int64_t weir_ts_find_sync(const void *bytes, size_t length,
                                      size_t from, uint32_t *stride);

/* An adaptation-field-only packet on `pid` with discontinuity_indicator set,
 * ISO/IEC 13818-1 2.4.3.4: what precedes bytes that do not continue those
 * before. It has to come on every PID, since each has a counter of its own.
 * Such a packet does not advance the counter: the next one's with payload is
 * `continuity` + 1. */
WEIR_EXTERN void weir_ts_discontinuity(uint8_t packet[WEIR_TS_PACKET],
                                       uint16_t pid, uint8_t continuity);

WEIR_END_DECLS

#endif
