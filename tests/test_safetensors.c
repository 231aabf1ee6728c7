/* safetensors: what is written comes back bit for bit; headers that lie are refused; a failed write leaves the old
 * file. */
#define _XOPEN_SOURCE 700
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef EBB_HAVE_JANSSON
#include <jansson.h>

static char folder[64], path[96];

static void make_folder(void) {
    (void)snprintf(folder, sizeof folder, "build/safetensors_XXXXXX");
    (void)mkdir("build", 0777);
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/t.safetensors", folder);
}

static void remove_folder(void) {
    (void)unlink(path);
    CHECK(rmdir(folder) == 0); /* nothing else is left there */
}

EBB_TEST(every_dtype_and_shape_comes_back) {
    make_folder();
    const double odd[] = {0.1, -0.0, 1e-310, 1e300, (double)INFINITY, (double)NAN};
    ebb_tensor *f64 = ebb_from_data(odd, EBB_F64, EBB_DIMS(2, 3));
    ebb_tensor *list[] = {f64,
                          ebb_to(f64, EBB_F32),
                          ebb_arange(-3, 3, 1, .dtype = EBB_I64),
                          ebb_arange(0, 5, 1, .dtype = EBB_I32),
                          ebb_arange(0, 3, 1, .dtype = EBB_U8),
                          ebb_gt(f64, 0.0),
                          ebb_scalar(2.5),
                          ebb_zeros(EBB_DIMS(0, 4)),
                          ebb_transpose(ebb_reshape(ebb_arange(0, 6, 1), EBB_DIMS(2, 3)), 0, 1)};
    enum { N = sizeof list / sizeof *list };
    const char *names[N] = {"f64", "f32", "i64", "i32", "u8", "bool", "scalar", "empty", "a \"name\" \n with / é"};
    CHECK(ebb_safetensors_save(path, names, ((ebb_list){N, list})) == EBB_OK);
    ebb_safetensors *file = NULL;
    CHECK(ebb_safetensors_open(path, &file) == EBB_OK && ebb_safetensors_count(file) == N);
    for (int i = 0; i < N; i++) {
        ebb_tensor *t = ebb_safetensors_get(file, names[i]), *want = ebb_contiguous(list[i]);
        ebb_dims shape = ebb_tensor_shape(want), got = ebb_tensor_shape(t);
        CHECK(t && ebb_tensor_dtype(t) == ebb_tensor_dtype(want));
        CHECK(shape.n == got.n && memcmp(shape.d, got.d, (size_t)shape.n * sizeof *shape.d) == 0);
        size_t bytes = (size_t)ebb_tensor_numel(t) * ebb_dtype_size(ebb_tensor_dtype(t));
        CHECK(bytes == 0 || memcmp(ebb_tensor_data(t), ebb_tensor_data(want), bytes) == 0);
    }
    CHECK(!ebb_safetensors_get(file, "other"));
    CHECK_ERROR(EBB_ERR_NAME, "has no entry \"other\"");
    CHECK(ebb_safetensors_find(file, "other") == -1 && strcmp(ebb_safetensors_name(file, -1), "") == 0);
    file = ebb_safetensors_close(file);
    remove_folder();
}

EBB_TEST(tensors_are_filled_all_or_none) {
    make_folder();
    ebb_tensor *a = ebb_arange(0, 3, 1), *b = ebb_ones(EBB_DIMS(2));
    const char *names[] = {"a", "b"};
    CHECK(ebb_safetensors_save(path, names, EBB_LIST(a, b)) == EBB_OK);
    ebb_tensor *x = ebb_requires_grad_(ebb_zeros(EBB_DIMS(3)), true), *y = ebb_zeros(EBB_DIMS(2)),
               *z = ebb_zeros(EBB_DIMS(3));
    ebb_dtype dtype = ebb_tensor_dtype(a);
    if (dtype != EBB_F32) {
        a = ebb_to(a, EBB_F32);
        CHECK(ebb_safetensors_save(path, names, EBB_LIST(a, b)) == EBB_OK);
    }
    CHECK(ebb_safetensors_load(path, names, EBB_LIST(x, z)) == EBB_ERR_SHAPE);
    CHECK_ERROR(EBB_ERR_SHAPE, "\"b\" has shape [2], the tensor to be filled [3]");
    CHECK_VALUES(x, 0, 0, 0, 0);
    CHECK(ebb_safetensors_load(path, names, EBB_LIST(x, ebb_to(y, EBB_F64))) == EBB_ERR_DTYPE);
    CHECK_ERROR(EBB_ERR_DTYPE, "\"b\" is float32, the tensor to be filled float64");
    uint32_t version = ebb_tensor_version(x);
    CHECK(ebb_safetensors_load(path, names, EBB_LIST(x, y)) == EBB_OK);
    CHECK_VALUES(x, 0, 0, 1, 2);
    CHECK_VALUES(y, 0, 1, 1);
    CHECK(ebb_tensor_version(x) > version);
    remove_folder();
}

