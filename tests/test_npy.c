/* NumPy's .npy: what is written comes back, elements of other types become Ebb's, headers that lie are refused. That
 * files are NumPy's own is tests/exchange. */
#define _XOPEN_SOURCE 700
#include "tests/check.h"
#include <ebb/ebb.h>
#include <unistd.h>

static char path[64];

static void make_path(void) {
    (void)snprintf(path, sizeof path, "build/npy_XXXXXX");
    int file = mkstemp(path);
    CHECK(file >= 0 && close(file) == 0);
}

/* A file of a version, with a header and elements. */
static unsigned char bytes[70000];
static size_t make_file(int version, const char *header, const void *data, size_t n) {
    size_t length = strlen(header), at = version == 1 ? 10 : 12;
    CHECK(at + length + n <= sizeof bytes);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[7] = 0;
    for (size_t i = 8; i < at; i++) bytes[i] = (unsigned char)(length >> 8 * (i - 8));
    memcpy(bytes + at, header, length);
    if (n) memcpy(bytes + at + length, data, n);
    return at + length + n;
}

static ebb_tensor *decode(int version, const char *header, const void *data, size_t n) {
    size_t size = make_file(version, header, data, n);
    unsigned char *exact = malloc(size); /* so that a sanitizer sees reads beyond its end */
    CHECK(exact != NULL);
    memcpy(exact, bytes, size);
    ebb_tensor *t = ebb_npy_decode(exact, size, "test.npy");
    free(exact);
    return t;
}

#define HEADER(descr, fortran, shape) "{'descr': '" descr "', 'fortran_order': " fortran ", 'shape': " shape ", }\n"
#define DATA(...) (const unsigned char[]){__VA_ARGS__}, sizeof((const unsigned char[]){__VA_ARGS__})

static bool same_shape(const ebb_tensor *a, const ebb_tensor *b) {
    ebb_dims x = ebb_tensor_shape(a), y = ebb_tensor_shape(b);
    return x.n == y.n && memcmp(x.d, y.d, (size_t)x.n * sizeof *x.d) == 0;
}

EBB_TEST(every_dtype_and_shape_comes_back) {
    make_path();
    for (int d = EBB_BOOL; d < EBB_DTYPE_COUNT; d++) EBB_SCOPE {
            ebb_tensor *x = ebb_to(ebb_reshape(ebb_arange(0, 24, 1), EBB_DIMS(2, 3, 4)), (ebb_dtype)d);
            ebb_tensor *views[] = {x,
                                   ebb_permute(x, EBB_DIMS(2, 0, 1)),
                                   ebb_slice(x, 2, 1, EBB_END, 2),
                                   ebb_expand(ebb_select(x, 0, 1), EBB_DIMS(3, 3, 4)),
                                   ebb_reshape(ebb_select(ebb_reshape(x, EBB_DIMS(-1)), 0, 5), EBB_NO_DIMS),
                                   ebb_narrow(x, 1, 0, 0),
                                   ebb_reshape(x, EBB_DIMS(1, 2, 1, 3, 1, 4, 1, 1))};
            for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
                ebb_tensor *y = ebb_requires_grad_(ebb_detach(views[i]), ebb_dtype_is_floating((ebb_dtype)d));
                CHECK(ebb_npy_save(path, y) == EBB_OK);
                ebb_tensor *got = ebb_npy_load(path), *want = ebb_contiguous(views[i]);
                CHECK(got && ebb_tensor_dtype(got) == (ebb_dtype)d && same_shape(got, want));
                CHECK(!ebb_tensor_is_view(got) && !ebb_tensor_requires_grad(got));
                size_t n = (size_t)ebb_tensor_numel(got) * ebb_dtype_size((ebb_dtype)d);
                CHECK(n == 0 || memcmp(ebb_tensor_data(got), ebb_tensor_data(want), n) == 0);
            }
        }
    CHECK(unlink(path) == 0);
}

EBB_TEST(the_header_is_numpys) {
    char got[128];
    make_path();
    CHECK(ebb_npy_save(path, ebb_ones(EBB_DIMS(2, 3), .dtype = EBB_U8)) == EBB_OK);
    FILE *file = fopen(path, "rb");
    CHECK(file && fread(got, 1, sizeof got, file) == sizeof got);
    (void)fclose(file);
    CHECK(memcmp(got, "\x93NUMPY\1\0v\0{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }", 69) == 0);
    for (int i = 69; i < 127; i++) CHECK(got[i] == ' ');
    CHECK(got[127] == '\n' && unlink(path) == 0);
}

