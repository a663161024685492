/* The slots of a window lie on an absolute grid: each is served once a window,
 * lateness moves nothing, and regrouping leaves no gap above a window. */
#include "test.h"

#include "phase.h"

#define MEMBERS 40000u
#define START   1000000007ull

typedef struct member {
  weir__link_t link;
  uint32_t slot;
  uint64_t served; /* when last */
  uint32_t times;
} member_t;

static member_t members[MEMBERS];

static void on_moved(weir__link_t *link, uint32_t slot) {
  ((member_t *)link)->slot = slot;
}

static void join(weir__phase_t *phase, member_t *member, uint64_t now) {
  weir__link_init(&member->link);
  member->slot = weir__phase_add(phase, &member->link);
  member->served = now;
  member->times = 0;
}

/* Serves what is due; returns how many slots that were. */
static uint32_t serve(weir__phase_t *phase, uint64_t now) {
  uint32_t slots = 0;
  while (phase->due > 0) {
    weir__link_t pass;
    weir__link_init(&pass);
    uint32_t slot = phase->cursor;
    weir__phase_take(phase, &pass);
    slots++;
    while (pass.next != &pass) {
      member_t *member = (member_t *)pass.next;
      CHECK_EQ(member->slot, slot);
      weir__link_remove(&member->link);
      weir__phase_put(phase, &member->link, member->slot);
      member->served = now;
      member->times++;
    }
  }
  return slots;
}

static void check_sizes(const weir__phase_t *phase) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < WEIR__PHASE_SLOTS; i++) {
    uint32_t size = 0;
    for (const weir__link_t *at = phase->slots[i].next; at != &phase->slots[i];
         at = at->next)
      size++;
    CHECK_EQ(phase->sizes[i], size);
    if (i >= phase->count) CHECK_EQ(size, 0);
    sum += size;
  }
  CHECK_EQ(phase->members, sum);
  CHECK(phase->due <= phase->count);
  CHECK_EQ(phase->count & (phase->count - 1), 0);
}

/* Turned every millisecond and a bit, sometimes very late: after any time the
 * number of slots served is the number of steps that went by. */
static void test_no_drift(void) {
  static weir__phase_t phase;
  uint64_t window = 20000000;
  weir__phase_init(&phase, window);
  for (uint32_t i = 0; i < 300; i++)
    join(&phase, &members[i], START);
  while (weir__phase_balance(&phase, on_moved)) {
  }
  CHECK_EQ(phase.count, 4);
  serve(&phase, START);
  weir__phase_start(&phase, START);
  uint64_t step = weir__phase_step(&phase);
  CHECK_EQ(step * phase.count, window);
  uint64_t seed = 7, now = START, slots = 0;
  for (int i = 0; i < 100000; i++) {
    now += test_random(&seed) % step; /* never a whole window late */
    weir__phase_advance(&phase, now);
    slots += serve(&phase, now);
    CHECK_EQ(slots, (now - START) / step);
    CHECK_EQ(phase.next, START + (slots + 1) * step);
  }
  /* Each once a window. */
  uint32_t rounds = (uint32_t)(slots / phase.count);
  for (uint32_t i = 0; i < 300; i++)
    CHECK(members[i].times == rounds + 1 || members[i].times == rounds + 2);
}

/* Late by many windows: each slot is due once, and the grid stays. */
static void test_lateness(void) {
  static weir__phase_t phase;
  weir__phase_init(&phase, 5000000);
  for (uint32_t i = 0; i < 400; i++)
    join(&phase, &members[i], START);
  weir__phase_balance(&phase, on_moved);
  serve(&phase, START);
  CHECK_EQ(phase.count, 4);
  weir__phase_start(&phase, START);
  uint64_t step = weir__phase_step(&phase);
  uint64_t now = START + 1000 * step + step / 2;
  weir__phase_advance(&phase, now);
  CHECK_EQ(phase.due, 4);
  CHECK_EQ(phase.next, START + 1001 * step);
  weir__phase_advance(&phase, now); /* time that was counted is not again */
  CHECK_EQ(phase.due, 4);
  CHECK_EQ(serve(&phase, now), 4);
  weir__phase_advance(&phase, phase.next - 1);
  CHECK_EQ(phase.due, 0);
  weir__phase_advance(&phase, phase.next);
  CHECK_EQ(phase.due, 1);
}

/* Members come and go by the thousand, turned on time: nobody waits longer
 * than a window, and no slot is fuller than a burst. */
static void test_balance(uint64_t window, uint32_t full) {
  static weir__phase_t phase;
  memset(members, 0, sizeof members);
  weir__phase_init(&phase, window);
  uint64_t seed = 99, now = START;
  uint32_t count = 0;
  weir__phase_start(&phase, now);
  for (int i = 0; i < 4000; i++) {
    int growing = i / 500 % 2 == 0;
    uint32_t change = (uint32_t)(test_random(&seed) % 100);
    for (uint32_t k = 0; k < change; k++) {
      if (growing && count < MEMBERS) {
        join(&phase, &members[count++], now);
      } else if (!growing && count > 0) {
        member_t *gone = &members[--count];
        weir__phase_remove(&phase, &gone->link, gone->slot);
      }
    }
    now += weir__phase_step(&phase);
    if (weir__phase_balance(&phase, on_moved)) {
      CHECK_EQ(phase.due, phase.count);
      weir__phase_start(&phase, now);
    } else {
      weir__phase_advance(&phase, now);
    }
    serve(&phase, now);
    if (i % 50 == 0) check_sizes(&phase);
    for (uint32_t k = 0; k < count; k++)
      CHECK(now - members[k].served <= window);
    if (phase.count < WEIR__PHASE_SLOTS)
      CHECK(phase.members <= phase.count * full);
  }
  CHECK(count < 1000);
  /* Down to nobody: one slot again. */
  while (count > 0) {
    member_t *gone = &members[--count];
    weir__phase_remove(&phase, &gone->link, gone->slot);
  }
  weir__phase_balance(&phase, on_moved);
  CHECK_EQ(phase.count, 1);
  check_sizes(&phase);
}

int main(void) {
  test_no_drift();
  test_lateness();
  test_balance(WEIR__PHASE_LONG - 1, WEIR__PHASE_FULL);
  test_balance(WEIR__PHASE_LONGEST - 1, WEIR__PHASE_FULL_LONG);
  test_balance(WEIR__PHASE_LONGEST, WEIR__PHASE_FULL_LONGEST);
  return 0;
}
