/* The load of the bench: many clients of one chat server, what they send, and whether all of it comes back right. The
 * server may be several nodes, of which each has its port: members of a room are on one after the other.
 *
 * One thread. Commands come in on standard input, one a line; each is answered by one line of JSON:
 *
 *   join WINDOW SPREAD            all clients connect and join, WINDOW at a time (0: all at once), the first attempts
 *                                 spread over SPREAD ms; who fails tries again after 1, 2, 4, 5, 5 ... s, each times a
 *                                 random number between 0.5 and 1.5, as Socket.IO's own clients do
 *   closed FLIGHT WARM SECONDS    every sender keeps FLIGHT messages on their way; a message is on its way until all
 *                                 members of its room have it, its sender included
 *   open RATE WARM SECONDS LIMIT  messages are due at random times (Poisson), RATE a second in all, each from a random
 *                                 sender; latency counts from when a message was due, whatever happened then. Gives up
 *                                 when it is certain that more than 1 % come later than LIMIT ms (0: any time will
 *                                 do), or when seconds of deliveries are missing
 *   hold SECONDS                  nothing is sent
 *   lose                          waits until the server has closed all lines
 *
 * What is sent in the first WARM seconds is not measured, but verified. A phase ends when everything has arrived. Then
 * every member of a room must have every message of every sender once, in the sender's order, and all members of the
 * room in the same order. Any fault ends the run with status 1, the fault named; 2 means that nothing could be
 * measured. Nothing that the server says about a message is believed: its head says who sent what where and when, and
 * all the rest of it is compared.
 *
 * The lag of the server's loop is measured from outside, by WebSocket pings every 5 ms on one more connection, timed
 * from when they were due: an upper bound, since it holds the way there and back.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <netdb.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "join.h"
#include "ledger.h"
#include "line.h"

enum {
    EVENTS = 256,
    MOST_IN_FLIGHT = 64, /* of one sender in a closed loop */
    RUN_ID = 12,
    HEAD = RUN_ID + 4 + 4 + 8 + 8, /* run, room, sender, number, due: in front of each message, 48 characters */
    HEAD_TEXT = HEAD / 3 * 4,
    SOURCE_PORTS = 16000, /* connections from one loopback address */
    MOST_NODES = 64,
};

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)
#define NEVER INT64_MAX
#define PROBE_PACE (5 * MS)
#define HANDSHAKE_PATIENCE (8 * SECOND) /* Chatsite's own pages have the same, see static/js/client.js */
#define JOIN_PATIENCE (20 * SECOND)
#define SETTLE (30 * MS)        /* how long what comes once too often may take */
#define HOPELESS_BACKLOG 2      /* seconds of deliveries that are missing, where there is a limit */
#define LARGEST_BACKLOG 10      /* where there is none: what waits to be sent waits in memory */
#define LARGEST_MEMORY (UINT64_C(8) << 30)
#define FIRST_SOURCE 0x7f000001 /* 127.0.0.1 */

static struct {
    const char *host, *port;
    bool tls, plain, probe;
    uint8_t site[SALT];
    unsigned rooms, members, senders, size;
    double patience; /* seconds without any arrival after which what is missing is lost */
    uint64_t seed;
} options = {.host = "127.0.0.1", .rooms = 1, .members = 1, .size = 512, .patience = 10, .seed = 1};

enum stage { AWAY, GREETING, ENTERING, KEY_WANTED, JOINING, JOINED };

struct client {
    struct line line; /* first: a line is its client's */
    enum stage stage;
    bool dirty, admitted, acknowledged;
    unsigned said; /* how the server took leave: a close code, 41 for Socket.IO's DISCONNECT, 0 for no word */
    struct ledger ledger;
    struct identity signer;
    char member[MEMBER];
    char socket_id[64];
    size_t socket_id_length;
    struct channel channel;
    unsigned attempts;
    int64_t first_due, next_attempt, deadline;
    uint64_t sent, acked;
    uint16_t *left; /* a ring: how many members do not have a message yet that is on its way in a closed loop */
};

static struct target targets[MOST_NODES];
static struct server_key server_keys[MOST_NODES];
static unsigned nodes;
static int epoll;
static struct client *clients, probe;
static unsigned total, senders_each;
static struct identity *rooms;
static uint8_t run_id[RUN_ID], *body;
static char *tail; /* what follows the head in every message, as text */
static size_t text_length;

