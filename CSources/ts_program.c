/*
 * ts_program.c - programmes: what PAT and PMT say (ISO/IEC 13818-1 2.4.4.3,
 * 2.4.4.8), and these tables as packets again.
 *
 * A programme keeps its slot from one PAT to the next, so that its PMT stays
 * known; `list` has them in the PAT's order.
 */
#include <string.h>

#include "ts_state.h"
#include "weir/errors.h"

#define CRC 4u

/* stream_type, table 2-34 and registrations that are in use: MPEG-1, MPEG-2,
 * MPEG-4 part 2, H.264, HEVC, VVC, AVS, AVS2, VC-1; MPEG-1 and MPEG-2 audio,
 * AAC as ADTS and LATM, AC-3, E-AC-3. */
static const uint8_t videos[] = {0x01, 0x02, 0x10, 0x1b, 0x24,
                                 0x33, 0x42, 0xd2, 0xea};
static const uint8_t audios[] = {0x03, 0x04, 0x0f, 0x11, 0x81, 0x87};

static uint16_t get16(const uint8_t *from) {
  return (uint16_t)(from[0] << 8 | from[1]);
}

static weir__ts_slot_t *slot_of(weir_ts_t *ts, uint16_t number, uint16_t pid) {
  for (size_t i = 0; i < WEIR_TS_PROGRAMS_MAX; i++) {
    weir__ts_slot_t *slot = &ts->slots[i];
    if (slot->is_listed && slot->program.number == number &&
        slot->program.pmt_pid == pid)
      return slot;
  }
  return NULL;
}

const weir__ts_section_t *weir__ts_kept(weir_ts_t *ts, uint16_t pid,
                                        const uint8_t *section) {
  if (pid == 0)
    return section[6] < WEIR__TS_PAT_SECTIONS ? &ts->pat[section[6]] : NULL;
  weir__ts_slot_t *slot = slot_of(ts, get16(section + 3), pid);
  return slot != NULL ? &slot->pmt : NULL;
}

int weir__ts_is_read(const weir_ts_t *ts, uint16_t pid) {
  if (pid == 0) return ts->listed > 0;
  for (size_t i = 0; i < ts->listed; i++) {
    const weir_ts_program_t *program = &ts->slots[ts->list[i]].program;
    if (program->pmt_pid == pid && !program->is_known) return 0;
  }
  return 1;
}

static void keep(weir__ts_section_t *kept, const uint8_t *bytes,
                 size_t length) {
  memcpy(kept->bytes, bytes, length);
  kept->length = (uint16_t)length;
}

static void report(weir_ts_t *ts, const weir__ts_slot_t *slot,
                   uint64_t packet) {
  if (ts->settings.on_program != NULL)
    ts->settings.on_program(ts, &slot->program, packet);
}

/* Where a programme's access points are looked for: its first video, or else
 * its first audio, or else what has the clock. */
static void choose(weir__ts_slot_t *slot) {
  const weir_ts_stream_t *chosen = NULL;
  int best = 0;
  for (uint32_t i = 0; i < slot->program.streams; i++) {
    const weir_ts_stream_t *stream = &slot->program.stream[i];
    int rank = stream->is_video   ? 3
               : stream->is_audio ? 2
                                  : stream->pid == slot->program.pcr_pid;
    if (rank <= best) continue;
    best = rank;
    chosen = stream;
  }
  uint16_t pid = chosen != NULL ? chosen->pid : WEIR_TS_NO_PID;
  uint8_t type = chosen != NULL ? chosen->type : 0;
  if (pid == slot->watch.pid && type == slot->watch.type) return;
  slot->watch = (weir__ts_watch_t){
      .pid = pid, .type = type, .is_video = chosen != NULL && chosen->is_video};
}

