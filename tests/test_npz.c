/* NumPy's .npz: arrays come back by name; archives that are damaged, lie or hold other things are refused. That files
 * are NumPy's own is tests/exchange. */
#define _XOPEN_SOURCE 700
#include "tests/check.h"
#include <ebb/ebb.h>
#include <unistd.h>

#ifdef EBB_HAVE_ZLIB
#include <zlib.h>

static char path[64];

static void make_path(void) {
    (void)snprintf(path, sizeof path, "build/npz_XXXXXX");
    int file = mkstemp(path);
    CHECK(file >= 0 && close(file) == 0);
}

static unsigned char bytes[1 << 16];
static size_t size;

static void read_bytes(void) {
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    size = fread(bytes, 1, sizeof bytes, file);
    CHECK(size < sizeof bytes && fclose(file) == 0);
}

static ebb_npz *open_bytes(void) {
    ebb_npz *file = NULL;
    unsigned char *exact = malloc(size ? size : 1); /* so that a sanitizer sees reads beyond its end */
    CHECK(exact != NULL);
    memcpy(exact, bytes, size);
    ebb_status status = ebb_npz_open_memory(exact, size, "test.npz", &file);
    CHECK((status == EBB_OK) == (file != NULL));
    for (int64_t i = 0; i < ebb_npz_count(file); i++) EBB_SCOPE {
            ebb_tensor *t = ebb_npz_get(file, ebb_npz_name(file, i));
            if (!t) CHECK(ebb_error());
        }
    ebb_npz *kept = NULL;
    if (!ebb_error() && file) CHECK(ebb_npz_open_memory(bytes, size, "test.npz", &kept) == EBB_OK);
    ebb_npz_close(file);
    free(exact);
    return kept;
}

static void write_two(bool compressed) {
    const char *names[] = {"weight", "b/é"};
    ebb_tensor *w = ebb_reshape(ebb_arange(0, 600, 1, .dtype = EBB_F32), EBB_DIMS(20, 30));
    CHECK(ebb_npz_save(path, names, EBB_LIST(ebb_t(w), ebb_scalar(2.5)), .compressed = compressed) == EBB_OK);
}

EBB_TEST(arrays_come_back_by_name) {
    make_path();
    for (int compressed = 0; compressed < 2; compressed++) EBB_SCOPE {
            ebb_npz *file = NULL;
            write_two(compressed);
            CHECK(ebb_npz_open(path, &file) == EBB_OK && ebb_npz_count(file) == 2);
            CHECK(strcmp(ebb_npz_name(file, 0), "weight") == 0 && strcmp(ebb_npz_name(file, 1), "b/é") == 0);
            CHECK(ebb_npz_find(file, "b/é") == 1 && ebb_npz_find(file, "b") == -1 && ebb_npz_find(file, NULL) == -1);
            CHECK(ebb_npz_dtype(file, 0) == EBB_F32 && ebb_npz_dtype(file, 2) == EBB_DTYPE_NONE);
            CHECK(ebb_npz_shape(file, 0).n == 2 && ebb_npz_shape(file, 0).d[0] == 30);
            ebb_tensor *w = ebb_npz_get(file, "weight");
            CHECK_SHAPE(w, 30, 20);
            CHECK_CLOSE(ebb_at_index(w, EBB_DIMS(29, 1)), 59, 0);
            CHECK_VALUES(ebb_npz_get(file, "b/é"), 0, 2.5);
            CHECK(!ebb_npz_get(file, "c"));
            CHECK_ERROR(EBB_ERR_NAME, "has no entry \"c\"");
            CHECK(!ebb_npz_close(file));

            const char *names[] = {"weight"};
            ebb_tensor *x = ebb_zeros(EBB_DIMS(30, 20), .dtype = EBB_F32), *y = ebb_zeros(EBB_DIMS(20, 30));
            CHECK(ebb_npz_load(path, names, EBB_LIST(y)) == EBB_ERR_SHAPE);
            CHECK_ERROR(EBB_ERR_SHAPE, "\"weight\" has shape [30, 20], the tensor to be filled [20, 30]");
            CHECK(ebb_npz_load(path, names, EBB_LIST(x)) == EBB_OK);
            CHECK_CLOSE(ebb_at_index(x, EBB_DIMS(29, 1)), 59, 0);
        }
    CHECK(unlink(path) == 0);
}

