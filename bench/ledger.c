/* See ledger.h. */

#include "ledger.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* -- times */

/* Values below 2 * SUB have a bucket each; above, each doubling has SUB of them. */
void record(struct histogram *histogram, int64_t value) {
    if (value < 0) value = 0;
    unsigned shift = value < 2 * SUB ? 0 : 57 - (unsigned)__builtin_clzll((uint64_t)value);
    histogram->counts[shift * SUB + (unsigned)(value >> shift)]++;
    histogram->total++;
    if (value > histogram->max) histogram->max = value;
}

int64_t percentile(const struct histogram *histogram, double share) {
    uint64_t wanted = (uint64_t)ceil((double)histogram->total * share), seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen < wanted || seen == 0) continue;
        unsigned shift = i < 2 * SUB ? 0 : i / SUB - 1;
        int64_t end = (((int64_t)i - (int64_t)shift * SUB + 1) << shift) - 1;
        return end < histogram->max ? end : histogram->max;
    }
    return 0;
}

void print_histogram(const char *name, const struct histogram *histogram) {
    printf(",\"%s\":{\"count\":%" PRIu64 ",\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name,
           histogram->total, (double)percentile(histogram, 0.5) / 1e6, (double)percentile(histogram, 0.9) / 1e6,
           (double)percentile(histogram, 0.99) / 1e6, (double)histogram->max / 1e6);
}

/* -- faults */

struct faults faults;

void fault(uint64_t *which, const char *format, ...) {
    (*which)++;
    if (faults.first[0]) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(faults.first, sizeof faults.first, format, arguments);
    va_end(arguments);
}

void print_faults(void) {
    printf(",\"faults\":{\"lost\":%" PRIu64 ",\"doubled\":%" PRIu64 ",\"out_of_order\":%" PRIu64
           ",\"orders_differ\":%" PRIu64 ",\"leaked\":%" PRIu64 ",\"garbled\":%" PRIu64 ",\"refused\":%" PRIu64
           ",\"unanswered\":%" PRIu64 ",\"closed\":%" PRIu64 "}",
           faults.lost, faults.doubled, faults.out_of_order, faults.orders_differ, faults.leaked, faults.garbled,
           faults.refused, faults.unanswered, faults.closed);
}

uint64_t all_faults(void) {
    return faults.lost + faults.doubled + faults.out_of_order + faults.orders_differ + faults.leaked +
           faults.garbled + faults.refused + faults.unanswered + faults.closed;
}

/* -- messages */

void open_ledger(struct ledger *ledger, unsigned room, unsigned place, unsigned senders) {
    ledger->room = room, ledger->place = place;
    ledger->views = calloc(senders, sizeof *ledger->views);
    if (!ledger->views) abort();
    for (unsigned sender = 0; sender < senders; sender++) ledger->views[sender].next = 1;
}

/* Whether a number that is not due any more has been missing until now. */
static bool was_passed(struct view *view, uint64_t number) {
    uint64_t back = view->next - 1 - number, bit = back < 64 ? UINT64_C(1) << back : 0;
    if (bit ? !(view->recent & bit) : !view->passed) return false;
    view->recent &= ~bit;
    view->passed--;
    return true;
}

bool enter(struct ledger *ledger, unsigned sender, uint64_t number, const char *id, size_t id_length) {
    struct view *view = &ledger->views[sender];
    bool is_new = true;
    if (number >= view->next) {
        uint64_t gap = number - view->next;
        view->recent = gap < 63 ? ((view->recent << gap) | ((UINT64_C(1) << gap) - 1)) << 1 : ~UINT64_C(1);
        view->passed += gap;
        view->next = number + 1;
    } else if (was_passed(view, number)) {
        fault(&faults.out_of_order, "out of order: room %u, member %u: number %" PRIu64 " of sender %u came late",
              ledger->room, ledger->place, number, sender);
    } else {
        fault(&faults.doubled, "doubled: room %u, member %u: number %" PRIu64 " of sender %u", ledger->room,
              ledger->place, number, sender);
        is_new = false;
    }
    for (size_t i = 0; i < id_length; i++) ledger->order = ledger->order * 31 + (uint8_t)id[i];
    ledger->order = (ledger->order ^ number << 20 ^ sender) * UINT64_C(0x9e3779b97f4a7c15);
    return is_new;
}

uint64_t missing(const struct ledger *ledger, unsigned sender, uint64_t sent) {
    return sent + 1 - ledger->views[sender].next + ledger->views[sender].passed;
}
