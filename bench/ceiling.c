/* A relay that does as little as can be done: its figures are what the generator and the kernel reach, no server's.
 *
 * It speaks just enough for generator.c --plain and trusts it blindly. What arrives for a room in one turn of the loop
 * is sent to each of its members with one write. Not an example of anything: nothing is bounded, nobody is refused.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 1024, READ_SIZE = 1 << 18, ROOMS = 1 << 16, BACKLOG = 4096 };

struct buffer {
    char *bytes;
    size_t length, size;
};

struct member {
    int fd;
    bool upgraded, waits;       /* waits: for the socket to take more */
    struct buffer in, out;      /* a frame that is not complete; what the socket has not taken */
    struct room *room;
    struct member *next_to_flush;
    bool to_flush;
};

struct room {
    struct member **members;
    unsigned count, size;
    unsigned long last_id;
    struct buffer news; /* of this turn */
    struct room *next_dirty;
};

static int loop;
static struct room rooms[ROOMS], *dirty_rooms;
static struct member *to_flush;
static char read_buffer[READ_SIZE];

static void append(struct buffer *buffer, const void *bytes, size_t length) {
    if (buffer->length + length > buffer->size) {
        buffer->size = 2 * (buffer->length + length);
        buffer->bytes = realloc(buffer->bytes, buffer->size);
        if (!buffer->bytes) abort();
    }
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

static void append_frame(struct buffer *buffer, int opcode, const char *payload, size_t length) {
    unsigned char head[10] = {(unsigned char)(0x80 | opcode), (unsigned char)length};
    size_t size = 2;
    if (length > 65535) {
        head[1] = 127, size = 10;
        for (int i = 0; i < 8; i++) head[2 + i] = (unsigned char)((uint64_t)length >> (56 - 8 * i));
    } else if (length > 125) {
        head[1] = 126, head[2] = (unsigned char)(length >> 8), head[3] = (unsigned char)length, size = 4;
    }
    append(buffer, head, size);
    append(buffer, payload, length);
}

static void watch(struct member *member, bool waits) {
    if (member->waits == waits) return;
    member->waits = waits;
    struct epoll_event event = {.events = waits ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = member};
    epoll_ctl(loop, EPOLL_CTL_MOD, member->fd, &event);
}

static void flush(struct member *member) {
    ssize_t sent = send(member->fd, member->out.bytes, member->out.length, MSG_NOSIGNAL);
    if (sent > 0) {
        member->out.length -= (size_t)sent;
        memmove(member->out.bytes, member->out.bytes + sent, member->out.length);
    }
    watch(member, member->out.length > 0);
}

static void say(struct member *member, int opcode, const char *text, size_t length) {
    append_frame(&member->out, opcode, text, length);
    if (member->to_flush) return;
    member->to_flush = true;
    member->next_to_flush = to_flush;
    to_flush = member;
}

static void deliver(struct room *room) {
    for (unsigned i = 0; i < room->count; i++) {
        struct member *member = room->members[i];
        ssize_t sent = 0;
        if (member->out.length == 0) sent = send(member->fd, room->news.bytes, room->news.length, MSG_NOSIGNAL);
        if (sent < 0) sent = 0;
        if ((size_t)sent < room->news.length) {
            append(&member->out, room->news.bytes + sent, room->news.length - (size_t)sent);
            if (!member->to_flush) watch(member, true);
        }
    }
    room->news.length = 0;
}

static void end_turn(void) {
    for (; dirty_rooms; dirty_rooms = dirty_rooms->next_dirty) deliver(dirty_rooms);
    for (; to_flush; to_flush = to_flush->next_to_flush) {
        to_flush->to_flush = false;
        flush(to_flush);
    }
}

static void join(struct member *member, unsigned number) {
    struct room *room = member->room = &rooms[number % ROOMS];
    if (room->count == room->size) {
        room->size = room->size ? 2 * room->size : 8;
        room->members = realloc(room->members, room->size * sizeof *room->members);
        if (!room->members) abort();
    }
    room->members[room->count++] = member;
    say(member, 1, "430[{}]", 7);
}

/* 42(number)["send_message","(text)"] */
static void relay(struct member *member, const char *packet, size_t length) {
    static char text[1 << 18];
    struct room *room = member->room;
    const char *bracket = memchr(packet, '[', length), *message = bracket + sizeof "[\"send_message\"," - 1;
    int head = sprintf(text, "42[\"get_message\",{\"id\":%lu,\"member\":\"m\",\"message\":", ++room->last_id);
    size_t rest = length - (size_t)(message - packet) - 1;
    memcpy(text + head, message, rest);
    memcpy(text + (size_t)head + rest, "}]", 2);
    if (room->news.length == 0) {
        room->next_dirty = dirty_rooms;
        dirty_rooms = room;
    }
    append_frame(&room->news, 1, text, (size_t)head + rest + 2);
    int ack = sprintf(text, "43%.*s[{\"id\":%lu}]", (int)(bracket - packet - 2), packet + 2, room->last_id);
    say(member, 1, text, (size_t)ack);
}

static void take_packet(struct member *member, char *text, size_t length) {
    if (length >= 2 && memcmp(text, "40", 2) == 0) {
        say(member, 1, "40{\"sid\":\"s\"}", 13);
    } else if (length > 14 && memcmp(text, "420[\"join\",\"", 12) == 0) {
        join(member, (unsigned)strtoul(text + 17, NULL, 10));
    } else if (length > 2 && memcmp(text, "42", 2) == 0 && member->room) {
        relay(member, text, length);
    }
}

/* Bytes used of the frames in `data`. */
static size_t take_frames(struct member *member, char *data, size_t length) {
    size_t at = 0;
    while (length - at >= 6) {
        unsigned char *head = (unsigned char *)data + at;
        size_t size = head[1] & 0x7f, before = 6;
        if (size == 126) size = (size_t)head[2] << 8 | head[3], before = 8;
        if (size == 127) size = (size_t)ntohl(*(uint32_t *)(head + 6)), before = 14;
        if (length - at < before + size) break;
        char *payload = data + at + before;
        unsigned char *mask = head + before - 4;
        for (size_t i = 0; i < size; i++) payload[i] ^= (char)mask[i & 3];
        if ((head[0] & 15) == 1) take_packet(member, payload, size);
        if ((head[0] & 15) == 9) say(member, 10, payload, size);
        at += before + size;
    }
    return at;
}

static size_t upgrade(struct member *member, char *data, size_t length) {
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"; /* see line.c */
    char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    member->upgraded = true;
    append(&member->out, answer, sizeof answer - 1);
    say(member, 1, "0{\"sid\":\"e\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}", 68);
    return (size_t)(end + 4 - data);
}

static void leave(struct member *member) {
    for (unsigned i = 0; member->room && i < member->room->count; i++) {
        if (member->room->members[i] == member) {
            member->room->members[i] = member->room->members[--member->room->count];
        }
    }
    close(member->fd);
    free(member->in.bytes);
    free(member->out.bytes);
    free(member);
}

static void hear(struct member *member) {
    size_t held = member->in.length, used = 0;
    if (held) memcpy(read_buffer, member->in.bytes, held);
    ssize_t got = recv(member->fd, read_buffer + held, READ_SIZE - held, 0);
    if (got <= 0) {
        if (got == 0 && !member->to_flush) leave(member);
        return;
    }
    size_t all = held + (size_t)got;
    if (!member->upgraded) used = upgrade(member, read_buffer, all);
    if (member->upgraded) used += take_frames(member, read_buffer + used, all - used);
    member->in.length = 0;
    append(&member->in, read_buffer + used, all - used);
}

static void welcome(int listening) {
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct member *member = calloc(1, sizeof *member);
    if (!member) abort();
    member->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = member};
    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, BACKLOG) < 0) {
        perror("ceiling");
        exit(2);
    }
    getsockname(fd, (struct sockaddr *)&address, &length);
    printf("http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **arguments) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    loop = epoll_create1(EPOLL_CLOEXEC);
    int listening = listen_on(count > 1 ? atoi(arguments[1]) : 0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(loop, EPOLL_CTL_ADD, listening, &event);
    for (;;) {
        static struct epoll_event events[EVENTS];
        int ready = epoll_wait(loop, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct member *member = events[i].data.ptr;
            if (!member) {
                welcome(listening);
                continue;
            }
            if (events[i].events & EPOLLOUT) flush(member);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) hear(member);
        }
        end_turn();
    }
}