EBB_TEST(no_arrays) {
    ebb_npz *file = NULL;
    make_path();
    CHECK(ebb_npz_save(path, NULL, ((ebb_list){0, NULL}), .compressed = true) == EBB_OK);
    CHECK(ebb_npz_open(path, &file) == EBB_OK && ebb_npz_count(file) == 0);
    ebb_npz_close(file);
    CHECK(unlink(path) == 0 && ebb_npz_count(NULL) == 0 && !ebb_npz_close(NULL));
}

EBB_TEST(names) {
    static char long_name[65533];
    const char *names[] = {"a", "a"}, *wrong[] = {"\xC0\x80"}, *longest[] = {long_name};
    ebb_npz *file = NULL;
    make_path();
    ebb_tensor *x = ebb_scalar(1);
    CHECK(ebb_npz_save(path, names, EBB_LIST(x, x)) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "the name \"a\" is there twice");
    static const char *const not_utf8[] = {"\x80",
                                           "\xC3",
                                           "\xC3(",
                                           "\xE0\x80\x80",
                                           "\xED\xA0\x80",
                                           "\xF4\x90\x80\x80",
                                           "\xF5\x80\x80\x80",
                                           "\xF0\x80\x80\x80",
                                           "\xE2\x82"};
    for (size_t i = 0; i < sizeof not_utf8 / sizeof *not_utf8; i++) {
        wrong[0] = not_utf8[i];
        CHECK(ebb_npz_save(path, wrong, EBB_LIST(x)) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "a name is not UTF-8");
    }
    wrong[0] = "\xF4\x8F\xBF\xBF\xE2\x82\xAC\x7F";
    CHECK(ebb_npz_save(path, wrong, EBB_LIST(x)) == EBB_OK);
    memset(long_name, 'n', sizeof long_name - 1);
    CHECK(ebb_npz_save(path, longest, EBB_LIST(x)) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "a name has 65532 bytes; at most 65531 are possible");
    long_name[65531] = '\0';
    CHECK(ebb_npz_save(path, longest, EBB_LIST(x)) == EBB_OK && ebb_npz_open(path, &file) == EBB_OK);
    CHECK(strcmp(ebb_npz_name(file, 0), long_name) == 0);
    CHECK_VALUES(ebb_npz_get(file, long_name), 0, 1);
    ebb_npz_close(file);
    CHECK(ebb_npz_save(path, NULL, EBB_LIST(x)) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "npz_save: names is NULL");
    CHECK(ebb_npz_save(path, names, EBB_LIST(x, NULL)) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "npz_save: a tensor is NULL");
    CHECK(unlink(path) == 0);
}

/* ---- archives that are damaged, or lie ---- */

EBB_TEST(cut_off_and_changed) {
    make_path();
    for (int compressed = 0; compressed < 2; compressed++) EBB_SCOPE {
            write_two(compressed);
            read_bytes();
            size_t whole = size;
            for (size = 0; size < whole; size += CHECK_STEP(7)) {
                CHECK(!open_bytes());
                CHECK_ERROR(EBB_ERR_FORMAT, "test.npz: ");
            }
            size = whole;
            int unnoticed = 0;
            for (size_t i = 0; i < whole; i += CHECK_STEP(7)) {
                bytes[i] ^= 0x20;
                ebb_npz *file = open_bytes();
                unnoticed += file != NULL;
                ebb_npz_close(file);
                ebb_clear_error();
                bytes[i] ^= 0x20;
            }
            CHECK(unnoticed < 120); /* times, versions, modes, sizes that both headers have; never data */
        }
    CHECK(unlink(path) == 0);
}

