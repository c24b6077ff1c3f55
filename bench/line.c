/* See line.h. */

#include "line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_SIZE = 1 << 18,         /* one read; a busy line gets no more before the others have had their turn */
    LARGEST_FRAME = 64 << 20,    /* a snapshot of a room of 1,000 has less than a million bytes */
    LARGEST_RESPONSE = 16 << 10, /* header lines of an upgrade */
    KEPT = 4096,                 /* bytes that a line keeps for the beginning of the next frame */
    HEADER = 14,
};

static char read_buffer[READ_SIZE];

/* The key need not be secret: it is the example of RFC 6455, section 1.3, and so is the answer to it. */
static const char KEY[] = "dGhlIHNhbXBsZSBub25jZQ==", ACCEPT[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void watch(struct line *line, const struct target *target, uint32_t events) {
    if (line->watched == events) return;
    struct epoll_event event = {.events = events, .data.ptr = line};
    epoll_ctl(target->epoll, line->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, line->fd, &event);
    line->watched = events;
}

bool line_connect(struct line *line, const struct target *target, uint32_t source) {
    memset(line, 0, sizeof *line);
    line->mask_state = (uint32_t)now_ns() | 1;
    line->fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (line->fd < 0) return false;
    int one = 1;
    setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (source != 0 && target->address.ss_family == AF_INET) {
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
        setsockopt(line->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        bind(line->fd, (struct sockaddr *)&from, sizeof from);
    }
    line->stage = LINE_CONNECTING;
    if (connect(line->fd, (const struct sockaddr *)&target->address, target->length) < 0 && errno != EINPROGRESS) {
        line_drop(line);
        return false;
    }
    watch(line, target, EPOLLOUT);
    return true;
}

void line_drop(struct line *line) {
    if (line->stage == LINE_CLOSED) return;
    if (line->tls) SSL_free(line->tls);
    close(line->fd);
    free(line->held);
    free(line->out);
    memset(line, 0, sizeof *line);
}

static void fail(struct line *line, const struct listener *listener, const char *why) {
    line_drop(line);
    listener->closed(line, why);
}

/* -- sending */

/* Room for so many bytes more behind out_end. */
static char *make_room(struct line *line, size_t length) {
    if (line->out_begin == line->out_end) line->out_begin = line->out_end = 0;
    if (line->out_end + length > line->out_size) {
        memmove(line->out, line->out + line->out_begin, line->out_end - line->out_begin);
        line->out_end -= line->out_begin;
        line->out_begin = 0;
    }
    if (line->out_end + length > line->out_size) {
        line->out_size = (line->out_end + length) * 2;
        line->out = realloc(line->out, line->out_size);
        if (!line->out) abort();
    }
    return line->out + line->out_end;
}

static uint32_t next_mask(struct line *line) {
    uint32_t x = line->mask_state; /* xorshift: masks keep proxies from misreading, and need not be secret here */
    x ^= x << 13, x ^= x >> 17, x ^= x << 5;
    return line->mask_state = x;
}

static void copy_masked(char *to, const char *from, size_t length, uint32_t key) {
    uint64_t wide = (uint64_t)key << 32 | key;
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        uint64_t word;
        memcpy(&word, from + at, 8);
        word ^= wide;
        memcpy(to + at, &word, 8);
    }
    for (; at < length; at++) to[at] = from[at] ^ ((const char *)&wide)[at & 7];
}

void line_queue(struct line *line, int opcode, const char *payload, size_t length) {
    if (line->stage != LINE_OPEN) return;
    unsigned char *out = (unsigned char *)make_room(line, HEADER + length);
    size_t at = 0;
    out[at++] = (unsigned char)(0x80 | opcode);
    if (length < 126) {
        out[at++] = (unsigned char)(0x80 | length);
    } else if (length < 65536) {
        out[at++] = 0x80 | 126;
        out[at++] = (unsigned char)(length >> 8), out[at++] = (unsigned char)length;
    } else {
        out[at++] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8) out[at++] = (unsigned char)((uint64_t)length >> shift);
    }
    uint32_t key = next_mask(line);
    memcpy(out + at, &key, 4);
    copy_masked((char *)out + at + 4, payload, length, key);
    line->out_end += at + 4 + length;
}

