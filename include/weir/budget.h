/*
 * budget.h - what the fan-outs of one loop may spend in one turn of it.
 *
 * Each fan-out keeps its bursts short, but many that are due in the same turn
 * would make it long. Those that share a budget serve, together, for as long
 * as one burst; each serves at least one listener a turn, so that none
 * starves.
 */
#ifndef WEIR_BUDGET_H
#define WEIR_BUDGET_H

#include <stddef.h>
#include <uv.h>

#include "allocator.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

typedef struct weir_budget weir_budget_t;

/* Makes one for a loop. Its handle is unreferenced and wakes nobody.
 * UV_ENOMEM. */
WEIR_EXTERN WEIR_NODISCARD int weir_budget_create(
    uv_loop_t *loop, weir_budget_t **budget, const weir_allocator_t *allocator);

/* Frees it, after the loop has turned once. The fan-outs that share it have
 * been closed before. NULL is a no-op. */
WEIR_EXTERN void weir_budget_close(weir_budget_t *budget);

WEIR_END_DECLS

#endif
