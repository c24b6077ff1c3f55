/* See join.h. */

#include "join.h"

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libcrypto fails here only when memory is gone or the generator is wrong: then no figure is worth having. */
static void must(int done) {
    if (done > 0) return;
    ERR_print_errors_fp(stderr);
    abort();
}

/* -- base64url */

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url(char *to, const uint8_t *bytes, size_t length) {
    static char pairs[4096][2]; /* two characters for every twelve bits: this runs for every message */
    if (!pairs[0][0]) {
        for (int i = 0; i < 4096; i++) pairs[i][0] = ALPHABET[i >> 6], pairs[i][1] = ALPHABET[i & 63];
    }
    char *at = to;
    size_t i = 0;
    for (; i + 3 <= length; i += 3, at += 4) {
        uint32_t bits = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        memcpy(at, pairs[bits >> 12], 2);
        memcpy(at + 2, pairs[bits & 4095], 2);
    }
    if (length - i == 1) {
        memcpy(at, pairs[bytes[i] << 4], 2);
        at += 2;
    } else if (length - i == 2) {
        uint32_t bits = (uint32_t)bytes[i] << 10 | (uint32_t)bytes[i + 1] << 2;
        memcpy(at, pairs[bits >> 6], 2);
        at[2] = ALPHABET[bits & 63];
        at += 3;
    }
    return (size_t)(at - to);
}

long from_base64url(uint8_t *to, const char *from, size_t length) {
    static int8_t values[256];
    if (!values[0]) {
        memset(values, -1, sizeof values);
        for (int i = 0; i < 64; i++) values[(uint8_t)ALPHABET[i]] = (int8_t)i;
    }
    uint8_t *at = to;
    for (size_t i = 0; i + 4 <= length; i += 4) {
        int32_t a = values[(uint8_t)from[i]], b = values[(uint8_t)from[i + 1]];
        int32_t c = values[(uint8_t)from[i + 2]], d = values[(uint8_t)from[i + 3]];
        if ((a | b | c | d) < 0) return -1;
        int32_t bits = a << 18 | b << 12 | c << 6 | d;
        *at++ = (uint8_t)(bits >> 16), *at++ = (uint8_t)(bits >> 8), *at++ = (uint8_t)bits;
    }
    return at - to;
}

/* -- keys */

void make_identity(struct identity *identity) {
    size_t length = KEY;
    identity->pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    must(identity->pair != NULL);
    must(EVP_PKEY_get_raw_public_key(identity->pair, identity->public, &length));
}

void learn_server_key(struct server_key *key, const char *pem, size_t length) {
    if (key->pem && strlen(key->pem) == length && memcmp(key->pem, pem, length) == 0) return;
    free(key->pem);
    EVP_PKEY_CTX_free(key->envelope);
    key->pem = strndup(pem, length);
    BIO *text = BIO_new_mem_buf(key->pem, (int)length);
    EVP_PKEY *public = PEM_read_bio_PUBKEY(text, NULL, NULL, NULL);
    must(public != NULL);
    uint8_t *der = NULL;
    int size = i2d_PUBKEY(public, &der);
    must(size);
    SHA256(der, (size_t)size, key->digest);
    key->envelope = EVP_PKEY_CTX_new(public, NULL);
    must(EVP_PKEY_encrypt_init(key->envelope));
    must(EVP_PKEY_CTX_set_rsa_padding(key->envelope, RSA_PKCS1_OAEP_PADDING));
    must(EVP_PKEY_CTX_set_rsa_oaep_md(key->envelope, EVP_sha256()));
    must(EVP_PKEY_CTX_set_rsa_mgf1_md(key->envelope, EVP_sha256()));
    OPENSSL_free(der);
    EVP_PKEY_free(public);
    BIO_free(text);
}

/* HKDF-SHA-256 of 32 bytes with an empty salt and one block of output. RFC 5869. */
static void derive(uint8_t to[KEY], const uint8_t secret[KEY], const char *purpose) {
    uint8_t no_salt[32] = {0}, extracted[32], info[64];
    size_t length = strlen(purpose);
    memcpy(info, purpose, length);
    info[length] = 1;
    HMAC(EVP_sha256(), no_salt, sizeof no_salt, secret, KEY, extracted, NULL);
    HMAC(EVP_sha256(), extracted, sizeof extracted, info, length + 1, to, NULL);
}

/* -- sealed */

static void open_channel(struct channel *channel, const uint8_t session_key[KEY]) {
    uint8_t key[KEY];
    derive(key, session_key, "chatsite/1 c2s");
    if (!channel->cipher) channel->cipher = EVP_CIPHER_CTX_new();
    must(EVP_EncryptInit_ex(channel->cipher, EVP_aes_256_gcm(), NULL, key, NULL));
    channel->counter = 0;
}

