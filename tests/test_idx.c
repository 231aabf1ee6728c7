/* IDX files: every type, and files that are damaged, cut off or lie; batches. */
#include "tests/check.h"
#include <ebb/ebb.h>
#ifdef EBB_HAVE_ZLIB
#include <zlib.h>
#endif

#define BYTES(...) (const unsigned char[]){__VA_ARGS__}, sizeof((const unsigned char[]){__VA_ARGS__})

static ebb_tensor *decode(const unsigned char *bytes, size_t n) {
    ebb_tensor *t = NULL;
    ebb_status status = ebb_idx_decode(bytes, n, "test.idx", &t);
    CHECK((status == EBB_OK) == (t != NULL));
    return t;
}

EBB_TEST(every_type) {
    ebb_tensor *t = decode(BYTES(0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255));
    CHECK_SHAPE(t, 2, 3);
    CHECK(ebb_tensor_dtype(t) == EBB_U8);
    CHECK_VALUES(t, 0, 1, 2, 3, 4, 5, 255);
    t = decode(BYTES(0, 0, 9, 1, 0, 0, 0, 3, 127, 128, 255));
    CHECK(ebb_tensor_dtype(t) == EBB_I32);
    CHECK_VALUES(t, 0, 127, -128, -1);
    t = decode(BYTES(0, 0, 11, 1, 0, 0, 0, 3, 1, 0, 128, 0, 255, 254));
    CHECK(ebb_tensor_dtype(t) == EBB_I32);
    CHECK_VALUES(t, 0, 256, -32768, -2);
    t = decode(BYTES(0, 0, 12, 1, 0, 0, 0, 2, 255, 255, 255, 253, 1, 0, 0, 0));
    CHECK(ebb_tensor_dtype(t) == EBB_I32);
    CHECK_VALUES(t, 0, -3, 16777216);
    t = decode(BYTES(0, 0, 13, 1, 0, 0, 0, 1, 0xC0, 0x20, 0, 0));
    CHECK(ebb_tensor_dtype(t) == EBB_F32);
    CHECK_VALUES(t, 0, -2.5);
    t = decode(BYTES(0, 0, 14, 0, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0));
    CHECK(ebb_tensor_dtype(t) == EBB_F64 && ebb_tensor_ndim(t) == 0);
    CHECK_VALUES(t, 0, 1.5);
    t = decode(BYTES(0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 3));
    CHECK_SHAPE(t, 0, 3);
}

