/* Calls everything of the guest interface and prints what came back; the same at every level. */
typedef unsigned long size_t;
typedef long i64;
typedef unsigned long u64;
typedef unsigned u32;

void bf_console_write(const void *text, size_t len);
i64 bf_console_read(void *buffer, size_t cap);
void *bf_alloc(size_t size, size_t align);
void bf_free(void *block, size_t size, size_t align);
i64 bf_file_open(const char *path, size_t len);
i64 bf_file_size(i64 handle);
i64 bf_file_read(i64 handle, u64 offset, void *buffer, size_t len);
i64 bf_file_close(i64 handle);
size_t bf_arg_count(void);
const char *bf_arg(size_t index, size_t *len);
u64 bf_time_ns(void);
u64 bf_random_seed(void);
u32 bf_cpu_count(void);
u64 bf_cpu_features(void);
void bf_parallel(u32 n, void (*work)(void *, u32, u32), void *ctx);
int bf_interrupted(void);

static void put(const char *text) {
    size_t n = 0;
    while (text[n]) n++;
    bf_console_write(text, n);
}

static void number(const char *name, i64 value) {
    char digits[24];
    int at = 24;
    int negative = value < 0;
    u64 rest = negative ? -(u64)value : (u64)value;
    do digits[--at] = '0' + rest % 10; while (rest /= 10);
    if (negative) digits[--at] = '-';
    put(name);
    put(" ");
    bf_console_write(digits + at, 24 - at);
    put("\n");
}

struct sum { float parts[64]; const float *data; size_t len; };

static void add(void *ctx, u32 index, u32 n) {
    struct sum *s = ctx;
    size_t from = s->len * index / n, to = s->len * (index + 1) / n;
    float total = 0;
    for (size_t i = from; i < to; i++) total += s->data[i] * 0.5f;
    s->parts[index] = total;
}

static double poly(double x) { return ((x * 0.25 - 1.5) * x + 3.0) * x; }
static int (*volatile pick)(int);
static int half(int x) { return x / 2; }

int bf_main(void) {
    for (size_t i = 0; i < bf_arg_count(); i++) {
        size_t len;
        const char *text = bf_arg(i, &len);
        put("argument ");
        bf_console_write(text, len);
        put("\n");
    }
    size_t none = 7;
    number("no argument", bf_arg(1000, &none) == 0 && none == 0);

    size_t len = 100000;
    float *data = bf_alloc(len * sizeof(float), 64);
    number("aligned", (u64)data % 64);
    for (size_t i = 0; i < len; i++) data[i] = (float)(i % 97) - 48.0f;
    struct sum s = {.data = data, .len = len};
    bf_parallel(4, add, &s);
    for (int i = 0; i < 4; i++) number("part", (i64)(s.parts[i] * 16));
    bf_free(data, len * sizeof(float), 64);
    void *large = bf_alloc(9 << 20, 4096);
    ((char *)large)[(9 << 20) - 1] = 1;
    bf_free(large, 9 << 20, 4096);

    i64 file = bf_file_open("/data/text", 10);
    if (file >= 0) {
        char buffer[32];
        number("size", bf_file_size(file));
        i64 n = bf_file_read(file, 3, buffer, sizeof buffer);
        put("read ");
        bf_console_write(buffer, n > 0 ? n : 0);
        put("\n");
        number("close", bf_file_close(file));
    }
    number("missing", bf_file_open("/none", 5));
    number("bad handle", bf_file_size(77));

    char line[16];
    i64 n;
    while ((n = bf_console_read(line, sizeof line)) >= 0) {
        put("line [");
        bf_console_write(line, n);
        put("]\n");
    }

    u64 t0 = bf_time_ns(), t1 = bf_time_ns();
    number("time goes on", t1 >= t0);
    number("seeds differ", bf_random_seed() != bf_random_seed());
    number("cpus", bf_cpu_count());
    number("features stay", bf_cpu_features() == bf_cpu_features());
    number("interrupted", bf_interrupted());
    number("poly", (i64)(poly(1.7) * 1e9));
    pick = half;
    number("half", pick(-9));
    unsigned __int128 wide = (unsigned __int128)0xFEDCBA9876543210u * 0x123456789u;
    number("wide", (i64)(wide / 1000000007u % 1000000009u));
    return 42;
}