/* Archives are made here from their parts. */
static struct {
    size_t n;
    unsigned char at[4096];
} made;

static void put(uint64_t value, int n) {
    for (int i = 0; i < n; i++) made.at[made.n++] = (unsigned char)(value >> 8 * i);
}
static void put_bytes(const void *p, size_t n) {
    if (n) memcpy(made.at + made.n, p, n);
    made.n += n;
}

static const char array[] = "\x93NUMPY\1\0\x36\0{'descr': '|u1', 'fortran_order': False, 'shape': ()}\n\7";
enum { ARRAY = sizeof array - 1 };

struct part {
    const char *name;
    unsigned method, flags;
    uint64_t packed, size; /* what the directory says */
    uint32_t crc;
};

static void put_common(const struct part *p, uint64_t packed, uint64_t bytes_out) {
    put(20, 2);
    put(p->flags, 2);
    put(p->method, 2);
    put(0, 4);
    put(p->crc, 4);
    put(packed, 4);
    put(bytes_out, 4);
    put(strlen(p->name), 2);
}

static void put_header(const struct part *p) {
    put(0x04034b50, 4);
    put_common(p, p->packed, p->size);
    put(0, 2);
    put_bytes(p->name, strlen(p->name));
}

static void put_entry(const struct part *p, uint64_t at, const void *extra, size_t n) {
    put(0x02014b50, 4);
    put(20, 2);
    put_common(p, p->packed, p->size);
    put(n, 2);
    put(0, 6);
    put(0, 4);
    put(at, 4);
    put_bytes(p->name, strlen(p->name));
    put_bytes(extra, n);
}

static void put_end(uint64_t entries, uint64_t directory, uint64_t end) {
    put(0x06054b50, 4);
    put(0, 4);
    put(entries, 2);
    put(entries, 2);
    put(end - directory, 4);
    put(directory, 4);
    put(0, 2);
}

static struct part good_part(void) {
    return (struct part){"a.npy", 0, 0, ARRAY, ARRAY, (uint32_t)crc32(0, (const Bytef *)array, ARRAY)};
}

/* One member, as the directory says. */
static void make(const struct part *in_header, const struct part *in_directory, const void *data, size_t n) {
    made.n = 0;
    put_header(in_header);
    put_bytes(data, n);
    size_t directory = made.n;
    put_entry(in_directory, 0, NULL, 0);
    put_end(1, directory, made.n);
    memcpy(bytes, made.at, made.n);
    size = made.n;
}

static void refused(ebb_status status, const char *text) {
    CHECK(!open_bytes());
    CHECK_ERROR(status, text);
}