static struct client **dirty;
static unsigned dirty_count;
static int64_t arrived; /* when what is being handled was read; 0: not looked yet */
static bool commands_ready, losing;
static unsigned joined, attempting;

static void give_up(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("generator: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(2);
}

/* -- chance: the same in every run */

static uint64_t chance_state;

static uint64_t chance(void) { /* splitmix64 */
    uint64_t z = chance_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static double fraction(void) { return ((double)(chance() >> 11) + 0.5) / 9007199254740992.0; }

/* -- one phase */

static struct {
    bool sending, open;
    unsigned in_flight;
    int64_t began, measured_from, ends, next_due, limit, last_arrival;
    double rate;
    uint64_t sent, acked, expected, received, arrived_in_time, late;
    struct histogram latency, behind; /* behind: how late messages left, which is the generator's own fault */
} phase;

static struct {
    struct histogram lag;
    int64_t next_due;
} probing = {.next_due = NEVER};

static unsigned node_of(const struct client *client) {
    return client == &probe ? 0 : (client->ledger.room + client->ledger.place) % nodes;
}

static const struct target *target_of(struct line *line) { return &targets[node_of((struct client *)line)]; }

static void say(struct client *client, int opcode, const char *text, size_t length) {
    line_queue(&client->line, opcode, text, length);
    if (!client->dirty) {
        client->dirty = true;
        dirty[dirty_count++] = client;
    }
}

static void flush_dirty(void) {
    for (unsigned i = 0; i < dirty_count; i++) {
        dirty[i]->dirty = false;
        line_flush(&dirty[i]->line, target_of(&dirty[i]->line));
    }
    dirty_count = 0;
}

static void put32(uint8_t *to, uint32_t value) { memcpy(to, &value, 4); }
static void put64(uint8_t *to, uint64_t value) { memcpy(to, &value, 8); }

static void send_message(struct client *client, int64_t due) {
    static char text[LARGEST_BODY * 2];
    uint64_t number = ++client->sent;
    put32(body + RUN_ID, client->ledger.room);
    put32(body + RUN_ID + 4, client->ledger.place);
    put64(body + RUN_ID + 8, number);
    put64(body + RUN_ID + 16, (uint64_t)due);
    char *at = text + sprintf(text, "42%" PRIu64 "[\"send_message\",\"", number);
    if (options.plain) {
        at += base64url(at, body, HEAD);
        memcpy(at, tail, text_length - HEAD_TEXT);
        at += text_length - HEAD_TEXT;
    } else {
        at += seal(at, &client->channel, "send_message", body, NONCE + options.size + TAG);
    }
    *at++ = '"', *at++ = ']';
    say(client, TEXT, text, (size_t)(at - text));
    client->left[number % MOST_IN_FLIGHT] = (uint16_t)options.members;
    phase.sent++;
    phase.expected += options.members;
}

/* -- what comes back */

/* The values of {"id", "member", "message"}, in any order. */
struct news {
    const char *id, *member, *message;
    size_t id_length, member_length, message_length;
};

static bool read_news(struct news *news, const char *at, const char *end) {
    memset(news, 0, sizeof *news);
    if (at == end || *at != '{') return false;
    while (at < end && *at != '}') {
        const char *key = at + 2; /* behind { or , and the quote */
        const char *quote = key < end ? memchr(key, '"', (size_t)(end - key)) : NULL;
        if (!quote || quote + 2 >= end || key[-1] != '"' || quote[1] != ':') return false;
        const char *value = quote + 2, *stop;
        if (*value == '"') {
            value++;
            stop = memchr(value, '"', (size_t)(end - value));
            if (!stop) return false;
            at = stop + 1;
        } else {
            for (stop = value; stop < end && *stop != ',' && *stop != '}'; stop++) continue;
            at = stop;
        }
        size_t length = (size_t)(stop - value);
        if (quote - key == 2) {
            news->id = value, news->id_length = length;
        } else if (quote - key == 6) {
            news->member = value, news->member_length = length;
        } else if (quote - key == 7) {
            news->message = value, news->message_length = length;
        }
    }
    return news->id && news->member && news->message;
}

static void measure(int64_t due) {
    bool in_time = arrived >= phase.measured_from && arrived < phase.ends;
    phase.arrived_in_time += in_time;
    if (phase.open ? due >= phase.measured_from && due < phase.ends : in_time) {
        record(&phase.latency, arrived - due);
        phase.late += phase.limit && arrived - due > phase.limit;
    }
}

static void take_message(struct client *client, const char *at, const char *end) {
    struct news news;
    uint8_t head[HEAD];
    uint32_t room, place;
    uint64_t number;
    int64_t due;
    if (!read_news(&news, at, end) || news.message_length != text_length ||
        memcmp(news.message + HEAD_TEXT, tail, text_length - HEAD_TEXT) != 0 ||
        from_base64url(head, news.message, HEAD_TEXT) != HEAD || memcmp(head, run_id, RUN_ID) != 0) {
        fault(&faults.garbled, "garbled: room %u, member %u: %.80s", client->ledger.room, client->ledger.place, at);
        return;
    }
    memcpy(&room, head + RUN_ID, 4);
    memcpy(&place, head + RUN_ID + 4, 4);
    memcpy(&number, head + RUN_ID + 8, 8);
    memcpy(&due, head + RUN_ID + 16, 8);
    if (room != client->ledger.room) {
        fault(&faults.leaked, "leaked: from room %u to room %u", room, client->ledger.room);
        return;
    }
    struct client *sender = &clients[room * options.members + place];
    if (place >= senders_each || number == 0 || number > sender->sent ||
        (!options.plain && (news.member_length != MEMBER || memcmp(news.member, sender->member, MEMBER) != 0))) {
        fault(&faults.garbled, "garbled: room %u, member %u: not its sender's", room, client->ledger.place);
        return;
    }
    if (!arrived) arrived = now_ns();
    phase.last_arrival = arrived;
    if (!enter(&client->ledger, place, number, news.id, news.id_length)) return;
    phase.received++;
    measure(due);
    if (!phase.open && --sender->left[number % MOST_IN_FLIGHT] == 0 && phase.sending) send_message(sender, arrived);
}

/* -- joining */

static void retry(struct client *client, int64_t now) {
    static const int64_t waits[] = {SECOND, 2 * SECOND, 4 * SECOND, 5 * SECOND};
    unsigned wait = client->attempts < 4 ? client->attempts : 3;
    client->attempts++;
    client->next_attempt = now + (int64_t)((double)waits[wait] * (0.5 + fraction()));
    client->stage = AWAY;
    client->deadline = NEVER;
}

static struct {
    uint64_t attempts, failures;
    char first[160];
    struct histogram waited;
} joining;

static void attempt_failed(struct client *client, const char *why, size_t length) {
    joining.failures++;
    if (!joining.first[0]) snprintf(joining.first, sizeof joining.first, "%.*s", (int)length, why);
    attempting--;
    line_drop(&client->line);
    retry(client, now_ns());
}

static void attempt(struct client *client, int64_t now) {
    client->admitted = client->acknowledged = false;
    client->said = 0;
    client->stage = GREETING;
    client->deadline = now + HANDSHAKE_PATIENCE;
    attempting++;
    joining.attempts++;
    uint32_t source = client == &probe ? 0 : FIRST_SOURCE + (uint32_t)(client - clients) / SOURCE_PORTS;
    if (!line_connect(&client->line, target_of(&client->line), source)) {
        if (errno == EMFILE || errno == ENFILE) give_up("too few files may be open: raise the hard limit (ulimit -Hn)");
        attempt_failed(client, "no connection", 13);
    }
}

static void ask_to_join(struct client *client) {
    static char text[JOIN_REQUEST];
    size_t length;
    client->stage = JOINING;
    client->deadline = now_ns() + JOIN_PATIENCE;
    if (options.plain) {
        length = (size_t)sprintf(text, "420[\"join\",\"room-%u\"]", client->ledger.room);
    } else {
        char *at = text + sprintf(text, "420[\"join-room\",");
        at += make_join(at, &client->channel, &server_keys[node_of(client)], options.site, client->socket_id, client->socket_id_length,
                        &rooms[client->ledger.room], &client->signer);
        *at++ = ']';
        length = (size_t)(at - text);
    }
    if (client->channel.cipher) client->channel.counter = 1;
    say(client, TEXT, text, length);
}

static void check_joined(struct client *client) {
    if (client->stage != JOINING || !client->acknowledged || !(client->admitted || options.plain)) return;
    client->stage = JOINED;
    client->deadline = NEVER;
    client->attempts = 0;
    attempting--;
    joined++;
    record(&joining.waited, now_ns() - client->first_due);
}

/* -- what a line tells */

static bool begins(const char *text, size_t length, const char *with) {
    size_t wanted = strlen(with);
    return length >= wanted && memcmp(text, with, wanted) == 0;
}

static void entered(struct client *client, const char *text, size_t length) {
    const char *sid = memmem(text, length, "\"sid\":\"", 7);
    const char *stop = sid ? memchr(sid + 7, '"', length - (size_t)(sid + 7 - text)) : NULL;
    if (!stop || (size_t)(stop - sid - 7) > sizeof client->socket_id) return;
    client->socket_id_length = (size_t)(stop - sid - 7);
    memcpy(client->socket_id, sid + 7, client->socket_id_length);
    if (client == &probe) {
        client->stage = JOINED;
        client->deadline = NEVER;
        attempting--;
        probing.next_due = now_ns();
    } else if (options.plain) {
        ask_to_join(client);
    } else {
        client->stage = KEY_WANTED;
    }
}

static void take_key(struct client *client, const char *text, size_t length) {
    char pem[2048];
    size_t to = 0;
    if (client->stage != KEY_WANTED || length > sizeof pem) return;
    for (size_t i = 0; i < length && text[i] != '"'; i++) {
        bool newline = text[i] == '\\' && i + 1 < length && text[i + 1] == 'n';
        pem[to++] = newline ? '\n' : text[i];
        i += newline;
    }
    learn_server_key(&server_keys[node_of(client)], pem, to);
    ask_to_join(client);
}

static void take_ack(struct client *client, const char *text, size_t length) {
    char *after;
    uint64_t number = strtoull(text, &after, 10); /* behind the digits is always a bracket, in front of `length` */
    bool error = memmem(after, length - (size_t)(after - text), "\"error\"", 7) != NULL;
    if (client->stage == JOINING) {
        if (error) {
            attempt_failed(client, after, length - (size_t)(after - text));
        } else {
            client->acknowledged = true;
            check_joined(client);
        }
    } else if (error || number == 0 || number > client->sent) {
        fault(&faults.refused, "refused: room %u, member %u: %.*s", client->ledger.room, client->ledger.place, (int)length, text);
    } else {
        client->acked++;
        phase.acked++;
        phase.last_arrival = arrived ? arrived : now_ns();
    }
}

static void take_packet(struct client *client, const char *text, size_t length) {
    static const char MESSAGE[] = "42[\"get_message\",", PEM[] = "42[\"send_public_key\",\"", IN[] = "42[\"connected\",";
    if (begins(text, length, MESSAGE)) {
        take_message(client, text + sizeof MESSAGE - 1, text + length);
    } else if (begins(text, length, "43") && memchr(text, '[', length)) {
        take_ack(client, text + 2, length - 2);
    } else if (begins(text, length, "41")) {
        client->said = 41;
    } else if (begins(text, length, "2")) {
        say(client, TEXT, "3", 1);
    } else if (begins(text, length, "0") && client->stage == GREETING) {
        client->stage = ENTERING;
        say(client, TEXT, "40", 2);
    } else if (begins(text, length, "40") && client->stage == ENTERING) {
        entered(client, text, length);
    } else if (begins(text, length, PEM)) {
        take_key(client, text + sizeof PEM - 1, length - sizeof PEM + 1);
    } else if (begins(text, length, IN)) {
        client->admitted = true;
        check_joined(client);
    }
}

static void on_open(struct line *line) { (void)line; }

static void on_frame(struct line *line, int opcode, char *payload, size_t length) {
    struct client *client = (struct client *)line;
    if (opcode == TEXT) {
        take_packet(client, payload, length);
    } else if (opcode == PING) {
        say(client, PONG, payload, length);
    } else if (opcode == CLOSE) {
        client->said = length >= 2 ? (unsigned)((uint8_t)payload[0] << 8 | (uint8_t)payload[1]) : 1005;
        say(client, CLOSE, payload, length);
    } else if (opcode == PONG && length == 8) {
        int64_t due;
        memcpy(&due, payload, 8);
        record(&probing.lag, now_ns() - due);
    }
}

static void on_closed(struct line *line, const char *why) {
    struct client *client = (struct client *)line;
    if (client == &probe) probing.next_due = NEVER;
    if (client->stage != JOINED) {
        attempt_failed(client, why, strlen(why));
        return;
    }
    joined -= client != &probe;
    client->stage = AWAY;
    if (!losing) {
        fault(&faults.closed, "closed: room %u, member %u: %s; its last word was %u", client->ledger.room,
              client->ledger.place, why, client->said);
        client->next_attempt = NEVER;
    }
}

static const struct listener listener = {on_open, on_frame, on_closed};

/* -- one turn of the loop */

static void send_due(int64_t now) {
    while (phase.sending && phase.open && phase.next_due <= now && phase.next_due < phase.ends) {
        uint64_t index = chance() % ((uint64_t)options.rooms * senders_each);
        struct client *sender = &clients[index / senders_each * options.members + index % senders_each];
        if (sender->stage == JOINED) send_message(sender, phase.next_due);
        record(&phase.behind, now - phase.next_due);
        phase.next_due += (int64_t)(-log(fraction()) / phase.rate * 1e9);
    }
    for (; probing.next_due <= now; probing.next_due += PROBE_PACE) {
        say(&probe, PING, (const char *)&probing.next_due, 8);
    }
    flush_dirty();
}

/* Waits until something happens, at most until then, and handles it. */
static void turn(int64_t until) {
    static struct epoll_event events[EVENTS];
    int64_t now = now_ns();
    send_due(now);
    if (probing.next_due < until) until = probing.next_due;
    if (phase.sending && phase.open && phase.next_due < until) until = phase.next_due;
    int64_t pause = until > now ? until - now : 0;
    struct timespec timeout = {pause / SECOND, pause % SECOND};
    int count = epoll_pwait2(epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        struct line *line = events[i].data.ptr;
        if (!line) {
            commands_ready = true;
            continue;
        }
        arrived = 0;
        line_ready(line, target_of(line), &listener, events[i].events);
        send_due(now_ns());
    }
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* -- judging */

/* Nobody has more messages than were sent: what is not here after all has come to rest is lost. */
static void judge(void) {
    for (unsigned i = 0; i < total; i++) {
        struct client *client = &clients[i], *first = &clients[client->ledger.room * options.members];
        for (unsigned place = 0; place < senders_each; place++) {
            uint64_t lost = missing(&client->ledger, place, first[place].sent);
            if (lost) {
                fault(&faults.lost, "lost: room %u, member %u, of sender %u", client->ledger.room, client->ledger.place, place);
                faults.lost += lost - 1;
            }
        }
        if (client->ledger.place < senders_each && client->acked != client->sent) {
            fault(&faults.unanswered, "unanswered: room %u, member %u: %" PRIu64 " of %" PRIu64, client->ledger.room,
                  client->ledger.place, client->acked, client->sent);
        }
        if (client->ledger.order != first->ledger.order) {
            fault(&faults.orders_differ, "order differs: room %u, members 0 and %u", client->ledger.room, client->ledger.place);
        }
    }
}

static bool at_rest(void) { return phase.received >= phase.expected && phase.acked >= phase.sent; }

/* Waits for what is on its way; answers whether all of it came. */
static bool drain(void) {
    phase.last_arrival = now_ns();
    while (!at_rest() && now_ns() - phase.last_arrival < (int64_t)(options.patience * 1e9) && !all_faults()) {
        turn(now_ns() + 10 * MS);
    }
    int64_t rest = now_ns() + SETTLE;
    bool drained = at_rest();
    while (now_ns() < rest) turn(rest);
    return drained;
}

/* Whether the server falls far behind, or it is certain by now that more than one delivery in a hundred is late. */
static bool hopeless(double seconds) {
    double deliveries = phase.rate * options.members, missing_seconds = phase.limit ? HOPELESS_BACKLOG : LARGEST_BACKLOG;
    return (double)(phase.expected - phase.received) > missing_seconds * deliveries ||
           (phase.limit && (double)phase.late > 0.012 * deliveries * seconds);
}

static void begin_phase(double warm, double seconds) {
    memset(&phase, 0, sizeof phase);
    memset(&probing.lag, 0, sizeof probing.lag);
    phase.began = now_ns();
    phase.measured_from = phase.began + (int64_t)(warm * 1e9);
    phase.ends = phase.measured_from + (int64_t)(seconds * 1e9);
    phase.sending = true;
}

static int verdict(void) {
    if (!all_faults()) return 0;
    fprintf(stderr, "generator: FAULT: %s\n", faults.first);
    return 1;
}

static void finish_command(void) {
    print_faults();
    printf("}\n");
    fflush(stdout);
    if (verdict()) exit(1);
}

static void send_phase(const char *name, double seconds) {
    double cpu = cpu_seconds();
    bool gave_up = false;
    while (now_ns() < phase.ends && !all_faults() && !(gave_up = phase.open && hopeless(seconds))) {
        turn(phase.ends);
    }
    phase.sending = false;
    int64_t ended = now_ns();
    cpu = (cpu_seconds() - cpu) * 1e9 / (double)(ended - phase.began);
    uint64_t backlog = phase.expected - phase.received;
    double per_second = gave_up ? (double)phase.received / ((double)(ended - phase.began) / 1e9)
                                : (double)phase.arrived_in_time / seconds;
    bool drained = drain();
    double drain_seconds = (double)(phase.last_arrival - ended) / 1e9;
    if (!all_faults()) judge(); /* after another fault much is missing that has only not come yet */
    printf("{\"phase\":\"%s\",\"rate\":%.3f,\"sent\":%" PRIu64 ",\"deliveries\":%" PRIu64
           ",\"per_second\":%.1f,\"gave_up\":%s,\"backlog\":%" PRIu64
           ",\"drained\":%s,\"drain_seconds\":%.3f,\"generator_cpu\":%.3f",
           name, phase.rate, phase.sent, phase.received,
           per_second, gave_up ? "true" : "false", backlog,
           drained ? "true" : "false", drain_seconds > 0 ? drain_seconds : 0, cpu);
    print_histogram("latency_ms", &phase.latency);
    print_histogram("behind_ms", &phase.behind);
    print_histogram("lag_ms", &probing.lag);
    finish_command();
}

/* -- commands */

static void command_open(double rate, double warm, double seconds, double limit) {
    if (!(rate >= 0.1 && rate <= 1e7)) give_up("open: a rate of 0.1 to 10,000,000");
    begin_phase(warm, seconds);
    phase.open = true;
    phase.rate = rate;
    phase.limit = (int64_t)(limit * 1e6);
    phase.next_due = phase.began;
    send_phase("open", seconds);
}

static void command_closed(unsigned in_flight, double warm, double seconds) {
    if (in_flight == 0 || in_flight > MOST_IN_FLIGHT) give_up("closed: 1 to %d in flight", MOST_IN_FLIGHT);
    begin_phase(warm, seconds);
    for (unsigned i = 0; i < in_flight; i++) {
        for (unsigned j = 0; j < total; j++) {
            if (clients[j].ledger.place < senders_each) send_message(&clients[j], now_ns());
        }
    }
    flush_dirty();
    send_phase("closed", seconds);
}

static void command_hold(double seconds) {
    begin_phase(0, seconds);
    phase.sending = false;
    while (now_ns() < phase.ends && !faults.closed) turn(phase.ends);
    printf("{\"phase\":\"hold\"");
    print_histogram("lag_ms", &probing.lag);
    finish_command();
}

/* Begins attempts that are due and ends those that take too long. */
static void tend(struct client *client, unsigned window, int64_t now) {
    if (client->stage == AWAY && client->next_attempt <= now && (window == 0 || attempting < window)) {
        /* At a window, waiting for one's turn is no part of joining. */
        if (window && client->attempts == 0) client->first_due = now;
        attempt(client, now);
    } else if (client->stage != AWAY && client->deadline <= now) {
        attempt_failed(client, "no answer in time", 17);
    }
}

static void connect_probe(void) {
    probe.next_attempt = 0;
    while (probe.stage != JOINED) {
        tend(&probe, 0, now_ns());
        turn(now_ns() + MS);
    }
}

static void command_join(unsigned window, double spread) {
    losing = false;
    memset(&joining, 0, sizeof joining);
    if (options.probe && probe.stage != JOINED) connect_probe();
    memset(&joining, 0, sizeof joining);
    memset(&probing.lag, 0, sizeof probing.lag);
    int64_t began = now_ns();
    for (unsigned i = 0; i < total; i++) {
        clients[i].first_due = clients[i].next_attempt = began + (int64_t)(spread * 1e6 * fraction());
        clients[i].attempts = 0;
    }
    int64_t give_up_at = began + (int64_t)((12 * options.patience + total / 20) * 1e9), tended = 0, now;
    double cpu = cpu_seconds();
    while (joined < total && !faults.closed) {
        now = now_ns();
        if (now > give_up_at) give_up("%u of %u joined; the first failure: %s", joined, total, joining.first);
        if (now - tended >= MS) {
            for (unsigned i = 0; i < total; i++) tend(&clients[i], window, now);
            flush_dirty();
            tended = now;
        }
        turn(now + MS);
    }
    double seconds = (double)(now_ns() - began) / 1e9;
    printf("{\"phase\":\"join\",\"clients\":%u,\"seconds\":%.3f,\"per_second\":%.1f,\"attempts\":%" PRIu64
           ",\"failures\":%" PRIu64 ",\"generator_cpu\":%.3f,\"first_failure\":\"",
           total, seconds, total / seconds, joining.attempts, joining.failures, (cpu_seconds() - cpu) / seconds);
    for (const char *at = joining.first; *at; at++) putchar(*at == '"' || *at == '\\' || *at < ' ' ? '\'' : *at);
    putchar('"');
    print_histogram("waited_ms", &joining.waited);
    print_histogram("lag_ms", &probing.lag);
    int64_t quiet = now_ns() + SECOND / 4; /* the news of who came in */
    while (now_ns() < quiet) turn(quiet);
    finish_command();
}

static void command_lose(void) {
    losing = true;
    while (joined > 0 || (options.probe && probe.stage == JOINED)) turn(now_ns() + 100 * MS);
    printf("{\"phase\":\"lose\"");
    finish_command();
}

static void obey(char *line) {
    double a = 0, b = 0, c = 0, d = 0;
    unsigned n = 0;
    if (sscanf(line, "join %u %lf", &n, &a) == 2) {
        command_join(n, a);
    } else if (sscanf(line, "closed %u %lf %lf", &n, &a, &b) == 3) {
        command_closed(n, a, b);
    } else if (sscanf(line, "open %lf %lf %lf %lf", &a, &b, &c, &d) == 4) {
        command_open(a, b, c, d);
    } else if (sscanf(line, "hold %lf", &a) == 1) {
        command_hold(a);
    } else if (strcmp(line, "lose") == 0) {
        command_lose();
    } else {
        give_up("no such command: %s", line);
    }
}

static void serve_commands(void) {
    static char input[4096];
    size_t length = 0;
    for (;;) {
        char *newline;
        while ((newline = memchr(input, '\n', length))) {
            char line[256];
            snprintf(line, sizeof line, "%.*s", (int)(newline - input), input);
            length -= (size_t)(newline + 1 - input);
            memmove(input, newline + 1, length);
            obey(line);
        }
        /* Between two commands the server's pings are answered. */
        while (!commands_ready) turn(now_ns() + SECOND);
        commands_ready = false;
        ssize_t got = read(STDIN_FILENO, input + length, sizeof input - length);
        if (got < 0 && errno == EAGAIN) continue;
        if (got <= 0) return;
        length += (size_t)got;
    }
}

/* -- before all that */

static void prepare_clients(void) {
    total = options.rooms * options.members;
    senders_each = options.senders && options.senders < options.members ? options.senders : options.members;
    clients = calloc(total, sizeof *clients);
    rooms = calloc(options.rooms, sizeof *rooms);
    dirty = calloc(total + 1, sizeof *dirty);
    if (!clients || !rooms || !dirty) give_up("out of memory");
    for (unsigned i = 0; !options.plain && i < options.rooms; i++) make_identity(&rooms[i]);
    for (unsigned i = 0; i < total; i++) {
        struct client *client = &clients[i];
        open_ledger(&client->ledger, i / options.members, i % options.members, senders_each);
        client->left = calloc(MOST_IN_FLIGHT, sizeof *client->left);
        if (options.plain) continue;
        make_identity(&client->signer);
        base64url(client->member, client->signer.public, KEY);
    }
}

static void prepare_text(void) {
    size_t length = options.plain ? options.size : NONCE + options.size + TAG;
    body = calloc(1, length);
    tail = calloc(1, 2 * length);
    if (!body || !tail || RAND_bytes(body, (int)length) != 1) give_up("out of memory or of chance");
    memcpy(run_id, body, RUN_ID);
    text_length = HEAD_TEXT + base64url(tail, body + HEAD, length - HEAD);
    if (options.plain) text_length = options.size;
}

static void prepare_target(struct target *target, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(options.host, port, &hints, &found) != 0) give_up("%s: no such host", options.host);
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->length = found->ai_addrlen;
    freeaddrinfo(found);
    snprintf(target->host, sizeof target->host, "%s:%s", options.host, port);
    target->epoll = epoll;
    if (options.tls) target->tls = SSL_CTX_new(TLS_client_method()); /* which verifies nothing unless told to */
}

static void prepare_targets(void) {
    static char ports[1024];
    snprintf(ports, sizeof ports, "%s", options.port);
    for (char *port = strtok(ports, ","); port; port = strtok(NULL, ",")) {
        if (nodes == MOST_NODES) give_up("--port: at most %d nodes", MOST_NODES);
        prepare_target(&targets[nodes++], port);
    }
    if (nodes == 0) give_up("--port: expected one or several with commas");
}

static void prepare_process(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0) give_up("commands must come through a pipe");
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a load that nobody watches is of no use */
    prctl(PR_SET_TIMERSLACK, 1); /* a message is due at its time, not up to 50 microseconds later */
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max = LARGEST_MEMORY; /* whatever goes wrong here, the machine stays */
    setrlimit(RLIMIT_AS, &limit);
}

static void parse_site(const char *text) {
    for (unsigned i = 0; i < SALT; i++) {
        if (strlen(text) != 2 * SALT || sscanf(text + 2 * i, "%2hhx", &options.site[i]) != 1) {
            give_up("--site: 32 hexadecimal digits");
        }
    }
}

static void parse(int count, char **arguments) {
    static const struct option known[] = {
        {"host", 1, 0, 'h'},    {"port", 1, 0, 'p'}, {"tls", 0, 0, 't'},      {"plain", 0, 0, 'P'},
        {"site", 1, 0, 'S'},    {"rooms", 1, 0, 'r'}, {"members", 1, 0, 'm'}, {"senders", 1, 0, 's'},
        {"size", 1, 0, 'z'},    {"probe", 0, 0, 'l'}, {"patience", 1, 0, 'w'}, {"seed", 1, 0, 'd'},
        {0, 0, 0, 0},
    };
    int option;
    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
        switch (option) {
        case 'h': options.host = optarg; break;
        case 'p': options.port = optarg; break;
        case 't': options.tls = true; break;
        case 'P': options.plain = true; break;
        case 'S': parse_site(optarg); break;
        case 'r': options.rooms = (unsigned)atoi(optarg); break;
        case 'm': options.members = (unsigned)atoi(optarg); break;
        case 's': options.senders = (unsigned)atoi(optarg); break;
        case 'z': options.size = (unsigned)atoi(optarg); break;
        case 'l': options.probe = true; break;
        case 'w': options.patience = atof(optarg); break;
        case 'd': options.seed = strtoull(optarg, NULL, 10); break;
        default: exit(2);
        }
    }
    if (!options.port || !options.rooms || !options.members || options.members > UINT16_MAX) {
        give_up("--port, --rooms and --members are needed");
    }
    if (options.size < HEAD_TEXT || options.size > 65536) give_up("--size: %d to 65536", HEAD_TEXT);
}

/* For tests: what the histogram makes of the numbers on standard input. */
static int print_figures(void) {
    int64_t value;
    while (scanf("%" SCNd64, &value) == 1) record(&phase.latency, value);
    printf("{\"phase\":\"figures\"");
    print_histogram("latency_ms", &phase.latency);
    printf("}\n");
    return 0;
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "--figures") == 0) return print_figures();
    parse(count, arguments);
    chance_state = options.seed;
    prepare_process();
    prepare_targets();
    prepare_text();
    prepare_clients();
    serve_commands();
    for (unsigned i = 0; i < total; i++) line_drop(&clients[i].line);
    return verdict();
}
