/* link.h - a list whose links lie in what is listed. */
#ifndef WEIR_LINK_H
#define WEIR_LINK_H

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

#endif