EBB_TEST(members_that_lie) {
    const struct part good = good_part();
    make(&good, &good, array, ARRAY);
    ebb_npz *file = open_bytes();
    CHECK(file && ebb_npz_count(file) == 1 && strcmp(ebb_npz_name(file, 0), "a") == 0);
    CHECK_VALUES(ebb_npz_get(file, "a"), 0, 7);
    ebb_npz_close(file);

    static const struct {
        struct part part; /* 0 in crc: the right one */
        ebb_status status;
        const char *text;
    } cases[] = {
        {{"a.npy", 0, 0, ARRAY, ARRAY, 1}, EBB_ERR_FORMAT, "a member and the directory do not agree"},
        {{"a.npy", 0, 0, UINT32_MAX, UINT32_MAX, 0}, EBB_ERR_FORMAT, "a member and the directory do not agree"},
        {{"b.npy", 0, 0, ARRAY, ARRAY, 0}, EBB_ERR_FORMAT, "a member and the directory do not agree"},
        {{"aa.npy", 0, 0, ARRAY, ARRAY, 0}, EBB_ERR_FORMAT, "a member and the directory do not agree"},
        {{"a.npy", 8, 0, ARRAY, ARRAY, 0}, EBB_ERR_FORMAT, "a member and the directory do not agree"},
        {{"a.npy", 0, 0, ARRAY - 1, ARRAY - 1, 0}, EBB_ERR_FORMAT, "a member and the directory do not agree"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct part p = cases[i].part;
        if (!p.crc) p.crc = good.crc;
        make(&good, &p, array, ARRAY);
        refused(cases[i].status, cases[i].text);
    }
    struct part other = good;
    other.name = "\xFF.npy";
    make(&other, &other, array, ARRAY);
    refused(EBB_ERR_FORMAT, "a name is not UTF-8");
    other = good;
    other.crc++;
    make(&other, &other, array, ARRAY);
    refused(EBB_ERR_FORMAT, "its checksum is wrong");
    other = good;
    other.size = --other.packed;
    make(&other, &other, array, ARRAY - 1);
    refused(EBB_ERR_FORMAT, "shape and size do not agree");
    other = good;
    other.size++;
    make(&other, &other, array, ARRAY);
    refused(EBB_ERR_FORMAT, "a stored member has two sizes");
    other = good;
    other.size = ++other.packed;
    make(&other, &other, array, ARRAY);
    refused(EBB_ERR_FORMAT, "a member is out of place");
    other = good;
    other.flags = 8; /* its own header need not know sizes and checksum */
    other.size = other.packed = other.crc = 0;
    make(&other, &good, array, ARRAY);
    file = open_bytes();
    CHECK_VALUES(ebb_npz_get(file, "a"), 0, 7);
    ebb_npz_close(file);
}

EBB_TEST(members_that_are_no_arrays_of_ebb) {
    static const char object[] = "\x93NUMPY\1\0\x35\0{'descr': '|O', 'fortran_order': False, 'shape': ()}\n\7";
    const struct {
        struct part part;
        const void *data;
        size_t n;
        ebb_status status;
        const char *text;
    } cases[] = {
        {{"readme.txt", 0, 0, 5, 5, 0}, "hello", 5, EBB_ERR_FORMAT, "ends within its magic number"},
        {{"readme.txt", 0, 0, 12, 12, 0}, "hello, world", 12, EBB_ERR_FORMAT, "is no array of NumPy's"},
        {{"folder/", 0, 0, 0, 0, 0}, "", 0, EBB_ERR_FORMAT, "ends within its magic number"},
        {{"a.npy", 0, 1, ARRAY, ARRAY, 0},
         array,
         ARRAY,
         EBB_ERR_UNSUPPORTED,
         "is encrypted, or compressed by method 0"},
        {{"a.npy", 12, 0, ARRAY, 99, 0}, array, ARRAY, EBB_ERR_UNSUPPORTED, "compressed by method 12"},
        {{"a.npy", 0, 0, sizeof object - 1, sizeof object - 1, 0},
         object,
         sizeof object - 1,
         EBB_ERR_UNSUPPORTED,
         "elements of type '|O'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ebb_npz *file = NULL;
        make(&cases[i].part, &cases[i].part, cases[i].data, cases[i].n);
        CHECK(ebb_npz_open_memory(bytes, size, "test.npz", &file) == EBB_OK && ebb_npz_count(file) == 1);
        CHECK(ebb_npz_dtype(file, 0) == EBB_DTYPE_NONE && ebb_npz_shape(file, 0).n == 0);
        CHECK(!ebb_npz_get(file, ebb_npz_name(file, 0)));
        CHECK_ERROR(cases[i].status, cases[i].text);
        ebb_npz_close(file);
    }
}

/* Members that share bytes, twice the same name, and sizes in zip64's fields. */
EBB_TEST(directories_that_lie) {
    const struct part good = good_part();
    struct part other = good;
    made.n = 0;
    put_header(&good);
    put_bytes(array, ARRAY);
    size_t directory = made.n;
    put_entry(&good, 0, NULL, 0);
    put_entry(&good, 0, NULL, 0);
    put_end(2, directory, made.n);
    size = made.n;
    memcpy(bytes, made.at, size);
    refused(EBB_ERR_FORMAT, "two members share bytes");

    made.n = 0;
    put_header(&good);
    put_bytes(array, ARRAY);
    other.name = "a";
    size_t second = made.n;
    put_header(&other);
    put_bytes(array, ARRAY);
    directory = made.n;
    put_entry(&good, 0, NULL, 0);
    put_entry(&other, second, NULL, 0);
    put_end(2, directory, made.n);
    size = made.n;
    memcpy(bytes, made.at, size);
    refused(EBB_ERR_FORMAT, "the name \"a\" is there twice");

    make(&good, &good, array, ARRAY);
    size_t whole = size;
    for (size_t at = whole - 22; at < whole; at++) /* the record at the end, byte by byte */
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] ^= (unsigned char)(1 << bit);
            refused(EBB_ERR_FORMAT, "is damaged, or no zip archive: ");
            bytes[at] ^= (unsigned char)(1 << bit);
        }
    bytes[size - 2] = 4; /* a comment is allowed */
    memcpy(bytes + size, "note", 4);
    size += 4;
    ebb_npz *file = open_bytes();
    CHECK(file != NULL);
    ebb_npz_close(file);
}

