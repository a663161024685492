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

#include "link.h"

#pragma GCC visibility push(hidden)

#define WEIR__PHASE_SLOTS 256u /* most slots */
/* Listeners in a slot before slots double. Each slot is a wake-up of the loop
 * and of the listeners' side, which counts more the rarer they are. Measured
 * with 1000 listeners (bench/fanout), CPU beside one burst of all: at 50 ms
 * 128 in a slot took 1.11 to 1.4 times, 256 1.10 to 1.17; at 100 and 200 ms
 * 256 took 1.11 and 1.20 times, 512 0.95 and 1.03, with the same p99. At 20 ms
 * 256 put p99 past the window by 2 ms. */
#define WEIR__PHASE_FULL         128u
#define WEIR__PHASE_FULL_LONG    256u       /* in windows from here on: */
#define WEIR__PHASE_LONG         50000000u  /* ns */
#define WEIR__PHASE_FULL_LONGEST 512u       /* and from here on: */
#define WEIR__PHASE_LONGEST      100000000u /* ns */

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
