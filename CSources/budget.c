/* budget.c - what the fan-outs of one loop may spend in one turn of it. */
#include "budget.h"

#include "allocation.h"
#include "weir/fanout.h"

struct weir_budget {
  uv_prepare_t turn; /* before each poll: a turn is over */
  uint64_t left;     /* ns */
  weir_allocator_t allocator;
};

static void on_turn(uv_prepare_t *turn) {
  weir_budget_t *budget = turn->data;
  budget->left = WEIR_FANOUT_BURST_NS;
}

int weir_budget_create(uv_loop_t *loop, weir_budget_t **budget,
                       const weir_allocator_t *allocator) {
  weir_allocator_t from = weir__allocator(allocator);
  weir_budget_t *made = weir__allocate(&from, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->allocator = from;
  made->left = WEIR_FANOUT_BURST_NS;
  (void)uv_prepare_init(loop, &made->turn);
  made->turn.data = made;
  (void)uv_prepare_start(&made->turn, on_turn);
  uv_unref((uv_handle_t *)&made->turn);
  *budget = made;
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  weir_budget_t *budget = handle->data;
  weir__release(&budget->allocator, budget, sizeof *budget);
}

void weir_budget_close(weir_budget_t *budget) {
  if (budget != NULL) uv_close((uv_handle_t *)&budget->turn, on_closed);
}

uint64_t weir__budget_left(const weir_budget_t *budget) {
  return budget != NULL ? budget->left : WEIR_FANOUT_BURST_NS;
}

void weir__budget_spend(weir_budget_t *budget, uint64_t nanoseconds) {
  if (budget == NULL) return;
  budget->left -= nanoseconds < budget->left ? nanoseconds : budget->left;
}