EBB_TEST(damaged_and_lying) {
    static const struct {
        unsigned char bytes[48];
        size_t n;
        ebb_status status;
        const char *text;
    } cases[] = {
        {{0}, 0, EBB_ERR_FORMAT, "ends within its magic number"},
        {{0, 0, 8}, 3, EBB_ERR_FORMAT, "ends within its magic number"},
        {{'P', 'K', 8, 1, 0, 0, 0, 0}, 8, EBB_ERR_FORMAT, "is not an IDX file: it begins with 50 4b 08 01"},
        {{0, 0, 10, 1, 0, 0, 0, 0}, 8, EBB_ERR_FORMAT, "is not an IDX file"},
        {{0, 0, 8, 9}, 48, EBB_ERR_UNSUPPORTED, "has 9 dimensions"},
        {{0, 0, 8, 2, 0, 0, 0, 1, 0, 0}, 10, EBB_ERR_FORMAT, "ends within its sizes"},
        {{0, 0, 8, 1, 0, 0, 0, 3, 1, 2}, 10, EBB_ERR_FORMAT, "more elements than its 10 bytes"},
        {{0, 0, 8, 1, 0, 0, 0, 2, 1, 2, 3}, 11, EBB_ERR_FORMAT, "goes on after its elements"},
        {{0, 0, 8, 1, 255, 255, 255, 255, 1}, 9, EBB_ERR_FORMAT, "more elements than"},
        {{0, 0, 14, 3, 128, 0, 0, 0, 128, 0, 0, 0, 128, 0, 0, 0}, 40, EBB_ERR_FORMAT, "more elements than"},
        {{0, 0, 8, 4, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
         48,
         EBB_ERR_FORMAT,
         "more elements than"},
        {{0, 0, 12, 1, 0, 0, 0, 1, 1, 2, 3}, 11, EBB_ERR_FORMAT, "more elements than"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(!decode(cases[i].bytes, cases[i].n));
        CHECK_ERROR(cases[i].status, cases[i].text);
    }
}

EBB_TEST(files) {
    ebb_tensor *t = NULL;
    CHECK(ebb_idx_read("data/digits/digits-images-idx3-ubyte", &t) == EBB_OK);
    CHECK_SHAPE(t, 1797, 8, 8);
    CHECK_CLOSE(ebb_item(ebb_sum(t)), 561718, 0);
    CHECK(ebb_idx_read("no/such/file", &t) == EBB_ERR_IO);
    CHECK_ERROR(EBB_ERR_IO, "no/such/file: No such file");
    CHECK(ebb_idx_read("data", &t) == EBB_ERR_IO);
    CHECK_ERROR(EBB_ERR_IO, "data: ");
    CHECK(ebb_idx_read(NULL, &t) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "path is NULL");
}

#ifdef EBB_HAVE_ZLIB

static const unsigned char plain[] = {0, 0, 11, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0, 2, 0, 3, 255, 255};

/* One member of gzip; returns its size. */
static size_t compress_to(unsigned char *to, size_t room, const unsigned char *from, size_t n) {
    z_stream z = {0};
    CHECK(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    unsigned char copy[256];
    CHECK(n <= sizeof copy);
    memcpy(copy, from, n);
    z.next_in = copy;
    z.avail_in = (unsigned)n;
    z.next_out = to;
    z.avail_out = (unsigned)room;
    CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

EBB_TEST(gzip) {
    unsigned char file[512];
    size_t n = compress_to(file, sizeof file, plain, sizeof plain);
    CHECK_VALUES(decode(file, n), 0, 1, 2, 3, -1);
    for (size_t cut = 2; cut < n; cut++) { /* also inside the checksum at the end */
        CHECK(!decode(file, cut));
        CHECK_ERROR(EBB_ERR_FORMAT, "ends too early");
    }
    file[n] = 0;
    CHECK(!decode(file, n + 1));
    CHECK_ERROR(EBB_ERR_FORMAT, "goes on after its elements");
    for (size_t i = n - 8; i < n; i++) {
        file[i] ^= 1;
        CHECK(!decode(file, n));
        CHECK_ERROR(EBB_ERR_FORMAT, "the compressed data is damaged");
        file[i] ^= 1;
    }
    size_t members = compress_to(file, sizeof file, plain, 7);
    members += compress_to(file + members, sizeof file - members, plain + 7, sizeof plain - 7);
    CHECK_VALUES(decode(file, members), 0, 1, 2, 3, -1);
    n = compress_to(file, sizeof file, BYTES(0, 0, 8, 2, 0, 255, 255, 255, 0, 255, 255, 255));
    CHECK(!decode(file, n));
    CHECK_ERROR(EBB_ERR_FORMAT, "more elements than");
    n = compress_to(file, sizeof file, BYTES(0, 0, 8, 1, 0, 0, 0, 9, 1));
    CHECK(!decode(file, n));
    CHECK_ERROR(EBB_ERR_FORMAT, "ends within its elements");
}

static unsigned char compressed[512];
static size_t compressed_size;

static void decode_compressed(void) {
    EBB_SCOPE {
        ebb_tensor *t;
        (void)ebb_idx_decode(compressed, compressed_size, "test.idx", &t);
    }
}

EBB_TEST(every_allocation_may_fail) {
    compressed_size = compress_to(compressed, sizeof compressed, plain, sizeof plain);
    CHECK_ALLOCATIONS_FAILING(decode_compressed, 0);
}

#else

EBB_TEST(gzip_without_zlib) {
    CHECK(!decode(BYTES(0x1F, 0x8B, 8, 0)));
    CHECK_ERROR(EBB_ERR_UNSUPPORTED, "without zlib");
}

#endif

EBB_TEST(batches_in_order) {
    ebb_tensor *x = ebb_reshape(ebb_arange(0, 10, 1), EBB_DIMS(5, 2)), *y = ebb_arange(0, 5, 1), *part[2];
    ebb_batches *b = ebb_batches_new(EBB_LIST(x, y), .batch_size = 2);
    CHECK(ebb_batches_count(b) == 3 && ebb_batches_begin(b) == EBB_OK);
    CHECK(ebb_batches_get(b, 2, part) == EBB_OK);
    CHECK_SHAPE(part[0], 1, 2);
    CHECK_VALUES(part[0], 0, 8, 9);
    CHECK_VALUES(part[1], 0, 4);
    CHECK(ebb_tensor_shares_storage(part[0], x));
    CHECK(ebb_batches_get(b, 3, part) == EBB_ERR_INDEX);
    CHECK_ERROR(EBB_ERR_INDEX, "batch 3 is out of range; there are 3");
    ebb_batches_free(b);
    b = ebb_batches_new(EBB_LIST(x, y), .batch_size = 2, .drop_last = true);
    CHECK(ebb_batches_count(b) == 2);
    ebb_batches_free(b);
    CHECK(!ebb_batches_new(EBB_LIST(x, ebb_arange(0, 4, 1))));
    CHECK_ERROR(EBB_ERR_SHAPE, "tensor 1 has 4 rows, the first one has 5");
}

EBB_TEST(batches_in_a_shuffled_order) {
    ebb_tensor *y = ebb_arange(0, 100, 1), *part;
    double seen[2][100];
    for (int run = 0; run < 2; run++) {
        ebb_manual_seed(5);
        ebb_batches *b = ebb_batches_new(EBB_LIST(y), .batch_size = 7, .shuffle = true);
        for (int epoch = 0; epoch < 2; epoch++) {
            double *to = seen[run];
            CHECK(ebb_batches_begin(b) == EBB_OK);
            for (int64_t i = 0; i < ebb_batches_count(b); i++) {
                CHECK(ebb_batches_get(b, i, &part) == EBB_OK);
                CHECK(ebb_tensor_read(part, EBB_F64, to) == EBB_OK);
                to += ebb_tensor_numel(part);
            }
            CHECK(to - seen[run] == 100);
        }
        ebb_batches_free(b);
    }
    CHECK(memcmp(seen[0], seen[1], sizeof seen[0]) == 0);
    bool have[100] = {false};
    int moved = 0;
    for (int i = 0; i < 100; i++) {
        have[(int)seen[0][i]] = true;
        moved += (int)seen[0][i] != i;
    }
    for (int i = 0; i < 100; i++) CHECK(have[i]);
    CHECK(moved > 80);
}

EBB_TEST_MAIN