EBB_TEST(elements_of_every_type) {
    ebb_tensor *t = decode(1, HEADER("|b1", "False", "(3,)"), DATA(0, 1, 7));
    CHECK(ebb_tensor_dtype(t) == EBB_BOOL && ((unsigned char *)ebb_tensor_data(t))[2] == 1);
    t = decode(1, HEADER("|i1", "False", "(3,)"), DATA(127, 128, 255));
    CHECK(ebb_tensor_dtype(t) == EBB_I32);
    CHECK_VALUES(t, 0, 127, -128, -1);
    t = decode(2, HEADER("<i2", "False", "(2,)"), DATA(1, 2, 254, 255));
    CHECK(ebb_tensor_dtype(t) == EBB_I32);
    CHECK_VALUES(t, 0, 513, -2);
    t = decode(3, HEADER(">u2", "False", "(2,)"), DATA(1, 2, 255, 254));
    CHECK(ebb_tensor_dtype(t) == EBB_I32);
    CHECK_VALUES(t, 0, 258, 65534);
    t = decode(1, HEADER(">u4", "False", "(2,)"), DATA(0, 0, 1, 0, 255, 255, 255, 255));
    CHECK(ebb_tensor_dtype(t) == EBB_I64);
    CHECK_VALUES(t, 0, 256, 4294967295.0);
    t = decode(1, HEADER(">i8", "False", "()"), DATA(255, 255, 255, 255, 255, 255, 255, 253));
    CHECK(ebb_tensor_dtype(t) == EBB_I64);
    CHECK_VALUES(t, 0, -3);
    t = decode(1, HEADER(">f2", "False", "(1,)"), DATA(0x3C, 0));
    CHECK(ebb_tensor_dtype(t) == EBB_F16);
    CHECK_VALUES(t, 0, 1);
    t = decode(1, HEADER("<V2", "False", "(1,)"), DATA(0x80, 0xBF));
    CHECK(ebb_tensor_dtype(t) == EBB_BF16);
    CHECK_VALUES(t, 0, -1);
    t = decode(1, HEADER(">f8", "True", "(2, 3)"),
               DATA(0x3F, 0xF0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                    0, 0, 0x40, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    CHECK_SHAPE(t, 2, 3);
    CHECK_VALUES(t, 0, 1, 0, 3, 2, 0, 0);
}

EBB_TEST(headers_as_others_write_them) {
    static const char *const headers[] = {
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1)}",
        "{'shape':(2,1,),'descr':\"|u1\",'fortran_order':True}  \n\n",
        "  { 'fortran_order' : False , 'shape' : ( 2L , 1L ) , 'descr' : '<u1' , } ",
        "{'descr': '=u1', 'fortran_order': False, 'shape': (2, 1), }",
        "{'descr': 'u1', 'fortran_order': False, 'shape': (2, 1), }",
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        for (int version = 1; version <= 3; version++) {
            ebb_tensor *t = decode(version, headers[i], DATA(5, 6));
            CHECK_SHAPE(t, 2, 1);
            CHECK_VALUES(t, 0, 5, 6);
        }
    CHECK_SHAPE(decode(1, HEADER("<f4", "True", "(0, 1152921504606846976)"), NULL, 0), 0, INT64_C(1) << 60);
}

EBB_TEST(headers_that_lie) {
    static const struct {
        const char *header;
        size_t data;
        ebb_status status;
        const char *text;
    } cases[] = {
        {"", 0, EBB_ERR_FORMAT, "its header is damaged"},
        {"{", 0, EBB_ERR_FORMAT, "its header is damaged"},
        {"{}", 0, EBB_ERR_FORMAT, "its header is damaged"},
        {HEADER("<f4", "False", "(1)"), 4, EBB_ERR_FORMAT, "its header is damaged"},
        {HEADER("<f4", "False", "1"), 4, EBB_ERR_FORMAT, "its header is damaged"},
        {HEADER("<f4", "False", "(-1,)"), 4, EBB_ERR_FORMAT, "its header is damaged"},
        {HEADER("<f4", "False", "(1, 1"), 4, EBB_ERR_FORMAT, "its header is damaged"},
        {HEADER("<f4", "False", "(1 1)"), 4, EBB_ERR_FORMAT, "its header is damaged"},
        {HEADER("<f4", "False", "(,)"), 4, EBB_ERR_FORMAT, "its header is damaged"},
        {HEADER("<f4", "False", "(9223372036854775808,)"), 4, EBB_ERR_FORMAT, "its header is damaged"},
        {HEADER("<f4", "0", "(1,)"), 4, EBB_ERR_FORMAT, "its header is damaged"},
        {HEADER("<f4", "False", "(1,)") "x", 4, EBB_ERR_FORMAT, "its header is damaged"},
        {"{'descr': 4, 'fortran_order': False, 'shape': ()}", 4, EBB_ERR_FORMAT, "its header is damaged"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4, EBB_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': ()}", 4, EBB_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False}", 4, EBB_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': ()}", 4, EBB_ERR_FORMAT, "damaged"},
        {"{'descr': [('a', '<f4'), 'fortran_order': False, 'shape': ()}", 4, EBB_ERR_FORMAT, "damaged"},
        {"{'descr': '<f\\x34', 'fortran_order': False, 'shape': ()}", 4, EBB_ERR_FORMAT, "damaged"},
        {HEADER("<f4", "False", "(2,)"), 4, EBB_ERR_FORMAT, "says it has more elements than the file can hold"},
        {HEADER("<f4", "False", "(1,)"), 3, EBB_ERR_FORMAT, "says it has more elements than the file can hold"},
        {HEADER("<f4", "False", "(1,)"), 5, EBB_ERR_FORMAT, "goes on after its elements"},
        {HEADER("<f4", "False", "(0,)"), 1, EBB_ERR_FORMAT, "goes on after its elements"},
        {HEADER("<f4", "False", "(4294967296, 4294967296)"), 4, EBB_ERR_FORMAT, "larger than any file"},
        {HEADER("<f4", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), 4, EBB_ERR_UNSUPPORTED, "has 9 dimensions"},
        {HEADER("<u8", "False", "(1,)"), 8, EBB_ERR_UNSUPPORTED, "elements of type '<u8', which Ebb does not have"},
        {HEADER("<c8", "False", "(1,)"), 8, EBB_ERR_UNSUPPORTED, "elements of type '<c8'"},
        {HEADER("|O", "False", "(1,)"), 8, EBB_ERR_UNSUPPORTED, "elements of type '|O'"},
        {HEADER("<U10", "False", "(1,)"), 40, EBB_ERR_UNSUPPORTED, "elements of type '<U10'"},
        {HEADER("", "False", "(1,)"), 4, EBB_ERR_UNSUPPORTED, "elements of type ''"},
        {"{'descr': [('a', '<f4', (2,)), (']', '|O')], 'fortran_order': False, 'shape': ()}", 4, EBB_ERR_UNSUPPORTED,
         "elements of type '[('a', '<f4', (2,)), (']', '|O')]'"},
    };
    static const unsigned char zeros[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(!decode(1, cases[i].header, zeros, cases[i].data));
        CHECK_ERROR(cases[i].status, cases[i].text);
    }
}

EBB_TEST(what_does_not_begin_as_it_must) {
    size_t n = make_file(1, HEADER("<f4", "False", "()"), "\0\0\0\0", 4);
    for (size_t cut = 0; cut < n; cut++) {
        CHECK(!ebb_npy_decode(bytes, cut, "test.npy"));
        CHECK_ERROR(EBB_ERR_FORMAT, "test.npy: ");
    }
    CHECK_VALUES(ebb_npy_decode(bytes, n, "test.npy"), 0, 0);
    for (int i = 0; i < 6; i++) {
        bytes[i] ^= 1;
        CHECK(!ebb_npy_decode(bytes, n, "test.npy"));
        CHECK_ERROR(EBB_ERR_FORMAT, "is no array of NumPy's");
        bytes[i] ^= 1;
    }
    bytes[6] = 4;
    CHECK(!ebb_npy_decode(bytes, n, "test.npy"));
    CHECK_ERROR(EBB_ERR_UNSUPPORTED, "is of version 4.0");
    bytes[6] = 1, bytes[7] = 1;
    CHECK(!ebb_npy_decode(bytes, n, "test.npy"));
    CHECK_ERROR(EBB_ERR_UNSUPPORTED, "is of version 1.1");
    bytes[6] = 2, bytes[7] = 0, bytes[8] = bytes[9] = bytes[10] = bytes[11] = 255;
    CHECK(!ebb_npy_decode(bytes, n, "test.npy"));
    CHECK_ERROR(EBB_ERR_UNSUPPORTED, "has a header of 4294967295 bytes");
}

EBB_TEST(wrong_use) {
    CHECK(!ebb_npy_load(NULL));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "npy_load: path is NULL");
    CHECK(!ebb_npy_decode(NULL, 1, "test.npy"));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "npy_decode: bytes is NULL");
    CHECK(ebb_npy_save("x.npy", NULL) == EBB_ERR_ARGUMENT);
    CHECK(strstr(ebb_error()->file, "test_npy.c") != NULL);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "npy_save: the tensor is NULL");
    CHECK(ebb_npy_save(NULL, ebb_scalar(1)) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "npy_save: path is NULL");
    ebb_add(ebb_ones(EBB_DIMS(2)), ebb_ones(EBB_DIMS(3)));
    CHECK(ebb_npy_save("x.npy", NULL) == EBB_ERR_SHAPE); /* the error that made it NULL */
    CHECK_ERROR(EBB_ERR_SHAPE, "");
}

static size_t turned_size;
static void decode_turned(void) { EBB_SCOPE(void) ebb_npy_decode(bytes, turned_size, "test.npy"); }

EBB_TEST(every_allocation_may_fail) {
    turned_size = make_file(1, HEADER(">i2", "True", "(2, 2)"), "\0\1\0\2\0\3\0\4", 8);
    CHECK_VALUES(ebb_npy_decode(bytes, turned_size, "test.npy"), 0, 1, 3, 2, 4);
    CHECK_ALLOCATIONS_FAILING(decode_turned, 0);
}

EBB_TEST_MAIN