size_t seal(char *to, struct channel *channel, const char *event, const uint8_t *body, size_t length) {
    static uint8_t sealed[LARGEST_BODY + TAG];
    uint8_t nonce[NONCE] = {0};
    int written;
    for (int i = 0; i < 8; i++) nonce[NONCE - 1 - i] = (uint8_t)(channel->counter >> 8 * i);
    channel->counter++;
    must(EVP_EncryptInit_ex(channel->cipher, NULL, NULL, NULL, nonce));
    must(EVP_EncryptUpdate(channel->cipher, NULL, &written, (const uint8_t *)event, (int)strlen(event)));
    must(EVP_EncryptUpdate(channel->cipher, sealed, &written, body, (int)length));
    must(EVP_EncryptFinal_ex(channel->cipher, sealed + length, &written));
    must(EVP_CIPHER_CTX_ctrl(channel->cipher, EVP_CTRL_GCM_GET_TAG, TAG, sealed + length));
    return base64url(to, sealed, length + TAG);
}

void close_channel(struct channel *channel) {
    EVP_CIPHER_CTX_free(channel->cipher);
    channel->cipher = NULL;
}

/* -- join */

static uint8_t *add_field(uint8_t *at, const void *field, size_t length) {
    *at++ = (uint8_t)(length >> 8), *at++ = (uint8_t)length;
    memcpy(at, field, length);
    return at + length;
}

/* An Ed25519 signature over "chatsite/1 join (whose)" 00 T. */
static void prove(uint8_t to[SIGNATURE], EVP_MD_CTX *context, const struct identity *who, const char *whose,
                  const uint8_t transcript[32]) {
    uint8_t message[64];
    size_t length = strlen(whose) + 1, size = SIGNATURE;
    memcpy(message, whose, length); /* with its zero at the end */
    memcpy(message + length, transcript, 32);
    EVP_MD_CTX_reset(context);
    must(EVP_DigestSignInit(context, NULL, NULL, NULL, who->pair));
    must(EVP_DigestSign(context, to, &size, message, length + 32));
}

size_t make_join(char *to, struct channel *channel, const struct server_key *key, const uint8_t site[SALT],
                 const char *socket_id, size_t socket_id_length, const struct identity *room,
                 const struct identity *member) {
    static EVP_MD_CTX *signing;
    if (!signing) signing = EVP_MD_CTX_new();
    uint8_t session_key[KEY], user[NONCE + USER_CLASS + TAG], digest[32], transcript[32];
    must(RAND_bytes(session_key, sizeof session_key));
    must(RAND_bytes(user, sizeof user)); /* only the room could open it */
    SHA256(user, sizeof user, digest);

    uint8_t fields[1024], *last = fields;
    last = add_field(last, "chatsite/1 join", 15);
    last = add_field(last, socket_id, socket_id_length);
    last = add_field(last, key->digest, 32);
    last = add_field(last, site, SALT);
    last = add_field(last, room->public, KEY);
    last = add_field(last, session_key, KEY);
    last = add_field(last, member->public, KEY);
    last = add_field(last, "", 0); /* since: nothing */
    last = add_field(last, digest, 32);
    SHA256(fields, (size_t)(last - fields), transcript);

    uint8_t said[KEY + KEY + SIGNATURE], proof[SIGNATURE], envelope[512];
    memcpy(said, room->public, KEY);
    memcpy(said + KEY, session_key, KEY);
    prove(said + 2 * KEY, signing, room, "chatsite/1 join room", transcript);
    prove(proof, signing, member, "chatsite/1 join member", transcript);
    size_t length = sizeof envelope;
    must(EVP_PKEY_encrypt(key->envelope, envelope, &length, said, sizeof said));

    char body[2048], *at = body;
    at += sprintf(at, "{\"member\":\"");
    at += base64url(at, member->public, KEY);
    at += sprintf(at, "\",\"proof\":\"");
    at += base64url(at, proof, sizeof proof);
    at += sprintf(at, "\",\"user\":\"");
    at += base64url(at, user, sizeof user);
    at += sprintf(at, "\",\"since\":null,\"site\":\"");
    at += base64url(at, site, SALT);
    at += sprintf(at, "\"}");

    open_channel(channel, session_key);
    char *end = to + sprintf(to, "{\"envelope\":\"");
    end += base64url(end, envelope, length);
    end += sprintf(end, "\",\"body\":\"");
    end += seal(end, channel, "join-room", (const uint8_t *)body, (size_t)(at - body));
    end += sprintf(end, "\"}");
    return (size_t)(end - to);
}
