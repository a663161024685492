/* hiredis as Swift sees it. */
#include <hiredis/hiredis.h>