/* Says anew what each PID is. */
static void assign(weir_ts_t *ts) {
  for (size_t pid = 0; pid < WEIR_TS_PIDS; pid++)
    ts->pids[pid] &= 0xff;
  ts->pids[0] |= WEIR__TS_ROLE_PSI << 8;
  for (size_t i = 0; i < ts->listed; i++)
    ts->pids[ts->slots[ts->list[i]].program.pmt_pid] |= WEIR__TS_ROLE_PSI << 8;
  for (size_t i = 0; i < ts->listed; i++) {
    uint16_t watched = ts->slots[ts->list[i]].watch.pid;
    if (watched != WEIR_TS_NO_PID && ts->pids[watched] >> 8 == 0)
      ts->pids[watched] |= (uint16_t)((WEIR__TS_ROLE_WATCH | ts->list[i]) << 8);
  }
  const weir_ts_program_t *first = weir_ts_program(ts, 0);
  int has_clock = first != NULL && first->is_known;
  weir__ts_clock_follow(ts, has_clock ? first->pcr_pid : WEIR_TS_NO_PID);
}

/* The PAT is whole: who is in it. */
static void list(weir_ts_t *ts, uint64_t packet) {
  for (size_t i = 0; i < WEIR__TS_ASSEMBLIES; i++)
    ts->assemblies[i].length = 0;
  struct {
    uint16_t number;
    uint16_t pid;
    weir__ts_slot_t *slot;
  } entries[WEIR_TS_PROGRAMS_MAX];
  size_t count = 0;
  for (size_t i = 0; i <= ts->pat_last; i++) {
    const weir__ts_section_t *section = &ts->pat[i];
    for (size_t at = 8; at + 4 + CRC <= section->length; at += 4) {
      uint16_t number = get16(section->bytes + at);
      uint16_t pid = weir__ts_get13(section->bytes + at + 2);
      if (number == 0 || pid == 0 || pid == WEIR_TS_NO_PID) continue;
      size_t k = 0; /* once, though it be listed twice */
      while (k < count &&
             (entries[k].number != number || entries[k].pid != pid))
        k++;
      if (k < count || count == WEIR_TS_PROGRAMS_MAX) continue;
      entries[count].number = number;
      entries[count].pid = pid;
      entries[count++].slot = slot_of(ts, number, pid);
    }
  }
  for (size_t i = 0; i < WEIR_TS_PROGRAMS_MAX; i++)
    ts->slots[i].is_listed = 0;
  ts->listed = 0;
  for (size_t i = 0; i < count; i++)
    if (entries[i].slot != NULL) entries[i].slot->is_listed = 1;
  for (size_t i = 0; i < count; i++) {
    weir__ts_slot_t *slot = entries[i].slot;
    if (slot == NULL) {
      for (slot = ts->slots; slot->is_listed;)
        slot++;
      memset(slot, 0, sizeof *slot);
      slot->is_listed = 1;
      slot->watch.pid = WEIR_TS_NO_PID;
      slot->program.number = entries[i].number;
      slot->program.pmt_pid = entries[i].pid;
      slot->program.pcr_pid = WEIR_TS_NO_PID;
    }
    ts->list[ts->listed++] = (uint8_t)(slot - ts->slots);
  }
  assign(ts);
  for (size_t i = 0; i < ts->listed; i++)
    report(ts, &ts->slots[ts->list[i]], packet);
}

static void forget_pat(weir_ts_t *ts) {
  ts->pat_have = 0;
  for (size_t i = 0; i < WEIR__TS_PAT_SECTIONS; i++)
    ts->pat[i].length = 0;
}

static void read_pat(weir_ts_t *ts, const uint8_t *bytes, size_t length,
                     uint64_t packet) {
  uint8_t version = bytes[5] >> 1 & 31;
  uint8_t number = bytes[6];
  uint8_t last = bytes[7];
  if (last >= WEIR__TS_PAT_SECTIONS || number > last) return;
  if (version != ts->pat_version || last != ts->pat_last) forget_pat(ts);
  ts->pat_version = version;
  ts->pat_last = last;
  ts->pat_have |= 1u << number;
  keep(&ts->pat[number], bytes, length);
  if (ts->pat_have == (2u << last) - 1) list(ts, packet);
}

