/* budget.h - a loop's budget as the fan-outs spend it. */
#ifndef WEIR_BUDGET_STATE_H
#define WEIR_BUDGET_STATE_H

#include <stdint.h>

#include "weir/budget.h"

#pragma GCC visibility push(hidden)

/* Nanoseconds left of this turn; all of a burst's for no budget. */
uint64_t weir__budget_left(const weir_budget_t *budget);

/* Takes off what was used. */
void weir__budget_spend(weir_budget_t *budget, uint64_t nanoseconds);

#pragma GCC visibility pop

#endif