EBB_TEST(a_failed_write_leaves_the_old_file) {
    make_folder();
    ebb_tensor *a = ebb_ones(EBB_DIMS(2));
    const char *names[] = {"a", "a"}, *wrong[] = {"\xFF"};
    CHECK(ebb_safetensors_save(path, names, EBB_LIST(a)) == EBB_OK);
    CHECK(ebb_safetensors_save(path, names, EBB_LIST(a, a)) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "the name \"a\" is there twice");
    CHECK(ebb_safetensors_save(path, wrong, EBB_LIST(a)) == EBB_ERR_ARGUMENT);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "not UTF-8");
    CHECK(ebb_safetensors_save("no/such/folder/t", names, EBB_LIST(a)) == EBB_ERR_IO);
    CHECK_ERROR(EBB_ERR_IO, "no/such/folder/t cannot be written: No such file");
    CHECK(ebb_safetensors_save(folder, names, EBB_LIST(a)) == EBB_ERR_IO); /* cannot be renamed over a folder */
    CHECK_ERROR(EBB_ERR_IO, folder);
    ebb_safetensors *file = NULL;
    CHECK(ebb_safetensors_open(path, &file) == EBB_OK);
    CHECK_VALUES(ebb_safetensors_get(file, "a"), 0, 1, 1);
    ebb_safetensors_close(file);
    remove_folder();
}

/* ---- large tensors lie over the file ---- */

enum { LARGE = 1 << 18 };

static ebb_tensor *get_large(const char *name) {
    ebb_safetensors *file = NULL;
    CHECK(ebb_safetensors_open(path, &file) == EBB_OK);
    ebb_tensor *t = ebb_safetensors_get(file, name);
    ebb_safetensors_close(file);
    return t;
}

EBB_TEST(large_tensors_are_mapped) {
    make_folder();
    const char *names[] = {"small", "large"};
    EBB_SCOPE {
        ebb_tensor *large = ebb_arange(0, LARGE, 1, .dtype = EBB_F32), *small = ebb_ones(EBB_DIMS(3), .dtype = EBB_U8);
        CHECK(ebb_safetensors_save(path, names, EBB_LIST(small, large)) == EBB_OK);
    }
    int64_t before = ebb_memory().in_use;
    ebb_tensor *a = ebb_keep(get_large("large")), *b = ebb_keep(get_large("large"));
    CHECK(ebb_memory().in_use - before < LARGE); /* two tensors of 4 * LARGE bytes */
    CHECK_CLOSE(ebb_item(ebb_sum(ebb_to(a, EBB_F64))), (double)LARGE * (LARGE - 1) / 2, 0);

    /* Each is its own: writing to one changes neither the other nor the file, which may be replaced meanwhile. */
    EBB_SCOPE ebb_fill_(a, 1);
    CHECK_CLOSE(ebb_at_index(b, EBB_DIMS(LARGE - 1)), LARGE - 1, 0);
    CHECK_CLOSE(ebb_at_index(get_large("large"), EBB_DIMS(1)), 1, 0);
    CHECK(ebb_safetensors_save(path, names + 1, EBB_LIST(a)) == EBB_OK);
    CHECK_CLOSE(ebb_at_index(b, EBB_DIMS(LARGE - 2)), LARGE - 2, 0);
    CHECK_CLOSE(ebb_at_index(get_large("large"), EBB_DIMS(LARGE - 1)), 1, 0);
    ebb_drop(a);
    ebb_drop(b);
    remove_folder();
}

static void write_text(const char *header, unsigned char byte, size_t data) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    for (int i = 0; i < 8; i++) CHECK(fputc(i ? 0 : (int)strlen(header), file) != EOF);
    CHECK(fputs(header, file) >= 0);
    for (size_t i = 0; i < data; i++) CHECK(fputc(byte, file) != EOF);
    CHECK(fclose(file) == 0);
}