static void read_pmt(weir_ts_t *ts, uint16_t pid, const uint8_t *bytes,
                     size_t length, uint64_t packet) {
  weir__ts_slot_t *slot = slot_of(ts, get16(bytes + 3), pid);
  if (slot == NULL || bytes[6] != 0 || bytes[7] != 0) return;
  weir_ts_program_t *program = &slot->program;
  keep(&slot->pmt, bytes, length);
  program->version = bytes[5] >> 1 & 31;
  program->pcr_pid = weir__ts_get13(bytes + 8);
  program->is_known = 1;
  program->streams = 0;
  memset(program->stream, 0, sizeof program->stream);
  size_t at = 12 + (get16(bytes + 10) & 0x0fffu);
  while (at + 5 + CRC <= length && program->streams < WEIR_TS_STREAMS_MAX) {
    weir_ts_stream_t *stream = &program->stream[program->streams++];
    stream->type = bytes[at];
    stream->pid = weir__ts_get13(bytes + at + 1);
    stream->is_video = memchr(videos, stream->type, sizeof videos) != NULL;
    stream->is_audio = memchr(audios, stream->type, sizeof audios) != NULL;
    at += 5 + (get16(bytes + at + 3) & 0x0fffu);
  }
  choose(slot);
  assign(ts);
  report(ts, slot, packet);
}

void weir__ts_table(weir_ts_t *ts, uint16_t pid, const uint8_t *bytes,
                    size_t length, uint64_t packet) {
  if (pid == 0)
    read_pat(ts, bytes, length, packet);
  else
    read_pmt(ts, pid, bytes, length, packet);
}

void weir__ts_forget(weir_ts_t *ts) {
  memset(ts->pids, 0, sizeof ts->pids);
  ts->listed = 0;
  forget_pat(ts);
  for (size_t i = 0; i < WEIR__TS_ASSEMBLIES; i++)
    ts->assemblies[i].length = 0;
  for (size_t i = 0; i < WEIR_TS_PROGRAMS_MAX; i++)
    ts->slots[i].is_listed = 0;
  assign(ts);
  ts->clock.total = 0;
}

uint32_t weir_ts_programs(const weir_ts_t *ts) {
  return ts->listed;
}

const weir_ts_program_t *weir_ts_program(const weir_ts_t *ts, uint32_t index) {
  return index < ts->listed ? &ts->slots[ts->list[index]].program : NULL;
}

/* Puts a section into packets; returns how many, also beyond `room`. */
static size_t put(const weir__ts_section_t *section, uint16_t pid,
                  uint8_t *packets, uint16_t *pids, size_t room) {
  size_t count = 0;
  for (size_t at = 0; at < section->length; count++) {
    size_t header = at == 0 ? 5 : 4; /* pointer_field in the first */
    size_t some = WEIR_TS_PACKET - header;
    if (some > section->length - at) some = section->length - at;
    if (count < room) {
      uint8_t *packet = packets + count * WEIR_TS_PACKET;
      memset(packet, 0xff, WEIR_TS_PACKET);
      packet[0] = WEIR_TS_SYNC;
      packet[1] = (uint8_t)((at == 0 ? 0x40 : 0) | pid >> 8);
      packet[2] = (uint8_t)pid;
      packet[3] = 0x10;
      packet[4] = 0;
      memcpy(packet + header, section->bytes + at, some);
      pids[count] = pid;
    }
    at += some;
  }
  return count;
}

int weir_ts_psi(const weir_ts_t *ts, uint8_t *packets, uint16_t *pids,
                size_t room) {
  if (ts->pat_have == 0 || ts->pat_have != (2u << ts->pat_last) - 1) return 0;
  size_t count = 0;
#define PUT(section, pid)                                                    \
  count += put(section, pid, packets + count * WEIR_TS_PACKET, pids + count, \
               room > count ? room - count : 0)
  for (size_t i = 0; i <= ts->pat_last; i++)
    PUT(&ts->pat[i], 0);
  for (size_t i = 0; i < ts->listed; i++) {
    const weir__ts_slot_t *slot = &ts->slots[ts->list[i]];
    if (slot->program.is_known) PUT(&slot->pmt, slot->program.pmt_pid);
  }
#undef PUT
  return count <= room ? (int)count : WEIR_EOPTION;
}
