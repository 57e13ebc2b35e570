"""The program's counter random numbers (src/base/rng.h) in numpy, so that golden files need no weights and no draws."""
import numpy as np

PURPOSE_MATCH, PURPOSE_LOSS, PURPOSE_TEST = 5, 6, 100


def philox(counter, key):
    """Philox4x32-10 of counters [n, 4] and one key (two words): [n, 4] uint32."""
    c = [counter[:, i].astype(np.uint64) for i in range(4)]
    k0, k1 = int(key[0]), int(key[1])
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c[0]
        p1 = np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & low,
             (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p0 & low]
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, 1).astype(np.uint32)


def words(n, seed, purpose, stage, step, sample, first_block=0):
    """The first n words of a stream from block first_block on."""
    blocks = (n + 3) // 4
    counter = np.zeros((blocks, 4), np.uint64)
    counter[:, 0] = (np.arange(blocks, dtype=np.uint64) + np.uint64(first_block)) & np.uint64(0xFFFFFFFF)
    counter[:, 1:] = np.array([sample, step, stage], np.uint64)
    key = (seed & 0xFFFFFFFF, (seed >> 32) ^ ((purpose * 0x9E3779B9) & 0xFFFFFFFF))
    return philox(counter, key).reshape(-1)[:n]


def uniforms(n, *stream, **at):
    return ((words(n, *stream, **at) >> np.uint32(8)).astype(np.float32) * np.float32(2.0 ** -24))


def normals(n, *stream):
    w = words(2 * n, *stream).astype(np.float64)
    u, v = (w[0::2] + 0.5) * 2.0 ** -32, (w[1::2] + 0.5) * 2.0 ** -32
    return (np.sqrt(-2.0 * np.log(u)) * np.cos(6.283185307179586 * v)).astype(np.float32)