/* A member whose sizes and place are in an extra field, with the end of the directory in zip64's record too. */
static void make_zip64(const void *extra, size_t n, uint64_t entries, uint64_t record_at_offset) {
    struct part large = good_part();
    const struct part good = large;
    made.n = 0;
    put_header(&good);
    put_bytes(array, ARRAY);
    size_t directory = made.n;
    large.packed = large.size = UINT32_MAX;
    put_entry(&large, UINT32_MAX, extra, n);
    size_t end = made.n;
    put(0x06064b50, 4);
    put(44, 8);
    put(45, 2);
    put(45, 2);
    put(0, 8);
    put(entries, 8);
    put(entries, 8);
    put(end - directory, 8);
    put(directory, 8);
    put(0x07064b50, 4);
    put(0, 4);
    put(end + record_at_offset, 8);
    put(1, 4);
    put(0x06054b50, 4);
    put(0, 4);
    put(UINT16_MAX, 2);
    put(UINT16_MAX, 2);
    put(UINT32_MAX, 4);
    put(UINT32_MAX, 4);
    put(0, 2);
    size = made.n;
    memcpy(bytes, made.at, size);
}

EBB_TEST(zip64) {
    unsigned char extra[32] = {9, 0, 0, 0, 1, 0, 24, 0, ARRAY, 0, 0, 0, 0, 0, 0, 0, ARRAY}; /* after an unknown field */
    make_zip64(extra, 32, 1, 0);
    ebb_npz *file = open_bytes();
    CHECK_VALUES(ebb_npz_get(file, "a"), 0, 7);
    ebb_npz_close(file);
    make_zip64(extra, 32, 0, 0);
    refused(EBB_ERR_FORMAT, "its directory is out of place");
    make_zip64(extra, 32, UINT64_MAX, 0);
    refused(EBB_ERR_FORMAT, "its directory is out of place");
    make_zip64(extra, 32, 1, 1);
    refused(EBB_ERR_FORMAT, "its zip64 record is out of place");
    make_zip64(extra, 32, 1, UINT64_MAX - 10);
    refused(EBB_ERR_FORMAT, "its zip64 record is out of place");
    make_zip64(extra, 31, 1, 0); /* cut off */
    refused(EBB_ERR_FORMAT, "makes no sense");
    make_zip64(extra, 4, 1, 0); /* without places: four gigabytes are not there */
    refused(EBB_ERR_FORMAT, "a member is out of place");
    memset(extra + 8, 255, 16);
    make_zip64(extra, 32, 1, 0);
    refused(EBB_ERR_FORMAT, "a member and the directory do not agree");
    extra[6] = 16;
    make_zip64(extra, 24, 1, 0);
    refused(EBB_ERR_FORMAT, "makes no sense");
}

/* ---- compression ---- */