void line_flush(struct line *line, const struct target *target) {
    if (line->stage < LINE_UPGRADING) return;
    while (line->out_begin < line->out_end) {
        char *from = line->out + line->out_begin;
        size_t length = line->out_end - line->out_begin;
        ssize_t sent;
        if (line->tls) {
            size_t written = 0;
            ERR_clear_error();
            sent = SSL_write_ex(line->tls, from, length, &written) ? (ssize_t)written : -1;
        } else {
            sent = send(line->fd, from, length, MSG_NOSIGNAL);
        }
        if (sent < 0) break; /* full, or broken, which the next read tells */
        line->out_begin += (size_t)sent;
    }
    watch(line, target, line->out_begin < line->out_end ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* -- the way to an open line */

static void ask_for_upgrade(struct line *line, const struct target *target) {
    char request[512];
    int length = snprintf(request, sizeof request,
                          "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
                          target->host, KEY);
    memcpy(make_room(line, (size_t)length), request, (size_t)length);
    line->out_end += (size_t)length;
    line->stage = LINE_UPGRADING;
    line_flush(line, target);
}

static void shake_hands(struct line *line, const struct target *target, const struct listener *listener) {
    ERR_clear_error();
    int done = SSL_connect(line->tls);
    if (done == 1) {
        ask_for_upgrade(line, target);
        return;
    }
    int wanted = SSL_get_error(line->tls, done);
    if (wanted == SSL_ERROR_WANT_READ) {
        watch(line, target, EPOLLIN);
    } else if (wanted == SSL_ERROR_WANT_WRITE) {
        watch(line, target, EPOLLOUT);
    } else {
        fail(line, listener, "the TLS handshake failed");
    }
}

static void connected(struct line *line, const struct target *target, const struct listener *listener) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(line->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) {
        fail(line, listener, strerror(error));
    } else if (!target->tls) {
        ask_for_upgrade(line, target);
    } else {
        line->tls = SSL_new(target->tls);
        SSL_set_mode(line->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                    SSL_MODE_RELEASE_BUFFERS);
        SSL_set_fd(line->tls, line->fd);
        line->stage = LINE_SHAKING;
        shake_hands(line, target, listener);
    }
}

/* The length of the response's head, 0 while it is not complete, or -1 when it is not the upgrade. */
static long response_head(char *data, size_t length) {
    char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return length > LARGEST_RESPONSE ? -1 : 0;
    bool good = length > 12 && memcmp(data, "HTTP/1.1 101", 12) == 0;
    return good && memmem(data, (size_t)(end - data), ACCEPT, sizeof ACCEPT - 1) ? end + 4 - data : -1;
}

/* -- frames */

/* Hands on the complete frames in `data`; answers how many bytes they had, or -1 when the line has been closed. */
static long take_frames(struct line *line, const struct listener *listener, char *data, size_t length) {
    size_t at = 0;
    while (length - at >= 2) {
        const unsigned char *head = (const unsigned char *)data + at;
        size_t size = head[1] & 0x7f, before = 2;
        if (size == 126) {
            if (length - at < 4) break;
            size = (size_t)head[2] << 8 | head[3], before = 4;
        } else if (size == 127) {
            if (length - at < 10) break;
            size = 0, before = 10;
            for (int i = 2; i < 10; i++) size = size << 8 | head[i];
        }
        if ((head[0] & 0xf0) != 0x80 || head[1] & 0x80 || size > LARGEST_FRAME) {
            fail(line, listener, "a frame that is masked, fragmented, compressed or huge");
            return -1;
        }
        if (length - at < before + size) break;
        listener->frame(line, head[0] & 0x0f, data + at + before, size);
        if (line->stage == LINE_CLOSED) return -1;
        at += before + size;
    }
    return (long)at;
}

/* Handles what has arrived and keeps what is not complete. */
static void take(struct line *line, const struct listener *listener, char *data, size_t length) {
    long used = 0;
    if (line->stage == LINE_UPGRADING) {
        used = response_head(data, length);
        if (used < 0) {
            fail(line, listener, "the upgrade was refused");
            return;
        }
        if (used > 0) {
            line->stage = LINE_OPEN;
            listener->open(line);
        }
    }
    if (line->stage == LINE_OPEN) {
        long more = take_frames(line, listener, data + used, length - (size_t)used);
        if (more < 0) return;
        used += more;
    }
    size_t rest = length - (size_t)used;
    if (rest > line->held_size) {
        char *larger = malloc(rest * 2); /* not realloc: `data` may be what is held */
        if (!larger) abort();
        memcpy(larger, data + used, rest);
        free(line->held);
        line->held = larger, line->held_size = rest * 2;
    } else if (rest > 0) {
        memmove(line->held, data + used, rest);
    } else if (line->held_size > KEPT) {
        free(line->held);
        line->held = NULL, line->held_size = 0;
    }
    line->held_length = rest;
}

/* Bytes read; 0 when there are none at the moment; -1 when the line is over. */
static long read_some(struct line *line, char *to, size_t room) {
    if (!line->tls) {
        ssize_t got = recv(line->fd, to, room, 0);
        if (got > 0) return got;
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    size_t total = 0, got = 0;
    ERR_clear_error();
    /* To the last record that has come: epoll does not know what libssl holds. */
    while (total + SSL3_RT_MAX_PLAIN_LENGTH <= room && SSL_read_ex(line->tls, to + total, room - total, &got)) {
        total += got;
    }
    if (total > 0) return (long)total;
    return SSL_get_error(line->tls, 0) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void read_line(struct line *line, const struct listener *listener) {
    size_t held = line->held_length;
    char *buffer = read_buffer;
    if (held <= READ_SIZE / 2) {
        if (held) memcpy(buffer, line->held, held);
    } else if (held + READ_SIZE > line->held_size) { /* within a frame that is larger than the buffer */
        line->held_size = 2 * held + READ_SIZE;
        line->held = buffer = realloc(line->held, line->held_size);
        if (!buffer) abort();
    } else {
        buffer = line->held;
    }
    long got = read_some(line, buffer + held, buffer == read_buffer ? READ_SIZE - held : line->held_size - held);
    if (got < 0) {
        fail(line, listener, "the server closed the line");
    } else if (got > 0) {
        take(line, listener, buffer, held + (size_t)got);
    }
}

void line_ready(struct line *line, const struct target *target, const struct listener *listener, uint32_t events) {
    if (line->stage == LINE_CONNECTING) {
        connected(line, target, listener);
    } else if (line->stage == LINE_SHAKING) {
        shake_hands(line, target, listener);
    } else if (line->stage != LINE_CLOSED) {
        if (events & EPOLLOUT) line_flush(line, target);
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_line(line, listener);
    }
}
