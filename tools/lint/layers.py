#!/usr/bin/env python3
"""Checks what STYLE.md says and a program can see: includes go down only, third-party headers and dangerous calls
stay in their one file, files, functions and lines keep their size, public functions are documented, and no file
names the machine it was written on. Prints every violation as file:line: text; the exit status is the verdict."""
import os
import re
import subprocess
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
MAX_LINE, MAX_LINE_ELSEWHERE = 110, 120  # STYLE.md: 100; this is where a table or a message stops being excused

# Call -> the only files that may make it.
CALLS = [
    (r'malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strdup|strndup', r'src/base/arena\.c'),
    (r'printf|puts|putchar|fprintf|fputs|perror', r'src/(cmd/.*|main|base/log)\.c'),
    (r'exit|_exit|abort', r'src/(main|stage/stop|dist/watch)\.c'),
    (r'alloca|strtok|gets|sprintf|vsprintf|strcpy|strcat|rand|srand|random|drand48|system|popen', r'(?!)'),
]
SOURCES = ('.c', '.h', '.cu', '.cuh', '.py', '.sh', '.build', '.def', '.ci/run')
GNU = re.compile(r'__attribute__|__builtin_|\btypeof\b|__extension__|__asm__')
# What only makes sense where a file was written.
LOCAL = re.compile(r'(?<![\w.])/(work|root|opt|home|mnt|Users)/\w')


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


def without_comments(lines):
    """The lines with comments and string contents blanked out."""
    def blank(match):
        text = match.group(0)
        return re.sub(r'[^\n]', ' ', text) if text[0] == '/' else text[0] + ' ' * (len(text) - 2) + text[-1]
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, ''.join(lines), flags=re.S).splitlines()


def check_calls(path, lines, report):
    for number, line in enumerate(without_comments(lines), 1):
        for names, owner in CALLS:
            match = re.search(r'(?<![\w>.])(' + names + r')\s*\(', line)
            if match and not re.fullmatch(owner, path):
                report(path, number, f'{match.group(1)}() does not belong here')
        if GNU.search(line) and path != 'src/base/compiler.h':
            report(path, number, 'GNU extensions are named in src/base/compiler.h alone')


def check_header(path, lines, report):
    text = ''.join(lines)
    if not text.lstrip().startswith('/*'):
        report(path, 1, 'a header opens with its purpose')
    guard = 'UDA_' + re.sub(r'[/.]', '_', re.sub(r'^src/', '', path)).upper()
    if f'#ifndef {guard}\n#define {guard}\n' not in text:
        report(path, 1, f'its include guard is {guard}')


def check_documented(path, lines, report):
    """Every function of a header stands under a comment; several may share one if no empty line is between."""
    documented, inside = False, False
    for number, line in enumerate(lines, 1):
        if inside or line.startswith('/*'):
            inside = '*/' not in line
            documented = True
        elif not line.strip():
            documented = False
        elif re.match(r'(?!static|typedef|enum|#|return)[A-Za-z_][\w *]*\buda_\w+\(', line) and not documented:
            report(path, number, 'a public function without a word')


def check_text(path, lines, report):
    limit = MAX_LINE if path.endswith(('.c', '.h', '.cu', '.cuh')) else MAX_LINE_ELSEWHERE
    for number, line in enumerate(lines, 1):
        text = line.rstrip('\n')
        if '\t' in text:
            report(path, number, 'a tab')
        if text != text.rstrip():
            report(path, number, 'blanks at the end')
        if len(text) > limit:
            report(path, number, f'{len(text)} characters: a line has at most {limit}')
        if LOCAL.search(text):
            report(path, number, 'a path of one machine')
    if lines and not lines[-1].endswith('\n'):
        report(path, len(lines), 'no newline at the end')


def tracked():
    """Files of the repository; without git, every file below the source folders."""
    try:
        listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=ROOT, capture_output=True,
                                text=True, check=True).stdout.split('\n')
        return sorted(path for path in listed if path and os.path.exists(os.path.join(ROOT, path)))
    except (OSError, subprocess.CalledProcessError):
        found = []
        for top in ('src', 'io', 'kernels', 'tests', 'tools', 'manifests'):
            for folder, _, files in os.walk(os.path.join(ROOT, top)):
                found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in files]
        return sorted(found)


def main():
    problems = []

    def report(path, line, text):
        problems.append(f'{path}:{line}: {text}')

    exceptions = allowed()
    for path in tracked():
        code = path.endswith(('.c', '.h', '.cu', '.cuh'))
        if path.startswith('tests/data') or not path.endswith(SOURCES):
            continue
        with open(os.path.join(ROOT, path), encoding='utf-8') as handle:
            lines = handle.readlines()
        check_text(path, lines, report)
        if code:
            check_includes(path, lines, report)
            check_sizes(path, lines, report, exceptions)
        if code and path.startswith(('src/', 'io/', 'kernels/')):
            check_calls(path, lines, report)
            if path.endswith('.h'):
                check_header(path, lines, report)
                check_documented(path, lines, report)
    print('\n'.join(problems) if problems else 'lint: clean')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
