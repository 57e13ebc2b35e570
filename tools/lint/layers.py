#!/usr/bin/env python3
"""Checks that includes go down only, that third-party headers stay in their one file, and that files and functions
keep their size. Prints every violation as file:line: text; the exit status is the verdict."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

BASE = {'src/base'}
TENSOR = BASE | {'kernels', 'src/tensor'}
NET = TENSOR | {'src/ops'}
# Layer -> layers it may include (itself is always allowed).
LAYERS = {
    'src/base': set(),
    'io': BASE,
    'kernels': BASE,
    'src/tensor': BASE | {'kernels'},
    'src/ops': TENSOR,
    'src/nn': NET,
    'src/model': NET | {'src/nn'},
    'src/loss': NET | {'src/nn', 'src/model'},
    'src/optim': NET | {'src/nn'},
    'src/uda': NET | {'src/nn', 'src/model', 'src/data', 'io'},
    'src/plan': BASE | {'io'},
    'src/data': BASE | {'io'},
    'src/eval': BASE | {'io'},
    'src/scenes': BASE | {'io'},
    'src/dist': BASE | {'io', 'src/tensor', 'kernels'},
    'src/stage': NET | {'io', 'src/nn', 'src/model', 'src/loss', 'src/optim', 'src/uda', 'src/plan', 'src/data',
                        'src/eval', 'src/scenes', 'src/dist'},
}
LAYERS['src/cmd'] = set().union(*LAYERS.values()) | {'src/stage'}
LAYERS['src'] = LAYERS['src/cmd'] | {'src/cmd'}

# Third-party header -> the only files that may name it.
OWNERS = [
    (r'yaml\.h', r'io/yaml.*\.c'),
    (r'png\.h', r'io/png\.c'),
    (r'hdf5\.h', r'io/store.*\.[ch]'),
    (r'jansson\.h', r'io/json\.c'),
    (r'xxhash\.h', r'src/base/hash\.c'),
    (r'(dnnl|oneapi/).*', r'kernels/cpu/.*'),
    (r'(cuda|cublas|cudnn|nccl).*', r'kernels/cuda/.*'),
    (r'mpi\.h', r'src/dist/.*'),
]
MAX_FILE, MAX_FUNCTION, MAX_KERNEL = 800, 80, 120


def allowed():
    path = os.path.join(ROOT, 'tools/lint/allow.txt')
    names = set()
    if os.path.exists(path):
        for line in open(path, encoding='utf-8'):
            line = line.split('#')[0].strip()
            if line:
                names.add(line)
    return names


def layer_of(path):
    if path.startswith('io/'):
        return 'io'
    if path.startswith('kernels/'):
        return 'kernels'
    if path.startswith('src/'):
        return os.path.dirname(path)
    return None


def check_includes(path, lines, report):
    layer = layer_of(path)
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        quoted, header = match.group(1) == '"', match.group(2)
        if quoted:
            target = layer_of(header)
            if header.startswith('tests/') and layer is not None:
                report(path, number, f'the program may not include "{header}"')
            elif target is not None and layer is not None and target != layer and target not in LAYERS[layer]:
                report(path, number, f'{layer} may not include {target} ("{header}"): includes go down only')
            if not os.path.exists(os.path.join(ROOT, header)):
                report(path, number, f'"{header}" is not a root-relative header')
        else:
            for pattern, owner in OWNERS:
                if layer is not None and re.fullmatch(pattern, header) and not re.fullmatch(owner, path):
                    report(path, number, f'<{header}> may be included by {owner} alone')


def check_sizes(path, lines, report, exceptions):
    if len(lines) > MAX_FILE and path not in exceptions:
        report(path, len(lines), f'{len(lines)} lines: a file has at most {MAX_FILE}')
    limit = MAX_KERNEL if path.startswith('kernels/') else MAX_FUNCTION
    start = None
    for number, line in enumerate(lines, 1):
        if line == '{\n' or line == '{':
            start = number
        elif line.rstrip() == '}' and start is not None:
            if number - start - 1 > limit and f'{path}:{start}' not in exceptions and path not in exceptions:
                report(path, start, f'a function of {number - start - 1} lines: at most {limit}')
            start = None


def check_header(path, lines, report):
    text = ''.join(lines)
    if not text.lstrip().startswith('/*'):
        report(path, 1, 'a header opens with its purpose')
    if '#ifndef UDA_' not in text:
        report(path, 1, 'a header has an include guard UDA_...')


def main():
    problems = []

    def report(path, line, text):
        problems.append(f'{path}:{line}: {text}')

    exceptions = allowed()
    for top in ('src', 'io', 'kernels', 'tests', 'tools'):
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            for name in sorted(files):
                if not name.endswith(('.c', '.h', '.cu', '.cuh')):
                    continue
                full = os.path.join(folder, name)
                path = os.path.relpath(full, ROOT)
                with open(full, encoding='utf-8') as handle:
                    lines = handle.readlines()
                check_includes(path, lines, report)
                check_sizes(path, lines, report, exceptions)
                if name.endswith('.h') and not path.startswith('tests/'):
                    check_header(path, lines, report)
                for number, line in enumerate(lines, 1):
                    if '\t' in line:
                        report(path, number, 'a tab')
                    if len(line.rstrip('\n')) > 120:
                        report(path, number, 'a line of over 120 characters')
    print('\n'.join(problems) if problems else 'lint: clean')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
