/* The client's side of Chatsite's cryptography: what a member proves and seals. Knows no line and no workload.
 * docs/protocol.md, "Join" and "Sealed". */

#ifndef JOIN_H
#define JOIN_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KEY = 32,
    SIGNATURE = 64,
    NONCE = 12,
    TAG = 16,
    SALT = 16,
    MEMBER = 43,                   /* characters: base64url of a public key */
    USER_CLASS = 512,              /* the only one for a user's ciphertext */
    JOIN_REQUEST = 4096,           /* characters that a request to join has at most */
    LARGEST_BODY = 65536 + 12 + 16 /* bytes of the largest room ciphertext */
};

/* An Ed25519 key pair: a room's identity or a member's signer. */
struct identity {
    EVP_PKEY *pair;
    uint8_t public[KEY];
};

struct server_key {
    char *pem;
    EVP_PKEY_CTX *envelope;
    uint8_t digest[32];
};

/* Requests of one joined client. */
struct channel {
    EVP_CIPHER_CTX *cipher;
    uint64_t counter;
};

/* Characters written; `to` needs 4 for every 3 bytes. No zero at the end. */
size_t base64url(char *to, const uint8_t *bytes, size_t length);

/* Bytes of `length` characters, a multiple of 4; -1 when one of them is none of the alphabet's. */
long from_base64url(uint8_t *to, const char *from, size_t length);

void make_identity(struct identity *identity);

/* Takes the key of a PEM text over, unless it is the one that is known. */
void learn_server_key(struct server_key *key, const char *pem, size_t length);

/* Writes the object that join-room takes and opens the channel; answers its length. */
size_t make_join(char *to, struct channel *channel, const struct server_key *key, const uint8_t site[SALT],
                 const char *socket_id, size_t socket_id_length, const struct identity *room,
                 const struct identity *member);

/* Writes the sealed body as base64url; answers its length. */
size_t seal(char *to, struct channel *channel, const char *event, const uint8_t *body, size_t length);

void close_channel(struct channel *channel);

#endif
