/*
 * phase.h - the phase slots of a flush window.
 *
 * A window is cut into equal steps, one slot of listeners to a step, so that
 * a thousand writes do not come in one burst. Steps lie on an absolute grid:
 * being late once does not move the next.
 *
 * Pure: it is told the time, and knows nothing of sockets.
 */
#ifndef WEIR_PHASE_H
#define WEIR_PHASE_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

#define WEIR__PHASE_SLOTS 256u /* most slots */
/* Listeners in a slot before slots double. Each slot is a wake-up of the loop
 * and of the listeners' side: at 1000 listeners, 64 cost up to a fifth more
 * CPU than one burst of all, 128 a twentieth, and 256 half a millisecond of
 * p99 more than 128 (bench/fanout). */
#define WEIR__PHASE_FULL 128u

/* A link of a circular list; a head links to itself when the list is empty. */
typedef struct weir__link {
  struct weir__link *next;
  struct weir__link *previous;
} weir__link_t;

static inline void weir__link_init(weir__link_t *head) {
  head->next = head;
  head->previous = head;
}

static inline void weir__link_append(weir__link_t *head, weir__link_t *link) {
  link->next = head;
  link->previous = head->previous;
  head->previous->next = link;
  head->previous = link;
}

static inline void weir__link_remove(weir__link_t *link) {
  link->previous->next = link->next;
  link->next->previous = link->previous;
  weir__link_init(link);
}

static inline int weir__link_is_empty(const weir__link_t *head) {
  return head->next == head;
}

/* Moves everything in one list to the end of another. */
static inline void weir__link_move(weir__link_t *from, weir__link_t *to) {
  if (weir__link_is_empty(from)) return;
  from->next->previous = to->previous;
  to->previous->next = from->next;
  from->previous->next = to;
  to->previous = from->previous;
  weir__link_init(from);
}

typedef struct weir__phase {
  weir__link_t slots[WEIR__PHASE_SLOTS];
  uint32_t sizes[WEIR__PHASE_SLOTS];
  uint32_t count;   /* slots in use, a power of two */
  uint32_t members; /* in all slots */
  uint32_t cursor;  /* the slot that is served next */
  uint32_t due;     /* slots whose time has come, from cursor on */
  uint64_t window;  /* ns */
  uint64_t next;    /* when the next slot becomes due, ns */
} weir__phase_t;

/* An empty schedule. */
void weir__phase_init(weir__phase_t *phase, uint64_t window);

/* Nanoseconds between two slots. */
uint64_t weir__phase_step(const weir__phase_t *phase);

/* Starts the grid: the first slot is due a step after now. */
void weir__phase_start(weir__phase_t *phase, uint64_t now);

/* Counts the slots that became due by `now`; each at most once. */
void weir__phase_advance(weir__phase_t *phase, uint64_t now);

/* Moves the members of the slot at `cursor` to the end of `pass`, where they
 * remain its members, and turns to the next slot. O(1). */
void weir__phase_take(weir__phase_t *phase, weir__link_t *pass);

/* Puts a member that was taken, and is in no list, back into its slot. */
void weir__phase_put(weir__phase_t *phase, weir__link_t *link, uint32_t slot);

/* Makes every slot due. */
void weir__phase_all_due(weir__phase_t *phase);

/* Puts a member into the emptiest slot and returns its number. O(slots). */
uint32_t weir__phase_add(weir__phase_t *phase, weir__link_t *link);

/* Takes a member out of its slot, or out of the pass that took it. O(1). */
void weir__phase_remove(weir__phase_t *phase, weir__link_t *link,
                        uint32_t slot);

/*
 * Doubles the slots when they are full, or halves them when three quarters
 * empty; `moved` is told each member's new slot. Returns 1 when it did, and
 * every slot is due then, so that nobody waits longer than a window. Not while
 * members are in a pass.
 */
int weir__phase_balance(weir__phase_t *phase,
                        void (*moved)(weir__link_t *link, uint32_t slot));

#pragma GCC visibility pop

#endif
