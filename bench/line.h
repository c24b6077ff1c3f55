/* One client's line to a server: TCP or TLS, the upgrade to a WebSocket, frames. Knows nothing of what frames say.
 * RFC 6455; a client's frames are masked, a server's are not. */

#ifndef LINE_H
#define LINE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

enum line_stage { LINE_CLOSED, LINE_CONNECTING, LINE_SHAKING, LINE_UPGRADING, LINE_OPEN };

struct line {
    int fd;
    enum line_stage stage;
    SSL *tls;
    uint32_t watched;    /* the events that epoll has been told of */
    uint32_t mask_state; /* where the masking keys come from */
    char *held;          /* the beginning of a frame whose end has not come */
    size_t held_size, held_length;
    char *out; /* what the socket has not taken yet: from out_begin to out_end */
    size_t out_size, out_begin, out_end;
};

/* Where the server is; the same for all lines of a run. */
struct target {
    struct sockaddr_storage address;
    socklen_t length;
    SSL_CTX *tls; /* NULL for http */
    char host[128];
    int epoll;
};

/* What a line tells whoever owns it. A line that has told that it is closed tells nothing more. */
struct listener {
    void (*open)(struct line *);
    void (*frame)(struct line *, int opcode, char *payload, size_t length); /* the payload may be written over */
    void (*closed)(struct line *, const char *why);
};

int64_t now_ns(void);

/* Begins to connect, from the given IPv4 source address on loopback (0: any). False when even that failed. */
bool line_connect(struct line *line, const struct target *target, uint32_t source);

/* Handles what epoll says of the line. Reads at most one buffer. */
void line_ready(struct line *line, const struct target *target, const struct listener *listener, uint32_t events);

/* Queues a frame; it leaves with the next flush. */
void line_queue(struct line *line, int opcode, const char *payload, size_t length);

/* Sends what the socket takes. */
void line_flush(struct line *line, const struct target *target);

/* Gives everything back; nobody is told. */
void line_drop(struct line *line);

#endif
