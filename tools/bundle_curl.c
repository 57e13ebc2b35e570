/*
 * A libcurl that can do nothing, for tools/bundle.sh. Only the driver of libhdf5 that reads from S3 asks for
 * libcurl; this program never opens it, and the real library brings thirty others along. Every call
 * fails as the real one would without a network.
 */
enum { FAILED_INIT = 2, COULD_NOT_CONNECT = 7 };

int curl_global_init(long flags);
void curl_global_cleanup(void);
void *curl_easy_init(void);
int curl_easy_setopt(void *handle, int option, ...);
int curl_easy_perform(void *handle);
void curl_easy_cleanup(void *handle);
void *curl_slist_append(void *list, const char *text);
void curl_slist_free_all(void *list);

int curl_global_init(long flags)
{
    (void)flags;
    return FAILED_INIT;
}

void curl_global_cleanup(void) {}

void *curl_easy_init(void) { return (void *)0; }

int curl_easy_setopt(void *handle, int option, ...)
{
    (void)handle;
    (void)option;
    return FAILED_INIT;
}

int curl_easy_perform(void *handle)
{
    (void)handle;
    return COULD_NOT_CONNECT;
}

void curl_easy_cleanup(void *handle) { (void)handle; }

void *curl_slist_append(void *list, const char *text)
{
    (void)list;
    (void)text;
    return (void *)0;
}

void curl_slist_free_all(void *list) { (void)list; }
