#!/bin/sh
# Prints the folder of the libgomp that the matrix library is linked with, so that clang finds it too.
set -eu
gcc -print-file-name=libgomp.so | xargs dirname
