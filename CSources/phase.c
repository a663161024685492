/* phase.c - the phase slots of a flush window. */
#include "phase.h"

void weir__phase_init(weir__phase_t *phase, uint64_t window) {
  for (uint32_t i = 0; i < WEIR__PHASE_SLOTS; i++) {
    weir__link_init(&phase->slots[i]);
    phase->sizes[i] = 0;
  }
  phase->count = 1;
  phase->members = 0;
  phase->cursor = 0;
  phase->due = 0;
  phase->window = window;
  phase->next = 0;
}

uint64_t weir__phase_step(const weir__phase_t *phase) {
  return phase->window / phase->count;
}

void weir__phase_start(weir__phase_t *phase, uint64_t now) {
  phase->next = now + weir__phase_step(phase);
}

void weir__phase_advance(weir__phase_t *phase, uint64_t now) {
  if (now < phase->next) return;
  uint64_t steps = (now - phase->next) / weir__phase_step(phase) + 1;
  phase->next += steps * weir__phase_step(phase);
  uint64_t due = phase->due + steps;
  phase->due = due < phase->count ? (uint32_t)due : phase->count;
}

void weir__phase_take(weir__phase_t *phase, weir__link_t *pass) {
  weir__link_move(&phase->slots[phase->cursor], pass);
  phase->cursor = (phase->cursor + 1) & (phase->count - 1);
  if (phase->due > 0) phase->due--;
}

void weir__phase_put(weir__phase_t *phase, weir__link_t *link, uint32_t slot) {
  weir__link_append(&phase->slots[slot], link);
}

void weir__phase_all_due(weir__phase_t *phase) {
  phase->due = phase->count;
}

uint32_t weir__phase_add(weir__phase_t *phase, weir__link_t *link) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < phase->count; i++)
    if (phase->sizes[i] < phase->sizes[best]) best = i;
  weir__link_append(&phase->slots[best], link);
  phase->sizes[best]++;
  phase->members++;
  return best;
}

void weir__phase_remove(weir__phase_t *phase, weir__link_t *link,
                        uint32_t slot) {
  weir__link_remove(link);
  phase->sizes[slot]--;
  phase->members--;
}

static uint32_t fitting_count(const weir__phase_t *phase) {
  uint32_t full = WEIR__PHASE_FULL;
  if (phase->window >= WEIR__PHASE_LONG) full = WEIR__PHASE_FULL_LONG;
  if (phase->window >= WEIR__PHASE_LONGEST) full = WEIR__PHASE_FULL_LONGEST;
  uint32_t count = phase->count;
  while (count < WEIR__PHASE_SLOTS && phase->members > count * full)
    count *= 2;
  while (count > 1 && phase->members < count * full / 4)
    count /= 2;
  return count;
}

int weir__phase_balance(weir__phase_t *phase,
                        void (*moved)(weir__link_t *link, uint32_t slot)) {
  uint32_t count = fitting_count(phase);
  if (count == phase->count) return 0;

  weir__link_t all;
  weir__link_init(&all);
  for (uint32_t i = 0; i < phase->count; i++) {
    weir__link_move(&phase->slots[i], &all);
    phase->sizes[i] = 0;
  }
  phase->count = count;
  phase->cursor = 0;
  phase->due = count;
  for (uint32_t i = 0; !weir__link_is_empty(&all); i = (i + 1) & (count - 1)) {
    weir__link_t *link = all.next;
    weir__link_remove(link);
    weir__link_append(&phase->slots[i], link);
    phase->sizes[i]++;
    moved(link, i);
  }
  return 1;
}