EBB_TEST(large_tensors_that_lie_badly) {
    make_folder();
    /* A header whose data begins at an odd place: copied. */
    write_text("{\"a\":{\"dtype\":\"F64\",\"shape\":[65536],\"data_offsets\":[0,524288]}}   ", 0, 524288);
    int64_t before = ebb_memory().in_use;
    ebb_tensor *t = get_large("a");
    CHECK((uintptr_t)ebb_tensor_data(t) % 8 == 0 && ebb_memory().in_use - before > 524288);
    CHECK_CLOSE(ebb_item(ebb_sum(t)), 0, 0);
    /* Whatever the file holds, a bool is 0 or 1; and the file stays what it is. */
    write_text("{\"a\":{\"dtype\":\"BOOL\",\"shape\":[65536],\"data_offsets\":[0,65536]}}", 7, 65536);
    for (int i = 0; i < 2; i++) {
        t = get_large("a");
        const unsigned char *p = ebb_tensor_data(t);
        CHECK(p[0] == 1 && p[65535] == 1);
        CHECK_CLOSE(ebb_item(ebb_sum(t)), 65536, 0);
    }
    remove_folder();
}

/* ---- metadata ---- */

EBB_TEST(metadata) {
    make_folder();
    ebb_tensor *a = ebb_ones(EBB_DIMS(2));
    const char *names[] = {"a"};
    ebb_safetensors *file = NULL;
    CHECK(ebb_safetensors_save(path, names, EBB_LIST(a),
                               .metadata = EBB_METADATA({"format", "pt"}, {"é", "a \"text\"\n"})) == EBB_OK);
    CHECK(ebb_safetensors_open(path, &file) == EBB_OK && ebb_safetensors_count(file) == 1);
    CHECK(ebb_safetensors_metadata_count(file) == 2);
    CHECK(strcmp(ebb_safetensors_metadata_key(file, 0), "format") == 0);
    CHECK(strcmp(ebb_safetensors_metadata(file, "format"), "pt") == 0);
    CHECK(strcmp(ebb_safetensors_metadata(file, "é"), "a \"text\"\n") == 0);
    CHECK(!ebb_safetensors_metadata(file, "a") && !ebb_safetensors_metadata(file, NULL));
    CHECK(strcmp(ebb_safetensors_metadata_key(file, 2), "") == 0 && !ebb_safetensors_metadata(NULL, "a"));
    ebb_safetensors_close(file);
    CHECK(ebb_safetensors_save(path, names, EBB_LIST(a)) == EBB_OK && ebb_safetensors_open(path, &file) == EBB_OK);
    CHECK(ebb_safetensors_metadata_count(file) == 0 && !ebb_safetensors_metadata(file, "format"));
    ebb_safetensors_close(file);
    CHECK(ebb_safetensors_save(path, names, EBB_LIST(a), .metadata = EBB_METADATA({"k", "1"}, {"k", "2"})) != EBB_OK);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "the metadata's key \"k\" is there twice");
    CHECK(ebb_safetensors_save(path, names, EBB_LIST(a), .metadata = EBB_METADATA({"k", "\xFF"})) != EBB_OK);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "a text of the metadata is not UTF-8");
    CHECK(ebb_safetensors_save(path, names, EBB_LIST(a), .metadata = EBB_METADATA({"k", NULL})) != EBB_OK);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "a text of the metadata is NULL");
    CHECK(ebb_safetensors_save(path, names, EBB_LIST(a), .metadata = EBB_METADATA({NULL, "v"})) != EBB_OK);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "the metadata's key is NULL");
    names[0] = "__metadata__";
    CHECK(ebb_safetensors_save(path, names, EBB_LIST(a)) != EBB_OK);
    CHECK_ERROR(EBB_ERR_ARGUMENT, "is the format's own");
    remove_folder();
}

/* ---- files that lie ---- */

static ebb_safetensors *open_text(const char *header, size_t data) {
    static unsigned char bytes[2048];
    size_t n = strlen(header);
    CHECK(8 + n + data <= sizeof bytes);
    memset(bytes, 0, sizeof bytes);
    bytes[0] = (unsigned char)n;
    bytes[1] = (unsigned char)(n >> 8);
    memcpy(bytes + 8, header, n);
    ebb_safetensors *file = NULL;
    ebb_status status = ebb_safetensors_open_memory(bytes, 8 + n + data, "test", &file);
    CHECK((status == EBB_OK) == (file != NULL));
    return file;
}

#define ENTRY(dtype, shape, offsets) "\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets

EBB_TEST(headers_that_lie) {
    static const struct {
        const char *header;
        size_t data;
        ebb_status status;
        const char *text;
    } cases[] = {
        {"", 0, EBB_ERR_FORMAT, "not JSON"},
        {" {}", 0, EBB_ERR_FORMAT, "not a JSON object"},
        {"[]", 0, EBB_ERR_FORMAT, "not a JSON object"},
        {"{\"a\":", 0, EBB_ERR_FORMAT, "not JSON"},
        {"{\"a\":1}", 0, EBB_ERR_FORMAT, "is not an object"},
        {"{\"a\":{}}", 0, EBB_ERR_FORMAT, "has no dtype"},
        {"{\"a\":{" ENTRY("F99", "[1]", "[0,4]") "}}", 4, EBB_ERR_FORMAT, "unknown dtype"},
        {"{\"a\":{" ENTRY("F8_E4M3FN", "[1]", "[0,1]") "}}", 1, EBB_ERR_FORMAT, "unknown dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, EBB_ERR_FORMAT, "has no data_offsets"},
        {"{\"a\":{" ENTRY("F32", "[1]", "[0]") "}}", 4, EBB_ERR_FORMAT, "has no data_offsets"},
        {"{\"a\":{" ENTRY("F32", "[1]", "[0,4.5]") "}}", 4, EBB_ERR_FORMAT, "has no data_offsets"},
        {"{\"a\":{" ENTRY("F32", "[1]", "[-4,0]") "}}", 4, EBB_ERR_FORMAT, "out of range"},
        {"{\"a\":{" ENTRY("F32", "[1]", "[4,0]") "}}", 4, EBB_ERR_FORMAT, "out of range"},
        {"{\"a\":{" ENTRY("F32", "[1]", "[4,8]") "}}", 4, EBB_ERR_FORMAT, "out of range"},
        {"{\"a\":{" ENTRY("F32", "[2]", "[0,4]") "}}", 4, EBB_ERR_FORMAT, "do not agree"},
        {"{\"a\":{" ENTRY("F32", "1", "[0,4]") "}}", 4, EBB_ERR_FORMAT, "has no shape"},
        {"{\"a\":{" ENTRY("F32", "[-1]", "[0,4]") "}}", 4, EBB_ERR_FORMAT, "not a whole number"},
        {"{\"a\":{" ENTRY("F32", "[4294967296,4294967296]", "[0,4]") "}}", 4, EBB_ERR_FORMAT, "larger than any file"},
        {"{\"a\":{" ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}}", 4, EBB_ERR_UNSUPPORTED, "9 dimensions"},
        {"{\"a\":{" ENTRY("F32", "[1]", "[0,4]") "}}", 8, EBB_ERR_FORMAT, "has 8 bytes of data, its entries 4"},
        {"{\"a\":{" ENTRY("F32", "[1]", "[4,8]") "}}", 8, EBB_ERR_FORMAT, "leaves a gap"},
        {"{\"a\":{" ENTRY("F32", "[2]", "[0,8]") "},\"b\":{" ENTRY("F32", "[1]", "[4,8]") "}}", 8, EBB_ERR_FORMAT,
         "\"b\": overlaps"},
        {"{\"__metadata__\":1}", 0, EBB_ERR_FORMAT, "is not an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, EBB_ERR_FORMAT, "is more than keys and texts"},
        {"{\"a\":{" ENTRY("F4", "[3]", "[0,2]") "}}", 2, EBB_ERR_FORMAT, "do not agree"},
        {"{\"a\":{" ENTRY("F32", "[1]", "[0,4]") "},\"a\":{" ENTRY("F32", "[1]", "[0,4]") "}}", 4, EBB_ERR_FORMAT,
         "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(!open_text(cases[i].header, cases[i].data));
        CHECK_ERROR(cases[i].status, cases[i].text);
    }
}

EBB_TEST(what_the_format_allows) {
    ebb_safetensors *file = open_text("{}   ", 0);
    CHECK(file && ebb_safetensors_count(file) == 0);
    ebb_safetensors_close(file);
    file = open_text("{\"__metadata__\":{\"format\":\"pt\"},\"e\":{" ENTRY(
                         "I64", "[0,4611686018427387904]", "[4,4]") "},"
                                                                    "\"h\":{" ENTRY("U16", "[2]", "[0,4]") "}}",
                     4);
    CHECK(file && ebb_safetensors_count(file) == 2);
    CHECK(ebb_safetensors_find(file, "h") == 0 && ebb_safetensors_dtype(file, 0) == EBB_DTYPE_NONE);
    CHECK(!ebb_safetensors_get(file, "h"));
    CHECK_ERROR(EBB_ERR_UNSUPPORTED, "is U16, which Ebb does not have");
    ebb_safetensors_close(file);
}

EBB_TEST(files_that_are_cut_off) {
    ebb_safetensors *file = NULL;
    static const unsigned char huge[8] = {255, 255, 255, 255, 255, 255, 255, 255},
                               longer[9] = {3, 0, 0, 0, 0, 0, 0, 0, '{'};
    for (size_t n = 0; n < 8; n++) {
        CHECK(ebb_safetensors_open_memory(huge, n, "test", &file) == EBB_ERR_FORMAT);
        CHECK_ERROR(EBB_ERR_FORMAT, "cut off");
    }
    CHECK(ebb_safetensors_open_memory(huge, 8, "test", &file) == EBB_ERR_FORMAT);
    CHECK_ERROR(EBB_ERR_FORMAT, "says its header has 18446744073709551615 bytes");
    CHECK(ebb_safetensors_open_memory(longer, 9, "test", &file) == EBB_ERR_FORMAT);
    CHECK_ERROR(EBB_ERR_FORMAT, "says its header has 3 bytes");
    CHECK(ebb_safetensors_open("no/such/file", &file) == EBB_ERR_IO);
    CHECK_ERROR(EBB_ERR_IO, "no/such/file: No such file");
    CHECK(ebb_safetensors_open("data", &file) == EBB_ERR_IO);
    CHECK_ERROR(EBB_ERR_IO, "data: ");
    CHECK(!file && !ebb_safetensors_close(NULL));
}

static void save_and_load(void) {
    EBB_SCOPE {
        ebb_tensor *a = ebb_ones(EBB_DIMS(2, 3)), *b = ebb_zeros(EBB_DIMS(2, 3)), *large = ebb_zeros(EBB_DIMS(1 << 14));
        const char *names[] = {"a", "large"};
        if (ebb_safetensors_save(path, names, EBB_LIST(ebb_t(a), large), .metadata = EBB_METADATA({"k", "v"})) ==
            EBB_OK) {
            (void)ebb_safetensors_load(path, names, EBB_LIST(ebb_reshape(b, EBB_DIMS(3, 2)), large));
        }
    }
}

EBB_TEST(every_allocation_may_fail) {
    make_folder();
    CHECK_ALLOCATIONS_FAILING(save_and_load, 0);
    remove_folder();
}

static int jansson_left; /* of jansson's allocations, until they fail */
static void *jansson_malloc(size_t n) { return jansson_left-- > 0 ? malloc(n) : NULL; }

EBB_TEST(every_allocation_of_jansson_may_fail) {
    make_folder();
    ebb_tensor *a = ebb_ones(EBB_DIMS(2, 3)), *b = ebb_zeros(EBB_DIMS(2, 3));
    const char *names[] = {"a"};
    int failures[2] = {0, 0};
    for (int i = 0; i < 2; i++)
        for (bool failed = true; failed; failures[i] += failed) {
            jansson_left = failures[i];
            json_set_alloc_funcs(jansson_malloc, free);
            if (i == 0) (void)ebb_safetensors_save(path, names, EBB_LIST(a), .metadata = EBB_METADATA({"k", "v"}));
            else (void)ebb_safetensors_load(path, names, EBB_LIST(b));
            json_set_alloc_funcs(malloc, free);
            failed = ebb_error() != NULL;
            if (failed && i == 0) CHECK_ERROR(EBB_ERR_MEMORY, "no memory for the header");
            else if (failed) CHECK_ERROR(ebb_error_status(), "header"); /* jansson may take it for a wrong text */
            CHECK(failures[i] < 1000);
        }
    CHECK(failures[0] > 10 && failures[1] > 10);
    CHECK_VALUES(b, 0, 1, 1, 1, 1, 1, 1);
    remove_folder();
}

#else

EBB_TEST(without_jansson) {
    ebb_safetensors *file = NULL;
    CHECK(ebb_safetensors_open("file", &file) == EBB_ERR_UNSUPPORTED && !file);
    CHECK_ERROR(EBB_ERR_UNSUPPORTED, "without jansson");
    CHECK(ebb_safetensors_save("file", NULL, ((ebb_list){0, NULL})) == EBB_ERR_UNSUPPORTED);
    CHECK_ERROR(EBB_ERR_UNSUPPORTED, "without jansson");
}

#endif

EBB_TEST_MAIN