static size_t deflate_all(unsigned char *to, size_t room, const void *from, size_t n) {
    z_stream z = {0};
    CHECK(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (Bytef *)(uintptr_t)from;
    z.avail_in = (unsigned)n;
    z.next_out = to;
    z.avail_out = (unsigned)room;
    CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

EBB_TEST(compressed_data_that_lies) {
    unsigned char packed[256];
    size_t n = deflate_all(packed, sizeof packed, array, ARRAY);
    struct part p = good_part();
    p.method = 8;
    p.packed = n;
    make(&p, &p, packed, n);
    ebb_npz *file = open_bytes();
    CHECK_VALUES(ebb_npz_get(file, "a"), 0, 7);
    ebb_npz_close(file);

    p.size = 2000000; /* a bomb is no larger than it can be */
    make(&p, &p, packed, n);
    refused(EBB_ERR_FORMAT, "says it has more bytes than it can");
    p.size = ARRAY + 1;
    make(&p, &p, packed, n);
    refused(EBB_ERR_FORMAT, "shape and size do not agree");
    p.size = ARRAY;
    p.packed = n - 3;
    make(&p, &p, packed, n - 3);
    refused(EBB_ERR_FORMAT, "the compressed data ends too early");
    p.packed = n + 1;
    packed[n] = 0;
    make(&p, &p, packed, n + 1);
    refused(EBB_ERR_FORMAT, "goes on after its elements");
    p.packed = n;
    packed[0] = 7; /* no kind of block */
    make(&p, &p, packed, n);
    refused(EBB_ERR_FORMAT, "the compressed data is damaged");
}

/* What is packed holds more than it says: it is read no further than that. */
EBB_TEST(a_bomb) {
    enum { LARGE = 1 << 22 };
    unsigned char *zeros = calloc(1, LARGE), packed[8192];
    CHECK(zeros != NULL);
    memcpy(zeros, array, ARRAY);
    size_t n = deflate_all(packed, sizeof packed, zeros, LARGE);
    free(zeros);
    CHECK(n < 5000);
    struct part p = good_part();
    p.method = 8;
    p.packed = n;
    made.n = 0;
    put_header(&p);
    memcpy(bytes, made.at, made.n);
    memcpy(bytes + made.n, packed, n);
    size = made.n + n;
    made.n = 0;
    put_entry(&p, 0, NULL, 0);
    put_end(1, size, size + made.n);
    memcpy(bytes + size, made.at, made.n);
    size += made.n;
    ebb_memory_reset_peak();
    int64_t before = ebb_memory().in_use;
    refused(EBB_ERR_FORMAT, "goes on after its elements");
    CHECK(ebb_memory().peak - before < 1 << 20);
}

/* ---- every allocation failing ---- */

static void open_and_get(void) {
    EBB_SCOPE {
        ebb_npz *file = NULL;
        if (!ebb_npz_open_memory(bytes, size, "test.npz", &file)) (void)ebb_npz_get(file, "weight");
        ebb_npz_close(file);
    }
}

EBB_TEST(every_allocation_may_fail) {
    make_path();
    write_two(true);
    read_bytes();
    CHECK_ALLOCATIONS_FAILING(open_and_get, 0);
    CHECK(unlink(path) == 0);
}

#else

EBB_TEST(without_zlib) {
    ebb_npz *file = NULL;
    CHECK(ebb_npz_open("file", &file) == EBB_ERR_UNSUPPORTED && !file);
    CHECK_ERROR(EBB_ERR_UNSUPPORTED, "file: this build is without zlib");
    CHECK(ebb_npz_open_memory("", 0, "file", &file) == EBB_ERR_UNSUPPORTED && !file);
    CHECK_ERROR(EBB_ERR_UNSUPPORTED, "without zlib");
    CHECK(ebb_npz_save("file", NULL, ((ebb_list){0, NULL})) == EBB_ERR_UNSUPPORTED);
    CHECK_ERROR(EBB_ERR_UNSUPPORTED, "without zlib");
}

#endif

EBB_TEST_MAIN
