/* Finding and opening the CUDA module. */
#include "src/tensor/device.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "uda_cuda.so"
#define PATH_BYTES 4096

/* dlopen under `folder` (with its '/'; "" asks the library path). */
static void *open_in(const char *folder, const char *rest, char *why, size_t bytes)
{
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof path, "%s%s" MODULE, folder, rest);
    if (length < 0 || (size_t)length >= sizeof path) {
        return NULL;
    }
    bool file = strchr(path, '/') != NULL;
    if (file && access(path, R_OK) != 0) {
        return NULL;
    }
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *said = module == NULL ? dlerror() : NULL;
    if (said != NULL && (file || why[0] == '\0')) {
        (void)snprintf(why, bytes, "%s", said);
    }
    return module;
}

/* The folder of the program, with its '/'; "" when unknown. */
static void program_folder(char *folder, size_t bytes)
{
    ssize_t length = readlink("/proc/self/exe", folder, bytes - 1);
    folder[length < 0 ? 0 : length] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        folder[0] = '\0';
    } else {
        slash[1] = '\0';
    }
}

int uda_device_cuda(const struct uda_backend **backend, struct uda_err *err)
{
    static const char *const below[] = {"", "../kernels/cuda/", "kernels/cuda/", "../lib/uda4inst/"};
    char folder[PATH_BYTES], why[512] = "";
    const char *chosen = getenv("UDA_CUDA_MODULE");
    void *module = NULL;
    if (chosen != NULL) {
        module = dlopen(chosen, RTLD_NOW | RTLD_LOCAL);
        const char *said = module == NULL ? dlerror() : NULL;
        (void)snprintf(why, sizeof why, "%s", said != NULL ? said : "");
    } else {
        program_folder(folder, sizeof folder);
        for (int64_t i = 0; i < UDA_LEN(below) && module == NULL && folder[0] != '\0'; i++) {
            module = open_in(folder, below[i], why, sizeof why);
        }
        module = module != NULL ? module : open_in("", "", why, sizeof why);
    }
    if (module == NULL) {
        return uda_fail(err, UDA_UNSUPPORTED, "no CUDA module: %s", why);
    }
    uda_backend_module_fn *entry = NULL;
    void *symbol = dlsym(module, UDA_BACKEND_SYMBOL);
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast between the two */
    const struct uda_backend *found = entry == NULL ? NULL : entry();
    if (found == NULL || found->abi() != uda_backend_abi()) {
        return uda_fail(err, UDA_UNSUPPORTED, "the CUDA module is of another build: build both anew");
    }
    *backend = found;
    return 0; /* the module stays open for the life of the program */
}
