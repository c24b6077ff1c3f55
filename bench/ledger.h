/* What has come, and how long it took: verifies each member's messages, collects times. Knows no line and no clock. */

#ifndef LEDGER_H
#define LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -- times */

enum { SUB = 64, BUCKETS = 60 * SUB };

/* Of nanoseconds; a bucket is at most 1.6 % wide. */
struct histogram {
    uint64_t counts[BUCKETS], total;
    int64_t max;
};

void record(struct histogram *histogram, int64_t value);

/* The upper end of the bucket that holds this share of all, so never flattering; 0 when there are none. */
int64_t percentile(const struct histogram *histogram, double share);

/* ,"name":{"count", "p50", "p90", "p99", "max"}, in milliseconds. */
void print_histogram(const char *name, const struct histogram *histogram);

/* -- faults */

/* What went wrong in the whole run; all of it must stay 0. `first` says in words what it was. */
struct faults {
    uint64_t lost, doubled, out_of_order, orders_differ, leaked, garbled, refused, unanswered, closed;
    char first[160];
};

extern struct faults faults;

__attribute__((format(printf, 2, 3))) void fault(uint64_t *which, const char *format, ...);

void print_faults(void);
uint64_t all_faults(void);

/* -- messages */

/* What one member has of one sender. */
struct view {
    uint64_t next;   /* the number that is due */
    uint64_t passed; /* how many have been passed over and not come since */
    uint64_t recent; /* bit i: number next - 1 - i is one of these */
};

/* One member's account. `order`: a rolling hash of all that came, equal for all who saw the same in the same order. */
struct ledger {
    unsigned room, place;
    struct view *views; /* by sender */
    uint64_t order;
};

void open_ledger(struct ledger *ledger, unsigned room, unsigned place, unsigned senders);

/* Enters a message, `id` being the server's; false for one that was there before, which is a fault. */
bool enter(struct ledger *ledger, unsigned sender, uint64_t number, const char *id, size_t id_length);

/* How many of the `sent` messages of a sender are missing here. */
uint64_t missing(const struct ledger *ledger, unsigned sender, uint64_t sent);

#endif
