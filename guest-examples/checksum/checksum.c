/*
 * CRC-32 of a file, as gzip, zip and PNG have it (and as `cksum` has not).
 *
 * The parameter `file` comes in the environment, as PT_file: no input is read, and no JSON library is needed. The
 * answer is one JSON object on standard output; a failure is an object too, with `_error` in it, and exit code 1.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 * 1024 };

/* The polynomial of IEEE 802.3, lowest bit first. */
static const uint32_t POLYNOMIAL = 0xedb88320;

static uint32_t table[256];

static void make_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t rest = byte;
        for (int bit = 0; bit < 8; bit++)
            rest = rest & 1 ? rest >> 1 ^ POLYNOMIAL : rest >> 1;
        table[byte] = rest;
    }
}

/* What a file comes to. */
struct sum {
    uint32_t crc;
    uint64_t bytes;
};

static bool sum_up(FILE *file, struct sum *sum)
{
    static unsigned char block[BLOCK_BYTES];
    uint32_t crc = 0xffffffff;
    uint64_t bytes = 0;
    size_t got;

    while ((got = fread(block, 1, sizeof block, file)) > 0) {
        for (size_t i = 0; i < got; i++)
            crc = crc >> 8 ^ table[(crc ^ block[i]) & 0xff];
        bytes += got;
    }
    *sum = (struct sum){.crc = ~crc, .bytes = bytes};
    return !ferror(file);
}

/* The length of the UTF-8 character that a text begins with; 0 if it begins with none. */
static size_t character(const unsigned char *text)
{
    size_t length = text[0] < 0x80                       ? 1
                  : text[0] >= 0xc2 && text[0] <= 0xdf ? 2
                  : text[0] >= 0xe0 && text[0] <= 0xef ? 3
                  : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4
                                                       : 0;

    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    /* No second spelling of a shorter one, no half of a surrogate pair, nothing beyond the last character. */
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

/* Prints a text as a JSON string. A byte that is no part of any character becomes U+FFFD. */
static void print_string(const char *text)
{
    const unsigned char *rest = (const unsigned char *)text;

    putchar('"');
    while (*rest) {
        size_t length = character(rest);
        if (length == 0)
            fputs("\\ufffd", stdout);
        else if (*rest == '"' || *rest == '\\')
            printf("\\%c", *rest);
        else if (*rest < 0x20 || *rest == 0x7f)
            printf("\\u%04x", *rest);
        else
            fwrite(rest, 1, length, stdout);
        rest += length ? length : 1;
    }
    putchar('"');
}

static int fail(const char *kind, const char *what, const char *why)
{
    printf("{\"_error\": {\"kind\": \"checksum/%s\", \"msg\": ", kind);
    print_string(why);
    fputs(", \"details\": {\"file\": ", stdout);
    print_string(what);
    puts("}}}");
    return EXIT_FAILURE;
}

int main(void)
{
    const char *name = getenv("PT_file");
    FILE *file;
    struct sum sum;

    if (!name)
        return fail("input", "", "PT_file is not set");
    file = fopen(name, "rb");
    if (!file)
        return fail("unreadable", name, strerror(errno));
    make_table();
    if (!sum_up(file, &sum))
        return fail("unreadable", name, strerror(errno));
    fclose(file);

    fputs("{\"file\": ", stdout);
    print_string(name);
    printf(", \"bytes\": %" PRIu64 ", \"crc32\": \"%08" PRIx32 "\"}\n", sum.bytes, sum.crc);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
