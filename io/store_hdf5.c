#include "io/store_internal.h"

#include <stdio.h>
#include <string.h>

void uda_store_hdf5_init(void)
{
    /* Without its exit handler: after a failed allocation libhdf5 would flush half-made files
     * there. */
    (void)H5dont_atexit();
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static herr_t take_innermost(unsigned n, const H5E_error2_t *error, void *user)
{
    if (n == 0 && error->desc != NULL) {
        (void)snprintf(user, UDA_STORE_WHY_BYTES, "%s", error->desc);
    }
    return 0;
}

const char *uda_store_hdf5_why(char why[UDA_STORE_WHY_BYTES])
{
    (void)snprintf(why, UDA_STORE_WHY_BYTES, "no reason given");
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_innermost, why);
    return why;
}

const char *uda_store_type_name(enum uda_store_type type)
{
    switch (type) {
    case UDA_STORE_F32: return "f32";
    case UDA_STORE_F64: return "f64";
    case UDA_STORE_I32: return "i32";
    case UDA_STORE_I64: return "i64";
    case UDA_STORE_U8: return "u8";
    case UDA_STORE_U16: return "u16";
    case UDA_STORE_U32: return "u32";
    case UDA_STORE_TEXT: return "text";
    case UDA_STORE_TYPES: break;
    }
    return "of a foreign type";
}

hid_t uda_store_native(enum uda_store_type type)
{
    switch (type) {
    case UDA_STORE_F32: return H5T_NATIVE_FLOAT;
    case UDA_STORE_F64: return H5T_NATIVE_DOUBLE;
    case UDA_STORE_I32: return H5T_NATIVE_INT32;
    case UDA_STORE_I64: return H5T_NATIVE_INT64;
    case UDA_STORE_U8: return H5T_NATIVE_UINT8;
    case UDA_STORE_U16: return H5T_NATIVE_UINT16;
    case UDA_STORE_U32: return H5T_NATIVE_UINT32;
    case UDA_STORE_TEXT:
    case UDA_STORE_TYPES: break;
    }
    return H5I_INVALID_HID;
}

hid_t uda_store_on_disk(enum uda_store_type type)
{
    switch (type) {
    case UDA_STORE_F32: return H5T_IEEE_F32LE;
    case UDA_STORE_F64: return H5T_IEEE_F64LE;
    case UDA_STORE_I32: return H5T_STD_I32LE;
    case UDA_STORE_I64: return H5T_STD_I64LE;
    case UDA_STORE_U8: return H5T_STD_U8LE;
    case UDA_STORE_U16: return H5T_STD_U16LE;
    case UDA_STORE_U32: return H5T_STD_U32LE;
    case UDA_STORE_TEXT:
    case UDA_STORE_TYPES: break;
    }
    return H5I_INVALID_HID;
}

size_t uda_store_type_bytes(enum uda_store_type type)
{
    switch (type) {
    case UDA_STORE_F32:
    case UDA_STORE_I32:
    case UDA_STORE_U32: return 4;
    case UDA_STORE_F64:
    case UDA_STORE_I64: return 8;
    case UDA_STORE_U16: return 2;
    case UDA_STORE_U8:
    case UDA_STORE_TEXT:
    case UDA_STORE_TYPES: break;
    }
    return 1;
}

hid_t uda_store_text_type(size_t width)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && (H5Tset_size(type, width) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
                      H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        (void)H5Tclose(type);
        return H5I_INVALID_HID;
    }
    return type;
}

enum uda_store_type uda_store_classify(hid_t type)
{
    if (H5Tget_class(type) == H5T_STRING) {
        bool fixed = H5Tis_variable_str(type) == 0 && H5Tget_strpad(type) == H5T_STR_NULLPAD;
        return fixed ? UDA_STORE_TEXT : UDA_STORE_TYPES;
    }
    for (int i = 0; i < UDA_STORE_TEXT; i++) {
        if (H5Tequal(type, uda_store_on_disk((enum uda_store_type)i)) > 0) {
            return (enum uda_store_type)i;
        }
    }
    return UDA_STORE_TYPES;
}

bool uda_store_name_ok(const char *name)
{
    size_t bytes = strlen(name);
    if (bytes == 0 || bytes > UDA_STORE_MAX_NAME) {
        return false;
    }
    for (const char *part = name;;) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.')) {
            return false;
        }
        if (part[length] == '\0') {
            return true;
        }
        part += length + 1;
    }
}
