// Checksums: CRC-8, CRC-16, CRC-32 (bitwise, table, reflected), CRC-64, Adler-32, Fletcher-16, Luhn.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t table[256];
static void make_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int j = 0; j < 8; j++) c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
        table[i] = c;
    }
}
static uint32_t crc32_table(const uint8_t *p, size_t n) {
    uint32_t c = ~0u;
    while (n--) c = table[(c ^ *p++) & 255] ^ c >> 8;
    return ~c;
}
static uint32_t crc32_bits(const uint8_t *p, size_t n) {
    uint32_t c = ~0u;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int j = 0; j < 8; j++) c = c >> 1 ^ (0xEDB88320u & -(c & 1));
    }
    return ~c;
}
static uint8_t crc8(const uint8_t *p, size_t n) {
    uint8_t c = 0;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int j = 0; j < 8; j++) c = (uint8_t)(c & 0x80 ? c << 1 ^ 7 : c << 1);
    }
    return c;
}
static uint16_t crc16(const uint8_t *p, size_t n) {
    uint16_t c = 0xFFFF;
    for (size_t i = 0; i < n; i++) {
        c ^= (uint16_t)(p[i] << 8);
        for (int j = 0; j < 8; j++) c = (uint16_t)(c & 0x8000 ? c << 1 ^ 0x1021 : c << 1);
    }
    return c;
}
static uint64_t crc64(const uint8_t *p, size_t n) {
    uint64_t c = 0;
    for (size_t i = 0; i < n; i++) {
        c ^= (uint64_t)p[i] << 56;
        for (int j = 0; j < 8; j++) c = (int64_t)c < 0 ? c << 1 ^ 0x42F0E1EBA9EA3693u : c << 1;
    }
    return c;
}
static uint32_t adler(const uint8_t *p, size_t n) {
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) a = (a + p[i]) % 65521, b = (b + a) % 65521;
    return b << 16 | a;
}
static uint16_t fletcher(const uint8_t *p, size_t n) {
    uint16_t a = 0, b = 0;
    for (size_t i = 0; i < n; i++) a = (uint16_t)((a + p[i]) % 255), b = (uint16_t)((a + b) % 255);
    return (uint16_t)(b << 8 | a);
}
static int luhn(const char *digits) {
    int sum = 0, twice = 0;
    for (size_t i = strlen(digits); i-- > 0; twice = !twice) {
        int d = digits[i] - '0';
        if (twice && (d *= 2) > 9) d -= 9;
        sum += d;
    }
    return sum % 10 == 0;
}
int main(void) {
    make_table();
    const char *texts[] = {"", "a", "123456789", "Wikipedia", "The quick brown fox jumps over the lazy dog"};
    for (int i = 0; i < 5; i++) {
        const uint8_t *p = (const uint8_t *)texts[i];
        size_t n = strlen(texts[i]);
        printf("%02x %04x %08x %08x %016" PRIx64 " %08x %04x\n", crc8(p, n), crc16(p, n), crc32_table(p, n), crc32_bits(p, n), crc64(p, n),
               adler(p, n), fletcher(p, n));
    }
    printf("%d %d %d\n", luhn("79927398713"), luhn("79927398714"), luhn("4111111111111111"));
    return 0;
}
